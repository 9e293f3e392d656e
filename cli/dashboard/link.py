"""The link to the daemon: one thread hears every event, a second one reads how the market is, a third one acts.

Each has a client of its own and hands over what it has through a queue, which the app empties when its timer ticks.
A daemon that is gone is waited for as long as it takes; it is started only on the first connection, because one that
goes away later was stopped by somebody.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from cli.dashboard.desk import CONNECTED, RECONNECTING, STORIES, Desk, LinkState, Reading
from order_engine.client import Client, find_daemon, no_daemon
from order_engine.clock import SystemClock
from order_engine.errors import EngineError

Record = dict[str, Any]

TAIL = 500  # events of before that the log begins with
READ_EVERY_S = 2.0
PAUSE_S, PAUSE_S_MAX = 0.5, 5.0

_CLOCK = SystemClock()


class _Stopped(Exception):
    """Nobody listens any more."""


class Link:
    """The threads that listen and read. `start` once, `deliver` at every tick, `stop` at the end."""

    def __init__(self, client_for: Callable[[], Client]) -> None:
        self._client_for = client_for
        self._news: SimpleQueue[Callable[[Desk], None]] = SimpleQueue()
        self._stopped = threading.Event()
        self._met = threading.Event()  # a daemon answered once
        self._read_now = threading.Event()
        self._seq = 0
        self._phase = ""
        self.trouble: Exception | None = None  # why nothing will come any more

    def start(self) -> None:
        """Begins to listen."""
        for work in (self._listen, self._read):
            threading.Thread(target=work, name=f"dashboard{work.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Lets the threads end: at once where they wait, else within a quarter of a second."""
        self._stopped.set()
        self._met.set()
        self._read_now.set()

    def read_now(self) -> None:
        """Reads the market without waiting for the next turn: something was done that changes it."""
        self._read_now.set()

    def deliver(self, desk: Desk) -> bool:
        """Puts all that has arrived on the desk. False when it was nothing."""
        count = self._news.qsize()
        for _ in range(count):
            self._news.get()(desk)
        return count > 0

    # events

    def _listen(self) -> None:
        pause_s = PAUSE_S
        client = self._client_for()
        with contextlib.suppress(_Stopped):
            while not self._stopped.is_set():
                try:
                    if not self._met.is_set():
                        self._load(client)
                    for event in self._events(client):
                        self._seq, pause_s = event["seq"], PAUSE_S
                        self._hear(event)
                except EngineError as error:
                    if not self._met.is_set():
                        self.trouble = error
                        return
                    self._lost()
                    self._stopped.wait(pause_s)
                    pause_s = min(pause_s * 2, PAUSE_S_MAX)
                except _Stopped:
                    raise
                except Exception as error:  # a bug, which must not scroll by behind the screen
                    self.trouble = error
                    return
        client.close()

    def _load(self, client: Client) -> None:
        """What there was before: first the number of the newest event, so that nothing can happen unheard in between."""
        status = client.status()
        client.autostart = False
        self._seq = int(status["seq"])
        at_ms = _CLOCK.now_ms()
        self._news.put(lambda desk: desk.refresh(Reading(at_ms, status=status)))
        self._connected()
        self._met.set()
        newest = list(client.orders(limit=STORIES))
        known = {order["orderId"] for order in newest}
        older = [order for order in client.orders(status="open") if order["orderId"] not in known]
        log = list(client.events(max(self._seq - TAIL, 0), limit=TAIL))
        self._news.put(lambda desk: desk.load([*older, *newest], [event for event in log if event["seq"] <= self._seq]))

    def _events(self, client: Client) -> Iterator[Record]:
        from order_engine.following import follow

        return follow(client, None, self._seq, None, self._tell, self._stopped.is_set)

    def _tell(self, text: str) -> None:
        from order_engine.following import BACK

        if self._stopped.is_set():
            raise _Stopped
        if text == BACK:
            self._connected()
            self._read_now.set()
        else:
            self._lost()

    def _hear(self, event: Record) -> None:
        if self._stopped.is_set():
            raise _Stopped
        self._connected()
        self._news.put(lambda desk: desk.take(event))

    def _connected(self) -> None:
        self._say(CONNECTED)

    def _lost(self) -> None:
        self._say(RECONNECTING)

    def _say(self, phase: str) -> None:
        if phase != self._phase:
            self._phase = phase
            state = LinkState(phase, _CLOCK.now_ms())

            def apply(desk: Desk) -> None:
                desk.link = state

            self._news.put(apply)

    # the market

    def _read(self) -> None:
        self._met.wait()
        client = self._client_for()
        client.autostart = False
        while not self._stopped.is_set():
            with contextlib.suppress(EngineError):
                self._read_once(client)
            self._read_now.wait(READ_EVERY_S)
            self._read_now.clear()
        client.close()

    def _read_once(self, client: Client) -> None:
        reading = Reading(
            _CLOCK.now_ms(),
            status=client.status(),
            daemon=client.daemon(),
            venues=client.venues(),
            pools=client.pools(),
            balances=client.balances(),
            tokens=client.tokens(),
        )
        self._news.put(lambda desk: desk.refresh(reading))


class Hands:
    """Does what people ask for, one thing after the other, and says what came of it. Nothing on the screen waits for it."""

    def __init__(self, client_for: Callable[[], Client], say: Callable[[Callable[[], None]], object]) -> None:
        self._client_for, self._say = client_for, say
        self._work: SimpleQueue[Callable[[Client], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ask(
        self, what: Callable[[Client], Any], then: Callable[[Any], None], otherwise: Callable[[EngineError], None]
    ) -> None:
        """Makes the call on another thread; `then` or `otherwise` hear of it on the app's."""

        def work(client: Client) -> None:
            try:
                answer = what(client)
            except EngineError as error:
                trouble = error
                self._tell(lambda: otherwise(trouble))
            else:
                self._tell(lambda: then(answer))

        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dashboard_hands", daemon=True)
            self._thread.start()
        self._work.put(work)

    def stop(self) -> None:
        """Ends with what was asked last. Nobody hears of it any more."""
        self._stopped = True
        self._work.put(None)

    def _tell(self, news: Callable[[], None]) -> None:
        if not self._stopped:
            self._say(news)

    def _run(self) -> None:
        with self._client_for() as client:
            while (work := self._work.get()) is not None:
                work(client)


def reachable(client: Client) -> None:
    """Raises Unreachable at once where there is no daemon and none may be started."""
    if not client.autostart and find_daemon(client.home) is None:
        raise no_daemon(client.home)
