"""Performs the effects of an order's life that may be slow: asking the venues and building.

A worker is held while an order is quoted and built, and for nothing else: it never waits for a commit. With the record of what
is to be sent it hands the life to `settlement`, and takes it back, by way of the queue, when there is to be another attempt.
Every life that this process lives is in `Hands`, so that a doubled task finds its order taken and a lost one is noticed.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial

from order_engine.errors import EngineError, VenueUnavailable
from order_engine.events import Building, Event
from order_engine.execution import AskVenues, Build, Living, Record, Rules, leads_to_sending
from order_engine.failpoints import failpoint
from order_engine.halt import Halt
from order_engine.journal import Journal, Kept
from order_engine.router import ask_venues
from order_engine.routing.receipts import pack
from order_engine.venues.snapshot import Snapshot
from order_engine.venues.venue import Chain, Venue

_log = logging.getLogger(__name__)


class Hands:
    """Which lives are being lived in this process, and which of them wait for a worker. `halted`: none of those gets one."""

    def __init__(self, halted: Callable[[], bool] = lambda: False) -> None:
        self._halted = halted
        self._lock = threading.Lock()
        self._held: dict[str, Living | None] = {}  # None: just taken, not begun
        self._parked: set[str] = set()

    def take(self, order_id: str) -> tuple[bool, Living | None]:
        """(True, the parked life or None) when this order is now the caller's; (False, None) when somebody has it."""
        with self._lock:
            if order_id in self._parked:
                self._parked.discard(order_id)
                return True, self._held[order_id]
            if order_id in self._held:
                return False, None
            self._held[order_id] = None
            return True, None

    def park(self, living: Living) -> None:
        """The life waits for a worker, who finds it by `take`."""
        with self._lock:
            self._held[living.order_id] = living
            self._parked.add(living.order_id)

    def hold_back(self, order_id: str) -> None:
        """The order waits for a worker who begins anew from what is on disk, and for the end of a halt before that."""
        with self._lock:
            self._held[order_id] = None
            self._parked.add(order_id)

    def drop(self, order_id: str) -> None:
        """Nobody lives this order here any more."""
        with self._lock:
            self._held.pop(order_id, None)
            self._parked.discard(order_id)

    def missing(self, order_ids: Sequence[str], queued: set[str]) -> list[str]:
        """Those that nobody has in hand and that are not queued; a parked one must be queued too, unless trading is halted."""
        with self._lock:
            parked: set[str] = set() if self._halted() else self._parked
            return [i for i in order_ids if i not in queued and (i not in self._held or i in parked)]

    def __len__(self) -> int:
        return len(self._held)


class Workers:
    """What a worker thread does with an order id. `hand_over` takes a life whose effect only the settlement performs."""

    def __init__(
        self,
        journal: Journal,
        venues: Sequence[Venue],
        chain: Chain,
        rules: Rules,
        hands: Hands,
        now: Callable[[], int],
        quoting: Executor,
        quote_deadline_ms: int,
        hand_over: Callable[[Living], None],
        halt: Halt,
    ) -> None:
        self._journal = journal
        self._venues = venues
        self._chain = chain
        self._rules = rules
        self._hands = hands
        self._now = now
        self._quoting = quoting
        self._quote_deadline_ms = quote_deadline_ms
        self._hand_over = hand_over
        self._halt = halt
        self.stopping = False

    def work(self, order_id: str) -> None:
        """Lives the order until it is to be sent, or turns out to be somebody else's. Harmless to call twice for one order."""
        if self.stopping:
            return  # it is on disk: the next start goes on with it
        failpoint("after-dequeue")
        mine, living = self._hands.take(order_id)
        if not mine:
            return
        passed_on = False
        try:
            passed_on = self._live(order_id, living)
        finally:
            if not passed_on:
                self._hands.drop(order_id)

    def _live(self, order_id: str, living: Living | None) -> bool:
        """True when the life was handed over or is held back, False when there is none."""
        if living is None:
            order = self._journal.order(order_id)
            if order is None or order.status.final:
                return False
            living = Living(order, self._rules, self._now)
        while (effect := living.effect) is not None:
            if self._halt.on and leads_to_sending(effect):
                self._hands.hold_back(order_id)  # and its quotes are forgotten: after the halt they would be old
                return True
            match effect:
                case Record(wait=False):
                    kept = _kept(effect.event, effect.snapshot)
                    living.unwaited = self._journal.record(effect.order, effect.event, None, living.unwaited, kept)
                    living.resume(living.unwaited.order)
                case AskVenues():
                    read = self._chain.snapshot if effect.pools else None
                    living.resume(ask_venues(self._venues, read, effect.ask, self._quote_deadline_ms, self._quoting))
                case Build():
                    self._build(living, effect)
                case _:
                    self._hand_over(living)
                    return True
        return False

    def _build(self, living: Living, effect: Build) -> None:
        try:
            transaction = self._chain.build(effect.ask, effect.legs, effect.limit, effect.nonce)
        except EngineError as error:
            living.throw(VenueUnavailable(error.message))
        except Exception as error:  # as with quotes: an adapter's bug is a venue that does not answer
            _log.exception("the building broke", extra={"facts": {"order": living.order_id}})
            living.throw(VenueUnavailable(f"building broke with {type(error).__name__}"))
        else:
            living.resume(transaction)


def _kept(event: Event, snapshot: Snapshot | None) -> Kept | None:
    """The pools that the proof in this event speaks of, if it has one."""
    if snapshot is None or not isinstance(event, Building) or event.proof is None:
        return None
    return Kept(event.proof.digest, snapshot.height, partial(pack, snapshot.listings))
