"""The mathematics of routing, alone in this process: splits, a route over three hops, and the check of a receipt.

Pools are those of tests/routing/networks.py, out of fixed seeds, so that every run and machine has the same ones. Figures
are microseconds per call, the median of ten parts. Building the pools is not part of them; seeing each pool as pieces is.
"""

import itertools
from collections.abc import Callable
from functools import partial

from benchmarks.daemon import CLOCK, Failed
from benchmarks.report import Figure, Findings, Plan, percentile
from order_engine.routes import Exact, NoPlan, Terms
from order_engine.routes import Plan as Route
from order_engine.routing.best import best_plan
from order_engine.routing.certificate import bounds, certify, verify
from order_engine.routing.hops import route_in
from order_engine.routing.split import split_in, split_out
from order_engine.venues.snapshot import Snapshot
from tests.routing import markets
from tests.routing.networks import CONSTANT_PRODUCT, MODELS, NOW, Question, question

ABOUT = "the mathematics of routing"
SEEDS = range(10)  # of each kind of question; what is timed is all of them in turn


def run(plan: Plan) -> Findings:
    """What each promise of speed takes, over several networks."""
    calls = plan.size(100, 2)
    twelve = [question(seed, models=CONSTANT_PRODUCT, tokens=2, pools=12) for seed in SEEDS]
    mixed = [question(seed, models=MODELS, tokens=2, pools=12) for seed in SEEDS]
    sixty = [question(seed, models=MODELS, tokens=5, pools=60) for seed in SEEDS]
    thirty = [question(seed, models=CONSTANT_PRODUCT, tokens=3, pools=30) for seed in SEEDS]
    figures = [
        timed("split over 12 constant-product pools", 50, plan, calls * 10, [_split(each) for each in twelve]),
        timed("the same, exact-out", None, plan, calls * 10, [_split_out(each) for each in twelve]),
        timed("the same with a cost per leg", None, plan, calls * 5, [_split(each, 200) for each in twelve]),
        timed("split over 12 mixed pools", 1_000, plan, calls, [_split(each) for each in mixed]),
        timed("route of 3 hops over 60 mixed pools", 30_000, plan, plan.size(5, 1), [_route(each) for each in sixty]),
        timed("certificate check, 30 constant-product pools", 100, plan, calls * 5, [_bound(each) for each in thirty]),
        timed("the whole receipt, plan and digest too", None, plan, calls * 5, [_verify(each) for each in thirty]),
        timed("making that receipt", None, plan, calls, [_certify(each) for each in thirty]),
        *_in_the_default_market(plan),
    ]
    return Findings(f"{len(SEEDS)} networks of each kind in turn, one process", figures)


def _in_the_default_market(plan: Plan) -> list[Figure]:
    """What an order's plan with its proof takes, over several pairs and sizes: at rest, and where the pools have moved."""
    rest, world = markets.chain().snapshot(), markets.moved(300)
    blocks = []
    for _ in range(8):
        world.make_block()
        blocks.append(world.snapshot())
    small, large = (1, 100), (10_000, 1_000_000)
    calls = plan.size(20, 1)
    fresh = itertools.count(rest.height + 1)
    return [
        timed("best plan in a market at rest, to 100 USD", 300, plan, calls * 10, _orders(rest, small)),
        timed("the same from 10,000 USD on", None, plan, calls, _orders(rest, large)),
        timed("the first one of a block", 1_500, plan, calls * 10, [lambda: _first(rest._replace(height=next(fresh)))]),
        timed("best plan in a moved market, to 100 USD", 3_000, plan, calls, _orders(blocks[-1], small)),
        timed("the same, exact-out", 3_000, plan, calls, _orders(blocks[-1], small, "out")),
        timed("the same from 10,000 USD on in it", 15_000, plan, calls, _orders(blocks[-1], large)),
        slowest("the slowest of all of these, at rest or moved", 30_000, plan, _orders(rest, large + small), blocks),
        timed("the first one of a block that moved", None, plan, calls, [partial(_first, each) for each in blocks]),
    ]


def _orders(pools: Snapshot, dollars: tuple[int, ...], exact: Exact = "in") -> list[Callable[[], object]]:
    """Each pair with each size, each time a unit more: no answer is one of before."""
    terms = Terms(max_legs=6, max_hops=3)

    def asking(pair: tuple[str, str], size: int) -> Callable[[], object]:
        amounts = itertools.count(markets.units(pair[0 if exact == "in" else 1], size))
        return lambda: best_plan(pools, *pair, next(amounts), exact, terms)

    return [asking(pair, size) for pair in markets.PAIRS for size in dollars]


def _first(pools: Snapshot) -> object:
    return best_plan(pools, "SOL", "USDC", markets.units("SOL", 100), "in", Terms(max_legs=6, max_hops=3))


def timed(name: str, at_most: float | None, plan: Plan, calls: int, questions: list[Callable[[], object]]) -> Figure:
    """Microseconds per call over all questions in turn."""
    return Figure(name, "µs", [_microseconds(questions, calls) for _ in range(plan.runs)], at_most=at_most)


def slowest(name: str, at_most: float, plan: Plan, rest: list[Callable[[], object]], blocks: list[Snapshot]) -> Figure:
    """The median of the question that takes longest, of those at rest and of those after some blocks."""
    questions = [*rest, *_orders(blocks[0], markets.DOLLARS), *_orders(blocks[-1], markets.DOLLARS)]
    return Figure(name, "µs", [max(_median(ask) for ask in questions) for _ in range(plan.runs)], at_most=at_most)


def _median(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(5):
        begun = CLOCK.steady_ms()
        ask()
        took.append((CLOCK.steady_ms() - begun) * 1_000)
    return percentile(took, 50)


def _microseconds(questions: list[Callable[[], object]], calls: int) -> float:
    took = []
    for _ in range(10):
        begun = CLOCK.steady_ms()
        for _ in range(max(calls // 10, 1)):
            for ask in questions:
                ask()
        took.append((CLOCK.steady_ms() - begun) / max(calls // 10, 1) / len(questions) * 1_000)
    return percentile(took, 50)


def _split(asked: Question, cost_ppm: int = 0) -> Callable[[], object]:
    free = _plan(split_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW))
    terms = Terms(leg_cost=free.amount_out * cost_ppm // 1_000_000)
    return lambda: split_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, terms)


def _split_out(asked: Question) -> Callable[[], object]:
    wanted = _plan(split_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW)).amount_out
    return lambda: split_out(asked.listings, asked.token_in, asked.token_out, wanted, NOW)


def _route(asked: Question) -> Callable[[], object]:
    return lambda: route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW)


def _bound(asked: Question) -> Callable[[], object]:
    plan = _plan(route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW))
    prices = certify(plan, asked.listings, NOW, 1).proof.prices
    return lambda: bounds(asked.listings, plan, prices, NOW)


def _verify(asked: Question) -> Callable[[], object]:
    plan = _plan(route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW))
    receipt = certify(plan, asked.listings, NOW, 1)
    if problems := verify(receipt):
        raise Failed(f"a receipt of ours does not hold: {problems}")
    return lambda: verify(receipt)


def _certify(asked: Question) -> Callable[[], object]:
    plan = _plan(route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW))
    return lambda: certify(plan, asked.listings, NOW, 1)


def _plan(found: Route | NoPlan) -> Route:
    if isinstance(found, NoPlan):
        raise Failed(f"a question without a plan: {found.message}")
    return found
