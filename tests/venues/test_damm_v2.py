"""Meteora DAMM v2: what holds for it beyond what holds for every pool (tests/venues/test_pool_models.py)."""

from fractions import Fraction
from math import isqrt

import msgspec
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from order_engine.amounts import U64_MAX, div_ceil
from order_engine.venues.meteora_damm_v2 import (
    COMPOUNDING,
    FEE_ON_B,
    FEE_ON_OUTPUT,
    MARKET_CAP_EXPONENTIAL,
    MARKET_CAP_LINEAR,
    SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TIME_EXPONENTIAL,
    TIME_LINEAR,
    BaseFee,
    DynamicFee,
    Pool,
    Swap,
)
from order_engine.venues.pool import SwapRefused
from tests.venues.test_pool_models import NOW, Trade, amounts, damm_v2_pools, quickly, reserves, trades

PRICE_ONE = 1 << 64
ACTIVATION = 1_700_000_000

fees = st.sampled_from([100_000, 2_500_000, 500_000_000])


@st.composite
def compounding_pools(draw: st.DrawFn) -> Pool:
    return a_compounding_pool(draw(reserves), draw(reserves), draw(st.sampled_from([0, 5_000, 10_000])), draw(fees))


bounded_pools = damm_v2_pools().filter(lambda pool: pool.collect_fee_mode != COMPOUNDING)


# where every unit goes


@quickly
@given(trade=trades(damm_v2_pools()), sell=st.booleans(), referred=st.booleans())
def test_a_fee_is_the_sum_of_its_parts(trade: Trade, sell: bool, referred: bool) -> None:
    pool, amount = trade.pool, trade.amount_in if sell else trade.amount_out
    try:
        swap = (pool.swap_exact_in if sell else pool.swap_exact_out)(amount, trade.a_to_b, NOW, referred)
    except SwapRefused:
        reject()
    assert swap.fee == swap.fee_lp + swap.fee_compounding + swap.fee_protocol + swap.fee_referral
    assert min(swap.fee_lp, swap.fee_compounding, swap.fee_protocol, swap.fee_referral) >= 0
    assert referred or swap.fee_referral == 0
    assert pool.collect_fee_mode == COMPOUNDING or swap.fee_compounding == 0


@quickly
@given(trade=trades(bounded_pools), sell=st.booleans())
def test_the_curve_never_claims_more_than_came_in_nor_less_than_went_out(trade: Trade, sell: bool) -> None:
    """Dust stays behind: up to three units, and in A also what one unit of B is worth, for the price is as fine as that."""
    swap = trade.sold_or_bought(sell)
    net_in, gross_out = through_the_curve(swap)
    into, out_of = (0, 1) if trade.a_to_b else (1, 0)
    before, after = trade.pool.reserves, swap.after.reserves
    dust = {into: before[into] + net_in - after[into], out_of: before[out_of] - gross_out - after[out_of]}
    lowest = min(trade.pool.sqrt_price_x64, swap.after.sqrt_price_x64)
    assert 0 <= dust[0] <= 3 + div_ceil(1 << 128, lowest * lowest)
    assert 0 <= dust[1] <= 3


