"""The queue: Huey on SQLite, carrying order ids and nothing else.

Huey forgets a task when a worker takes it, so this queue loses, doubles and delays, and is treated so: its file is thrown away
at every start and refilled from the journal, a sweeper puts back what got lost, and a doubled id finds its order in hand.
Of Huey's own some things are replaced, each for a measured reason: its polling (seconds after an idle minute), its pickle (whoever
writes the file would run code), its signal handlers (we are not in the main thread), its ten-second health check, its transaction
for each task, its look for a revocation before each, and its one task at a time where one worker does them all.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from huey import SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from order_engine.clock import Clock
from order_engine.stacks import thread_stacks

TASK = f"{__name__}.work"  # Huey names a task after its module and function
HEALTH_CHECK_S = 0.5  # so that a worker that died is replaced within a second
BUSY_MS = 60_000  # everything that a worker does has a deadline far below this: longer means that it hangs
BLOCK = 64  # tasks taken at once, about what a commit brings; one of a higher priority that comes later waits for these at most
PROBE_S = 0.5  # a worker that was not woken looks by itself after this long

_Task = tuple[str, str, float | None]  # task id, order id, priority
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Task).decode

_BLOCK = "SELECT id, data FROM task WHERE queue = ? ORDER BY priority DESC, id LIMIT ?"

_log = logging.getLogger(__name__)


class WakingStorage(SqliteStorage):  # type: ignore[misc]
    """Huey's SQLite storage whose readers sleep until something is put, instead of polling.

    Tasks are written and taken in blocks, one transaction for many, and go past the file where a worker waits for them; and only
    one thread at a time is in the file, since SQLite lets those who meet a lock sleep for milliseconds.
    """

    blocking = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._ready = threading.Condition()
        self._left = 0  # put and not yet taken, as far as is known
        self._waiting = 0  # workers that have nothing to do
        self._taken: deque[bytes] = deque()  # out of the file, and not yet with a worker
        self.is_one_enough: Callable[[], bool] = bool  # whether a worker can do them all as fast as many could
        super().__init__(*arguments, **options)

    def enqueue(self, data: bytes, priority: float | None = None) -> None:
        """Stores a task and wakes a worker."""
        self.enqueue_all([data], priority)

    def enqueue_all(self, tasks: Sequence[bytes], priority: float | None = None) -> None:
        """Stores tasks and wakes a worker, who wakes the next if there is more to do."""
        with self._ready:
            # What a worker waits for would be taken out of the file at once: it need not go through it.
            straight = BLOCK if self._waiting and not self._left else 0
            if rows := [(self.name, self.to_blob(data), priority or 0) for data in tasks[straight:]]:
                with self.db(commit=True) as cursor:
                    cursor.executemany("INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)", rows)
            self._taken.extend(tasks[:straight])  # last: where the file takes nothing, nothing is put
            self._left += len(tasks)
            self._ready.notify()

    def dequeue(self) -> bytes | None:
        """The next task by priority and age, or the next few, a line each, where one worker is enough; None after a while
        without one."""
        with self._ready:
            if not self._left:
                self._waiting += 1
                self._ready.wait(PROBE_S)
                self._waiting -= 1
            if not self._taken:
                self._take_block()
            if not self._taken:
                self._left = 0
                return None
            together = self.is_one_enough()
            given = list(self._taken) if together else [self._taken[0]]
            for _ in given:
                self._taken.popleft()
            self._left = max(self._left - len(given), len(self._taken))
            if self._left and not together:
                self._ready.notify()
            return b"\n".join(given)

    def give_back(self, tasks: Sequence[bytes]) -> None:
        """These were taken and not begun: they are next again, for whoever is free."""
        with self._ready:
            self._taken.extendleft(reversed(tasks))
            self._left += len(tasks)
            self._ready.notify()

    def _take_block(self) -> None:
        with self.db(commit=True) as cursor:
            rows = cursor.execute(_BLOCK, (self.name, BLOCK)).fetchall()
            cursor.executemany("DELETE FROM task WHERE id = ?", [(row_id,) for row_id, _ in rows])
        self._taken.extend(data for _, data in rows)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        """The tasks that no worker has."""
        with self._ready:
            return [*self._taken, *super().enqueued_items(limit)]

    def queue_size(self) -> int:
        """How many tasks no worker has."""
        with self._ready:
            return len(self._taken) + int(super().queue_size())

    def wake(self) -> None:
        """Lets all sleeping workers look up, so that they can stop."""
        with self._ready:
            self._ready.notify_all()


class IdSerializer(Serializer):  # type: ignore[misc]
    """Tasks as lines of JSON: task id, order id, priority. Anything else in the file is refused, not run."""

    def _serialize(self, message: Message) -> bytes:
        return _encode((message.id, message.args[0], message.priority))

    def _deserialize(self, data: bytes) -> Message:
        tasks = list[_Task]()
        for line in data.split(b"\n"):
            try:
                tasks.append(_decode(line))
            except msgspec.DecodeError as error:
                _log.error("a task in the queue is not ours", extra={"facts": {"error": str(error)}})
        if not tasks:
            raise ValueError("no task of ours")
        task_id, _, priority = tasks[0]
        return Message(
            task_id, TASK, eta=None, retries=0, retry_delay=0, priority=priority, kwargs={}, on_complete=None, on_error=None,
            args=tuple(order_id for _, order_id, _ in tasks),
        )  # fmt: skip


class WorkQueue(SqliteHuey):  # type: ignore[misc]
    """Hands order ids to worker threads, highest priority first, within milliseconds.

    `work` is called with an id in a worker's thread. A worker that dies is replaced within a second; one that hangs is named
    in the log, with the stacks of all threads, and by `hanging`. `is_one_enough` says whether nothing of the work waits for
    anybody: then one worker does it all, since to share it out would take longer than to do it; and shares what is left once
    that is over.
    """

    def __init__(
        self,
        path: Path,
        workers: int,
        work: Callable[[str], None],
        clock: Clock,
        is_one_enough: Callable[[], bool] = bool,
    ) -> None:
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink(missing_ok=True)
        path.touch(mode=0o600)
        super().__init__(
            "orders", storage_class=WakingStorage, serializer=IdSerializer(), filename=str(path), results=False,
            fsync=False, utc=True, strict_fifo=True,
        )  # fmt: skip
        self.storage.is_one_enough = is_one_enough
        self._put = self.task(name="work")(self._task(self._timed(work)))
        self._consumer = _Consumer(self, workers=workers, periodic=False, check_worker_health=False)
        self._clock = clock
        self._busy: dict[int, tuple[str, float]] = {}  # thread -> what it works on, and since when
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self.workers = workers

    def begin(self) -> None:
        """Starts the workers."""
        self._consumer.start()
        self._supervisor.start()

    def put(self, order_id: str, priority: int | None = None) -> None:
        """Hands an id to the next free worker. A higher `priority` goes first, equal ones by age."""
        self._put(order_id, priority=priority)

    def put_all(self, order_ids: Sequence[str]) -> None:
        """Hands over ids, oldest first, in one transaction: what `put` does for each of them."""
        self.storage.enqueue_all(_tasks(order_ids))

    def is_revoked(self, *_: object) -> bool:
        """Never: an order is cancelled in the journal. Huey would read its file for each task."""
        return False

    def delete(self, key: str) -> None:
        """Nothing: what Huey deletes after each task is the mark of a revocation, and there are none."""

    def waiting(self) -> set[str]:
        """The ids that no worker has taken yet."""
        ids: set[str] = set()
        for data in self.storage.enqueued_items():
            with suppress(msgspec.DecodeError):  # a worker will refuse it
                ids.add(_decode(data)[1])
        return ids

    def depth(self) -> int:
        """How many ids no worker has taken yet."""
        return int(self.storage.queue_size())

    def alive(self) -> int:
        """How many workers are running."""
        return sum(thread.is_alive() for _, thread in self._consumer.worker_threads)

    def hanging(self) -> list[str]:
        """The ids that some worker has been working on for more than BUSY_MS."""
        latest = self._clock.steady_ms() - BUSY_MS
        return [order_id for order_id, since in list(self._busy.values()) if since < latest]

    def end(self, timeout_s: float) -> None:
        """Takes no further id; returns when the workers have finished what they hold, or after `timeout_s`."""
        self._stopping.set()
        self._consumer.stop_flag.set()
        self.storage.wake()
        deadline = self._clock.steady_ms() + timeout_s * 1_000
        for _, thread in self._consumer.worker_threads:
            thread.join(max(deadline - self._clock.steady_ms(), 0) / 1_000)
        self.close()

    def close(self) -> None:
        """Closes the file, which is opened again by whoever asks for something."""
        self.storage.close()

    def _timed(self, work: Callable[[str], None]) -> Callable[[str], None]:
        def run(order_id: str) -> None:
            me = threading.get_ident()
            self._busy[me] = order_id, self._clock.steady_ms()
            try:
                work(order_id)
            finally:
                del self._busy[me]

        return run

    def _task(self, work: Callable[[str], None]) -> Callable[..., None]:
        def run(*order_ids: str) -> None:
            for begun, order_id in enumerate(order_ids):
                if begun and not self.storage.is_one_enough():  # a venue has become slow: the others help
                    self.storage.give_back(_tasks(order_ids[begun:]))
                    return
                try:
                    work(order_id)
                except Exception:  # of one order: the others are not to wait for the sweeper
                    _log.exception("the work on an order broke off", extra={"facts": {"order": order_id}})

        return run

    def _supervise(self) -> None:
        known: set[str] = set()
        while not self._stopping.wait(HEALTH_CHECK_S):
            hanging = set(self.hanging())
            if hanging - known:
                _log.critical("a worker hangs", extra={"facts": {"orders": sorted(hanging), "stacks": thread_stacks()}})
            known = hanging
            if self.alive() < self.workers:
                _log.warning("a worker died and is replaced", extra={"facts": {"alive": self.alive()}})
                self._consumer.check_worker_health()


def _tasks(order_ids: Sequence[str]) -> list[bytes]:
    return [_encode((order_id, order_id, None)) for order_id in order_ids]


class _Consumer(Consumer):  # type: ignore[misc]
    def _set_signal_handlers(self) -> None:
        """Signals belong to the daemon's main thread."""
