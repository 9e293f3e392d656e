"""Orders, quotes, clocks and engines for tests, where only what matters is named."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from order_engine.assembly import assemble
from order_engine.clock import SystemClock
from order_engine.engine import Engine
from order_engine.events import (
    Building,
    Cancelled,
    Confirmed,
    Event,
    Expired,
    Failed,
    Pending,
    Recorded,
    Routing,
    Submitted,
)
from order_engine.execution import Living, Rules
from order_engine.feed import Feed
from order_engine.halt import Halt
from order_engine.home import Home
from order_engine.journal import Journal
from order_engine.lifecycle import apply, begin
from order_engine.orders import Order, OrderRequest, Status, Transaction
from order_engine.quotes import Ask, Quote
from order_engine.routes import Leg
from order_engine.settings import Settings, load
from order_engine.settlement import SettlementWatch
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.chain import SimulatedChain, Timing
from order_engine.venues.simulated.ledger import Ledger
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.venues.venue import Venue
from order_engine.workers import Hands, Workers
from tests.waiting import until

SOL = 10 ** TOKENS["SOL"].decimals
USDC = 10 ** TOKENS["USDC"].decimals

TRANSACTION = Transaction("signature", last_valid_height=50, wire="wire")
AT_ONCE = Timing(slot_ms=0, landing_slots_min=1, landing_slots_max=1, valid_slots=150)


class HandClock:
    """Time that passes only when the test says so, or when somebody sleeps. `on_look` runs at each look at the wall."""

    def __init__(self) -> None:
        self.at_ms = 1_800_000_000_000.0
        self.on_look: Callable[[], None] = lambda: None

    def now_ms(self) -> int:
        self.on_look()
        return int(self.at_ms)

    def steady_ms(self) -> float:
        return self.at_ms

    def sleep_ms(self, duration_ms: float) -> None:
        self.at_ms += max(duration_ms, 0)


def a_request(**changes: Any) -> OrderRequest:
    request = OrderRequest("SOL", "USDC", amount_in=SOL, slippage_bps=50, max_impact_bps=300)
    return replace(request, **changes)


def a_quote(dex: str = "raydium", amount_out: int = 1_000_000, **changes: Any) -> Quote:
    quote = Quote(
        dex=dex,
        pool=f"{dex} pool",
        amount_out=amount_out,
        fee=2_500,
        fee_token="SOL",
        network_fee=5_000,
        net_out=amount_out - 818,
        impact_bps=10,
        amount_in=SOL,
        net_in=SOL + 5_000,
    )
    return replace(quote, **changes)


PENDING = Pending(1_000, a_request())
ROUTING = Routing(1_001, attempt=1)
BUILDING = Building(1_002, "raydium", "raydium pool", 1_000_000, (a_quote(),), "raydium pays most")
SUBMITTED = Submitted(1_003, "raydium", TRANSACTION, 995_000)
CONFIRMED = Confirmed(
    1_004,
    tx_hash=TRANSACTION.signature,
    routed_dex="raydium",
    quoted_out=1_000_000,
    amount_out=999_000,
    fee=2_500,
    fee_token="SOL",
    network_fee=5_000,
    height=7,
)
FAILED = Failed(1_005, "no_route", "No venue quoted.", 1)
CANCELLED = Cancelled(1_006, "by request")
EXPIRED = Expired(1_007, "too old")

PATHS: dict[Status, Sequence[Event]] = {
    Status.PENDING: (),
    Status.ROUTING: (ROUTING,),
    Status.BUILDING: (ROUTING, BUILDING),
    Status.SUBMITTED: (ROUTING, BUILDING, SUBMITTED),
    Status.CONFIRMED: (ROUTING, BUILDING, SUBMITTED, CONFIRMED),
    Status.FAILED: (ROUTING, FAILED),
    Status.CANCELLED: (CANCELLED,),
    Status.EXPIRED: (EXPIRED,),
}


def an_order(status: Status = Status.PENDING, order_id: str = "order-1", **request: Any) -> Order:
    """An order that came to `status` on the shortest way."""
    order = begin(order_id, Pending(1_000, a_request(**request)))
    for event in PATHS[status]:
        order = apply(order, event)
    return order


def settings(home: Home, **changes: Any) -> Settings:
    return replace(load(home.config_file, {"OEE_SIM_SPEED": "instant"}), **changes)


def broken(reason: str) -> None:
    raise AssertionError(f"the journal stopped: {reason}")


@contextmanager
def an_engine(root: Path, **changes: Any) -> Iterator[Engine]:
    """A running engine over the home at `root`, drained and closed afterwards."""
    home = Home.at(root)
    engine = assemble(home, settings(home, **changes), broken)
    engine.start()
    try:
        yield engine
    finally:
        engine.drain(0)
        engine.close()


@contextmanager
def a_journal(path: Path, on_fatal: Callable[[str], None] = broken) -> Iterator[Journal]:
    journal = Journal(path, Feed(), on_fatal)
    try:
        yield journal
    finally:
        journal.close()


def write(journal: Journal, order_id: str, *events: Event, **request: Any) -> Order:
    """Creates an order and appends `events`. Gives the order as it is then."""
    order = journal.create(order_id, Pending(1_000, a_request(**request))).result(10).order
    for event in events:
        order = journal.append(order, event).result(10).order
    return order


@contextmanager
def a_chain(path: Path, timing: Timing = AT_ONCE, seed: int = 7) -> Iterator[SimulatedChain]:
    """A chain that stands still until `make_block` is called."""
    clock = HandClock()
    chain = SimulatedChain(Ledger(path, seed, clock.now_ms()), timing, clock)
    try:
        yield chain
    finally:
        chain.stop()


def venues_of(chain: SimulatedChain) -> list[SimulatedVenue]:
    return [SimulatedVenue(name, chain, HandClock(), quote_ms=0) for name in ("raydium", "meteora")]


def a_swap(
    chain: SimulatedChain, nonce: str = "order/1", *, ask: Ask | None = None, min_out: int | None = None
) -> Transaction:
    """A signed swap of the best offer, with the least output that one per cent of slippage allows."""
    ask = ask or Ask("SOL", "USDC", SOL)
    quote = max((venue.quote(ask) for venue in venues_of(chain)), key=lambda quote: quote.net_out)
    limit = quote.amount_out * 99 // 100 if min_out is None else min_out
    return chain.build(ask, (a_leg(ask, quote),), limit, nonce)


def a_leg(ask: Ask, quote: Quote) -> Leg:
    """The one swap that a quote offers."""
    return Leg(quote.dex, quote.pool, ask.input_token, ask.output_token, quote.amount_in, quote.amount_out)


class Floor:
    """The engine's working parts without queue and sweeper: the test says who works on what, and when a block comes."""

    def __init__(self, folder: Path, rules: Rules | None = None, timing: Timing = AT_ONCE) -> None:
        self.feed = Feed()
        self.recorded: list[Recorded] = []
        self.feed.subscribe(self.recorded.extend)
        self.journal = Journal(folder / "journal.db", self.feed, broken)
        self.chain = SimulatedChain(Ledger(folder / "chain.db", 7, 0), timing, HandClock())
        self.halt = Halt(folder / "halted")
        self.hands = Hands(lambda: self.halt.on)
        self.handed_over: list[Living] = []
        self.back_in_queue: list[str] = []
        self.rules = rules or Rules(attempts=3, backoff_ms=0)
        self._quoting = ThreadPoolExecutor(8)
        self.workers = self.staff(venues_of(self.chain))
        self.settlement = SettlementWatch(
            self.journal, self.chain, SystemClock(), self.hands, self.back_in_queue.append, self.halt
        )

    def staff(self, venues: Sequence[Venue], hand_over: Callable[[Living], None] | None = None) -> Workers:
        """Workers who ask these venues, and hand lives over to a list."""
        return Workers(
            self.journal,
            venues,
            self.chain,
            self.rules,
            self.hands,
            SystemClock().now_ms,
            self._quoting,
            2_000,
            hand_over or self.handed_over.append,
            self.halt,
        )

    def submit(self, order_id: str = "order-1", **request: Any) -> Order:
        return write(self.journal, order_id, **request)

    def carry(self, order_id: str = "order-1") -> None:
        """A worker and the settlement, which must run, take the order to where it waits for the chain, or to its end."""
        self.workers.work(order_id)
        self.settlement.watch(self.handed_over.pop())
        until(lambda: self._rests(order_id), f"{order_id} at rest")

    def _rests(self, order_id: str) -> bool:
        waiting = [living for _, living in list(self.settlement._for_block)]
        waiting += [living for *_, living in list(self.settlement._pauses)]
        return any(living.order_id == order_id for living in waiting) or order_id not in self.hands._held

    def order(self, order_id: str = "order-1") -> Order:
        order = self.journal.order(order_id)
        assert order is not None
        return order

    def events(self, order_id: str = "order-1") -> list[str]:
        return [type(entry.event).__name__ for entry in self.journal.events(0, 1_000, order_id)]

    def close(self) -> None:
        self.settlement.stop()
        self.journal.close()
        self.chain.stop()
        self._quoting.shutdown()


