"""Starting the daemon for a client that found none, once, however many clients look at the same moment.

It stands apart from the client because it needs what the client must not import for every order: subprocess and filelock.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from order_engine import __version__
from order_engine.client import Client, Daemon, find_daemon
from order_engine.clock import SystemClock
from order_engine.errors import Malformed, Unreachable
from order_engine.home import Home

READY_MS = 10_000
LOOK_MS = 20
SHOWN_LINES = 10

CONFIG_ERROR, ALREADY_RUNNING = 2, 75  # exit codes of the daemon

_CLOCK = SystemClock()


def ensure(home: Home, tell: Callable[[str], None]) -> Daemon:
    """A daemon of this version that answers, started if need be. Raises Unreachable with the end of its log if it does not.

    A daemon of another version is restarted when no order is open; otherwise the error names both versions.
    """
    home.make()
    try:
        with FileLock(home.start_lock, timeout=READY_MS / 1_000):
            daemon = find_daemon(home)
            if daemon is None or not answers(daemon):
                daemon = start(home)
                tell(f"Started the oee daemon (pid {daemon.pid}).")
            elif daemon.version != __version__:
                before = daemon.version
                _make_way(home, daemon)
                daemon = start(home)
                tell(f"Restarted the oee daemon (pid {daemon.pid}): it was {before}, this is {__version__}.")
            return daemon
    except Timeout as error:
        raise Unreachable(
            f"Another oee has been starting the daemon for {READY_MS // 1_000} s.", hint="See why: oee daemon logs"
        ) from error


def start(home: Home) -> Daemon:
    """Spawns a daemon, detached from this terminal, and returns it when it answers."""
    output = home.log_dir / "daemon.out"
    seen = output.stat().st_size if output.exists() else 0
    child = _spawn(home, output)
    deadline = _CLOCK.steady_ms() + READY_MS
    while _CLOCK.steady_ms() < deadline:
        daemon = find_daemon(home)
        if daemon is not None and answers(daemon):
            return daemon
        if child.poll() == ALREADY_RUNNING:  # one that is on its way up, or down: in the second case we are needed
            _CLOCK.sleep_ms(10 * LOOK_MS)
            child = _spawn(home, output)
        elif child.returncode == CONFIG_ERROR:
            raise Malformed(" ".join(_tail(output, seen)[-1:]) or "The daemon refuses its configuration.")
        elif child.returncode is not None:
            break
        _CLOCK.sleep_ms(LOOK_MS)
    raise _did_not_start(home, output, seen, child.returncode)


def answers(daemon: Daemon) -> bool:
    """True when an order execution engine answers where this daemon says it is."""
    connection = http.client.HTTPConnection(*daemon.address, timeout=2)
    try:
        connection.request("GET", "/")
        return "version" in json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return False
    finally:
        connection.close()


def stopped(pid: int, within_ms: float) -> bool:
    """True as soon as the process is gone; False when it still is there after `within_ms`."""
    deadline = _CLOCK.steady_ms() + within_ms
    while _runs(pid):
        if _CLOCK.steady_ms() >= deadline:
            return False
        _CLOCK.sleep_ms(LOOK_MS)
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _spawn(home: Home, output: Path) -> subprocess.Popen[bytes]:
    code = Path(__file__).resolve().parent.parent  # so that `-m daemon` is ours and not a folder of the caller's
    environment = dict(os.environ)
    root = home.config_dir.parent
    if vars(Home.at(root)) == vars(home):
        environment["OEE_HOME"] = str(root)  # absolute: the daemon starts in another folder
    else:
        environment.pop("OEE_HOME", None)
    if faults := environment.get("OEE_FAULTS"):
        environment["OEE_FAULTS"] = str(Path(faults).expanduser().absolute())  # likewise
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "daemon"],
            cwd=code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    # A program that lives on must take note of its daemon's end, or that stays in the process table and seems to run.
    threading.Thread(target=child.wait, name="daemon's end", daemon=True).start()
    return child


def _make_way(home: Home, daemon: Daemon) -> None:
    with Client(home, autostart=False) as client:
        still_open = int(client.status()["open"])
        pid = int(client.daemon()["pid"])  # from the daemon itself: a file may be old
    if still_open:
        orders = "1 open order" if still_open == 1 else f"{still_open} open orders"
        raise Unreachable(
            f"The running daemon is {daemon.version} and has {orders}; this oee is {__version__}.",
            hint="Run: oee daemon restart",
        )
    os.kill(pid, signal.SIGTERM)
    if not stopped(pid, READY_MS):
        raise Unreachable(f"The daemon {daemon.version} (pid {pid}) did not stop.", hint="Look: oee daemon logs")


def _did_not_start(home: Home, output: Path, seen: int, code: int | None) -> Unreachable:
    what = f"did not start in {READY_MS // 1_000} s" if code is None else f"ended at once with code {code}"
    source, lines = output, _tail(output, seen)
    if not lines:
        source, lines = home.log_file, _tail(home.log_file, 0)
    shown = "".join(f"\n  {line}" for line in lines)
    return Unreachable(
        f"The daemon {what}." + (f" Last lines of {source}:{shown}" if lines else ""), hint="Check: oee doctor"
    )


def _tail(path: Path, offset: int) -> list[str]:
    """The last lines that were written to a file after `offset`."""
    try:
        with path.open("rb") as file:
            file.seek(max(offset, path.stat().st_size - 64 * 1_024))
            return file.read().decode("utf-8", "replace").splitlines()[-SHOWN_LINES:]
    except OSError:
        return []
