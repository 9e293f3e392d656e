"""What goes wrong in the simulated world on purpose: faults that a user scripts, to see what his bot does about them.

The chain and its venues ask `Faults` at the moments that matter; `NO_FAULTS` lets everything go well. A `Script` holds the
faults that were added, matches them by what is known at that moment, and counts. It decides nothing at random: the same
script, the same orders and the same chain give the same story. Faults belong to the running daemon and are never stored.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

import msgspec

from order_engine.clock import Clock
from order_engine.errors import Malformed, NotFound, Refused, VenueUnavailable
from order_engine.events import Recorded
from order_engine.orders import Order, Settlement
from order_engine.quotes import Ask
from order_engine.venues.simulated.market import Listing

FAULTS_MAX = 1_000
MARKED_MAX = 20_000  # transactions that a fault remembers to have struck; older ones have long expired

# kind -> the field that it needs, if any
KINDS: Mapping[str, str | None] = {
    "lose-answer": None,
    "land-late": "slots",
    "never-land": None,
    "reject": "code",
    "slippage": None,
    "venue-down": None,
    "venue-slow": "ms",
    "rate-limit": None,
    "price-step": "ppm",
    "crash": "at",
    "status-unreachable": None,
}

_SILENT = ("venue-down", "rate-limit")
_ON_SENDING = ("lose-answer", "land-late", "never-land", "reject", "slippage")

_log = logging.getLogger(__name__)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong. What is None does not narrow it down; `times` and `for_ms` None: until it is cleared.

    `key` is a client order id, `pattern` a glob over them. `pair` holds in either direction, but for a price step it says whose
    price moves: A's, in B.
    """

    kind: str
    key: str | None = None
    pattern: str | None = None
    pair: tuple[str, str] | None = None
    venue: str | None = None
    pool: str | None = None
    times: int | None = None
    for_ms: int | None = None
    slots: int | None = None
    code: str | None = None
    ms: int | None = None
    ppm: int | None = None
    at: str | None = None


class Standing(NamedTuple):
    """A fault and what it has done by now. `left_ms` and `times_left` are None where there is no such limit."""

    fault_id: str
    fault: Fault
    struck: int
    times_left: int | None
    left_ms: int | None

    @property
    def active(self) -> bool:
        """True when it can still strike anew."""
        return self.times_left != 0 and self.left_ms != 0


class Fate(NamedTuple):
    """What becomes of a transaction that is sent."""

    swallowed: bool = False
    answer_lost: bool = False
    late_slots: int = 0
    rejected: str | None = None  # the error code that it lands with


GOES_WELL = Fate()


class Faults(Protocol):
    """What the simulated world asks at its turning points."""

    @property
    def calm(self) -> bool:
        """True while nothing at all is to go wrong."""

    def quoting(self, venue: str, ask: Ask) -> int:
        """The milliseconds that this quote takes longer. Raises VenueUnavailable."""

    def building(self, venue: str, ask: Ask, nonce: str) -> int:
        """The milliseconds that this build takes longer. Raises VenueUnavailable."""

    def sending(self, signature: str) -> Fate:
        """What becomes of this transaction. The same at each sending of the same one."""

    def looking_up(self, signature: str) -> None:
        """Raises VenueUnavailable when the ledger cannot be asked."""


class NoFaults:
    """Everything goes well."""

    calm = True

    def quoting(self, venue: str, ask: Ask) -> int:  # noqa: ARG002 - as the protocol names them
        """No longer than usual."""
        return 0

    def building(self, venue: str, ask: Ask, nonce: str) -> int:  # noqa: ARG002
        """No longer than usual."""
        return 0

    def sending(self, signature: str) -> Fate:  # noqa: ARG002
        """It arrives."""
        return GOES_WELL

    def looking_up(self, signature: str) -> None:
        """It can be asked."""


NO_FAULTS = NoFaults()


class World(Protocol):
    """What a price step acts on: the chain."""

    listings: Sequence[Listing]

    def shock(self, address: str, a_to_b: bool, ppm: int) -> None:
        """Moves the price of a pool in the next block."""


class _Scene(NamedTuple):
    """What is known at a moment: the venues that take part, and whose order it is. A quote is asked for none, so it has no key."""

    venues: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    key: str | None = None


