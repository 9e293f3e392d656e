"""Looks at the pools of each new block while nothing else is to be done, so that the next order finds them known already.

Whoever is the first to ask about a block pays for looking at all of its pools, some milliseconds on a processor that has rested.
That is most of what routing takes where orders come one at a time. Nobody is told anything else by this than by asking first.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from order_engine.clock import Clock
from order_engine.orders import OrderRequest
from order_engine.quotes import Ask
from order_engine.router import are_prompt, offer_of, planned
from order_engine.venues.venue import Chain, Venue

LATELY_MS = 2_000  # for so long after an order another one like it is expected
SETTLED_S = 0.001  # what was committed last is told first

_log = logging.getLogger(__name__)


class Lookout:
    """One thread that asks for the latest order's route again while no order is open. `is_quiet` says whether that is so.

    Venues that take their time are not asked: what they say then is not what they will say to the order.
    """

    def __init__(self, venues: Sequence[Venue], chain: Chain, clock: Clock, is_quiet: Callable[[], bool]) -> None:
        self._venues = venues
        self._chain = chain
        self._clock = clock
        self._is_quiet = is_quiet
        self._expected: Ask | None = None
        self._until_ms = 0.0
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lookout", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._chain.on_block(lambda _: self.wake())
        self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def expect(self, request: OrderRequest) -> None:
        """Another order like this one is likely."""
        if request.routing == "best":
            self._expected, self._until_ms = request.ask, self._clock.steady_ms() + LATELY_MS

    def wake(self) -> None:
        """There may be something new, and time to look at it. Returns at once; callable from any thread."""
        if self._expected is not None:
            self._news.set()

    def _watch(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            if self._stopping.wait(SETTLED_S):
                return
            expected = self._expected
            if expected is None or not self._is_quiet():
                continue
            if self._clock.steady_ms() > self._until_ms:
                self._expected = None
                continue
            try:
                for venue in self._venues if are_prompt(self._venues) else ():
                    offer_of(venue, expected)
                planned(expected, self._chain.snapshot())
            except Exception:
                _log.exception("the lookout saw nothing")
