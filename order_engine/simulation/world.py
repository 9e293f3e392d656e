"""One simulated world: clients, the engine with its crashes, the queue that loses, the network that lies, the chain that goes on.

It performs the effects of the same lives that the daemon lives, on a heap of virtual time. What is ours dies in a crash: every
pending answer belongs to the start that asked for it. What is not ours, blocks and transactions on their way, goes on.
"""

import hashlib
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

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
from order_engine.journal import Superseded, Write
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, OrderRequest, Status
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.recovery import requeue_missing
from order_engine.router import Answers, offer_of
from order_engine.routing.best import forget
from order_engine.simulation.dice import Dice
from order_engine.simulation.store import MemoryLedger, Store
from order_engine.simulation.swarm import FAMILIES, Faults, Swarm, draw
from order_engine.simulation.virtual_clock import WALL_START_MS, VirtualClock
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain, Timing
from order_engine.venues.simulated.genesis import VENUES, WALLET, genesis
from order_engine.venues.simulated.ledger import State
from order_engine.venues.simulated.regimes import REGIMES
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.wallet import Wallet
from order_engine.workers import Hands

SLOT_MS = 400
SWEEP_MS = 3_000
DEADLINE_MS = 2_000
FAULTS_MS = 120_000  # faults strike for so long after the last arrival; then the world is kind, and life can be judged
PATIENCE_MS = 1_800_000  # after the last fault, every order must have ended within this time

BEST_PPM = 5_000  # of orders that are routed over all pools: that takes as long as many lives

