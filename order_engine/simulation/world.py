"""One simulated world: clients, the engine with its crashes, the queue that loses, the network that lies, the chain that goes on.

It performs the effects of the same lives that the daemon lives, on a heap of virtual time. What is ours dies in a crash: every
pending answer belongs to the start that asked for it. What is not ours, blocks and transactions on their way, goes on.
"""

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from order_engine.errors import EngineError, OutcomeUnknown, Refused, VenueUnavailable
from order_engine.events import Cancelled, Confirmed, Event, Failed, Pending, Routing, Unanswered
from order_engine.execution import (
    AskVenues,
    Build,
    Effect,
    Height,
    Living,
    LookUp,
    NextBlock,
    Pause,
    Record,
    Rules,
    Send,
)
from order_engine.journal import Superseded
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, OrderRequest, Status
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.recovery import requeue_missing
from order_engine.router import offer_of
from order_engine.simulation.dice import MILLION, Dice
from order_engine.simulation.store import MemoryLedger, Store
from order_engine.simulation.swarm import FAMILIES, Swarm, draw
from order_engine.venues import meteora, raydium
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain, Timing
from order_engine.venues.simulated.genesis import WALLET, genesis
from order_engine.venues.simulated.ledger import State
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.wallet import Wallet
from order_engine.workers import Hands

SLOT_MS = 400
SWEEP_MS = 3_000
DEADLINE_MS = 2_000
FAULTS_MS = 120_000  # faults strike for so long after the last arrival; then the world is kind, and life can be judged
PATIENCE_MS = 1_800_000  # after the last fault, every order must have ended within this time
WALL_START_MS = 1_790_000_000_000

