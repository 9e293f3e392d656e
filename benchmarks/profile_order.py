"""Where the time of one order goes: each step of its path alone, in this process, in microseconds per order.

Each step is called by itself, many times, with what it meets in real life; where an order takes a step several times, the figure
is for all of them, and the name says how many. What threads cost each other (the GIL, waking up) is in none of them: the last
line sets beside their sum the processor time that a daemon really takes for an order under the load of `submit`. (The steps that
end in a commit are timed by the clock, so the disk is in them; that is not in the processor's time.)
"""

import itertools
import queue
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.daemon import CLOCK, Daemon, Failed, scratch_daemon, until
from benchmarks.homes import one_life
from benchmarks.load import drive, request
from benchmarks.quote import a_chain, microseconds, venues_of
from benchmarks.reference import empty_route, route
from benchmarks.report import Figure, Findings, Plan, percentile
from benchmarks.submit import CONNECTIONS, burst
from daemon.answers import encode
from order_engine.assembly import assemble
from order_engine.events import Building, Confirmed, Event, Pending, Recorded, Submitted
from order_engine.execution import AskVenues, Build, Height, Living, LookUp, NextBlock, Pause, Record, Rules, Send
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.integrity import sum_of
from order_engine.journal import Journal
from order_engine.lifecycle import apply, begin
from order_engine.messages import event_record, order_record
from order_engine.orders import Order, OrderRequest
from order_engine.quotes import Ask
from order_engine.requests import read_json, read_order
from order_engine.router import Answers, ask_venues, planned
from order_engine.routes import Leg, NoPlan
from order_engine.settings import load
from order_engine.tally import Tally
from order_engine.venues.venue import Landed
from order_engine.work_queue import WorkQueue

ABOUT = "one order, step by step"
BODY = b'{"inputToken":"SOL","outputToken":"USDC","amount":"0.001","slippageBps":500}'
REQUEST = OrderRequest("SOL", "USDC", 1_000_000, slippage_bps=500, max_impact_bps=300)
TOGETHER = 64  # orders that share a block, and a transaction of the queue: as many as there are connections
GATHERED = 256  # events in a commit when the journal is the one that is waited for

_encode = msgspec.json.Encoder().encode
_steady_ms = CLOCK.steady_ms

Steps = dict[str, float]


def run(plan: Plan) -> Findings:
    """The steps, their sum, and what an order really takes."""
    measured: list[Steps] = []
    with scratch_daemon(plan.folder) as daemon, empty_route() as port:
        burst(daemon, plan.size(3_000, 100))
        route(port, plan.size(3_000, 100))
        for _ in range(plan.runs):
            steps = profile(plan) | {"HTTP: the daemon's `GET /`": _root(daemon, plan.size(5_000, 200))}
            steps["SUM of the steps above"] = sum(steps.values())
            steps |= _parts(plan)
            steps["HTTP: an empty Litestar route"] = 1e6 / route(port, plan.size(5_000, 200)).per_second
            steps["MEASURED: daemon, CPU per order, 64 connections"] = _cpu_us(daemon, plan.size(5_000, 200))
            measured.append(steps)
    return Findings(
        f"µs per order; blocks and queue with {TOGETHER} orders together, commits with {GATHERED} events, delays 0",
        [Figure(name, "µs", [steps[name] for steps in measured]) for name in measured[0]],
    )


