"""A quote over three venues, all delays 0: through HTTP, one at a time on one connection; and the routing alone, in this process.

No two quotes are alike, but for the figure that says so. Routing is asking all venues and choosing between their offers, by the
engine's own functions on a simulated chain as it begins, in microseconds per call over many calls; and beside it the plan over all
pools, with its proof, on pools that were routed on before. The empty Litestar route, asked in the same way in the same run, is what
HTTP alone takes.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.daemon import CLOCK, Failed, scratch_daemon
from benchmarks.load import Exchange, request
from benchmarks.reference import empty_route
from benchmarks.report import Figure, Findings, Plan, percentile, ratio
from order_engine.clock import SystemClock
from order_engine.quotes import Ask
from order_engine.router import Limits, ask_venues, best_route
from order_engine.venues.simulated.chain import SimulatedChain, Timing
from order_engine.venues.simulated.genesis import VENUES
from order_engine.venues.simulated.ledger import Ledger
from order_engine.venues.simulated.venue import SimulatedVenue

ABOUT = "a quote over three venues"
PATH = "/api/quote?inputToken=SOL&outputToken=USDC&amount=1."
UNITS = 1_500_000_000
SINGLE = Limits(slippage_bps=50, max_impact_bps=300)
BEST = Limits(slippage_bps=50, max_impact_bps=300, single=False)


def run(plan: Plan) -> Findings:
    """Quotes through HTTP, and what of that is routing."""
    quotes, calls = plan.size(2_000, 100), plan.size(5_000, 300)
    amounts = itertools.count(UNITS)
    halves, tails, same, empty, asking, choosing, routing, planning = ([] for _ in range(8))
    with scratch_daemon(plan.folder) as daemon, empty_route() as port:
        for _ in range(plan.runs):
            paths = [f"{PATH}{each % 1_000_000_000}" for each in itertools.islice(amounts, quotes)]
            took = asyncio.run(times(daemon.port, [request("GET", path, b"", daemon.authorization) for path in paths]))
            halves.append(percentile(took, 50))
            tails.append(percentile(took, 99))
            again = asyncio.run(times(daemon.port, [request("GET", paths[0], b"", daemon.authorization)] * quotes))
            same.append(percentile(again, 50))
            empty.append(percentile(asyncio.run(times(port, [request("GET", "/")] * quotes)), 50))
            asked, chosen, planned = in_process(plan.folder, calls)
            asking.append(asked)
            choosing.append(chosen)
            routing.append(asked + chosen)
            planning.append(planned)
    ours, nothing = Figure("quote through HTTP, p50", "ms", halves, at_most=1), Figure("empty route, p50", "ms", empty)
    return Findings(
        f"{quotes:,} quotes one at a time, {calls:,} calls of the routing, delays 0",
        [
            ours,
            Figure("quote through HTTP, p99", "ms", tails),
            Figure("the same quote over and over, p50", "ms", same),
            nothing,
            ratio("quotes per empty request", ours, nothing),
            Figure("asking three venues", "µs", asking),
            Figure("choosing the route", "µs", choosing),
            Figure("routing: both", "µs", routing, at_most=60),
            Figure("choosing over all pools, with proof", "µs", planning),
        ],
    )


async def times(port: int, raws: Sequence[bytes]) -> list[float]:
    """The milliseconds of each of these requests, one at a time on one connection; but for the first twenty."""
    exchange = await Exchange.open(port)
    took = []
    for number, raw in enumerate(raws):
        begun = CLOCK.steady_ms()
        status, body = await exchange.send(raw)
        if number >= 20:  # warm
            took.append(CLOCK.steady_ms() - begun)
        if status != 200:
            raise Failed(f"{status} {body[:200]!r}")
    exchange.close()
    return took


def in_process(folder: Path, calls: int) -> tuple[float, float, float]:
    """Microseconds of asking all venues, of choosing between their offers, and of choosing over all pools instead."""
    with tempfile.TemporaryDirectory(prefix="chain-", dir=folder) as place, ThreadPoolExecutor(1) as executor:
        chain = a_chain(Path(place) / "chain.db")
        try:
            venues = venues_of(chain)
            asks = (Ask("SOL", "USDC", units) for units in itertools.count(UNITS))
            asking = microseconds(lambda: ask_venues(venues, None, next(asks), 2_000, executor), calls)
            answered = [
                (ask, ask_venues(venues, chain.snapshot, ask, 2_000, executor)) for ask in itertools.islice(asks, calls)
            ]
            one, all_pools = iter(answered), iter(answered)
            choosing = microseconds(lambda: best_route(*next(one), SINGLE), calls)
            return asking, choosing, microseconds(lambda: best_route(*next(all_pools), BEST), calls)
        finally:
            chain.stop()


def a_chain(path: Path) -> SimulatedChain:
    """A chain that makes no blocks of its own, and waits for nothing."""
    timing = Timing(slot_ms=0, landing_slots_min=1, landing_slots_max=1, valid_slots=150)
    return SimulatedChain(Ledger(path, 7, 0), timing, SystemClock())


def venues_of(chain: SimulatedChain) -> list[SimulatedVenue]:
    """All venues, which answer at once."""
    return [SimulatedVenue(name, chain, SystemClock(), quote_ms=0) for name in VENUES]


def microseconds(call: Callable[[], object], calls: int) -> float:
    """What one of so many calls takes: the median of ten parts, so that a moment in which somebody else ran is left out."""
    part = max(calls // 10, 1)
    took = []
    for _ in range(10):
        begun = CLOCK.steady_ms()
        for _ in range(part):
            call()
        took.append((CLOCK.steady_ms() - begun) / part * 1_000)
    return percentile(took, 50)