class _Armed:
    """A fault that was added, and its count."""

    def __init__(self, fault_id: str, fault: Fault, ends_at: float | None) -> None:
        self.fault_id = fault_id
        self.fault = fault
        self.struck = 0
        self._ends_at = ends_at
        self._marked: dict[
            str, None
        ] = {}  # transactions that it has struck: each counts once, however often it is sent

    def strikes(self, scene: _Scene, now: float, signature: str | None = None) -> bool:
        """True when it strikes here; then it is counted."""
        if self._ends_at is not None and now >= self._ends_at:
            return False
        if signature in self._marked:
            return True
        if self.struck == self.fault.times or not _matches(self.fault, scene):
            return False
        self.struck += 1
        if signature is not None:
            self._marked[signature] = None
            if len(self._marked) > MARKED_MAX:
                del self._marked[next(iter(self._marked))]
        return True

    def standing(self, now: float) -> Standing:
        """How it stands now."""
        times = self.fault.times
        times_left = 0 if self.fault.kind == "price-step" else None if times is None else times - self.struck
        left_ms = None if self._ends_at is None else max(round(self._ends_at - now), 0)
        return Standing(self.fault_id, self.fault, self.struck, times_left, left_ms)


class Script:
    """The faults of a running daemon. Safe to use from any thread. `world` gives the chain, once there is one."""

    def __init__(self, clock: Clock, world: Callable[[], World]) -> None:
        self._clock = clock
        self._world = world
        self._lock = threading.Lock()
        self._armed: tuple[_Armed, ...] = ()
        self._ids: dict[str, str] = {}  # by the key of the request that added it
        self._added = 0
        self._open: dict[str, Order] = {}  # every order that is not over, as its newest event left it
        self._sent: dict[str, str] = {}  # the signature of its transaction -> order id

    @property
    def world(self) -> World:
        """The chain that all this happens on."""
        return self._world()

    # for those who script

    def add(self, fault: Fault, request_key: str | None = None) -> Standing:
        """Arms a fault; a price step strikes at once. A request that is repeated under its key adds nothing.

        Raises Malformed for a venue, pool or pair that this world does not have, or a key that has added another fault, and
        Refused when there are too many; then nothing is changed.
        """
        listings = _listings(fault, self._world().listings)
        with self._lock:
            now = self._clock.steady_ms()
            for armed in self._armed:
                if request_key is not None and armed.fault_id == self._ids.get(request_key):
                    if armed.fault != fault:
                        raise Malformed(
                            f"This key has added another fault ({armed.fault_id}).", field="Idempotency-Key"
                        )
                    return armed.standing(now)
            if len(self._armed) >= FAULTS_MAX:
                raise Refused(
                    f"There are {FAULTS_MAX} faults already. Nothing was added.",
                    code="over_capacity",
                    hint="Clear some: oee sim fault clear",
                )
            self._added += 1
            ends_at = None if fault.for_ms is None else now + fault.for_ms
            armed = _Armed(f"f{self._added}", fault, ends_at)
            if request_key is not None:
                self._ids[request_key] = armed.fault_id
            self._armed = (*self._armed, armed)
            if fault.kind == "price-step":
                for listing in listings:
                    self._step(listing, fault)
                    armed.struck += 1
        _log.warning("fault added", extra={"facts": {"fault": armed.fault_id, "kind": fault.kind}})
        return armed.standing(now)

    def standing(self) -> list[Standing]:
        """Every fault that was added and not cleared, oldest first."""
        now = self._clock.steady_ms()
        return [armed.standing(now) for armed in self._armed]

    def clear(self, fault_id: str | None = None) -> list[Standing]:
        """Ends one fault, or all, and gives them as they stood: from now on all goes well. Raises NotFound."""
        with self._lock:
            gone = [armed for armed in self._armed if fault_id in (None, armed.fault_id)]
            if fault_id is not None and not gone:
                raise NotFound(f"There is no fault {fault_id[:40]!a}.", hint="See them: oee sim fault list")
            self._armed = tuple(armed for armed in self._armed if armed not in gone)
            self._ids = {key: id_ for key, id_ in self._ids.items() if any(a.fault_id == id_ for a in self._armed)}
        now = self._clock.steady_ms()
        return [armed.standing(now) for armed in gone]

    # for the engine

    def learn(self, order: Order) -> None:
        """Knows this order from now on: whose transaction a signature is, and under which key it came."""
        before = self._open.pop(order.order_id, None)
        if before is not None and before.transaction is not None:
            self._sent.pop(before.transaction.signature, None)
        if not order.status.final:
            self._open[order.order_id] = order
            if order.transaction is not None:
                self._sent[order.transaction.signature] = order.order_id

    def committed(self, recorded: Sequence[Recorded]) -> None:
        """Hears of every commit, first of all listeners. A crash strikes here: it is on disk, and nobody was told."""
        for each in recorded:
            self.learn(each.order)
        if any(armed.fault.kind == "crash" for armed in self._armed):
            for each in recorded:
                for armed in self._struck(("crash",), _scene_of(each.order), at=_state(each.order)):
                    _kill_this_process(armed.fault_id)

    # for the simulated world

    @property
    def calm(self) -> bool:
        """True while no fault stands."""
        return not self._armed

    def quoting(self, venue: str, ask: Ask) -> int:
        """See Faults."""
        if not self._armed:
            return 0
        return self._delay(_Scene((venue,), (ask.input_token, ask.output_token)))

    def building(self, venue: str, ask: Ask, nonce: str) -> int:
        """See Faults. The nonce names the order."""
        if not self._armed:
            return 0
        order = self._open.get(nonce.partition("/")[0])
        key = None if order is None else order.request.client_order_id
        return self._delay(_Scene((venue,), (ask.input_token, ask.output_token), key))

    def sending(self, signature: str) -> Fate:
        """See Faults."""
        if not self._armed:
            return GOES_WELL
        faults = [armed.fault for armed in self._struck(_ON_SENDING, self._scene_of(signature), signature)]
        kinds = {fault.kind for fault in faults}
        codes = ["slippage_exceeded" if fault.kind == "slippage" else fault.code for fault in faults]
        return Fate(
            swallowed="never-land" in kinds,
            answer_lost="lose-answer" in kinds,
            late_slots=sum(fault.slots or 0 for fault in faults),
            rejected=next((code for code in codes if code is not None), None),
        )

    def looking_up(self, signature: str) -> None:
        """See Faults."""
        if self._armed:
            for armed in self._struck(("status-unreachable",), self._scene_of(signature)):
                raise VenueUnavailable(f"the ledger cannot be asked (fault {armed.fault_id})")

    def _delay(self, scene: _Scene) -> int:
        for armed in self._struck(_SILENT, scene, most=1):
            words = "is down" if armed.fault.kind == "venue-down" else "says: rate limited, try again"
            raise VenueUnavailable(f"{scene.venues[0]} {words} (fault {armed.fault_id})")
        return sum(armed.fault.ms or 0 for armed in self._struck(("venue-slow",), scene))

    def _struck(
        self,
        kinds: Collection[str],
        scene: _Scene,
        signature: str | None = None,
        *,
        at: str | None = None,
        most: int = FAULTS_MAX,
    ) -> list[_Armed]:
        """The faults of these kinds that strike here, oldest first and counted."""
        with self._lock:
            now = self._clock.steady_ms()
            found: list[_Armed] = []
            for armed in self._armed:
                fits = armed.fault.kind in kinds and armed.fault.at == at
                if fits and len(found) < most and armed.strikes(scene, now, signature):
                    found.append(armed)
            return found

    def _scene_of(self, signature: str) -> _Scene:
        order = self._open.get(self._sent.get(signature, ""))
        return _Scene() if order is None else _scene_of(order)

    def _step(self, listing: Listing, fault: Fault) -> None:
        ppm = fault.ppm or 0
        rises = (ppm > 0) == (fault.pair is None or fault.pair[0] == listing.token_a)
        self._world().shock(listing.address, not rises, abs(ppm))  # whoever sells A brings its price down