_GENESIS = genesis()
_PAIRS = [
    (listing.token_a, listing.token_b, units)
    for listing in _GENESIS.listings
    for units in [_GENESIS.balances[WALLET, listing.token_a] // 20_000]
] + [
    (listing.token_b, listing.token_a, units)
    for listing in _GENESIS.listings
    for units in [_GENESIS.balances[WALLET, listing.token_b] // 20_000]
]


class Told(NamedTuple):
    """A definite answer that somebody outside was given, and when: it must never turn out wrong."""

    at: int
    order: Order


class World:
    """A seed's history. `run` lives it; `invariants.violations` judges it."""

    def __init__(
        self, seed: int, orders: int, families: tuple[str, ...] = FAMILIES, trace: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        dice = Dice(seed * 2 + 1)
        self.swarm: Swarm = draw(dice.apart(), families)
        self._rates = self.swarm.rates
        self._faults_end = self.swarm.arrival_ms + FAULTS_MS
        self.orders = orders
        self._dice = dice.apart()
        self._client = dice.apart()
        self._trace = trace
        self.counts: Counter[str] = Counter()
        self.digest = hashlib.blake2b(digest_size=16)
        # time
        self.now = 0
        self._wall_offset = 0
        self._heap: list[tuple[int, int, int | None, Callable[[], None]]] = []
        self._tie = itertools.count()
        self.generation = 0
        self.up = False
        # the other system
        balances = dict(_GENESIS.balances)
        if self._client.chance(self.swarm.rate("small_wallet")):
            self.counts["small_wallet"] += 1
            share = self._client.between(1, 20)
            balances = {key: units * share // 10_000 if key[0] == WALLET else units for key, units in balances.items()}
        self.sums: dict[str, int] = {}
        for (_, token), units in balances.items():
            self.sums[token] = self.sums.get(token, 0) + units
        self.ledger = MemoryLedger(State(seed, 0, 0, _GENESIS.listings, _GENESIS.pools, balances, []))
        swarm = self.swarm
        timing = Timing(SLOT_MS, swarm.landing_slots_min, swarm.landing_slots_max, swarm.valid_slots)
        self.chain = SimulatedChain(self.ledger, timing, self)
        self.venues = [SimulatedVenue(name, self.chain, self, 0) for name in (raydium.NAME, meteora.NAME)]
        self._venue_of = {venue.name: venue for venue in self.venues}
        # ours, on disk
        self.store = Store()
        self.told: list[Told] = []
        self.published = 0
        self.accepted: set[str] = set()
        self._unanswered: set[str] = set()  # for counting
        self._sent: set[str] = set()  # likewise
        # ours, in memory
        self._rules = Rules(swarm.attempts)
        self._hands = Hands()
        self.wallet = Wallet(self.chain, swarm.attempts, NETWORK_FEE)
        self._queued: dict[str, int] = {}
        self._settling: set[str] = set()
        self._for_block: list[tuple[int, int, Living]] = []
        self._arrivals = orders
        self.broken: list[str] = []  # rules broken on the way; the others are judged at the end

    # clock.Clock, for the parts of the product that want one

    def now_ms(self) -> int:
        """Wall time, which jumps."""
        return WALL_START_MS + self.now + self._wall_offset

    def steady_ms(self) -> float:
        """Virtual time."""
        return self.now

    def sleep_ms(self, duration_ms: float) -> None:
        """Virtual time passes on the heap, never in a call."""

    # time

    def _after(self, delay_ms: int, call: Callable[[], None], *, ours: bool = True) -> None:
        """Does `call` after a while; if it is ours, only when no crash came in between."""
        owner = self.generation if ours else None
        heapq.heappush(self._heap, (self.now + delay_ms, next(self._tie), owner, call))

    def run(self) -> None:
        """Lives the whole history: until every order has ended and nothing of theirs can land any more."""
        self._start()
        self._after(0, self._block, ours=False)
        for number in range(self.orders):
            self._after(self._client.between(0, self.swarm.arrival_ms), lambda n=number: self._arrive(n), ours=False)  # type: ignore[misc]
        quiet_after: int | None = None
        while self._heap:
            due, _, owner, call = heapq.heappop(self._heap)
            self.now = due
            if owner is None or owner == self.generation:
                call()
            if self._arrivals == 0 and self.up and not self.store.any_open():
                if quiet_after is None:  # go on until whatever was sent has landed or died
                    quiet_after = self.now + (self.swarm.valid_slots + 2) * SLOT_MS + 10 * self.swarm.send_ms_max
                if self.now > quiet_after:
                    return
            elif self.now > self.swarm.arrival_ms + PATIENCE_MS:
                self.broken.append(f"I10 {len(self.store.open_ids())} orders have not ended in time")
                return

    def _fault(self, family: str) -> bool:
        """True when this fault strikes here."""
        rate = self._rates[family]
        if not rate or self._dice.roll() % MILLION >= rate or self.now > self._faults_end:
            return False
        self.counts[family] += 1
        return True

    def _note(self, order_id: str, what: str) -> None:
        if self._trace is not None:
            self._trace(f"{self.now:>8} ms  height {self.chain.height():>4}  {order_id[-6:]:>6}  {what}")

    # the chain

    def _block(self) -> None:
        if self._fault("price_step"):
            self._shock(self._dice.between(500, 20_000))
        if self._fault("pool_drained"):
            self._shock(5_000_000)
        if self._fault("clock_jump"):
            self._wall_offset += self._dice.pick((-3_600_000, 3_600_000, -WALL_START_MS // 2))
        self.chain.make_block()
        height = self.chain.height()
        waiting, self._for_block = self._for_block, []
        for entry in waiting:
            beyond, generation, living = entry
            if generation != self.generation:
                continue
            if height > beyond:
                self._after(1, lambda living=living: self._resume(living, height))  # type: ignore[misc]
            else:
                self._for_block.append(entry)
        self._after(SLOT_MS, self._block, ours=False)

    def _shock(self, ppm: int) -> None:
        listing = self._dice.pick(self.chain.listings)
        self.chain.shock(listing.address, self._dice.chance(500_000), ppm)

    # clients

    def _arrive(self, number: int) -> None:
        if not self.up:
            self._after(500, lambda: self._arrive(number), ours=False)
            return
        self._arrivals -= 1
        token_in, token_out, units = self._client.pick(_PAIRS)
        request = OrderRequest(
            token_in,
            token_out,
            self._client.between(1, units) * self._client.pick((1, 1, 1, 400)) + 1_000,
            self._client.pick((10, 50, 200)),
            self._client.pick((300, 10_000)),
        )
        if self._client.chance(300_000):  # a floor of the user's own, a little below what the market pays now
            offers = [
                offer for offer in (offer_of(venue, request.ask) for venue in self.venues) if isinstance(offer, Quote)
            ]
            if offers:
                floor = max(offer.amount_out for offer in offers) * self._client.between(9_900, 10_010) // 10_000
                request = replace(request, min_out=max(floor, 1))
        order_id = f"{self.seed:08x}-0000-7000-8000-{number:012x}"
        try:
            self.wallet.hold(order_id, request)
        except Refused:
            self.counts["refused for funds"] += 1
            return
        _, held = self.wallet.balances()[token_in]
        if held > self.chain.balances()[token_in]:
            self.broken.append(f"I8 {held} {token_in} are held, the wallet has {self.chain.balances()[token_in]}")
        event = Pending(self.now_ms(), request)
        self._commit(begin(order_id, event), event, self._accept)
        if self._client.chance(self.swarm.rate("cancel")):
            self._after(self._client.between(0, 4_000), lambda: self._cancel(order_id), ours=False)

    def _accept(self, answer: "Order | Superseded") -> None:
        if isinstance(answer, Order):
            self.accepted.add(answer.order_id)
            self._tell(answer)

    def _cancel(self, order_id: str) -> None:
        order = self.store.order(order_id)
        if not self.up or order is None:
            return
        event = Cancelled(self.now_ms(), "by request")
        try:
            cancelled = apply(order, event)
        except IllegalStep:
            self.counts["cancel too late"] += 1
            return
        self.counts["cancel"] += 1
        self._commit(cancelled, event, lambda answer: self._tell(answer) if isinstance(answer, Order) else None)

    def _tell(self, order: Order) -> None:
        if order.status.final:
            self.told.append(Told(self.now, order))

    # the engine: start, crash, journal, queue

    def _start(self) -> None:
        self.up = True
        self._hands = Hands()
        self.wallet = Wallet(self.chain, self.swarm.attempts, NETWORK_FEE)
        self._queued = {}
        self._settling = set()
        for order_id in self.store.open_ids():
            order = self.store.order(order_id)
            assert order is not None
            self.wallet.hold(order_id, order.request, checked=False)
        self.counts["resumed after a crash"] += requeue_missing(self.store, self, self._hands)
        self._after(SWEEP_MS, self._sweep)

    def _sweep(self) -> None:
        self.counts["swept up"] += requeue_missing(self.store, self, self._hands)
        self._after(SWEEP_MS, self._sweep)

    def _crash(self) -> None:
        self.generation += 1
        self.up = False
        self._note("", "CRASH")
        long = self._dice.chance(200_000)
        down_ms = self._dice.between(10, 500) if not long else (self.swarm.valid_slots + 2) * SLOT_MS
        self._after(down_ms, self._start, ours=False)

    def _commit(self, order: Order, event: Event, then: Callable[[Any], None]) -> None:
        self._after(self._dice.between(0, self.swarm.commit_ms_max), lambda: self._write(order, event, then))

    def _write(self, order: Order, event: Event, then: Callable[[Any], None]) -> None:
        try:
            recorded = self.store.commit(order, event)
        except Superseded as lost:
            self.counts["superseded"] += 1
            self._after(0, partial(then, lost))
            return
        self.digest.update(self.store.log[-1][0].encode())
        self.digest.update(self.store.log[-1][1])
        self._count(order, event)
        self._note(order.order_id, f"{type(event).__name__} (version {order.version})")
        if self._fault("crash"):
            self._crash()  # on disk, and nobody was told
            return
        if recorded.seq <= self.published:
            self.broken.append(f"I6 seq {recorded.seq} was published after {self.published}")
        self.published = recorded.seq
        if order.status.final:
            self.wallet.release(order.order_id)
        if order.version == 1:
            self.put(order.order_id)
        answer = recorded.order
        self._after(0, lambda: then(answer))

    def _count(self, order: Order, event: Event) -> None:
        self.counts[f"event {type(event).__name__}"] += 1
        if isinstance(event, Routing) and event.previous_error_code is not None:
            self.counts[f"set back: {event.previous_error_code}"] += 1
        elif isinstance(event, Failed):
            self.counts[f"failed: {event.error_code}"] += 1
        elif isinstance(event, Confirmed) and order.order_id in self._unanswered:
            self.counts["confirmed after a lost answer"] += 1
        elif isinstance(event, Unanswered):
            self._unanswered.add(order.order_id)

    def put(self, order_id: str) -> None:
        """The queue, with everything that Huey does to a task."""
        if self._fault("task_lost"):
            return
        times = 2 if self._fault("task_doubled") else 1
        for _ in range(times):
            late_ms = self._dice.between(100, 10_000) if self._fault("task_late") else self._dice.between(0, 5)
            self._queued[order_id] = self._queued.get(order_id, 0) + 1
            self._after(late_ms, lambda: self._work(order_id))

    def waiting(self) -> set[str]:
        """The ids that are in the queue."""
        return set(self._queued)

    # lives

    def _work(self, order_id: str) -> None:
        left = self._queued.pop(order_id) - 1
        if left:
            self._queued[order_id] = left
        mine, living = self._hands.take(order_id)
        if not mine:
            self.counts["doubled task refused"] += 1
            return
        if living is None:
            order = self.store.order(order_id)
            if order is None or order.status.final:
                self._hands.drop(order_id)
                return
            living = Living(order, self._rules, self.now_ms)
        self._settling.discard(order_id)
        self._advance(living)

    def _resume(self, living: Living, result: object) -> None:
        living.resume(result)
        self._advance(living)

    def _throw(self, living: Living, error: EngineError) -> None:
        living.throw(error)
        self._advance(living)

    def _advance(self, living: Living) -> None:
        effect = living.effect
        if effect is None:
            self._hands.drop(living.order_id)
            return
        if self._fault("crash"):
            self._crash()
            return
        self._perform(living, effect)

    def _perform(self, living: Living, effect: Effect) -> None:
        match effect:
            case Record():
                self._commit(
                    apply(effect.order, effect.event), effect.event, lambda answer: self._recorded(living, answer)
                )
            case AskVenues() | Build() if living.order_id in self._settling:
                self._hands.park(living)
                self.put(living.order_id)
            case AskVenues(ask=ask):
                self._ask(living, ask)
            case Build():
                self._build(living, effect)
            case Send():
                self._send(living, effect)
            case Height() | LookUp():
                self._settling.add(living.order_id)
                self._look(living, effect)
            case NextBlock(beyond=beyond):
                self._settling.add(living.order_id)
                self._for_block.append((beyond, self.generation, living))
            case Pause(duration_ms=duration_ms):
                self._settling.add(living.order_id)
                self._after(duration_ms, lambda: self._resume(living, None))

    def _recorded(self, living: Living, answer: Order | Superseded) -> None:
        if isinstance(answer, Superseded):
            self._hands.drop(living.order_id)
            return
        self._tell(answer)
        self._resume(living, answer)

    def _ask(self, living: Living, ask: Ask) -> None:
        def answer() -> None:
            offers = tuple(self._offer(venue, ask) for venue in self.venues)
            late_ms = self._dice.between(400, 6_000) if self._fault("venue_slow") else 0
            self._after(half_ms + late_ms, lambda: self._resume(living, offers))

        half_ms = self.swarm.quote_ms // 2
        self._after(half_ms, answer)

    def _offer(self, venue: SimulatedVenue, ask: Ask) -> Offer:
        if self._fault("venue_down"):
            return Declined(venue.name, "venue_unavailable", f"no answer within {DEADLINE_MS} ms")
        if self._fault("quote_nonsense"):
            return offer_of(_Liar(venue, self._dice), ask)
        return offer_of(venue, ask)

    def _build(self, living: Living, effect: Build) -> None:
        if self._fault("venue_down"):
            self._after(1, lambda: self._throw(living, VenueUnavailable("the venue does not build")))
            return
        transaction = self._venue_of[effect.quote.dex].build(effect.ask, effect.quote, effect.min_out, effect.nonce)
        self._after(self._dice.between(0, 20), lambda: self._resume(living, transaction))

    def _send(self, living: Living, effect: Send) -> None:
        copies = 0 if self._fault("send_dropped") else 2 if self._fault("send_doubled") else 1
        for _ in range(copies):
            most = self.swarm.send_ms_max * (5 if self._fault("send_late") else 1)
            self._after(self._dice.between(1, most), partial(self.chain.send, effect.transaction), ours=False)
        if effect.transaction.signature in self._sent:
            self.counts["landed twice sent"] += self.chain.look_up(effect.transaction.signature) is not None
        self._sent.add(effect.transaction.signature)
        self._note(living.order_id, f"sent {effect.transaction.signature[:6]} {copies}x")
        if self._fault("answer_lost"):
            lost = OutcomeUnknown("no answer to the sending within 2000 ms")
            self._after(DEADLINE_MS, lambda: self._throw(living, lost))
        else:
            self._after(self._dice.between(1, self.swarm.send_ms_max), lambda: self._resume(living, None))

    def _look(self, living: Living, effect: Height | LookUp) -> None:
        if self._fault("status_unreachable"):
            self._after(50, lambda: self._throw(living, VenueUnavailable("the status cannot be asked")))
            return

        def ask() -> None:
            seen = self.chain.height() if isinstance(effect, Height) else self.chain.look_up(effect.signature)
            self._after(self._dice.between(0, most), lambda: self._resume(living, seen))

        if self._fault("status_slow"):
            most = self.swarm.status_ms_max
            self._after(self._dice.between(0, most), ask)
        else:
            most = 2
            ask()


class _Liar:
    """A venue whose quotes make no sense."""

    def __init__(self, venue: SimulatedVenue, dice: Dice) -> None:
        self._venue = venue
        self._dice = dice
        self.name = venue.name

    def quote(self, ask: Ask) -> Quote:
        """A quote that nobody should take."""
        quote = self._venue.quote(ask)
        net_out = self._dice.pick((0, -1, quote.amount_out + 1, quote.net_out))
        return replace(quote, net_out=net_out, dex="nobody" if net_out == quote.net_out else quote.dex)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)


def statuses(world: World) -> Counter[Status]:
    """How many orders ended how."""
    return Counter(order.status for order in world.store.orders())
