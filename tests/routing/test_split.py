"""A split adds up, is never worse than one pool, and is the best there is wherever all others can be tried."""

from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_engine.routes import NoPlan, Plan, Terms
from order_engine.routing.certificate import flaw_of
from order_engine.routing.split import split_in, split_out
from order_engine.venues import raydium_amm_v4
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import Listing
from tests.routing.networks import CONSTANT_PRODUCT, MODELS, NOW, Question, question

quickly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 10**6)
of_both_kinds = pytest.mark.parametrize("models", [CONSTANT_PRODUCT, MODELS], ids=["constant product", "mixed"])


def pair(seed: int, models: tuple[str, ...] = MODELS, pools: int = 8) -> Question:
    return question(seed, models=models, tokens=2, pools=pools)


def asked(each: Question, terms: Terms | None = None) -> Plan | NoPlan:
    return split_in(each.listings, each.token_in, each.token_out, each.amount, NOW, terms or Terms())


def alone(each: Question, number: int) -> int:
    """What one pool pays for the whole amount."""
    listing = each.listings[number]
    try:
        return listing.state.swap_exact_in(each.amount, listing.token_a == each.token_in, NOW).amount_out
    except SwapRefused:
        return 0


@of_both_kinds
@quickly
@given(seed=seeds)
def test_inputs_add_up_and_every_leg_is_what_its_pool_swaps(models: tuple[str, ...], seed: int) -> None:
    each = pair(seed, models)
    plan = asked(each)
    if isinstance(plan, Plan):
        assert plan.amount_in == sum(leg.amount_in for leg in plan.legs) == each.amount
        assert flaw_of(plan, each.listings, NOW) is None


@of_both_kinds
@quickly
@given(seed=seeds, few=st.integers(0, 12))
def test_no_single_pool_pays_more(models: tuple[str, ...], seed: int, few: int) -> None:
    each = pair(seed, models)._replace(amount=pair(seed, models).amount >> few * 4)
    plan = asked(each)
    best = max(alone(each, number) for number in range(len(each.listings)))
    assert plan.amount_out >= best if isinstance(plan, Plan) else best == 0


@of_both_kinds
@quickly
@given(seed=seeds)
def test_exact_out_costs_no_more_than_selling_what_it_costs_would_pay(models: tuple[str, ...], seed: int) -> None:
    each = pair(seed, models)
    plan = asked(each)
    if isinstance(plan, NoPlan):
        return
    bought = split_out(each.listings, each.token_in, each.token_out, plan.amount_out, NOW)
    assert isinstance(bought, Plan)
    assert bought.amount_out == plan.amount_out
    assert flaw_of(bought, each.listings, NOW) is None
    # It could have done what the sale did; whole units and floats leave two millionths (0.02 bps) and two units per leg:
    # of 13,000 networks one was found where it is 0.012 bps.
    assert bought.amount_in <= each.amount + each.amount // 500_000 + 2 * len(bought.legs) + _units_in(plan)


def test_a_pool_that_holds_a_little_less_than_floats_say_is_not_left_out() -> None:
    each = pair(600_971)
    plan = asked(each)
    assert isinstance(plan, Plan)
    bought = split_out(each.listings, each.token_in, each.token_out, plan.amount_out, NOW)
    assert isinstance(bought, Plan)
    assert len(bought.legs) == len(plan.legs)
    assert (bought.amount_in - each.amount) * 500_000 <= each.amount


def _units_in(plan: Plan) -> int:
    """What a unit of output per leg costs."""
    return len(plan.legs) * (plan.amount_in // plan.amount_out + 1) * 2


@quickly
@given(seed=seeds, leg_cost=st.integers(0, 8), cap=st.integers(1, 6))
def test_with_costs_and_a_cap_no_other_choice_of_pools_is_better_by_a_basis_point(
    seed: int, leg_cost: int, cap: int
) -> None:
    each = pair(seed, CONSTANT_PRODUCT, pools=6)
    free = asked(each)
    assert isinstance(free, Plan)
    terms = Terms(leg_cost=free.amount_out * leg_cost // 10_000, max_legs=cap)
    plan = asked(each, terms)
    assert isinstance(plan, Plan)
    assert len(plan.legs) <= cap
    for count in range(1, cap + 1):
        for some in combinations(each.listings, count):
            other = split_in(some, each.token_in, each.token_out, each.amount, NOW)
            assert isinstance(other, Plan)
            net = other.amount_out - terms.leg_cost * len(other.legs)
            # A search among choices, not a proof: of 10,000 networks one was found where it is 0.07 bps short.
            assert plan.net >= net - 6 - free.amount_out // 10**4, (count, plan, other)


@quickly
@given(amount=st.integers(2, 60), reserves=st.lists(st.integers(50, 5_000), min_size=4, max_size=4))
def test_amounts_so_small_that_each_unit_counts_are_split_as_well_as_can_be(amount: int, reserves: list[int]) -> None:
    states = [raydium_amm_v4.Pool(reserves[0], reserves[1], 0), raydium_amm_v4.Pool(reserves[2], reserves[3], 0)]
    listings = [Listing("raydium", f"p{number}", "A", "B", state) for number, state in enumerate(states)]

    def paid(state: raydium_amm_v4.Pool, units: int) -> int:
        try:
            return state.swap_exact_in(units, True, NOW).amount_out if units else 0
        except SwapRefused:
            return -1

    tries = [(paid(states[0], units), paid(states[1], amount - units)) for units in range(amount + 1)]
    best = max((one + other for one, other in tries if min(one, other) >= 0), default=0)
    plan = split_in(listings, "A", "B", amount, NOW)
    assert (plan.amount_out if isinstance(plan, Plan) else 0) >= best - 1


def test_pools_of_one_price_share_in_proportion_to_their_depth() -> None:
    listings = [
        Listing("raydium", f"p{size}", "SOL", "USDC", raydium_amm_v4.Pool(size * 10**12, size * 10**11))
        for size in (1, 2, 5)
    ]
    plan = split_in(listings, "SOL", "USDC", 8 * 10**9, NOW)
    assert isinstance(plan, Plan)
    assert [round(leg.amount_in / 10**9, 3) for leg in plan.legs] == [1, 2, 5]


@pytest.mark.parametrize(
    ("amount", "tokens", "reason"),
    [(0, ("A", "B"), "zero_amount"), (5, ("A", "C"), "no_pool"), (1, ("A", "B"), "too_small")],
)
def test_where_there_is_no_plan_it_says_why(amount: int, tokens: tuple[str, str], reason: str) -> None:
    listings = [Listing("raydium", "p", "B", "A", raydium_amm_v4.Pool(10**9, 10**9))]
    found = split_in(listings, *tokens, amount, NOW)
    assert isinstance(found, NoPlan)
    assert found.reason == reason


def test_more_than_all_pools_hold_is_too_large() -> None:
    listings = [Listing("raydium", "p", "B", "A", raydium_amm_v4.Pool(10**9, 10**9))]
    found = split_out(listings, "A", "B", 10**9, NOW)
    assert isinstance(found, NoPlan)
    assert found.reason == "too_large"
