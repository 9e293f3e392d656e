"""How many orders a home accepts in a minute: a bot that runs wild is stopped by a number its owner has set."""

import threading
from collections import deque
from collections.abc import Iterable

from order_engine.clock import Clock
from order_engine.errors import Busy

MINUTE_MS = 60_000


class Pace:
    """The orders of the last minute against a limit; without one, any number. Safe to use from any thread."""

    def __init__(self, limit: int | None, clock: Clock, recent: Iterable[int] = ()) -> None:
        """`recent`: when, in wall time, the orders before this start were accepted; a restart gives nobody a new minute."""
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        ago = clock.now_ms() - clock.steady_ms()
        self._accepted: deque[float] = deque(min(at - ago, clock.steady_ms()) for at in recent)

    def check(self) -> None:
        """Raises Busy, with the time until there is room, when the minute is full."""
        if self._limit is None:
            return
        with self._lock:
            now = self._clock.steady_ms()
            while self._accepted and self._accepted[0] <= now - MINUTE_MS:
                self._accepted.popleft()
            count = len(self._accepted)
            if count < self._limit:
                return
            wait_s = int((self._accepted[count - self._limit] + MINUTE_MS - now) / 1_000) + 1
        raise Busy(
            f"{count} orders were accepted in the last minute, the limit is {self._limit}. Nothing was stored.",
            code="too_many_orders",
            retry_after_s=wait_s,
            hint=f"There is room again in {wait_s} s. Change the limit: oee config set max_orders_per_minute N",
        )

    def note(self) -> None:
        """Counts an order that was accepted."""
        if self._limit is not None:
            with self._lock:
                self._accepted.append(self._clock.steady_ms())
