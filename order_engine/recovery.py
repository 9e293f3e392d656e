"""An open order that nobody has in hand and that is not queued gets a worker: at first all of them, later what the queue lost."""

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from order_engine.failpoints import failpoint
from order_engine.workers import Hands

SWEEP_S = 3.0
BLOCK = 256  # put at once: the first are worked on while the others are put

_log = logging.getLogger(__name__)


class OpenOrders(Protocol):
    """Where the truth is: the journal."""

    def open_ids(self) -> list[str]:
        """The ids of every order that is not final, oldest first."""


class Queue(Protocol):
    """What hands ids to workers, and may lose them."""

    def put_all(self, order_ids: Sequence[str]) -> None:
        """Hands ids to the next free workers."""

    def waiting(self) -> set[str]:
        """The ids that no worker has taken yet."""


def requeue_missing(journal: OpenOrders, queue: Queue, hands: Hands) -> int:
    """Queues every open order that nobody works on. Returns how many. An order queued twice by a race is harmless."""
    queued = queue.waiting()
    missing = hands.missing(journal.open_ids(), queued)
    for start in range(0, len(missing), BLOCK):
        queue.put_all(missing[start : start + BLOCK])
        failpoint("in-recovery")
    return len(missing)


class Sweeper:
    """Looks at its start, and every few seconds from then on, for orders that need a worker and have none."""

    def __init__(self, journal: OpenOrders, queue: Queue, hands: Hands) -> None:
        self._journal, self._queue, self._hands = journal, queue, hands
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begins sweeping."""
        self._thread.start()

    def stop(self) -> None:
        """Ends sweeping."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _sweep(self) -> None:
        while True:
            try:
                if found := requeue_missing(self._journal, self._queue, self._hands):
                    _log.info("orders put back into the queue", extra={"facts": {"orders": found}})
            except Exception:
                _log.exception("a sweep failed")
            if self._stopping.wait(SWEEP_S):
                return