@contextmanager
def a_floor(folder: Path, rules: Rules | None = None, timing: Timing = AT_ONCE) -> Iterator[Floor]:
    floor = Floor(folder, rules, timing)
    try:
        yield floor
    finally:
        floor.close()


def rows(path: Path, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a file says to somebody who opens it anew."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(sql, arguments).fetchall()


_UNDONE = {  # what each migration of the journal did, backwards
    3: "DROP TABLE markets",
    4: "DROP TABLE snapshots; DROP TABLE pool_states",
    5: "DROP TABLE outcomes",
    6: "CREATE INDEX orders_open ON orders (n) WHERE status IN ('pending', 'routing', 'building', 'submitted')",
}


def go_back(db: sqlite3.Connection, version: int) -> None:
    """Makes the schema of a journal what an earlier version had."""
    for step in range(max(_UNDONE), version, -1):
        db.executescript(_UNDONE[step])
    db.execute(f"PRAGMA user_version = {version}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is writing: whoever wants to write has to wait."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                other.execute("ROLLBACK")


def fill_up(journal: Journal) -> None:
    """No page more may be taken: what a full disk says to SQLite before anything of a transaction is written."""
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


def make_room(journal: Journal) -> None:
    journal._db.execute("PRAGMA max_page_count = 1000000")
