"""What holds for concentrated liquidity whatever the positions: Raydium CLMM, Orca Whirlpool and the ticks below them."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from order_engine.amounts import div_ceil
from order_engine.venues import concentrated, orca_whirlpool, raydium_clmm, tick_prices
from order_engine.venues.pool import SwapRefused
from order_engine.venues.tick_prices import (
    ORCA_SQRT_PRICE_MAX_X64,
    RAYDIUM_SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MAX,
    TICK_MIN,
    orca_sqrt_price_x64,
    raydium_sqrt_price_x64,
    tick_at_or_below,
)
from tests.venues.concentrated_pools import clmm_pools, whirlpools
from tests.venues.test_pool_models import NOW, Trade, quickly, trades

Pools = SearchStrategy[Any]
PriceOf = Callable[[int], int]
Pool = raydium_clmm.Pool | orca_whirlpool.Pool

GROUPS_AT_MOST = 2 * 35 + 2  # groups of ticks with a fee of their own, both ways from the reference, in these pools

of_both_models = pytest.mark.parametrize("pools", [clmm_pools(), whirlpools()], ids=["raydium_clmm", "orca_whirlpool"])
of_both_models_undisturbed = pytest.mark.parametrize(
    "pools", [clmm_pools(settled=True), whirlpools(settled=True)], ids=["raydium_clmm", "orca_whirlpool"]
)
of_both_programs = pytest.mark.parametrize(
    "price_of", [raydium_sqrt_price_x64, orca_sqrt_price_x64], ids=["raydium", "orca"]
)


def lost_to_rounding(trade: Trade) -> int:
    """What a sale pays less than the same rules without rounding, in base units of the output, at most.

    In each step the fee and the input are rounded up by one unit of the input at most, the output and a fee on it by one of
    the output, and the price by one of B. A step ends at a tick, at its orders, or at the end of a group of ticks.
    """
    steps = 2 * len(trade.pool.ticks) + 1 + GROUPS_AT_MOST
    numerator, denominator = trade.pool.spot_price(trade.a_to_b)
    return steps * (div_ceil(3 * numerator, denominator) + 3)


@of_both_models_undisturbed
@quickly
@given(data=st.data(), part=st.integers(1, 9))
def test_each_further_unit_sold_buys_no_more_than_the_one_before(pools: Pools, data: st.DataObject, part: int) -> None:
    """Concave, up to rounding: the middle of three sales may have lost to it, the outer two may not."""
    trade = data.draw(trades(pools))
    step = div_ceil(trade.amount_in * part, 10)
    assume(step < trade.amount_in)
    less, middle, more = (trade.sold(trade.amount_in + offset).amount_out for offset in (-step, 0, step))
    assert less + more <= 2 * (middle + lost_to_rounding(trade))


@of_both_models_undisturbed
@quickly
@given(data=st.data(), part=st.integers(1, 9))
def test_splitting_a_sale_over_one_pool_never_pays(pools: Pools, data: st.DataObject, part: int) -> None:
    """Up to what rounding took from the undivided sale."""
    trade = data.draw(trades(pools))
    first = div_ceil(trade.amount_in * part, 10)
    assume(first < trade.amount_in)
    one = trade.sold(first)
    two = trade._replace(pool=one.after).sold(trade.amount_in - first)
    assert one.amount_out + two.amount_out <= trade.sold().amount_out + lost_to_rounding(trade)


@of_both_models
@quickly
@given(data=st.data())
def test_buying_what_a_sale_gave_costs_at_most_one_unit_of_output_more(pools: Pools, data: st.DataObject) -> None:
    """A purchase that ends within a unit of a tick pays for the whole way to it. The programs are like that."""
    trade = data.draw(trades(pools))
    sale = trade.sold()
    purchase = trade.pool.swap_exact_out(sale.amount_out, trade.a_to_b, NOW)
    numerator, denominator = purchase.after.spot_price(trade.a_to_b)
    one_unit = div_ceil(denominator * 10, numerator * 9)  # with the greatest fee there is
    assert purchase.amount_in <= sale.amount_in + one_unit + 2


@of_both_models
@quickly
@given(data=st.data(), sell=st.booleans())
def test_the_liquidity_is_always_that_of_the_positions_around_the_tick(
    pools: Pools, data: st.DataObject, sell: bool
) -> None:
    after: Pool = data.draw(trades(pools)).sold_or_bought(sell).after
    tick = tick_of(after)
    assert after.liquidity == sum(each.liquidity_net for each in after.ticks if each.tick <= tick)
    assert after.liquidity >= 0
    assert price_of(after, tick) <= after.sqrt_price_x64 <= price_of(after, tick + 1)
    crossed_down = after.sqrt_price_x64 == price_of(after, tick + 1)
    assert not crossed_down or any(each.tick == tick + 1 for each in after.ticks)


@pytest.mark.parametrize("pools", [clmm_pools(with_orders=False), whirlpools()], ids=["raydium_clmm", "orca_whirlpool"])
@quickly
@given(data=st.data(), sell=st.booleans())
def test_what_the_positions_are_owed_is_always_there(pools: Pools, data: st.DataObject, sell: bool) -> None:
    """What they hold of the input grows by no more than came in, of the output it falls by no less than went out."""
    trade = data.draw(trades(pools))
    swap = trade.sold_or_bought(sell)
    fee_in, fee_out = (swap.fee, 0) if swap.fee_on_input else (0, swap.fee)
    into, out_of = (0, 1) if trade.a_to_b else (1, 0)
    before, after = trade.pool.reserves, swap.after.reserves
    assert after[into] - before[into] <= swap.amount_in - fee_in
    assert before[out_of] - after[out_of] >= swap.amount_out + fee_out


@of_both_models
@quickly
@given(data=st.data(), sell=st.booleans())
def test_the_fee_is_shared_out_to_the_last_unit(pools: Pools, data: st.DataObject, sell: bool) -> None:
    swap = data.draw(trades(pools)).sold_or_bought(sell)
    parts = [swap.fee_lp, swap.fee_protocol, getattr(swap, "fee_fund", 0)]
    assert min(parts) >= 0
    assert swap.fee == sum(parts)


@of_both_models
@quickly
@given(data=st.data(), sell=st.booleans())
def test_only_orders_filled_change_the_ticks(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    after = trade.sold_or_bought(sell).after
    assert after.ticks is trade.pool.ticks or ordered(after) < ordered(trade.pool)


@of_both_models
@quickly
@given(data=st.data())
def test_a_swap_goes_the_way_it_says(pools: Pools, data: st.DataObject) -> None:
    trade = data.draw(trades(pools))
    before, after = trade.pool.sqrt_price_x64, trade.sold().after.sqrt_price_x64
    assert after <= before if trade.a_to_b else after >= before


@of_both_models
@quickly
@given(data=st.data(), a_to_b=st.booleans(), ppm=st.integers(1, 5_000))
def test_the_depth_moves_the_price_that_far(pools: Pools, data: st.DataObject, a_to_b: bool, ppm: int) -> None:
    pool: Pool = data.draw(pools)
    depth = pool.depth(a_to_b, ppm)
    assume(depth > 100)
    assert 0 <= pool.depth(a_to_b, ppm // 2) <= depth
    try:
        after = without_fee_and_orders(pool).swap_exact_in(depth, a_to_b, NOW).after
    except SwapRefused:
        return  # past the last tick, or beyond the tick arrays of one swap
    before, moved = pool.sqrt_price_x64**2, after.sqrt_price_x64**2
    assert abs(moved - before) * 1_000_000 <= before * (ppm + 1)


@of_both_programs
def test_prices_of_ticks_rise_from_the_least_to_the_greatest(price_of: PriceOf) -> None:
    greatest = RAYDIUM_SQRT_PRICE_MAX_X64 if price_of is raydium_sqrt_price_x64 else ORCA_SQRT_PRICE_MAX_X64
    assert price_of(TICK_MIN) == SQRT_PRICE_MIN_X64
    assert price_of(TICK_MAX) == greatest
    assert price_of(0) == 1 << 64
    ticks = [TICK_MIN, TICK_MIN + 1, -300_000, -887, -2, -1, 0, 1, 2, 887, 300_000, TICK_MAX - 1, TICK_MAX]
    assert all(price_of(low) < price_of(high) for low, high in pairwise(ticks))
    for tick in (TICK_MIN - 1, TICK_MAX + 1):
        with pytest.raises(ValueError, match=f"tick {tick} is not from"):
            price_of(tick)


@of_both_programs
@quickly
@given(tick=st.integers(TICK_MIN, TICK_MAX - 1), near=st.none() | st.integers(TICK_MIN - 1, TICK_MAX + 1))
def test_the_tick_of_a_price_is_the_greatest_not_above_it(price_of: PriceOf, tick: int, near: int | None) -> None:
    low, high = price_of(tick), price_of(tick + 1)
    for price in (low, (low + high) // 2, high - 1):
        assert tick_at_or_below(price, price_of, near) == tick
        assert tick_at_or_below(price, price_of, tick + 3) == tick


@of_both_programs
def test_a_price_beyond_all_ticks_is_at_the_last_one_and_before_all_at_none(price_of: PriceOf) -> None:
    assert tick_at_or_below(price_of(TICK_MAX), price_of) == TICK_MAX
    assert tick_at_or_below(price_of(TICK_MAX) * 2, price_of, 0) == TICK_MAX
    assert tick_at_or_below(SQRT_PRICE_MIN_X64, price_of) == TICK_MIN
    with pytest.raises(ValueError, match="no tick is at or below"):
        tick_at_or_below(SQRT_PRICE_MIN_X64 - 1, price_of)


@of_both_programs
@pytest.mark.parametrize("tick", [-400_000, -12_345, -1, 1, 777, 98_765, 400_000])
def test_the_price_of_a_tick_is_nearly_the_power_it_stands_for(price_of: PriceOf, tick: int) -> None:
    with localcontext() as exactly:
        exactly.prec = 60
        power = Decimal("1.0001") ** (Decimal(tick) / 2) * 2**64
        assert abs(price_of(tick) / power - 1) < Decimal("1e-10")


def test_orcas_factors_are_the_exact_powers_rounded_down() -> None:
    with localcontext() as exactly:
        exactly.prec = 100
        halves = [Decimal(2**bit) / 2 for bit in range(19)]
        down = tuple(int(2**64 * Decimal("1.0001") ** -half) for half in halves)
        up = tuple(int(2**96 * Decimal("1.0001") ** half) for half in halves)
    assert (down, up) == (tick_prices._ORCA_DOWN, tick_prices._ORCA_UP)


def test_clmm_refuses_what_buys_nothing_and_a_whirlpool_takes_it() -> None:
    with pytest.raises(SwapRefused) as refused:
        a_clmm_pool().swap_exact_in(1, True, NOW)
    assert refused.value.kind == "zero_output"
    swap = a_whirlpool().swap_exact_in(1, True, NOW)
    assert (swap.amount_in, swap.amount_out, swap.fee) == (1, 0, 0)


@pytest.mark.parametrize("a_to_b", [True, False])
def test_clmm_stops_at_the_callers_limit_and_says_what_is_left(a_to_b: bool) -> None:
    pool = a_clmm_pool()
    limit = raydium_sqrt_price_x64(-5 if a_to_b else 5)
    sale = pool.swap_exact_in(10**15, a_to_b, NOW, limit)
    assert sale.after.sqrt_price_x64 == limit
    assert sale.amount_in + sale.left == 10**15
    purchase = pool.swap_exact_out(10**15, a_to_b, NOW, limit)
    assert purchase.after == sale.after
    assert (purchase.amount_out + purchase.left, purchase.amount_in) == (10**15, sale.amount_in)
    assert pool.swap_exact_in(sale.amount_in, a_to_b, NOW).amount_out in (sale.amount_out, sale.amount_out + 1)


@pytest.mark.parametrize("a_to_b", [True, False])
def test_clmm_refuses_a_limit_that_is_not_on_the_way(a_to_b: bool) -> None:
    pool = a_clmm_pool()
    end = SQRT_PRICE_MIN_X64 if a_to_b else RAYDIUM_SQRT_PRICE_MAX_X64
    for limit in (pool.sqrt_price_x64, raydium_sqrt_price_x64(5 if a_to_b else -5), end):
        with pytest.raises(SwapRefused, match="does not move towards"):
            pool.swap_exact_in(1_000, a_to_b, NOW, limit)


@pytest.mark.parametrize("a_to_b", [True, False])
@pytest.mark.parametrize(("fee_on", "token_of_fee"), [(0, None), (1, "A"), (2, "B")])
def test_clmm_takes_the_fee_in_the_token_agreed(a_to_b: bool, fee_on: int, token_of_fee: str | None) -> None:
    pool = a_clmm_pool(fee_on=fee_on)
    token_in = "A" if a_to_b else "B"
    for swap in (pool.swap_exact_in(10**6, a_to_b, NOW), pool.swap_exact_out(10**6, a_to_b, NOW)):
        assert swap.fee_on_input == (token_of_fee in (None, token_in))
        assert 2_400 < swap.fee < 2_600


def test_clmm_orders_are_filled_at_the_price_of_their_tick_before_it_is_crossed() -> None:
    pool = with_orders(a_clmm_pool(trade_fee_rate=0), -10, open_orders=1_000)
    on_the_way = pool.swap_exact_in(10**12, True, NOW, raydium_sqrt_price_x64(-10) + 1).amount_in
    filled = pool.swap_exact_in(on_the_way + 500, True, NOW)
    assert filled.after.tick_current == -10
    assert filled.ticks_crossed == 0
    left = next(each for each in filled.after.ticks if each.tick == -10)
    assert (left.open_orders, 499 <= left.part_filled_orders <= 502) == (0, True)
    back = filled.after.swap_exact_in(10, False, NOW)
    assert back.after.ticks == filled.after.ticks
    crossed = filled.after.swap_exact_out(ordered(filled.after), True, NOW)
    assert crossed.ticks_crossed == 1
    assert ordered(crossed.after) == 0


def test_clmm_a_tick_that_held_only_orders_is_gone_once_they_are_filled() -> None:
    pool = a_clmm_pool()
    only_orders = raydium_clmm.Tick(-5, 0, 0, open_orders=1_000)
    pool = msgspec.structs.replace(pool, ticks=(pool.ticks[0], only_orders, *pool.ticks[1:]))
    assert pool.reserves == (a_clmm_pool().reserves[0], a_clmm_pool().reserves[1] + 1_000)
    limit = raydium_sqrt_price_x64(-6)
    swap = pool.swap_exact_in(10**12, True, NOW, limit)
    assert swap.after.ticks == a_clmm_pool().ticks
    assert swap.amount_out == a_clmm_pool().swap_exact_in(10**12, True, NOW, limit).amount_out + 1_000


@pytest.mark.parametrize("a_to_b", [True, False])
def test_a_whirlpool_swap_sees_three_tick_arrays_and_no_more(a_to_b: bool) -> None:
    pool = a_whirlpool(-900, 900)
    starts = pool.tick_array_starts(a_to_b)
    assert starts == ((0, -88, -176) if a_to_b else (0, 88, 176))
    edge = -176 if a_to_b else 263
    to_the_edge = concentrated.amounts(pool.sqrt_price_x64, orca_sqrt_price_x64(edge), pool.liquidity, a_to_b)[0]
    last = pool.swap_exact_in(to_the_edge, a_to_b, NOW)
    assert last.after.sqrt_price_x64 == orca_sqrt_price_x64(edge)
    assert last.after.tick_current_index == (edge - 1 if a_to_b else edge)
    assert last.after.liquidity == pool.liquidity
    with pytest.raises(SwapRefused, match="the tick arrays end") as refused:
        pool.swap_exact_in(to_the_edge + 2, a_to_b, NOW)
    assert refused.value.kind == "insufficient_liquidity"
    assert last.after.swap_exact_in(1_000, a_to_b, NOW).amount_out > 0


@pytest.mark.parametrize("a_to_b", [True, False])
def test_a_whirlpool_sale_is_filled_in_part_where_the_prices_end(a_to_b: bool) -> None:
    """The program takes what it could use; a purchase it refuses."""
    spacing = 32_768  # of a splash pool: one array reaches to the end
    full_range = TICK_MAX // spacing * spacing
    ticks = (concentrated.Tick(-full_range, 10**6), concentrated.Tick(full_range, -(10**6)))
    pool = orca_whirlpool.Pool(orca_whirlpool.Parameters(spacing, 0), 1 << 64, 0, 10**6, ticks)
    amount = 10**18
    swap = pool.swap_exact_in(amount, a_to_b, NOW)
    assert 0 < swap.amount_in < amount
    assert swap.after.sqrt_price_x64 == (SQRT_PRICE_MIN_X64 if a_to_b else ORCA_SQRT_PRICE_MAX_X64)
    for attempt in (pool.swap_exact_out, swap.after.swap_exact_in):
        with pytest.raises(SwapRefused, match="end"):
            attempt(amount, a_to_b, NOW)
    assert swap.after.swap_exact_in(amount, not a_to_b, NOW).amount_out > 0


def test_a_whirlpool_refuses_a_time_before_its_last_swap() -> None:
    pool = msgspec.structs.replace(a_whirlpool(), adaptive_fee=an_adaptive_fee(last_major_swap_timestamp=NOW + 1))
    with pytest.raises(SwapRefused, match="which is after"):
        pool.swap_exact_in(1_000, True, NOW)
    assert pool.fee_ppm(NOW) == 0


def test_fees_rise_with_every_group_of_ticks_and_return_with_time() -> None:
    clmm = msgspec.structs.replace(a_clmm_pool(low=-600, high=600), dynamic_fee=a_dynamic_fee())
    orca = msgspec.structs.replace(a_whirlpool(-600, 600, spacing=10), adaptive_fee=an_adaptive_fee())
    pools: list[Pool] = [clmm, orca]
    for pool in pools:
        far = pool.swap_exact_in(10**10, True, NOW).after
        calm = pool.fee_ppm(NOW)
        assert calm < far.fee_ppm(NOW) < far.swap_exact_in(10**10, True, NOW).after.fee_ppm(NOW)
        assert calm < far.fee_ppm(NOW + 60) < far.fee_ppm(NOW)
        assert far.fee_ppm(NOW + 3_601) == calm


def test_the_fee_shown_is_the_fee_of_a_swap_that_stays_in_its_group_of_ticks() -> None:
    clmm = msgspec.structs.replace(a_clmm_pool(low=-600, high=600), dynamic_fee=a_dynamic_fee())
    orca = msgspec.structs.replace(a_whirlpool(-600, 600, spacing=10), adaptive_fee=an_adaptive_fee())
    pools: list[Pool] = [a_clmm_pool(), clmm, a_whirlpool(), orca]
    for pool in pools:
        moved = pool.swap_exact_in(4 * 10**8, False, NOW).after
        for each in (pool, moved):
            fee = each.swap_exact_in(10**6, False, NOW).fee
            assert each.fee_ppm(NOW) <= fee <= each.fee_ppm(NOW) + 2


def test_clmm_volatility_at_its_greatest_stays_there_to_the_end_of_the_step_that_left_it() -> None:
    """On the way back to the reference a step at the greatest rate is not cut, and its end is not counted yet."""
    fee = a_dynamic_fee(tick_spacing_index_reference=-20, max_volatility_accumulator=50_000)
    pool = msgspec.structs.replace(a_clmm_pool(low=-600, high=600), dynamic_fee=fee)
    swap = pool.swap_exact_in(11 * 10**9, True, NOW)
    assert -240 < swap.after.tick_current < -160  # within four groups of the reference, where 50 000 is not reached
    assert swap.after.dynamic_fee is not None
    assert swap.after.dynamic_fee.volatility_accumulator == 50_000


def a_clmm_pool(low: int = -10, high: int = 10, trade_fee_rate: int = 2_500, fee_on: int = 0) -> raydium_clmm.Pool:
    """A pool at price 1 with one position around it."""
    liquidity = 10**12
    ticks = (raydium_clmm.Tick(low, liquidity, liquidity), raydium_clmm.Tick(high, -liquidity, liquidity))
    parameters = raydium_clmm.Parameters(10, trade_fee_rate, fee_on=fee_on)
    return raydium_clmm.Pool(parameters, 1 << 64, 0, liquidity, ticks)


def a_whirlpool(low: int = -10, high: int = 10, spacing: int = 1) -> orca_whirlpool.Pool:
    """A pool at price 1 with one position around it and, for whoever swaps, no fee but rounding."""
    liquidity = 10**12
    ticks = (concentrated.Tick(low, liquidity), concentrated.Tick(high, -liquidity))
    return orca_whirlpool.Pool(orca_whirlpool.Parameters(spacing, 0), 1 << 64, 0, liquidity, ticks)


def a_dynamic_fee(**changed: int) -> raydium_clmm.DynamicFee:
    return msgspec.structs.replace(
        raydium_clmm.DynamicFee(30, 600, 5_000, 20_000, 350_000, 0, last_update_timestamp=NOW), **changed
    )


def an_adaptive_fee(**changed: int) -> orca_whirlpool.AdaptiveFee:
    return msgspec.structs.replace(
        orca_whirlpool.AdaptiveFee(30, 600, 5_000, 20_000, 350_000, 10, 64, 0, last_reference_update_timestamp=NOW),
        **changed,
    )


def with_orders(pool: raydium_clmm.Pool, tick: int, open_orders: int) -> raydium_clmm.Pool:
    ticks = tuple(
        msgspec.structs.replace(each, open_orders=open_orders) if each.tick == tick else each for each in pool.ticks
    )
    return msgspec.structs.replace(pool, ticks=ticks)


def without_fee_and_orders(pool: Pool) -> Pool:
    if isinstance(pool, orca_whirlpool.Pool):
        parameters = msgspec.structs.replace(pool.parameters, fee_rate=0)
        return msgspec.structs.replace(pool, parameters=parameters, adaptive_fee=None)
    ticks = tuple(msgspec.structs.replace(each, open_orders=0, part_filled_orders=0) for each in pool.ticks)
    parameters_of_clmm = msgspec.structs.replace(pool.parameters, trade_fee_rate=0)
    return msgspec.structs.replace(pool, parameters=parameters_of_clmm, dynamic_fee=None, ticks=ticks)


def tick_of(pool: Pool) -> int:
    return pool.tick_current if isinstance(pool, raydium_clmm.Pool) else pool.tick_current_index


def price_of(pool: Pool, tick: int) -> int:
    return raydium_sqrt_price_x64(tick) if isinstance(pool, raydium_clmm.Pool) else orca_sqrt_price_x64(tick)


def ordered(pool: Pool) -> int:
    """What all limit orders still offer, of both tokens together."""
    if isinstance(pool, orca_whirlpool.Pool):
        return 0
    return sum(each.open_orders + each.part_filled_orders for each in pool.ticks)