def _matches(fault: Fault, scene: _Scene) -> bool:
    if fault.venue is not None and fault.venue not in scene.venues:
        return False
    if fault.pair is not None and (scene.pair is None or {*fault.pair} != {*scene.pair}):
        return False
    if fault.key is not None and fault.key != scene.key:
        return False
    return fault.pattern is None or (scene.key is not None and fnmatchcase(scene.key, fault.pattern))


def _scene_of(order: Order) -> _Scene:
    request = order.request
    venues = tuple({leg.dex: None for leg in order.legs})
    return _Scene(venues, (request.input_token, request.output_token), request.client_order_id)


def _state(order: Order) -> str:
    return "unknown" if order.settlement is Settlement.UNKNOWN else order.status.value


def _listings(fault: Fault, listings: Sequence[Listing]) -> list[Listing]:
    """The pools that a fault is about. Raises Malformed where it names something that is not there."""
    venues = sorted({listing.dex for listing in listings})
    if fault.venue is not None and fault.venue not in venues:
        raise Malformed(f"venue {fault.venue[:40]!a} is not known. Known: {', '.join(venues)}.", field="venue")
    if fault.pool is not None and all(fault.pool != listing.address for listing in listings):
        raise Malformed(f"pool {fault.pool[:60]!a} is not known.", field="pool", hint="See them: oee pools")
    found = [
        listing
        for listing in listings
        if fault.venue in (None, listing.dex)
        and fault.pool in (None, listing.address)
        and (fault.pair is None or {*fault.pair} == {listing.token_a, listing.token_b})
    ]
    if not found:
        field = "pair" if fault.pair is not None else "pool"
        raise Malformed("No pool fits this pair, venue and pool together.", field=field, hint="See them: oee pools")
    return found


def _kill_this_process(fault_id: str) -> None:
    os.write(2, f"Killed by fault {fault_id}.\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