@quickly
@given(trade=trades(compounding_pools()), sell=st.booleans())
def test_a_compounding_pool_accounts_for_every_unit(trade: Trade, sell: bool) -> None:
    pool, swap = trade.pool, trade.sold_or_bought(sell)
    net_in, gross_out = through_the_curve(swap)
    moved_a, moved_b = (net_in, -gross_out) if trade.a_to_b else (-gross_out, net_in)
    after = swap.after
    assert after.token_a_amount == pool.token_a_amount + moved_a
    assert after.token_b_amount == pool.token_b_amount + moved_b + swap.fee_compounding
    assert after.token_a_amount * after.token_b_amount >= pool.token_a_amount * pool.token_b_amount
    assert after.sqrt_price_x64 == isqrt((after.token_b_amount << 128) // after.token_a_amount)


@pytest.mark.parametrize(
    ("collect_fee_mode", "a_to_b", "on_input"),
    [
        (FEE_ON_OUTPUT, True, False),
        (FEE_ON_OUTPUT, False, False),
        (FEE_ON_B, True, False),
        (FEE_ON_B, False, True),
        (COMPOUNDING, True, False),
        (COMPOUNDING, False, True),
    ],
)
def test_the_fee_is_of_the_token_that_the_mode_says(collect_fee_mode: int, a_to_b: bool, on_input: bool) -> None:
    pool = msgspec.structs.replace(a_compounding_pool(10**12, 10**12), collect_fee_mode=collect_fee_mode)
    for swap in (pool.swap_exact_in(10**9, a_to_b, NOW), pool.swap_exact_out(10**9, a_to_b, NOW)):
        assert swap.fee_on_input is on_input
        whole = swap.amount_in if on_input else swap.amount_out + swap.fee
        assert swap.fee == div_ceil(whole * 2_500_000, 1_000_000_000)


def test_a_referral_is_paid_by_the_protocol_alone() -> None:
    pool = a_pool()
    own, referred = pool.swap_exact_in(10**9, True, NOW), pool.swap_exact_in(10**9, True, NOW, referred=True)
    assert referred.fee_referral == own.fee_protocol // 5 > 0
    assert referred.fee_protocol + referred.fee_referral == own.fee_protocol
    assert (referred.amount_out, referred.fee, referred.fee_lp) == (own.amount_out, own.fee, own.fee_lp)
    assert referred.after == own.after


# the range


def test_a_sale_that_buys_nothing_is_accepted() -> None:
    swap = a_pool().swap_exact_in(1, False, NOW)
    assert (swap.amount_in, swap.amount_out, swap.fee) == (1, 0, 1)
    assert swap.after == a_pool()


@quickly
@given(trade=trades(bounded_pools), more=amounts)
def test_a_partial_fill_is_the_sale_as_far_as_the_range_goes(trade: Trade, more: int) -> None:
    pool, asked = trade.pool, min(trade.amount_in + more, U64_MAX)
    try:
        swap = pool.swap_partial_fill(asked, trade.a_to_b, NOW)
    except SwapRefused:
        reject()
    assert swap.amount_in + swap.unsold == asked
    if swap.unsold:
        assert swap.after.sqrt_price_x64 == (pool.sqrt_price_min_x64 if trade.a_to_b else pool.sqrt_price_max_x64)
        with pytest.raises(SwapRefused) as refused:
            pool.swap_exact_in(asked, trade.a_to_b, NOW)
        assert refused.value.kind == "insufficient_liquidity"
    else:
        try:
            sale = pool.swap_exact_in(asked, trade.a_to_b, NOW)
        except SwapRefused:  # its last unit reaches beyond the bound, to which the partial fill is cut
            assert swap.after.sqrt_price_x64 in (pool.sqrt_price_min_x64, pool.sqrt_price_max_x64)
        else:
            assert sale.amount_out == swap.amount_out
            assert sale.fee == swap.fee


@pytest.mark.parametrize("a_to_b", [True, False])
def test_at_its_bound_a_pool_takes_no_more(a_to_b: bool) -> None:
    pool = a_pool(sqrt_price_min_x64=PRICE_ONE * 9 // 10, sqrt_price_max_x64=PRICE_ONE * 11 // 10)
    after = pool.swap_partial_fill(10**15, a_to_b, NOW).after
    assert after.reserves[a_to_b] == 0
    for attempt in (after.swap_exact_in, after.swap_partial_fill, after.swap_exact_out):
        with pytest.raises(SwapRefused) as refused:
            attempt(10**6, a_to_b, NOW)
        assert refused.value.kind == "insufficient_liquidity"


@quickly
@given(pool=damm_v2_pools(calm=True), a_to_b=st.booleans(), ppm=st.integers(1, 3_000_000))
def test_depth_is_the_sale_that_moves_the_price_so_far(pool: Pool, a_to_b: bool, ppm: int) -> None:
    """Up to rounding, and exactly to first order: half of `ppm` on the square root of the price."""
    depth = pool.depth(a_to_b, ppm)
    assume(0 < depth <= U64_MAX // 4)
    try:
        after = pool.swap_exact_in(depth, a_to_b, NOW).after
    except SwapRefused as refused:
        if refused.kind != "overflow_u64":
            raise
        reject()
    if pool.collect_fee_mode != COMPOUNDING:
        moved = abs(after.sqrt_price_x64 - pool.sqrt_price_x64)
        assert moved * 2_000_000 <= pool.sqrt_price_x64 * ppm
        assert pool.sqrt_price_min_x64 <= after.sqrt_price_x64 <= pool.sqrt_price_max_x64


def test_an_empty_pool_is_refused_and_still_shown() -> None:
    pool = a_pool(liquidity=0)
    assert pool.reserves == (0, 0)
    assert pool.fee_ppm(NOW) == 2_500
    for attempt in (pool.swap_exact_in, pool.swap_partial_fill, pool.swap_exact_out):
        with pytest.raises(SwapRefused) as refused:
            attempt(1, True, NOW)
        assert refused.value.kind == "insufficient_liquidity"


# the base fee


@pytest.mark.parametrize(("seconds", "periods"), [(-1, 10), (0, 0), (59, 0), (60, 1), (599, 9), (600, 10), (10**6, 10)])
def test_a_linear_fee_falls_with_every_period_that_is_over(seconds: int, periods: int) -> None:
    """Before activation only those may trade who pay the last fee."""
    pool = a_scheduled_pool(BaseFee(50_000_000, TIME_LINEAR, 10, 60, 4_000_000))
    assert rate(pool, ACTIVATION + seconds) == 50_000_000 - periods * 4_000_000


@given(st.integers(1, 9_999), st.integers(0, 200), st.sampled_from([1_000_000, 500_000_000, 990_000_000]))
def test_an_exponential_fee_keeps_its_share_per_period(reduction_bps: int, periods: int, cliff: int) -> None:
    pool = a_scheduled_pool(BaseFee(cliff, TIME_EXPONENTIAL, 200, 60, reduction_bps))
    exactly = cliff * Fraction(10_000 - reduction_bps, 10_000) ** periods
    assert exactly - 2 < rate(pool, ACTIVATION + 60 * periods) <= exactly + 1


@pytest.mark.parametrize(
    ("sqrt_price_bps", "periods"), [(-500, 0), (0, 0), (99, 0), (100, 1), (550, 5), (1_000, 10), (9_000, 10)]
)
@pytest.mark.parametrize("mode", [MARKET_CAP_LINEAR, MARKET_CAP_EXPONENTIAL])
def test_a_market_cap_fee_falls_as_the_price_rises(mode: int, sqrt_price_bps: int, periods: int) -> None:
    base_fee = BaseFee(50_000_000, mode, 10, 100, 500, initial_sqrt_price_x64=10_000 << 50, expires_after=3_600)
    pool = a_scheduled_pool(base_fee, sqrt_price_x64=(10_000 + sqrt_price_bps) << 50)
    fallen = 50_000_000 - 500 * periods
    if mode == MARKET_CAP_EXPONENTIAL:
        fallen = int(50_000_000 * Fraction(95, 100) ** periods)
    assert abs(rate(pool, ACTIVATION + 3_600) - fallen) <= (mode == MARKET_CAP_EXPONENTIAL)
    for outside in (ACTIVATION - 1, ACTIVATION + 3_601):
        assert rate(pool, outside) == rate(a_scheduled_pool(base_fee, sqrt_price_x64=1 << 70), ACTIVATION)


@pytest.mark.parametrize(("fee_version", "most"), [(0, 500_000_000), (1, 990_000_000)])
def test_a_fee_has_a_cap(fee_version: int, most: int) -> None:
    pool = a_scheduled_pool(BaseFee(999_000_000), fee_version=fee_version)
    assert rate(pool, NOW) == most


def test_a_base_fee_that_is_not_modelled_is_no_pool() -> None:
    with pytest.raises(ValueError, match="mode 2"):
        BaseFee(mode=2)


# the fee on volatility


def test_a_swap_is_charged_for_the_moves_before_it_and_not_for_its_own() -> None:
    pool = a_volatile_pool(last_update_timestamp=NOW)
    calm = msgspec.structs.replace(pool, dynamic_fee=None)
    one = pool.swap_exact_in(10**11, True, NOW)
    assert one.amount_out == calm.swap_exact_in(10**11, True, NOW).amount_out
    two = one.after.swap_exact_in(10**11, True, NOW)
    assert (
        two.amount_out
        < msgspec.structs.replace(one.after, dynamic_fee=None).swap_exact_in(10**11, True, NOW).amount_out
    )
    assert one.after.fee_ppm(NOW) > pool.fee_ppm(NOW) == calm.fee_ppm(NOW)


def test_only_a_swap_that_moves_the_price_counts_as_an_update() -> None:
    pool = a_volatile_pool(last_update_timestamp=NOW - 60)
    assert updated_at(pool.swap_exact_in(100, True, NOW).after) == NOW - 60
    assert updated_at(pool.swap_exact_in(10**11, True, NOW).after) == NOW


@pytest.mark.parametrize(("elapsed", "reference"), [(9, 123), (10, 500_000), (119, 500_000), (120, 0)])
def test_volatility_is_kept_then_halved_then_forgotten(elapsed: int, reference: int) -> None:
    pool = a_volatile_pool(1_000_000, last_update_timestamp=NOW - elapsed)
    after = pool.swap_exact_in(100, True, NOW).after.dynamic_fee
    assert after is not None
    assert after.volatility_reference == reference


def test_after_a_pause_the_first_sale_pays_for_the_old_volatility_and_the_second_does_not() -> None:
    """A sale over one pool can get cheaper in parts, if the first is tiny. The program is like that."""
    pool = a_volatile_pool(14_460_000, last_update_timestamp=NOW - 600)
    once = pool.swap_exact_in(10**9, True, NOW)
    first = pool.swap_exact_in(10**3, True, NOW)
    rest = first.after.swap_exact_in(10**9 - 10**3, True, NOW)
    assert first.amount_out + rest.amount_out > once.amount_out
    assert first.after.fee_ppm(NOW) == 2_500 < pool.fee_ppm(NOW)


def test_a_price_that_moves_beyond_all_measure_is_refused() -> None:
    pool = a_volatile_pool(last_update_timestamp=NOW)
    assert pool.dynamic_fee is not None
    strange = msgspec.structs.replace(pool.dynamic_fee, sqrt_price_reference=0)
    with pytest.raises(SwapRefused) as refused:
        msgspec.structs.replace(pool, dynamic_fee=strange).swap_exact_in(1, True, NOW)
    assert refused.value.kind == "overflow_u64"


# the fee that comes back


def test_a_sale_of_a_to_a_compounding_pool_can_get_better_in_parts() -> None:
    """The fee of the first part lies in the pool for the second to buy. The program is like that."""
    pool = a_compounding_pool(10**12, 10**12, compounding_fee_bps=10_000, fee=100_000_000)
    once = pool.swap_exact_in(10**12, True, NOW)
    first = pool.swap_exact_in(5 * 10**11, True, NOW)
    rest = first.after.swap_exact_in(5 * 10**11, True, NOW)
    assert once.amount_out < first.amount_out + rest.amount_out < once.amount_out + first.fee_compounding


def a_pool(
    liquidity: int = 10**12 << 64,
    sqrt_price_min_x64: int = SQRT_PRICE_MIN_X64,
    sqrt_price_max_x64: int = SQRT_PRICE_MAX_X64,
) -> Pool:
    """At price 1, with the fee of a quarter per cent always in B."""
    return Pool(liquidity, PRICE_ONE, sqrt_price_min_x64, sqrt_price_max_x64)


def a_compounding_pool(a: int, b: int, compounding_fee_bps: int = 5_000, fee: int = 2_500_000) -> Pool:
    return Pool(
        isqrt(a * b) << 64,
        isqrt((b << 128) // a),
        base_fee=BaseFee(fee),
        collect_fee_mode=COMPOUNDING,
        compounding_fee_bps=compounding_fee_bps,
        token_a_amount=a,
        token_b_amount=b,
    )


def a_scheduled_pool(base_fee: BaseFee, sqrt_price_x64: int = PRICE_ONE, fee_version: int = 1) -> Pool:
    return Pool(10**12 << 64, sqrt_price_x64, base_fee=base_fee, fee_version=fee_version, activation_point=ACTIVATION)


def a_volatile_pool(volatility: int = 0, *, last_update_timestamp: int) -> Pool:
    dynamic_fee = DynamicFee(
        sqrt_price_reference=PRICE_ONE,
        volatility_accumulator=volatility,
        volatility_reference=123,
        last_update_timestamp=last_update_timestamp,
    )
    return msgspec.structs.replace(a_pool(), dynamic_fee=dynamic_fee)


def rate(pool: Pool, now: int) -> int:
    """The fee in parts of 10^9: what is taken from an input of so many."""
    return pool.swap_exact_in(10**9, False, now).fee


def updated_at(pool: Pool) -> int:
    assert pool.dynamic_fee is not None
    return pool.dynamic_fee.last_update_timestamp


def through_the_curve(swap: Swap) -> tuple[int, int]:
    """(input after fee, output before fee)."""
    if swap.fee_on_input:
        return swap.amount_in - swap.fee, swap.amount_out
    return swap.amount_in, swap.amount_out + swap.fee