def profile(plan: Plan) -> Steps:
    """Each step of an order's path, in its order. Together they are what the engine does for one."""
    calls = plan.size(2_000, 100)
    life = one_life(plan.folder)
    recorded = _recorded(life)
    with tempfile.TemporaryDirectory(prefix="profile-", dir=plan.folder) as place, ThreadPoolExecutor(1) as executor:
        folder = Path(place)
        settings = load(folder / "none.toml", {"OEE_SIM_SPEED": "instant"})
        chain = a_chain(folder / "chain.db")
        try:
            venues, ask = venues_of(chain), REQUEST.ask
            found = planned(ask, chain.snapshot())
            if isinstance(found, NoPlan):
                raise Failed(found.message)
            legs = found.plan.legs
            nonces = map(str, range(1_000_000))
            asks = (Ask(ask.input_token, ask.output_token, each) for each in itertools.count(ask.amount))
            return {
                "read_json and read_order": microseconds(lambda: read_order(read_json(BODY), settings), calls),
                "engine.submit: checks, hold, promise": _submitting(folder / "submit", calls),
                "journal: 5 events encoded and written": _journal(folder / "journal.db", life, plan.size(2_048, 256)),
                "tally: 5 events counted": _counting(recorded, calls),
                "queue: put, taken, given to a worker": _queue(folder / "queue.db", plan.size(2_048, 128)),
                "the life: effects, 4 applies, choosing the route": _living(life, calls),
                "asking three venues": microseconds(
                    lambda: ask_venues(venues, None, next(asks), 2_000, executor), calls
                ),
                "the plan over all pools, and its proof": microseconds(
                    lambda: planned(next(asks), chain.snapshot()), calls
                ),
                "building and signing": microseconds(lambda: chain.build(ask, legs, 1, next(nonces)), calls),
                "sending, block, look-up": _landing(folder / "landing.db", plan.size(16, 2)),
                "answer: order_record and encoding": microseconds(
                    lambda: encode(order_record(recorded[0].order)), calls
                ),
            }
        finally:
            chain.stop()


def _parts(plan: Plan) -> Steps:
    """What is in the steps already, looked at more closely, and what is only there when somebody listens."""
    calls = plan.size(2_000, 100)
    life = one_life(plan.folder)
    recorded = _recorded(life)

    def encodings() -> None:
        for each in recorded:
            _encode(each.order).decode()
            sum_of(_encode(each.event))

    def messages() -> None:
        for each in recorded:
            encode(event_record(each.seq, each.order.order_id, each.order.request, each.event)).decode()

    return {
        "of the journal: encoding 5 orders and events": microseconds(encodings, calls),
        "of the life: 4 x lifecycle.apply": microseconds(lambda: _recorded(life), calls),
        "one thread to another and back": _there_and_back(calls),
        "with readers: 5 x event_record and encoding": microseconds(messages, calls),
    }


def _recorded(life: list[Event]) -> list[Recorded]:
    order: Order | None = None
    recorded: list[Recorded] = []
    for seq, event in enumerate(life, 1):
        order = begin("0199a1b2-0000-7000-8000-000000000000", event) if order is None else apply(order, event)  # type: ignore[arg-type]
        recorded.append(Recorded(seq, event, order))
    return recorded


def _submitting(root: Path, calls: int) -> float:
    """`engine.submit` alone: meanwhile the journal's thread stands still, in a listener of its own feed."""
    home = Home.at(root)
    engine = assemble(home, load(home.config_file, {"OEE_SIM_SPEED": "instant"}), _broken)
    go = threading.Event()

    def stand_still(_: Sequence[Recorded]) -> None:
        go.wait(60)

    engine.feed.subscribe(stand_still)
    first = engine.submit(REQUEST)
    until(lambda: engine.last_seq() == 1, "the first commit", every_ms=1)
    took = microseconds(lambda: engine.submit(REQUEST), calls)
    go.set()
    first.result(60)
    engine.close()
    return took


def _journal(path: Path, life: list[Event], count: int) -> float:
    """An event of each kind for so many orders, from where the journal's thread takes them up until all are answered."""
    journal = Journal(path, Feed(), _broken)
    orders: list[Order] = []
    took = 0.0
    try:
        for event in life:
            with _held_up(journal) as go:
                answers: queue.SimpleQueue[Recorded | Exception] = queue.SimpleQueue()
                if isinstance(event, Pending):
                    for number in range(count):
                        journal.accept(f"0199a1b2-0000-7000-8000-{number:012}", event, answers.put)
                else:
                    for order in orders:
                        journal.record(order, event, answers.put)
                begun = _steady_ms()
                go.set()
                found = [answers.get(timeout=60) for _ in range(count)]
                took += _steady_ms() - begun
            orders = [each.order for each in found if isinstance(each, Recorded)]
            if len(orders) != count:
                raise Failed(f"the journal answered {found[0]}")
    finally:
        journal.close()
    return took / count * 1_000


