"""A receipt proves its plan to anybody, and none that was changed anywhere passes."""

from collections.abc import Callable
from fractions import Fraction
from math import isqrt

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_engine.routes import Leg, NoPlan, Plan, Terms
from order_engine.routing.best import best_plan
from order_engine.routing.certificate import (
    PRICE_ONE,
    Receipt,
    bounds,
    certify,
    digest_of,
    edge_of,
    flaw_of,
    most_swaps,
    verify,
)
from order_engine.routing.hops import route_in, route_out
from order_engine.venues import raydium_amm_v4
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import Listing, Snapshot, ends
from tests.routing.grid import PERCENTS, routed
from tests.routing.networks import NOW, question

quickly = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TERMS = Terms(leg_cost=1_000, plan_cost=50, max_legs=6)


@pytest.fixture(scope="module", params=["in", "out"])
def receipt(request: pytest.FixtureRequest) -> Receipt:
    asked = question(4, tokens=4, pools=20)
    plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, TERMS)
    assert isinstance(plan, Plan)
    if request.param == "out":
        found = route_out(asked.listings, asked.token_in, asked.token_out, plan.amount_out // 2, NOW, TERMS)
        assert isinstance(found, Plan)
        plan = found
    return certify(plan, asked.listings, NOW, 77, TERMS)


def parts(receipt: Receipt) -> set[str]:
    return {problem.part for problem in verify(receipt)}


def replaced(value: Receipt, **changes: object) -> Receipt:
    return msgspec.structs.replace(value, **changes)


def claimed(value: Receipt, **changes: object) -> Receipt:
    return replaced(value, proof=msgspec.structs.replace(value.proof, **changes))


def test_a_receipt_holds_and_survives_being_written_down(receipt: Receipt) -> None:
    assert verify(receipt) == []
    written = msgspec.json.encode(receipt)
    assert msgspec.json.decode(written, type=Receipt) == receipt
    assert verify(msgspec.json.decode(written, type=Receipt)) == []


def _leg_changed(receipt: Receipt, **changes: object) -> Receipt:
    first, *others = receipt.plan.legs
    legs = (msgspec.structs.replace(first, **changes), *others)
    return replaced(receipt, plan=msgspec.structs.replace(receipt.plan, legs=legs))


def _first_state_changed(receipt: Receipt) -> Receipt:
    changed = {leg.pool for leg in receipt.plan.legs}
    states = tuple(
        each._replace(state=raydium_amm_v4.Pool(10**15, 10**15)) if each.pool in changed else each
        for each in receipt.states
    )
    return replaced(receipt, states=states)


@pytest.mark.parametrize(
    ("tamper", "part"),
    [
        (lambda it: claimed(it, height=it.proof.height + 1), "states"),
        (lambda it: claimed(it, now=it.proof.now + 1), "states"),
        (lambda it: replaced(it, states=it.states[1:]), "states"),
        (_first_state_changed, "states"),
        (_first_state_changed, "plan"),
        (lambda it: _leg_changed(it, amount_out=it.plan.legs[0].amount_out + 1), "plan"),
        (lambda it: _leg_changed(it, amount_in=it.plan.legs[0].amount_in - 1), "plan"),
        (lambda it: _leg_changed(it, pool="nowhere"), "plan"),
        (lambda it: replaced(it, plan=msgspec.structs.replace(it.plan, amount_out=it.plan.amount_out + 1)), "plan"),
        (lambda it: replaced(it, plan=msgspec.structs.replace(it.plan, amount_in=it.plan.amount_in + 1)), "plan"),
        (lambda it: replaced(it, plan=msgspec.structs.replace(it.plan, legs=it.plan.legs[1:])), "plan"),
        (lambda it: replaced(it, plan=msgspec.structs.replace(it.plan, cost=0)), "plan"),
        (lambda it: claimed(it, prices={**it.proof.prices, it.plan.token_out: PRICE_ONE + 1}), "prices"),
        (lambda it: claimed(it, prices={**it.proof.prices, it.plan.token_in: -1}), "prices"),
        (lambda it: claimed(it, prices={it.plan.token_out: PRICE_ONE}), "prices"),
        (
            lambda it: claimed(it, prices={**it.proof.prices, it.plan.token_in: it.proof.prices[it.plan.token_in] * 2}),
            "bound",
        ),
        (lambda it: claimed(it, bound=it.proof.bound - 1), "bound"),
        (lambda it: claimed(it, net_bound=it.proof.net_bound + 1), "net_bound"),
        (lambda it: claimed(it, terms=Terms()), "net_bound"),
        (lambda it: claimed(it, gap_ppb=it.proof.gap_ppb - 1), "gap_ppb"),
    ],
)
def test_a_changed_receipt_is_refused_and_told_where(
    receipt: Receipt, tamper: Callable[[Receipt], Receipt], part: str
) -> None:
    assert part in parts(tamper(receipt))


def test_states_that_no_pool_can_be_in_are_refused_and_break_nothing(receipt: Receipt) -> None:
    for reserves in ((-5, 10**9), (0, 0), (10**9, -(10**9))):
        states = tuple(each._replace(state=raydium_amm_v4.Pool(*reserves)) for each in receipt.states)
        digest = digest_of(receipt.proof.height, receipt.proof.now, states)
        assert parts(claimed(replaced(receipt, states=states), digest=digest))


def test_a_plan_that_spends_what_it_does_not_have_is_refused(receipt: Receipt) -> None:
    plan = receipt.plan
    legs = plan.legs[::-1] if len({leg.token_in for leg in plan.legs}) > 1 else (*plan.legs, plan.legs[0])
    assert parts(replaced(receipt, plan=msgspec.structs.replace(plan, legs=legs))) >= {"plan"}


@quickly
@given(seed=st.integers(0, 10**6), nudges=st.lists(st.integers(-(10**6) + 1, 10**7), min_size=6, max_size=6))
def test_no_prices_whatever_give_a_bound_below_a_plan(seed: int, nudges: list[int]) -> None:
    asked = question(seed, pools=8)
    plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW)
    if not isinstance(plan, Plan):
        return
    good = certify(plan, asked.listings, NOW, 1).proof.prices if seed % 2 else {}
    tokens = sorted({token for each in asked.listings for token in each[2:4]})
    prices = {
        token: good.get(token, PRICE_ONE) * (1_000_000 + nudge) // 1_000_000
        for token, nudge in zip(tokens, nudges, strict=False)
    }
    prices[asked.token_out] = PRICE_ONE
    bound, net_bound = bounds(asked.listings, plan, prices, NOW)
    assert bound == net_bound >= plan.amount_out
    assert bound >= max(routed(asked, percent) for percent in PERCENTS)


