"""Events to WebSocket readers as they are committed: history first, then live, no gap, no duplicate, nobody waits.

One listener hears the feed for all readers, in the journal's thread, and crosses into the event loop once per commit. Each
event is encoded once. A reader has a small queue; when it overflows, what was in it is dropped, the reader is told, and it
goes on from the log, which has everything. So a slow reader costs a queue and delays nobody, and still misses nothing.

How history and live meet: a subscription listens first and reads the log second. What is committed between the two is in
both, and the number of the event says that it was delivered already.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from daemon.answers import encode
from daemon.frames import text_frame
from daemon.metrics import Counts
from order_engine.engine import Engine
from order_engine.events import LogEntry, Recorded
from order_engine.messages import event_record
from order_engine.orders import FINAL

EVERYTHING = "*"
QUEUE = 256  # events a reader may be behind before it is sent to the log
PAGE = 100  # events per read of the log: each reader that is behind holds a page, encoded, while it sends
TURN = 32  # events sent before others get their turn
READING_THREADS = 4

Send = Callable[[Sequence[bytes]], Awaitable[None]]  # WebSocket frames, as one write

_FINAL = frozenset(status.value for status in FINAL)


class Line(NamedTuple):
    """An event as a WebSocket frame, with what is needed to decide who gets it."""

    seq: int
    order_id: str
    frame: bytes
    final: bool


class Subscription:
    """What a reader wants of one order, or of everything, and how far it has been served: after `start`, up to `position`."""

    __slots__ = ("key", "live", "position", "start")

    def __init__(self, key: str, since: int) -> None:
        self.key = key
        self.start = since
        self.position = since
        self.live = False

    def covers(self, seq: int) -> bool:
        """True when this event has been delivered on account of this subscription."""
        return self.start < seq <= self.position


class Hub:
    """The one listener of the feed. Knows which reader wants which order."""

    def __init__(self, engine: Engine, counts: Counts, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.counts = counts
        self._loop = loop
        self._readers: dict[str, set[Reader]] = {}
        self._reading = ThreadPoolExecutor(READING_THREADS, thread_name_prefix="log-reader")
        self._stop_listening = engine.feed.subscribe(self._committed)

    def close(self) -> None:
        """Hears no more."""
        self._stop_listening()
        self._reading.shutdown(wait=False, cancel_futures=True)

    def add(self, key: str, reader: "Reader") -> None:
        """From now on the reader's queue gets every event of this order, or of all."""
        self._readers.setdefault(key, set()).add(reader)

    def remove(self, key: str, reader: "Reader") -> None:
        """The opposite of `add`. Harmless when there was none."""
        readers = self._readers.get(key)
        if readers is not None:
            readers.discard(reader)
            if not readers:
                del self._readers[key]

    def standing(self) -> list[str]:
        """How far each reader has come that hears of events as they are committed."""
        return sorted(reader.standing for reader in set().union(*self._readers.values()))

    async def page(self, since: int, key: str) -> list[Line]:
        """Up to PAGE events of the log after `since`, read and encoded in another thread."""
        return await self._loop.run_in_executor(self._reading, self._page, since, key)

    def _page(self, since: int, key: str) -> list[Line]:
        return [_line_of(e) for e in self.engine.events(since, PAGE, None if key == EVERYTHING else key)]

    def _committed(self, batch: Sequence[Recorded]) -> None:
        """In the journal's thread. Without readers it costs a few additions."""
        self.counts.committed(batch)
        if self._readers:
            with suppress(RuntimeError):  # the loop has ended: so have its readers
                self._loop.call_soon_threadsafe(self._publish, batch)

    def _publish(self, batch: Sequence[Recorded]) -> None:
        everybody = self._readers.get(EVERYTHING)
        for recorded in batch:
            order = recorded.order
            some = self._readers.get(order.order_id)
            readers = everybody if some is None else some if everybody is None else everybody | some
            if readers:
                record = event_record(recorded.seq, order.order_id, order.request, recorded.event)
                line = Line(recorded.seq, order.order_id, text_frame(encode(record)), order.status.final)
                for reader in readers:
                    reader.push(line)


