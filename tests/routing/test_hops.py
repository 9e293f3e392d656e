"""A route runs as it says, whole or not at all, is never worse than any simpler one, and is as good as its bound."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_engine.routes import NoPlan, Plan, Terms
from order_engine.routing.certificate import PRICE_ONE, certify, flaw_of
from order_engine.routing.hops import route_in, route_out
from order_engine.routing.split import split_in
from order_engine.venues import raydium_amm_v4
from order_engine.venues.snapshot import Listing
from tests.routing.gaps import measured, planned_in, planned_out
from tests.routing.grid import PERCENTS, paid, paths, routed
from tests.routing.networks import NOW, Question, question

quickly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 10**6)


def pool(a: str, b: str, units_a: int, units_b: int, name: str = "") -> Listing:
    return Listing("raydium", name or f"{a}/{b}", a, b, raydium_amm_v4.Pool(units_a, units_b))


def routed_in(asked: Question, terms: Terms | None = None) -> Plan | NoPlan:
    return route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, terms or Terms())


@quickly
@given(seed=seeds, loud=st.booleans(), cost=st.sampled_from([0, 1, 1_000]), cap=st.sampled_from([None, 1, 3, 6]))
def test_every_plan_runs_as_it_says(seed: int, loud: bool, cost: int, cap: int | None) -> None:
    asked = question(seed, pools=14, loud=loud)
    terms = Terms(leg_cost=cost * 1_000, max_legs=cap)
    sold = routed_in(asked, terms)
    if isinstance(sold, NoPlan):
        return
    assert sold.amount_in == asked.amount
    assert flaw_of(sold, asked.listings, NOW, terms) is None
    wanted = max(sold.amount_out // 3, 1)
    bought = route_out(asked.listings, asked.token_in, asked.token_out, wanted, NOW, terms)
    assert isinstance(bought, Plan)
    assert bought.amount_out == wanted
    assert flaw_of(bought, asked.listings, NOW, terms) is None


@quickly
@given(seed=seeds)
def test_no_split_and_no_single_path_pays_more(seed: int) -> None:
    asked = question(seed, tokens=4, pools=12)
    plan = routed_in(asked)
    got = plan.amount_out if isinstance(plan, Plan) else 0
    direct = split_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW)
    assert got >= (direct.amount_out if isinstance(direct, Plan) else 0)
    assert got >= max((paid(path, asked.amount) for path in paths(asked, asked.amount)), default=0)


@quickly
@given(seed=seeds, percent=st.sampled_from(PERCENTS))
def test_no_grid_of_shares_pays_more(seed: int, percent: int) -> None:
    asked = question(seed, tokens=3, pools=10)
    plan = routed_in(asked)
    assert routed(asked, percent) <= (plan.amount_out + a_unit_per_leg(plan, asked) if isinstance(plan, Plan) else 0)


def a_unit_per_leg(plan: Plan, asked: Question) -> int:
    """What one unit of what each leg buys is worth in units of the output, each rounded up."""
    prices = certify(plan, asked.listings, NOW, 1).proof.prices
    return sum(-(-prices[leg.token_out] // PRICE_ONE) for leg in plan.legs)


@pytest.mark.parametrize("seed", [1_561, 20_797, 30_961, 32_224])
def test_no_grid_of_shares_sees_what_floats_leave_where_pieces_are_flat_or_units_are_worth_much(seed: int) -> None:
    asked = question(seed, tokens=3, pools=10)
    plan = routed_in(asked)
    assert isinstance(plan, Plan)
    assert max(routed(asked, percent) for percent in PERCENTS) <= plan.amount_out + a_unit_per_leg(plan, asked)


def test_where_the_most_of_a_token_is_more_than_the_next_pool_takes_a_path_with_less_of_it_is_found() -> None:
    asked = question(30_661, tokens=4, pools=12)
    plan = routed_in(asked)
    assert isinstance(plan, Plan)
    assert plan.amount_out >= max(paid(path, asked.amount) for path in paths(asked, asked.amount)) > 0


@pytest.mark.parametrize("planned", [planned_in, planned_out], ids=["exact-in", "exact-out"])
def test_plans_on_random_networks_are_as_good_as_their_bounds(planned: object) -> None:
    assert planned in (planned_in, planned_out)
    gaps, without = measured(range(2_000, 2_040), planned_in if planned is planned_in else planned_out)
    assert [gap for gap in gaps if not gap.fine] == []
    assert len(without) <= 3, "pools that do not hold the amount are rare"


def test_a_path_through_another_token_is_found_and_shared_with_the_direct_pool() -> None:
    listings = [
        pool("SOL", "USDC", 10**12, 10**11),
        pool("SOL", "USDT", 10**13, 10**12),
        pool("USDC", "USDT", 10**13, 10**13),
    ]
    plan = route_in(listings, "SOL", "USDC", 10**11, NOW)
    assert isinstance(plan, Plan)
    assert {(leg.token_in, leg.token_out) for leg in plan.legs} == {("SOL", "USDC"), ("SOL", "USDT"), ("USDT", "USDC")}
    assert flaw_of(plan, listings, NOW) is None


def test_a_cost_per_leg_keeps_to_fewer_legs_when_more_would_gain_less_than_they_cost() -> None:
    listings = [
        pool("SOL", "USDC", 10**12, 10**11),
        pool("SOL", "USDT", 10**13, 10**12),
        pool("USDC", "USDT", 10**13, 10**13),
    ]
    free = route_in(listings, "SOL", "USDC", 10**11, NOW)
    one = route_in(listings, "SOL", "USDC", 10**11, NOW, Terms(max_legs=1))
    assert isinstance(free, Plan)
    assert isinstance(one, Plan)
    assert len(one.legs) == 1
    gain = free.amount_out - one.amount_out
    dear = route_in(listings, "SOL", "USDC", 10**11, NOW, Terms(leg_cost=gain))
    assert isinstance(dear, Plan)
    assert dear.net > free.amount_out - 3 * gain
    assert len(dear.legs) < 3


def test_no_path_is_longer_than_allowed() -> None:
    chain = [pool(f"T{number}", f"T{number + 1}", 10**12, 10**12) for number in range(4)]
    assert isinstance(route_in(chain, "T0", "T4", 10**6, NOW, Terms(max_hops=4)), Plan)
    refused = route_in(chain, "T0", "T4", 10**6, NOW)
    assert isinstance(refused, NoPlan)
    assert refused.reason == "no_pool"


def test_pools_that_disagree_are_traded_against_each_other_on_the_way() -> None:
    listings = [pool("A", "B", 10**12, 10**12, "dear"), pool("A", "B", 10**9, 9 * 10**8, "cheap")]
    plan = route_in(listings, "A", "B", 10**9, NOW)
    split = split_in(listings, "A", "B", 10**9, NOW)
    assert isinstance(plan, Plan)
    assert isinstance(split, Plan)
    assert plan.amount_out > split.amount_out, "A is dear in one pool, so it is bought back in the other"
    assert ("B", "A") in {(leg.token_in, leg.token_out) for leg in plan.legs}
    assert flaw_of(plan, listings, NOW) is None