@quickly
@given(seed=st.integers(0, 10**6), leg_cost=st.sampled_from([1, 10**3, 10**6, 10**9]), cap=st.integers(1, 4))
def test_the_net_bound_holds_with_costs_and_a_cap(seed: int, leg_cost: int, cap: int) -> None:
    asked = question(seed, tokens=3, pools=8)
    terms = Terms(leg_cost=leg_cost, plan_cost=5, max_legs=cap)
    plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, terms)
    if isinstance(plan, Plan):
        receipt = certify(plan, asked.listings, NOW, 1, terms)
        assert plan.net <= receipt.proof.net_bound <= receipt.proof.bound
        assert verify(receipt) == []


@quickly
@given(seed=st.integers(0, 10**6), nudge=st.integers(-20_000, 20_000), choices=st.lists(st.integers(0, 2), max_size=16))
def test_whatever_is_held_on_the_way_is_never_worth_more_than_the_bound(
    seed: int, nudge: int, choices: list[int]
) -> None:
    asked = question(seed, tokens=3, pools=7, loud=True)
    asked = asked._replace(amount=max(asked.amount >> seed % 20, 1))
    plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW)
    if not isinstance(plan, Plan):
        return
    prices = {
        token: price * (1_000_000 + nudge) // 1_000_000 if token != asked.token_out else price
        for token, price in certify(plan, asked.listings, NOW, 1).proof.prices.items()
    }
    bound, _ = bounds(asked.listings, plan, prices, NOW)
    times = most_swaps(plan)
    states = {each.pool: each for each in asked.listings}
    held, used = {asked.token_in: asked.amount}, dict.fromkeys(states, 0)
    for choice in choices:  # each time the swap that gains most, of those with a third, two thirds or all that is held
        best = None
        for each in states.values():
            for a_to_b in (True, False):
                source, target = ends(each, a_to_b)
                amount = held.get(source, 0) * (choice + 1) // 3
                if used[each.pool] == times or source not in prices or target not in prices or not amount:
                    continue
                try:
                    swap = each.state.swap_exact_in(amount, a_to_b, NOW)
                except SwapRefused:
                    continue
                gain = swap.amount_out * prices[target] - swap.amount_in * prices[source]
                if best is None or gain > best[0]:
                    best = gain, each, source, target, swap
        if best is None:
            break
        _, each, source, target, swap = best
        held[source] -= swap.amount_in
        held[target] = held.get(target, 0) + swap.amount_out
        used[each.pool] += 1
        states[each.pool] = each._replace(state=swap.after)
        assert sum(units * prices[token] for token, units in held.items()) <= (bound + 1) * PRICE_ONE


