"""A plan says of every pool why it is used or why not."""

from order_engine.routes import Plan, Terms
from order_engine.routing.certificate import certify
from order_engine.routing.explanation import Explanation, explain
from order_engine.routing.split import split_in
from order_engine.venues import raydium_amm_v4
from order_engine.venues.snapshot import Listing
from tests.routing.gaps import any_hops, planned_in
from tests.routing.networks import CONSTANT_PRODUCT, NOW, question


def pools(*sizes: tuple[int, int]) -> list[Listing]:
    return [Listing("raydium", f"p{number}", "A", "B", raydium_amm_v4.Pool(*size)) for number, size in enumerate(sizes)]


def explained(listings: list[Listing], amount: int, terms: Terms) -> Explanation:
    plan = split_in(listings, "A", "B", amount, NOW, terms)
    assert isinstance(plan, Plan)
    return explain(plan, listings, certify(plan, listings, NOW, 1, terms).proof.prices, NOW, terms)


def test_the_marginal_price_is_the_same_on_every_used_pool() -> None:
    for seed in range(20):
        asked = question(seed, models=CONSTANT_PRODUCT)
        terms = any_hops(asked)
        plan = planned_in(asked, terms)
        assert isinstance(plan, Plan)
        prices = certify(plan, asked.listings, NOW, 1, terms).proof.prices
        told = explain(plan, asked.listings, prices, NOW, terms)
        for each in told.used:
            assert each.before_x64 >= each.last_x64
            units = max(each.common_x64 >> 64, (1 << 64) // each.common_x64, 1)  # of one token for one of the other
            close_ppm = 1 + 1_000_000 * units // min(each.amount_in, each.amount_out)
            assert abs(each.last_x64 - each.common_x64) * 1_000_000 <= each.common_x64 * close_ppm
        assert {each.pool for each in told.used} | {each.pool for each in told.unused} == {
            each.pool for each in asked.listings
        }
        assert {each.reason for each in told.unused} <= {"price", "rounding"}


def test_a_pool_is_unused_for_its_price_its_cost_the_cap_or_because_it_is_empty() -> None:
    listings = pools((10**12, 10**12), (10**12, 10**12), (10**12, 998 * 10**9), (0, 0), (10**9, 10**9))
    free = explained(listings, 10**9, Terms())
    assert [each.pool for each in free.used] == ["p0", "p1", "p4"]
    assert {each.pool: each.reason for each in free.unused} == {"p2": "price", "p3": "empty"}
    dear = explained(listings, 10**9, Terms(leg_cost=100_000))
    assert {each.pool: each.reason for each in dear.unused} == {"p2": "price", "p3": "empty", "p4": "cost"}
    capped = explained(listings, 10**9, Terms(max_legs=1))
    assert [each.reason for each in capped.unused].count("cap") == 2
    gained = next(each.gain for each in capped.unused if each.reason == "cap")
    assert gained > 0