@contextmanager
def _held_up(journal: Journal) -> Iterator[threading.Event]:
    """The journal's thread stands still until the event is set, so that everything put before gathers."""
    go, there = threading.Event(), threading.Event()

    def stand_still(_: Recorded | Exception) -> None:
        there.set()
        go.wait(60)

    journal.accept(f"held-{journal.last_seq()}", Pending(1, REQUEST), stand_still)
    there.wait(60)
    try:
        yield go
    finally:
        go.set()


def _counting(recorded: list[Recorded], calls: int) -> float:
    tally = Tally(CLOCK)

    def count() -> None:
        for each in recorded:
            tally.count(each)

    return microseconds(count, calls)


def _queue(path: Path, count: int) -> float:
    """From putting ids, so many at a time, until a worker has been given each."""
    worked = threading.Semaphore(0)
    work_queue = WorkQueue(path, 10, lambda _: worked.release(), CLOCK)
    work_queue.begin()
    took = []
    try:
        for block in range(count // TOGETHER):
            ids = [f"{block}-{number}" for number in range(TOGETHER)]
            begun = _steady_ms()
            work_queue.put_all(ids)
            for _ in ids:
                worked.acquire(timeout=60)
            took.append((_steady_ms() - begun) / TOGETHER * 1_000)
    finally:
        work_queue.end(1.0)
    return percentile(took, 50)


def _living(life: list[Event], calls: int) -> float:
    """The generator itself, with every effect answered at once."""
    first = _recorded(life)[0].order
    building, submitted, confirmed = life[2], life[3], life[4]
    assert isinstance(building, Building)
    assert isinstance(submitted, Submitted)
    assert isinstance(confirmed, Confirmed)
    signature = confirmed.tx_hash
    landed = Landed(signature, 7, 5_000, confirmed.amount_out, confirmed.fee, confirmed.fee_token)

    def live() -> None:
        living = Living(first, Rules(), CLOCK.now_ms)
        while (effect := living.effect) is not None:
            match effect:
                case Record():
                    living.resume(apply(effect.order, effect.event))
                case AskVenues():
                    living.resume(Answers(building.quotes))
                case Build():
                    living.resume(submitted.transaction)
                case LookUp():
                    living.resume(landed)
                case Height():
                    living.resume(7)
                case Send() | NextBlock() | Pause():
                    living.resume(None)

    return microseconds(live, calls)


def _landing(path: Path, blocks: int) -> float:
    """Sending so many together, the block in which they land, with its synced commit, and looking each one up."""
    chain = a_chain(path)
    took = []
    try:
        venue, ask = venues_of(chain)[0], Ask("SOL", "USDC", REQUEST.amount_in)
        for block in range(blocks):
            quote = venue.quote(ask)
            legs = (Leg(quote.dex, quote.pool, "SOL", "USDC", quote.amount_in, quote.amount_out),)
            built = [chain.build(ask, legs, 1, f"{block}/{number}") for number in range(TOGETHER)]
            begun = _steady_ms()
            for transaction in built:
                chain.send(transaction)
            chain.make_block()
            if not all(chain.look_up(transaction.signature) for transaction in built):
                raise Failed("A transaction did not land in its block")
            took.append((_steady_ms() - begun) / TOGETHER * 1_000)
    finally:
        chain.stop()
    return percentile(took, 50)


def _there_and_back(calls: int) -> float:
    there: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    back: queue.SimpleQueue[int] = queue.SimpleQueue()

    def answer() -> None:
        while (number := there.get()) is not None:
            back.put(number)

    def ask() -> None:
        there.put(1)
        back.get()

    other = threading.Thread(target=answer)
    other.start()
    took = microseconds(ask, calls)
    there.put(None)
    other.join()
    return took


def _root(daemon: Daemon, count: int) -> float:
    """What the daemon takes for a request that asks for nothing: parser, gate, Litestar, answer."""
    return 1e6 / drive(daemon.port, [request("GET", "/")] * count, CONNECTIONS).per_second


def _cpu_us(daemon: Daemon, orders: int) -> float:
    before = daemon.cpu_ms()
    burst(daemon, orders)
    return (daemon.cpu_ms() - before) / orders * 1_000


def _broken(reason: str) -> None:
    raise Failed(reason)