class Reader:
    """One WebSocket's events. `run` sends them; everything else returns at once."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self._hub = hub
        self._send = send
        self._subscriptions: dict[str, Subscription] = {}
        self._behind: deque[Subscription] = deque()  # to be served from the log
        self._queue: deque[Line] = deque()
        self._dropped: tuple[int, int] | None = None
        self._news = asyncio.Event()
        self._sent = 0

    @property
    def subscriptions(self) -> int:
        """How many there are."""
        return len(self._subscriptions)

    @property
    def standing(self) -> str:
        """How far it has come with each subscription, what it has still to send, and what it dropped."""
        each = [f"{s.key} {'live' if s.live else 'log'} at {s.position}" for s in self._subscriptions.values()]
        return f"{', '.join(each)}; queue {len(self._queue)}, behind {len(self._behind)}, dropped {self._dropped}"

    def subscribe(self, key: str, since: int) -> None:
        """Adds an order, or everything, from after `since`. A second time replaces the first."""
        self.unsubscribe(key)
        subscription = Subscription(key, since)
        self._subscriptions[key] = subscription
        self._behind.append(subscription)
        self._news.set()

    def unsubscribe(self, key: str) -> None:
        """Takes it off again, if it was there."""
        subscription = self._subscriptions.pop(key, None)
        if subscription is not None:
            self._hub.remove(key, self)
            with suppress(ValueError):
                self._behind.remove(subscription)

    def close(self) -> None:
        """Takes everything off."""
        for key in list(self._subscriptions):
            self.unsubscribe(key)

    def push(self, line: Line) -> None:
        """An event was committed. Never waits: a full queue is given up, and the log takes over."""
        if self._dropped is not None:
            self._dropped = self._dropped[0], line.seq
        elif len(self._queue) < QUEUE:
            self._queue.append(line)
        else:
            self._dropped = self._queue[0].seq, line.seq
            self._queue.clear()
        self._news.set()

    async def run(self, *, until_final: bool = False) -> None:
        """Sends until the connection ends, which is whatever `send` raises; or until a final event was sent."""
        while True:
            if self._dropped is not None:
                await self._fall_back()
            if self._queue and await self._send_live() and until_final:
                return
            if self._behind:
                if await self._send_history(self._behind[0]) and until_final:
                    return
            elif not self._queue and self._dropped is None:
                self._news.clear()
                await self._news.wait()

    async def _fall_back(self) -> None:
        """After an overflow: everything that was live is served from the log again, and the reader knows why."""
        assert self._dropped is not None
        first, last = self._dropped
        self._dropped = None
        live = [subscription for subscription in self._subscriptions.values() if subscription.live]
        for subscription in live:
            subscription.live = False
            self._hub.remove(subscription.key, self)
            self._behind.append(subscription)
        if live:  # otherwise only history was late, and that goes on as it is
            self._hub.counts.lags += 1
            await self._send([text_frame(encode({"type": "lag", "from": first, "to": last}))])

    async def _send_history(self, subscription: Subscription) -> bool:
        """Sends a page of the log. Returns True after a final event."""
        key = subscription.key
        self._hub.add(key, self)
        lines = await self._hub.page(subscription.position, key)
        final = False
        for line in lines:
            if self._subscriptions.get(key) is not subscription:
                return False  # taken off, or replaced, while we read or sent
            if not self._delivered(line):
                await self._send([line.frame])
                await self._give_way(1)
                final = final or line.final
            subscription.position = line.seq
        if self._subscriptions.get(key) is not subscription:
            return False
        if len(lines) == PAGE or self._dropped is not None:
            self._hub.remove(key, self)  # far behind: the queue would only overflow
            self._behind.rotate(-1)
        else:
            subscription.live = True
            self._behind.remove(subscription)
            if final and key != EVERYTHING:
                self._forget(key)
        return final

    async def _send_live(self) -> bool:
        """Sends the events that were just committed and are due, as one write. Returns True after a final one."""
        frames, final = list[bytes](), False
        for _ in range(min(len(self._queue), TURN)):
            line = self._queue.popleft()
            if self._is_due(line):
                frames.append(line.frame)
                final = final or line.final
                if line.final:
                    self._forget(line.order_id)
        if frames:
            await self._send(frames)
            await self._give_way(len(frames))
        return final

    def _is_due(self, line: Line) -> bool:
        """Notes that a live event has been reached. False when it was delivered already, or nobody wants it any more."""
        due = [s for s in self._of(line) if s.live and line.seq > s.position]
        fresh = bool(due) and not self._delivered(line)
        for subscription in due:
            subscription.position = line.seq
        return fresh

    def _forget(self, order_id: str) -> None:
        """An order that is over sends no more. Kept while everything is followed too: it says what was delivered."""
        if EVERYTHING not in self._subscriptions:
            self.unsubscribe(order_id)

    def _of(self, line: Line) -> Iterable[Subscription]:
        both = self._subscriptions.get(line.order_id), self._subscriptions.get(EVERYTHING)
        return [subscription for subscription in both if subscription is not None]

    def _delivered(self, line: Line) -> bool:
        return any(subscription.covers(line.seq) for subscription in self._of(line))

    async def _give_way(self, sent: int) -> None:
        """Lets others have their turn after every TURN events."""
        self._sent += sent
        if self._sent >= TURN:
            self._sent = 0
            await asyncio.sleep(0)


def _line_of(entry: LogEntry) -> Line:
    record = event_record(entry.seq, entry.order_id, entry.request, entry.event)
    return Line(entry.seq, entry.order_id, text_frame(encode(record)), record["status"] in _FINAL)