@given(
    reserves=st.tuples(st.integers(1, 2**60), st.integers(1, 2**60)),
    prices=st.tuples(st.integers(1, 2**80), st.integers(1, 2**80)),
)
def test_the_worth_of_a_constant_product_pool_is_the_closed_form_rounded_up(
    reserves: tuple[int, int], prices: tuple[int, int]
) -> None:
    pool = raydium_amm_v4.Pool(*reserves)
    u, v = Fraction(prices[1] * reserves[1]), Fraction(prices[0] * reserves[0] * 10_000, 9_975)
    found = edge_of(pool, True, prices[0], prices[1], NOW).gain
    if u <= v:
        assert found == 0
        return
    # (√u - √v)² = u + v - √(4uv), here to 64 binary digits on either side of the truth
    root = isqrt(int(4 * u * v * (1 << 128)))
    low, high = u + v - Fraction(root + 1, 1 << 64), u + v - Fraction(root, 1 << 64)
    assert found >= low
    assert found <= high + 5 + 2 * isqrt(int(u if v < 1 else u / v))


def most_of(token: str, held: dict[str, int], pools: list[tuple[str, str, raydium_amm_v4.Pool]], asked: int) -> int:
    """The most of a token that any order of swaps makes of what is held, each pool once or not at all; or at least `asked`."""
    best = held.get(token, 0)
    for number, (a, b, state) in enumerate(pools):
        for source, target, a_to_b in ((a, b, True), (b, a, False)):
            for amount in range(1, held.get(source, 0) + 1):
                if best >= asked:
                    return best
                try:
                    swap = state.swap_exact_in(amount, a_to_b, NOW)
                except SwapRefused:
                    continue
                after = {**held, source: held[source] - amount, target: held.get(target, 0) + swap.amount_out}
                best = max(best, most_of(token, after, pools[:number] + pools[number + 1 :], asked))
    return best


@quickly
@given(
    depths=st.lists(st.sampled_from([50, 200, 800]), min_size=4, max_size=4),
    sixths=st.lists(st.tuples(st.integers(6, 12), st.integers(6, 12)), min_size=4, max_size=4),
    ends_of=st.lists(st.sampled_from(["AB", "AC", "BC", "AB"]), min_size=3, max_size=3),
    asked=st.integers(2, 9),
    nudge=st.integers(-300_000, 300_000),
)
def test_with_less_than_an_exact_out_bound_no_order_of_swaps_buys_as_much(
    depths: list[int], sixths: list[tuple[int, int]], ends_of: list[str], asked: int, nudge: int
) -> None:
    states = [raydium_amm_v4.Pool(d * a // 6, d * b // 6, 0) for d, (a, b) in zip(depths, sixths, strict=True)]
    pools = [(*names, state) for names, state in zip(["AB", *ends_of], states, strict=True)]
    pools = pools[:3] if asked > 4 else pools  # every order of every amount is tried
    listings = [Listing("raydium", f"p{number}", *each) for number, each in enumerate(pools)]
    found = best_plan(Snapshot(1, NOW, tuple(listings)), "A", "B", asked, "out", Terms(max_legs=6))
    if isinstance(found, NoPlan) or found.plan.amount_in > 12:
        return
    assert flaw_of(found.plan, listings, NOW, Terms(max_legs=6)) is None
    prices = dict(found.proof.prices)
    nudged = {**prices, "A": prices["A"] * (1_000_000 + nudge) // 1_000_000}
    for each in (prices, nudged):
        bound, _ = bounds(listings, found.plan, each, NOW)
        assert bound <= found.plan.amount_in
        if bound > 1:
            assert most_of("B", {"A": bound - 1}, pools, asked) < asked


def test_an_exact_out_bound_counts_of_a_circle_what_so_small_an_order_can_run() -> None:
    listings = [
        Listing("raydium", "deep", "A", "B", raydium_amm_v4.Pool(10**15, 10**15, 0)),
        Listing("raydium", "dear", "B", "C", raydium_amm_v4.Pool(10**12, 10**12, 0)),
        Listing("raydium", "cheap", "B", "C", raydium_amm_v4.Pool(10**12, 101 * 10**10, 0)),
    ]
    plan = route_out(listings, "A", "B", 10**6, NOW)
    assert isinstance(plan, Plan)
    receipt = certify(plan, listings, NOW, 1)
    assert verify(receipt) == []
    assert 9_890 * 10**2 <= receipt.proof.bound <= plan.amount_in, (
        "one per cent is all that a circle gains of what is held"
    )
    assert receipt.proof.gap_ppb < 12_000_000


def test_a_gap_is_counted_from_the_bound() -> None:
    listings = [Listing("raydium", "p", "A", "B", raydium_amm_v4.Pool(10**12, 10**12))]
    poor = Plan("in", "A", "B", 10**9, 10**9 * 9 // 10, 0, (Leg("raydium", "p", "A", "B", 10**9, 10**9 * 9 // 10),))
    receipt = certify(poor, listings, NOW, 1)
    assert receipt.proof.bound == listings[0].state.swap_exact_in(10**9, True, NOW).amount_out
    assert receipt.proof.gap_ppb == -(-(receipt.proof.bound - poor.amount_out) * 10**9 // receipt.proof.bound)