_GENESIS = genesis()
_COUNTED = {kind: f"event {kind.__name__}" for kind in get_args(Event)}
_PAIRS = [
    (listing.token_a, listing.token_b, units)
    for listing in _GENESIS.listings
    for units in [_GENESIS.balances[WALLET, listing.token_a] // 20_000]
] + [
    (listing.token_b, listing.token_a, units)
    for listing in _GENESIS.listings
    for units in [_GENESIS.balances[WALLET, listing.token_b] // 20_000]
]


_NEAR = {frozenset((token_in, token_out)) for token_in, token_out, _ in _PAIRS}
_FAR_PAIRS = [
    (token_in, token_out)
    for token_in in ("USDC", "WIF", "JUP")
    for token_out in ("BONK", "JitoSOL", "RAY")
    if frozenset((token_in, token_out)) not in _NEAR
]


class Told(NamedTuple):
    """A definite answer that somebody outside was given, and when: it must never turn out wrong."""

    at: int
    order: Order


_Due = tuple[int | None, Callable[..., None], tuple[Any, ...]]  # of which start (None: not ours), what, with what


class World:
    """A seed's history. `run` lives it; `invariants.violations` judges it."""

    # Every step looks something up here, and for more than thirty attributes Python is quick only with slots.
    __slots__ = (
        "_agenda",
        "_arrivals",
        "_client",
        "_dice",
        "_due",
        "_fault",
        "_for_block",
        "_hands",
        "_moments",
        "_queued",
        "_rules",
        "_sent",
        "_settling",
        "_trace",
        "_unanswered",
        "accepted",
        "broken",
        "chain",
        "clock",
        "counts",
        "generation",
        "ledger",
        "orders",
        "published",
        "seed",
        "store",
        "sums",
        "swarm",
        "told",
        "up",
        "venues",
        "wallet",
        "wallet_before",
    )

    def __init__(
        self, seed: int, orders: int, families: tuple[str, ...] = FAMILIES, trace: Callable[[str], None] | None = None
    ) -> None:
        self.seed = seed
        dice = Dice(seed * 2 + 1)
        self.swarm: Swarm = draw(dice.apart(), families)
        self.orders = orders
        self.clock = VirtualClock()
        self._dice = Faults(dice.seed_apart(), self.swarm, self.clock, self.swarm.arrival_ms + FAULTS_MS)
        self._fault = self._dice.strike  # True when this fault strikes here
        self._client = dice.apart()
        self._trace = trace
        self.counts = self._dice.counts
        # time
        self._agenda: defaultdict[int, list[_Due]] = defaultdict(list)  # what is to be done at which millisecond
        self._moments: list[int] = []  # a heap of those milliseconds
        self._due: dict[Write, int] = {}  # records on their way to the disk, and when they will be there
        self.generation = 0
        self.up = False
        # the other system
        balances = dict(_GENESIS.balances)
        if self._client.chance(self.swarm.rate("small_wallet")):
            self.counts["small_wallet"] += 1
            share = self._client.between(1, 20)
            balances = {key: units * share // 10_000 if key[0] == WALLET else units for key, units in balances.items()}
        self.wallet_before = {token: units for (who, token), units in balances.items() if who == WALLET}
        self.sums: dict[str, int] = {}
        for (_, token), units in balances.items():
            self.sums[token] = self.sums.get(token, 0) + units
        self.ledger = MemoryLedger(State(seed, 0, 0, _GENESIS.listings, _GENESIS.pools, balances, []))
        swarm = self.swarm
        timing = Timing(SLOT_MS, swarm.landing_slots_min, swarm.landing_slots_max, swarm.valid_slots)
        self.chain = SimulatedChain(self.ledger, timing, self.clock, start=REGIMES[swarm.regime])
        self.counts[f"market: {swarm.regime}"] += 1
        self.venues = [SimulatedVenue(name, self.chain, self.clock, 0) for name in VENUES]
        forget()  # a seed is the same history whatever was simulated before it
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

    @property
    def digest(self) -> bytes:
        """What the whole history comes down to: the same for the same log, event for event."""
        log = b"".join([order_id.encode() + facts for order_id, facts in self.store.log])
        return hashlib.blake2b(log, digest_size=16).digest()

    # time

    def _after(self, delay_ms: int, call: Callable[..., None], *arguments: Any) -> None:
        """Does `call` after a while, unless a crash comes in between."""
        moment = self.clock.now + delay_ms
        due = self._agenda[moment]
        if not due:
            heapq.heappush(self._moments, moment)
        due.append((self.generation, call, arguments))

    def _outside(self, delay_ms: int, call: Callable[..., None], *arguments: Any) -> None:
        """Does `call` after a while, whatever becomes of us: it is not ours."""
        moment = self.clock.now + delay_ms
        due = self._agenda[moment]
        if not due:
            heapq.heappush(self._moments, moment)
        due.append((None, call, arguments))

    def run(self) -> None:
        """Lives the whole history: until every order has ended and nothing of theirs can land any more."""
        self._start()
        self._outside(0, self._block)
        for number in range(self.orders):
            self._outside(self._client.between(0, self.swarm.arrival_ms), self._arrive, number)
        agenda, moments, clock, store = self._agenda, self._moments, self.clock, self.store
        quiet_after: int | None = None
        while moments:
            clock.now = now = heapq.heappop(moments)
            for owner, call, arguments in agenda[now]:  # which grows by what is to be done at once
                if owner is None or owner == self.generation:
                    call(*arguments)
            del agenda[now]
            if self._arrivals == 0 and self.up and not store.any_open():
                if quiet_after is None:  # go on until whatever was sent has landed or died
                    quiet_after = now + (self.swarm.valid_slots + 2) * SLOT_MS + 10 * self.swarm.send_ms_max
                if now > quiet_after:
                    break
            elif now > self.swarm.arrival_ms + PATIENCE_MS:
                self.broken.append(f"I10 {len(store.open_ids())} orders have not ended in time")
                break
        agenda.clear()  # its calls hold the world: without them it is gone as soon as nobody wants it

    def _note(self, order_id: str, *what: object) -> None:
        if self._trace is not None:
            words = " ".join(map(str, what))
            self._trace(f"{self.clock.now:>8} ms  height {self.chain.height():>4}  {order_id[-6:]:>6}  {words}")

    # the chain

    def _block(self) -> None:
        if self._fault("price_step"):
            self._shock(self._dice.between(500, 20_000))
        if self._fault("pool_drained"):
            self._shock(5_000_000)
        if self._fault("clock_jump"):
            self.clock.wall_offset += self._dice.pick((-3_600_000, 3_600_000, -WALL_START_MS // 2))
        self.chain.make_block()
        height = self.chain.height()
        waiting, self._for_block = self._for_block, []
        for entry in waiting:
            beyond, generation, living = entry
            if generation != self.generation:
                continue
            if height > beyond:
                self._after(1, self._resume, living, height)
            else:
                self._for_block.append(entry)
        self._outside(SLOT_MS, self._block)

    def _shock(self, ppm: int) -> None:
        listing = self._dice.pick(self.chain.listings)
        self.chain.shock(listing.address, self._dice.chance(500_000), ppm)

    # clients

    def _arrive(self, number: int) -> None:
        if not self.up:
            self._outside(500, self._arrive, number)
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
        if self._client.chance(BEST_PPM):
            self.counts["routed over all pools"] += 1
            pair = self._client.pick(_FAR_PAIRS) if self._client.chance(300_000) else (token_in, token_out)
            request = replace(request, input_token=pair[0], output_token=pair[1], routing="best")
            token_in = pair[0]
        elif self._client.chance(400_000):
            request = self._bounded(request)
        order_id = f"{self.seed:08x}-0000-7000-8000-{number:012x}"
        try:
            self.wallet.hold(order_id, token_in, request.max_in or request.amount_in)
        except Refused:
            self.counts["refused for funds"] += 1
            return
        _, held = self.wallet.balances()[token_in]
        has = self.chain.accounts()[WALLET, token_in]
        if held > has:
            self.broken.append(f"I8 {held} {token_in} are held, the wallet has {has}")
        event = Pending(self.clock.now_ms(), request, ceiling=request.max_in)
        self._commit(Write(begin(order_id, event), event, None), self._accept)
        if self._client.chance(self.swarm.rate("cancel")):
            self._outside(self._client.between(0, 4_000), self._cancel, order_id)

    def _bounded(self, request: OrderRequest) -> OrderRequest:
        """The same with a floor of the user's own, a little below what some venue pays now; or the other way round, with what he
        wants to receive and a ceiling of his own."""
        offer = offer_of(self._client.pick(self.venues), request.ask)
        if not isinstance(offer, Quote):
            return request
        if self._client.chance(300_000):
            self.counts["says what it receives"] += 1
            ceiling = request.amount_in * self._client.between(9_990, 10_300) // 10_000
            return replace(request, amount_in=0, receive=offer.amount_out, max_in=max(ceiling, 1))
        return replace(request, min_out=max(offer.amount_out * self._client.between(9_900, 10_010) // 10_000, 1))

    def _accept(self, answer: Order | Superseded) -> None:
        if isinstance(answer, Order):
            self.accepted.add(answer.order_id)
            self._tell(answer)

    def _cancel(self, order_id: str) -> None:
        order = self.store.order(order_id)
        if not self.up or order is None:
            return
        event = Cancelled(self.clock.now_ms(), "by request")
        try:
            cancelled = apply(order, event)
        except IllegalStep:
            self.counts["cancel too late"] += 1
            return
        self.counts["cancel"] += 1
        self._commit(Write(cancelled, event, None), self._cancelled)

    def _cancelled(self, answer: Order | Superseded) -> None:
        if isinstance(answer, Order):
            self._tell(answer)

    def _tell(self, order: Order) -> None:
        if order.status.final:
            self.told.append(Told(self.clock.now, order))

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
            self.wallet.hold(order_id, order.request.input_token, order.most_in, checked=False)
        self.counts["resumed after a crash"] += requeue_missing(self.store, self, self._hands)
        self._after(SWEEP_MS, self._sweep)

    def _sweep(self) -> None:
        self.counts["swept up"] += requeue_missing(self.store, self, self._hands)
        self._after(SWEEP_MS, self._sweep)

    def _crash(self) -> None:
        self.generation += 1
        self.up = False
        self._due.clear()
        self._note("", "CRASH")
        long = self._dice.chance(200_000)
        down_ms = self._dice.between(10, 500) if not long else (self.swarm.valid_slots + 2) * SLOT_MS
        self._outside(down_ms, self._start)

    def _commit(self, write: Write, then: Callable[..., None], *whose: Living) -> None:
        """Puts it on disk, and then calls `then` with whose life it is, if it is one's, and what came of it.

        What is written of one order is written in the order in which it was given.
        """
        delay_ms = self._dice.between(0, self.swarm.commit_ms_max)
        last = write.before
        if last is not None and last in self._due:
            delay_ms = max(delay_ms, self._due[last] - self.clock.now)
        self._due[write] = self.clock.now + delay_ms
        self._after(delay_ms, self._write, write, then, whose)

    def _write(self, write: Write, then: Callable[..., None], whose: tuple[Living, ...]) -> None:
        order, event = write.order, write.event
        del self._due[write]
        try:
            if write.is_groundless:
                raise Superseded(order.order_id)
            recorded = self.store.commit(order, event)
        except Superseded as lost:
            self.counts["superseded"] += 1
            self._after(0, then, *whose, lost)
            return
        write.stored, write.before = True, None
        self._count(order, event)
        self._note(order.order_id, type(event).__name__, "version", order.version)
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
        self._after(0, then, *whose, recorded.order)

    def _count(self, order: Order, event: Event) -> None:
        self.counts[_COUNTED[type(event)]] += 1
        if type(event) is Routing and event.previous_error_code is not None:
            self.counts[f"set back: {event.previous_error_code}"] += 1
        elif type(event) is Failed:
            self.counts[f"failed: {event.error_code}"] += 1
        elif type(event) is Confirmed:
            self.counts["confirmed after a lost answer"] += order.order_id in self._unanswered
            self.counts["confirmed over several pools"] += len(event.fills) > 1
        elif type(event) is Unanswered:
            self._unanswered.add(order.order_id)

    def put(self, order_id: str) -> None:
        """The queue, with everything that Huey does to a task."""
        if self._fault("task_lost"):
            return
        times = 2 if self._fault("task_doubled") else 1
        for _ in range(times):
            late_ms = self._dice.between(100, 10_000) if self._fault("task_late") else self._dice.between(0, 5)
            self._queued[order_id] = self._queued.get(order_id, 0) + 1
            self._after(late_ms, self._work, order_id)

    def put_all(self, order_ids: Sequence[str]) -> None:
        """Into the queue, oldest first."""
        for order_id in order_ids:
            self.put(order_id)

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
            living = Living(order, self._rules, self.clock.now_ms)
        self._settling.discard(order_id)
        self._advance(living)

    def _resume(self, living: Living, result: object = None) -> None:
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
        _PERFORM[type(effect)](self, living, effect)

    # effects

    def _record(self, living: Living, effect: Record) -> None:
        write = Write(apply(effect.order, effect.event), effect.event, None, living.unwaited)
        if effect.wait:
            living.unwaited = None
            self._commit(write, self._recorded, living)
        else:
            living.unwaited = write
            self._commit(write, self._nobody_waits)
            self._after(0, self._resume, living, write.order)

    def _nobody_waits(self, answer: Order | Superseded) -> None:
        """The life has gone on: if this was not stored, its next record will not be either."""

    def _recorded(self, living: Living, answer: Order | Superseded) -> None:
        if isinstance(answer, Superseded):
            self._hands.drop(living.order_id)
            return
        self._tell(answer)
        self._resume(living, answer)

    def _ask(self, living: Living, effect: AskVenues) -> None:
        if living.order_id in self._settling:
            self._back_to_a_worker(living)
        else:
            self._after(self.swarm.quote_ms // 2, self._asked, living, effect)

    def _asked(self, living: Living, effect: AskVenues) -> None:
        offers = tuple([self._offer(venue, effect.ask) for venue in self.venues])
        pools = None if not effect.pools or self._fault("status_unreachable") else self.chain.snapshot()
        late_ms = self._dice.between(400, 6_000) if self._fault("venue_slow") else 0
        self._after(self.swarm.quote_ms // 2 + late_ms, self._resume, living, Answers(offers, pools))

    def _offer(self, venue: SimulatedVenue, ask: Ask) -> Offer:
        if self._fault("venue_down"):
            return Declined(venue.name, "venue_unavailable", f"no answer within {DEADLINE_MS} ms")
        if self._fault("quote_nonsense"):
            return offer_of(_Liar(venue, self._dice), ask)
        return offer_of(venue, ask)

    def _build(self, living: Living, effect: Build) -> None:
        if living.order_id in self._settling:
            self._back_to_a_worker(living)
        elif self._fault("venue_down"):
            self._after(1, self._throw, living, VenueUnavailable("the venue does not build"))
        else:
            transaction = self.chain.build(effect.ask, effect.legs, effect.limit, effect.nonce)
            self._after(self._dice.between(0, 20), self._resume, living, transaction)

    def _back_to_a_worker(self, living: Living) -> None:
        self._hands.park(living)
        self.put(living.order_id)

    def _send(self, living: Living, effect: Send) -> None:
        transaction = effect.transaction
        copies = 0 if self._fault("send_dropped") else 2 if self._fault("send_doubled") else 1
        for _ in range(copies):
            most = self.swarm.send_ms_max * (5 if self._fault("send_late") else 1)
            self._outside(self._dice.between(1, most), self.chain.send, transaction)
        if transaction.signature in self._sent:
            self.counts["landed twice sent"] += self.chain.look_up(transaction.signature) is not None
        self._sent.add(transaction.signature)
        self._note(living.order_id, "sent", transaction.signature[:6], f"{copies}x")
        if self._fault("answer_lost"):
            self._after(DEADLINE_MS, self._throw, living, OutcomeUnknown("no answer to the sending within 2000 ms"))
        else:
            self._after(self._dice.between(1, self.swarm.send_ms_max), self._resume, living)

    def _look(self, living: Living, effect: Height | LookUp) -> None:
        self._settling.add(living.order_id)
        if self._fault("status_unreachable"):
            self._after(50, self._throw, living, VenueUnavailable("the status cannot be asked"))
        elif self._fault("status_slow"):
            most = self.swarm.status_ms_max
            self._after(self._dice.between(0, most), self._see, living, effect, most)
        else:
            self._see(living, effect, 2)

    def _see(self, living: Living, effect: Height | LookUp, answer_ms_max: int) -> None:
        seen = self.chain.look_up(effect.signature) if type(effect) is LookUp else self.chain.height()
        self._after(self._dice.between(0, answer_ms_max), self._resume, living, seen)

    def _wait(self, living: Living, effect: NextBlock) -> None:
        self._settling.add(living.order_id)
        self._for_block.append((effect.beyond, self.generation, living))

    def _pause(self, living: Living, effect: Pause) -> None:
        self._settling.add(living.order_id)
        self._after(effect.duration_ms, self._resume, living)


# A table, not a `match`: that costs several look-ups per effect, and a life has two dozen of them.
_PERFORM: dict[type[Effect], Callable[[World, Living, Any], None]] = {
    Record: World._record,
    AskVenues: World._ask,
    Build: World._build,
    Send: World._send,
    Height: World._look,
    LookUp: World._look,
    NextBlock: World._wait,
    Pause: World._pause,
}


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
