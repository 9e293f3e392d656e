"""The life of a daemon: lock, assemble, recover, serve, drain; in that order.

    python -m daemon [--foreground]

Exit codes: 0 drained, 1 a bug, 2 the configuration cannot be used, 70 the storage broke, 75 already running or the port is
taken.
"""

import asyncio
import errno
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time  # noqa: TID251 - to set the zone, not to read a clock
from collections.abc import Callable
from typing import Any, NoReturn

from uvicorn import Config, Server

from daemon import logs, standing
from daemon.app import build
from daemon.gate import Gate
from daemon.live import Hub
from daemon.lockfile import AlreadyRunning, DaemonFiles, lock, new_token
from daemon.metrics import Counts
from daemon.one_core import stay_on_one_core
from daemon.ports import PortTaken, bind
from daemon.protocols import HttpProtocol, SocketProtocol, raise_file_limit
from daemon.service import Service
from order_engine import __version__, messages
from order_engine.assembly import assemble
from order_engine.clock import SystemClock, timestamp
from order_engine.database import DatabaseUnusable
from order_engine.engine import Engine
from order_engine.home import Home
from order_engine.settings import ConfigError, Settings, load

DRAINED, BUG, CONFIG_ERROR, STORAGE_BROKE, ALREADY_RUNNING = 0, 1, 2, 70, 75

DRAIN_MS = 4_000  # for open orders
STOP_S = 5.8  # for everything, from the signal to the end
KEEP_ALIVE_S = 75
SOCKET_MESSAGE_BYTES = 4 * 1024
PING_S = 20.0
GRACE_S = 1  # for answers that are on their way when everything else is done

log = logging.getLogger("daemon.main")


def main() -> NoReturn:
    """Runs a daemon until it is told to stop. Never returns: the exit code says why it ended."""
    os.umask(0o077)
    stay_on_one_core()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would have the token in it
    os.environ["TZ"] = "UTC"
    time.tzset()
    home = Home.from_environment()
    try:
        settings = load(home.config_file)
        home.make()
        held = lock(home)
        listening = bind(settings.port)
    except (ConfigError, OSError) as error:
        _leave(CONFIG_ERROR, str(error))
    except (AlreadyRunning, PortTaken) as error:
        _leave(ALREADY_RUNNING, str(error))
    stop_logging = logs.configure(
        home.log_file, settings.log_level, sys.stderr if "--foreground" in sys.argv[1:] else None
    )

    def on_fatal(reason: str) -> None:
        """From any thread: nothing more may be said or done, so there is no tidying up either."""
        log.critical("the storage broke", extra={"facts": {"reason": reason}})
        stop_logging()
        _leave(STORAGE_BROKE, f"The storage broke: {reason}")

    files = DaemonFiles(home, new_token())
    try:
        engine = assemble(home, settings, on_fatal)
        asyncio.run(_serve(engine, settings, files, listening, lambda: _end(stop_logging)))
    except ConfigError as error:  # of the file of faults, which names venues and pools and so is read last
        stop_logging()
        _leave(CONFIG_ERROR, str(error))
    except DatabaseUnusable as error:
        log.critical("the storage cannot be used", extra={"facts": {"reason": str(error)}})
        stop_logging()
        _leave(STORAGE_BROKE, str(error))
    except Exception as error:
        log.critical("the daemon failed", exc_info=error)
        stop_logging()
        files.remove()
        _leave(BUG, f"The daemon failed: {type(error).__name__}: {error}. See {home.log_file}")
    held.release()
    _end(stop_logging)


def _end(stop_logging: Callable[[], None]) -> NoReturn:
    stop_logging()
    _leave(DRAINED)


def _leave(code: int, message: str = "") -> NoReturn:
    """Ends the process at once. A venue call that hangs in some thread must not keep it alive."""
    if message:
        print(message, file=sys.stderr, flush=True)
    os._exit(code)


async def _serve(
    engine: Engine, settings: Settings, files: DaemonFiles, listening: socket.socket, end: Callable[[], NoReturn]
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_once_a_second_while_out_of_files())
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _on_signal(number, stopping, files))
    url, port = f"http://127.0.0.1:{listening.getsockname()[1]}", listening.getsockname()[1]
    record = _record(url, files.home)
    counts = Counts()
    hub = Hub(engine, counts, loop)
    loop.add_signal_handler(signal.SIGUSR1, standing.tell, loop, hub)
    engine.start()
    server = _server(build(Service(engine, hub, counts, record), token=files.token, port=port))
    await server.startup(sockets=[listening])
    files.publish(record)
    _spare_the_collector()
    facts = {"url": url, "pid": os.getpid(), "version": __version__, "speed": settings.speed, "home": files.home.name}
    log.info("daemon ready", extra={"facts": facts})

    await stopping.wait()
    log.info("daemon stopping")
    overdue = threading.Timer(STOP_S, _overdue, (files, end))
    overdue.daemon = True
    overdue.start()
    left = await asyncio.to_thread(engine.drain, DRAIN_MS)  # meanwhile reading goes on, and orders are refused
    files.remove()
    await server.shutdown(sockets=[listening])
    hub.close()
    await asyncio.to_thread(engine.close)
    overdue.cancel()
    log.info("daemon stopped", extra={"facts": {"left_open": left}})


def _spare_the_collector() -> None:
    """What is there by now stays. Orders and events hold no rings, so that looking for rings every 700 objects finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def _overdue(files: DaemonFiles, end: Callable[[], NoReturn]) -> None:
    """Something does not end. What is open is on disk, and the next start goes on with it."""
    log.warning("daemon stopped without waiting any longer")
    files.remove()
    end()


def _on_signal(number: signal.Signals, stopping: asyncio.Event, files: DaemonFiles) -> Callable[[], None]:
    def stop() -> None:
        if stopping.is_set():  # the second time: at once; the journal is made for that
            files.remove()
            _leave(128 + number)
        stopping.set()

    return stop


def _once_a_second_while_out_of_files() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """asyncio waits a second when there is no file left for a connection, but says so thousands of times, each with a traceback."""
    clock, told = SystemClock(), -1_000.0

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif clock.steady_ms() - told >= 1_000:
            told = clock.steady_ms()
            log.warning("out of files: new connections wait", extra={"facts": {"error": str(error)}})

    return handle


def _record(url: str, home: Home) -> messages.Record:
    return {
        "schema": messages.DAEMON,
        "url": url,
        "tokenFile": str(home.token_file),
        "pid": os.getpid(),
        "version": __version__,
        "home": home.name,
        "startedAt": timestamp(SystemClock().now_ms()),
    }


def _server(app: Gate) -> Server:
    HttpProtocol.connections_max = raise_file_limit()
    config = Config(
        app,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=SOCKET_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody is in front of us, so nobody may say that he is
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
