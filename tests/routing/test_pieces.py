"""A pool's pieces promise as much as the pool pays, and never less than it pays."""

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from order_engine.routing.certificate import PRICE_ONE, edge_of
from order_engine.routing.pieces import PIECES, Curve, Piece, pieces
from order_engine.simulation.dice import Dice
from order_engine.venues import meteora_dlmm
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import AnyPool
from tests.routing.networks import BUILDERS, MODELS, NOW, Wish

quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
of_every_model = pytest.mark.parametrize("model", MODELS)

units = st.integers(20, 50).flatmap(lambda bits: st.integers(1 << bits, 2 << bits))
wishes = st.builds(Wish, units, units, st.sampled_from([1, 4, 10, 25, 100, 300]), st.integers(-20_000, 20_000))


def built(model: str, seed: int, wish: Wish) -> AnyPool:
    return BUILDERS[model](Dice(seed), wish)


def sold(pool: AnyPool, amount: int, a_to_b: bool) -> tuple[int, int]:
    """(input, output), nothing for nothing where the program refuses."""
    try:
        swap = pool.swap_exact_in(amount, a_to_b, NOW)
    except SwapRefused:
        return 0, 0
    return swap.amount_in, swap.amount_out


def paid_by(each: Piece, amount: Fraction) -> tuple[Fraction, Fraction]:
    """What a piece takes of an amount, and what it pays for that."""
    if isinstance(each, Curve):
        a, b = Fraction(each.in_num, each.in_den), Fraction(each.out_num, each.out_den)
        taken = min(amount, a * (each.end_num - each.end_den) / each.end_den) if each.end_den else amount
        return taken, b * taken / (a + taken)
    price = Fraction(each.price_num, each.price_den)
    taken = min(amount, Fraction(each.out_num, each.out_den) / price)
    return taken, price * taken


def promised(pool: AnyPool, amount: int, a_to_b: bool) -> tuple[Fraction, int]:
    """What all pieces together pay for an amount, in their order, and how many are used."""
    left, paid, used = Fraction(amount), Fraction(0), 0
    for each in pieces(pool, a_to_b, NOW):
        taken, out = paid_by(each, left)
        left, paid, used = left - taken, paid + out, used + 1
        if not left:
            break
    return paid, used


@of_every_model
@quickly
@given(seed=st.integers(0, 10**6), wish=wishes, a_to_b=st.booleans(), share=st.integers(1, 10**6))
def test_no_swap_pays_more_than_the_pieces_and_none_much_less(
    model: str, seed: int, wish: Wish, a_to_b: bool, share: int
) -> None:
    pool = built(model, seed, wish)
    amount = max((wish.units_a if a_to_b else wish.units_b) * share // 10**6, 1)
    taken, paid = sold(pool, amount, a_to_b)
    assume(paid > 0 and taken == amount)
    most, used = promised(pool, amount, a_to_b)
    assert paid <= most
    # Each piece may round away a unit of the output, and of the input for the fee, for the price and for its end.
    first = next(iter(pieces(pool, a_to_b, NOW)))
    best = (
        Fraction(first.out_num * first.in_den, first.out_den * first.in_num)
        if isinstance(first, Curve)
        else Fraction(first.price_num, first.price_den)
    )
    # A Q64.64 square root of a price is itself rounded: by less than a 2^-31 of it for all the prices here.
    assert paid >= most * (1 - Fraction(used, 1 << 31)) - used * (2 + 3 * best) - 1


@of_every_model
@quickly
@given(
    seed=st.integers(0, 10**6),
    wish=wishes,
    a_to_b=st.booleans(),
    share=st.integers(1, 10**6),
    nudge_ppm=st.integers(-30_000, 30_000),
)
def test_at_no_prices_does_a_swap_gain_more_than_the_pools_worth(
    model: str, seed: int, wish: Wish, a_to_b: bool, share: int, nudge_ppm: int
) -> None:
    pool = built(model, seed, wish)
    reserves = (wish.units_a, wish.units_b) if a_to_b else (wish.units_b, wish.units_a)
    price_in = PRICE_ONE * reserves[1] * (1_000_000 + nudge_ppm) // (reserves[0] * 1_000_000)
    taken, paid = sold(pool, max(reserves[0] * share // 10**6, 1), a_to_b)
    assert paid * PRICE_ONE - taken * price_in <= edge_of(pool, a_to_b, price_in, PRICE_ONE, NOW).gain


@of_every_model
@quickly
@given(seed=st.integers(0, 10**6), wish=wishes, a_to_b=st.booleans(), share=st.integers(1, 10**6))
def test_nor_does_a_purchase(model: str, seed: int, wish: Wish, a_to_b: bool, share: int) -> None:
    pool = built(model, seed, wish)
    wanted = pool.reserves[a_to_b] * share // 10**6
    try:
        swap = pool.swap_exact_out(wanted, a_to_b, NOW)
    except SwapRefused:
        return
    most, _ = promised(pool, swap.amount_in, a_to_b)
    assert swap.amount_out <= most


def test_pieces_come_best_price_first_and_only_as_far_as_they_are_asked_for() -> None:
    pool = built("meteora_dlmm", 1, Wish(10**12, 10**11, 10, 0))
    assert isinstance(pool, meteora_dlmm.Pool)
    asked = iter(pieces(pool, True, NOW))
    first, second = next(asked), next(asked)
    assert not isinstance(first, Curve)
    assert not isinstance(second, Curve)
    assert first.price_num * second.price_den > second.price_num * first.price_den


def test_every_model_that_a_listing_may_have_has_pieces() -> None:
    assert {model.model for model in PIECES} == set(MODELS)
