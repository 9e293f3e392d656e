"""What holds for every pool whatever its state: nobody takes more than there is, and no path through a pool pays."""

from contextlib import suppress
from itertools import pairwise
from math import isqrt
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from order_engine.amounts import U64_MAX, div_ceil
from order_engine.venues import (
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from order_engine.venues.meteora_dlmm import BIN_ID_MAX, Bin, bin_at_or_below, bin_price_x64
from order_engine.venues.pool import Pool, SwapRefused
from tests.venues.concentrated_pools import clmm_pools, whirlpools

NOW = 1_750_000_000

reserves = st.integers(0, 60).flatmap(lambda bits: st.integers(1 << bits, 2 << bits))
amounts = st.integers(0, 45).flatmap(lambda bits: st.integers(1 << bits, 2 << bits))
rates = st.sampled_from([0, 1, 25, 100, 2_500, 20_000, 250_000])

amm_v4_pools = st.builds(raydium_amm_v4.Pool, reserve_a=reserves, reserve_b=reserves)
cpmm_pools = st.builds(
    raydium_cpmm.Pool,
    reserve_a=reserves,
    reserve_b=reserves,
    trade_fee_rate=rates,
    protocol_fee_rate=st.sampled_from([0, 120_000]),
    fund_fee_rate=st.sampled_from([0, 40_000]),
    creator_fee_rate=rates,
    enable_creator_fee=st.booleans(),
    creator_fee_on=st.sampled_from([0, 1, 2]),
)


@st.composite
def dlmm_pools(draw: DrawFn, with_orders: bool = True, settled: bool = False) -> meteora_dlmm.Pool:
    """Pools of a few bins. If `settled`, the time since the last swap starts volatility anew from the active bin."""
    bin_step = draw(st.sampled_from([1, 4, 10, 80, 250, 400]))
    active_id = draw(st.integers(-250, 250))
    below, above = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    held = st.one_of(st.just(0), amounts)
    ordered = held if with_orders else st.just(0)
    bins = tuple(
        Bin(
            draw(held) if offset >= 0 else 0,
            draw(held) if offset <= 0 else 0,
            draw(ordered),
            draw(ordered),
            offset > 0 or (offset == 0 and draw(st.booleans())),
        )
        for offset in range(-below, above + 1)
    )
    parameters = meteora_dlmm.Parameters(
        bin_step,
        base_factor=draw(st.sampled_from([0, 1, 10_000, 50_000])),
        variable_fee_control=draw(st.sampled_from([0, 7_500, 40_000])),
        protocol_share_bps=draw(st.sampled_from([0, 500, 2_000])),
        collect_fee_mode=draw(st.sampled_from([0, 1])),
    )
    return meteora_dlmm.Pool(
        parameters,
        active_id,
        active_id - below,
        bins,
        index_reference=active_id + draw(st.integers(-5, 5)),
        volatility_accumulator=draw(st.integers(0, 350_000)),
        volatility_reference=draw(st.integers(0, 175_000)),
        last_update_timestamp=NOW - draw(st.sampled_from([600, 86_400] if settled else [0, 29, 30, 599, 600, 86_400])),
    )


@st.composite
def damm_v2_pools(draw: DrawFn, calm: bool = False) -> meteora_damm_v2.Pool:
    """Pools of every fee mode, with bounds near and far. If `calm`, without the fee on volatility."""
    collect_fee_mode = draw(st.sampled_from([0, 1, 2]))
    a = b = 0
    if collect_fee_mode == meteora_damm_v2.COMPOUNDING:
        a, b = draw(reserves), draw(reserves)
        liquidity, sqrt_price, low, high = isqrt(a * b) << 64, isqrt((b << 128) // a), 0, (1 << 128) - 1
    else:
        sqrt_price = draw(st.integers(40, 87).flatmap(lambda bits: st.integers(1 << bits, 2 << bits)))
        liquidity = draw(st.integers(64, 126).flatmap(lambda bits: st.integers(1 << bits, 2 << bits)))
        bps = draw(st.sampled_from([0, 1, 100, 5_000, 10_000]))
        low = max(sqrt_price - sqrt_price * bps // 10_000, meteora_damm_v2.SQRT_PRICE_MIN_X64)
        high = draw(st.sampled_from([sqrt_price + sqrt_price * bps // 10_000, meteora_damm_v2.SQRT_PRICE_MAX_X64]))
    dynamic_fee = meteora_damm_v2.DynamicFee(
        variable_fee_control=draw(st.sampled_from([239, 40_000])),
        sqrt_price_reference=sqrt_price + sqrt_price * draw(st.integers(-100, 100)) // 10_000,
        volatility_accumulator=draw(st.integers(0, 14_460_000)),
        volatility_reference=draw(st.integers(0, 7_230_000)),
        last_update_timestamp=NOW - draw(st.sampled_from([0, 9, 10, 119, 120, 86_400])),
    )
    return meteora_damm_v2.Pool(
        liquidity,
        sqrt_price,
        low,
        high,
        meteora_damm_v2.BaseFee(draw(st.sampled_from([100_000, 2_500_000, 500_000_000]))),
        None if calm else draw(st.sampled_from([None, dynamic_fee])),
        collect_fee_mode,
        draw(st.sampled_from([0, 5_000, 10_000])) if collect_fee_mode == meteora_damm_v2.COMPOUNDING else 0,
        token_a_amount=a,
        token_b_amount=b,
    )


class Trade(NamedTuple):
    """A swap that a pool may well accept: about as much in as is worth `amount_out`, of which the pool has enough."""

    pool: Any
    a_to_b: bool
    amount_in: int
    amount_out: int

    def sold(self, amount_in: int | None = None) -> Any:
        """The sale, or an example that does not count because the pool refuses it, or pays nothing where others refuse."""
        try:
            sale = self.pool.swap_exact_in(amount_in or self.amount_in, self.a_to_b, NOW)
        except SwapRefused:
            reject()
        assume(sale.amount_out > 0)
        return sale

    def bought(self) -> Any:
        """The purchase, or an example that does not count because the pool refuses it."""
        try:
            return self.pool.swap_exact_out(self.amount_out, self.a_to_b, NOW)
        except SwapRefused:
            reject()

    def sold_or_bought(self, sell: bool) -> Any:
        return self.sold() if sell else self.bought()


@st.composite
def trades(draw: DrawFn, pools: SearchStrategy[Any]) -> Trade:
    pool, a_to_b = draw(pools), draw(st.booleans())
    there_is = pool.reserves[a_to_b]
    assume(there_is > 0)
    wanted = draw(st.one_of(st.integers(1, there_is), amounts.map(lambda amount: min(amount, there_is))))
    numerator, denominator = pool.spot_price(a_to_b)
    worth = div_ceil(wanted * denominator, numerator) + draw(st.integers(0, 3))
    assume(worth <= U64_MAX)
    return Trade(pool, a_to_b, worth, wanted)


quickly = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
of_every_model = pytest.mark.parametrize(
    "pools",
    [amm_v4_pools, cpmm_pools, dlmm_pools(), damm_v2_pools(), clmm_pools(), whirlpools()],
    ids=["raydium_amm_v4", "raydium_cpmm", "meteora_dlmm", "meteora_damm_v2", "raydium_clmm", "orca_whirlpool"],
)
of_every_model_without_ticks = pytest.mark.parametrize(  # up to which a purchase may pay: see test_concentrated
    "pools",
    [amm_v4_pools, cpmm_pools, dlmm_pools(), damm_v2_pools()],
    ids=["raydium_amm_v4", "raydium_cpmm", "meteora_dlmm", "meteora_damm_v2"],
)
of_every_model_undisturbed = pytest.mark.parametrize(  # by what earlier swaps left behind in the fee
    "pools",
    [amm_v4_pools, cpmm_pools, dlmm_pools(settled=True), damm_v2_pools(calm=True)],
    ids=["raydium_amm_v4", "raydium_cpmm", "meteora_dlmm", "meteora_damm_v2"],
)
of_constant_product = pytest.mark.parametrize(
    "pools", [amm_v4_pools, cpmm_pools], ids=["raydium_amm_v4", "raydium_cpmm"]
)
Pools = SearchStrategy[Any]


# What rounding takes from who sells, at most: so many units of the input, and so many of the output. Per bin with bins.
ROUNDED = {
    "raydium_amm_v4": (1, 1),  # the fee; the output
    "raydium_cpmm": (1, 2),  # the fee; the output, and a creator's fee on it
    "meteora_dlmm": (4, 2),  # the fee and three layers of a bin; the output and a fee on it
    "meteora_damm_v2": (2, 3),  # the fee and the price; the output, the price and a fee on the output
}


BOUNDED = {"meteora_damm_v2"}  # models with a price at which an exact sale ends in refusal


def lost_to_rounding(trade: Trade) -> int:
    """What a sale pays less than the same rules without rounding, in base units of the output, at most."""
    units_in, units_out = ROUNDED[trade.pool.model]
    numerator, denominator = trade.pool.spot_price(trade.a_to_b)
    steps = len(trade.pool.bins) if isinstance(trade.pool, meteora_dlmm.Pool) else 1
    return steps * (div_ceil(units_in * numerator, denominator) + units_out)


def as_text(pool: Pool) -> bytes:
    return msgspec.json.encode(pool)


@of_every_model
@quickly
@given(data=st.data(), sell=st.booleans())
def test_nobody_takes_out_more_than_there_is(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    swap = trade.sold_or_bought(sell)
    there_was = trade.pool.reserves[trade.a_to_b]
    assert 0 < swap.amount_out <= there_was
    assert swap.after.reserves[trade.a_to_b] <= there_was - swap.amount_out


@of_constant_product
@quickly
@given(data=st.data(), sell=st.booleans())
def test_a_curve_is_never_emptied(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    assert min(trade.sold_or_bought(sell).after.reserves) > 0
    with pytest.raises(SwapRefused, match="the pool holds"):
        trade.pool.swap_exact_out(trade.pool.reserves[trade.a_to_b], trade.a_to_b, NOW)


@of_every_model
@quickly
@given(data=st.data(), more=amounts)
def test_selling_more_never_buys_less(pools: Pools, data: st.DataObject, more: int) -> None:
    trade = data.draw(trades(pools))
    amount_out = trade.sold().amount_out
    for amount_in in (trade.amount_in + 1, trade.amount_in + more):
        assert trade.sold(amount_in).amount_out >= amount_out


@of_every_model_undisturbed
@quickly
@given(data=st.data(), step=amounts)
def test_each_further_unit_sold_buys_no_more_than_the_one_before(pools: Pools, data: st.DataObject, step: int) -> None:
    """Concave, up to rounding: the middle of three sales may have lost to it, the outer two may not."""
    trade = data.draw(trades(pools))
    step = min(step, trade.amount_in - 1)
    assume(step > 0)
    less, middle, more = (trade.sold(trade.amount_in + offset).amount_out for offset in (-step, 0, step))
    assert less + more <= 2 * (middle + lost_to_rounding(trade))


@of_every_model_undisturbed
@quickly
@given(data=st.data(), part=st.integers(1, 9))
def test_splitting_a_sale_over_one_pool_never_pays(pools: Pools, data: st.DataObject, part: int) -> None:
    """Up to what rounding took from the undivided sale, and up to the fee that a compounding pool has put back."""
    trade = data.draw(trades(pools))
    assume(trade.amount_in > 1)
    first = div_ceil(trade.amount_in * part, 10)
    assume(first < trade.amount_in)
    one = trade.sold(first)
    two = trade._replace(pool=one.after).sold(trade.amount_in - first)
    put_back = one.fee_compounding if trade.a_to_b and isinstance(one, meteora_damm_v2.Swap) else 0
    assert one.amount_out + two.amount_out <= trade.sold().amount_out + lost_to_rounding(trade) + put_back


@of_every_model
@quickly
@given(data=st.data(), sell=st.booleans())
def test_no_swap_beats_the_spot_price(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    swap = trade.sold_or_bought(sell)
    numerator, denominator = trade.pool.spot_price(trade.a_to_b)
    assert swap.amount_out * denominator <= swap.amount_in * numerator


@of_every_model
@quickly
@given(data=st.data(), part=st.integers(1, 9))
def test_two_sales_together_do_not_beat_the_spot_price(pools: Pools, data: st.DataObject, part: int) -> None:
    trade = data.draw(trades(pools))
    one = trade.sold(div_ceil(trade.amount_in * part, 10))
    two = trade._replace(pool=one.after).sold(div_ceil(trade.amount_in, 10))
    numerator, denominator = trade.pool.spot_price(trade.a_to_b)
    assert (one.amount_out + two.amount_out) * denominator <= (one.amount_in + two.amount_in) * numerator


@of_every_model
@quickly
@given(data=st.data(), sell=st.booleans())
def test_going_there_and_back_never_pays(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    there = trade.sold_or_bought(sell)
    back = Trade(there.after, not trade.a_to_b, there.amount_out, there.amount_in).sold()
    assert back.amount_out <= there.amount_in


@of_every_model_without_ticks
@quickly
@given(data=st.data())
def test_buying_what_a_sale_gave_never_costs_more(pools: Pools, data: st.DataObject) -> None:
    trade = data.draw(trades(pools))
    sale = trade.sold()
    assert trade.pool.swap_exact_out(sale.amount_out, trade.a_to_b, NOW).amount_in <= sale.amount_in


@of_every_model
@quickly
@given(data=st.data())
def test_selling_the_price_of_a_purchase_gives_at_least_as_much(pools: Pools, data: st.DataObject) -> None:
    trade = data.draw(trades(pools))
    purchase = trade.bought()
    assert purchase.amount_out == trade.amount_out
    try:
        sale = trade.pool.swap_exact_in(purchase.amount_in, trade.a_to_b, NOW)
    except SwapRefused:
        assert trade.pool.model in BOUNDED  # the last unit of the input may reach beyond the bound
        reject()
    assert sale.amount_out >= trade.amount_out


@of_every_model
@quickly
@given(data=st.data(), too_much=st.booleans())
def test_a_swap_made_or_refused_leaves_the_pool_as_it_was(pools: Pools, data: st.DataObject, too_much: bool) -> None:
    trade = data.draw(trades(pools))
    before = as_text(trade.pool)
    amount = U64_MAX if too_much else trade.amount_out
    for attempt in (trade.pool.swap_exact_in, trade.pool.swap_exact_out):
        with suppress(SwapRefused):
            attempt(amount, trade.a_to_b, NOW)
        assert as_text(trade.pool) == before


@of_every_model
@quickly
@given(data=st.data(), a_to_b=st.booleans())
def test_nothing_and_too_much_are_refused(pools: Pools, data: st.DataObject, a_to_b: bool) -> None:
    pool: Pool = data.draw(pools)
    for attempt in (pool.swap_exact_in, pool.swap_exact_out):
        with pytest.raises(SwapRefused) as nothing:
            attempt(0, a_to_b, NOW)
        assert nothing.value.kind == "zero_input"
        with pytest.raises(SwapRefused) as too_much:
            attempt(U64_MAX + 1, a_to_b, NOW)
        assert too_much.value.kind in {"zero_output", "insufficient_liquidity", "overflow_u64"}


@of_every_model
@quickly
@given(data=st.data())
def test_a_pool_written_down_and_read_again_is_the_same_pool(pools: Pools, data: st.DataObject) -> None:
    after = data.draw(trades(pools)).sold().after
    raydium_pool = raydium_amm_v4.Pool | raydium_cpmm.Pool | raydium_clmm.Pool
    any_pool = raydium_pool | meteora_dlmm.Pool | meteora_damm_v2.Pool | orca_whirlpool.Pool
    again: Any = msgspec.json.decode(as_text(after), type=any_pool)
    assert again == after
    assert again.model == msgspec.json.decode(as_text(after))["model"]


@of_constant_product
@quickly
@given(data=st.data(), sell=st.booleans())
def test_the_product_of_the_reserves_never_falls(pools: Pools, data: st.DataObject, sell: bool) -> None:
    trade = data.draw(trades(pools))
    a, b = trade.pool.reserves
    after_a, after_b = trade.sold_or_bought(sell).after.reserves
    assert after_a * after_b >= a * b


@quickly
@given(trade=trades(amm_v4_pools), sell=st.booleans())
def test_amm_v4_keeps_all_that_comes_in_and_loses_what_goes_out(trade: Trade, sell: bool) -> None:
    swap = trade.sold_or_bought(sell)
    received, paid = moved(trade, swap.after)
    assert received == swap.amount_in
    assert paid == swap.amount_out


@quickly
@given(trade=trades(cpmm_pools), sell=st.booleans())
def test_cpmm_accounts_for_every_unit(trade: Trade, sell: bool) -> None:
    swap = trade.sold_or_bought(sell)
    creator_in, creator_out = (swap.creator_fee, 0) if swap.creator_fee_on_input else (0, swap.creator_fee)
    assert swap.fee == swap.trade_fee + creator_in
    assert swap.protocol_fee + swap.fund_fee <= swap.trade_fee
    received, paid = moved(trade, swap.after)
    assert received + swap.protocol_fee + swap.fund_fee + creator_in == swap.amount_in
    assert paid == swap.amount_out + creator_out


def test_cpmm_does_not_trade_while_a_side_is_empty() -> None:
    pool = raydium_cpmm.Pool(0, 1_000)
    for attempt in (pool.swap_exact_in, pool.swap_exact_out):
        for a_to_b in (True, False):
            with pytest.raises(SwapRefused) as refused:
                attempt(10, a_to_b, NOW)
            assert refused.value.kind == "insufficient_liquidity"


@pytest.mark.parametrize(
    ("creator_fee_on", "a_to_b", "on_input"),
    [(0, True, True), (0, False, True), (1, True, True), (1, False, False), (2, True, False), (2, False, True)],
)
def test_cpmm_pays_the_creator_in_the_token_agreed(creator_fee_on: int, a_to_b: bool, on_input: bool) -> None:
    pool = raydium_cpmm.Pool(
        10**12, 10**12, creator_fee_rate=1_000, enable_creator_fee=True, creator_fee_on=creator_fee_on
    )
    for swap in (pool.swap_exact_in(10**9, a_to_b, NOW), pool.swap_exact_out(10**9, a_to_b, NOW)):
        assert swap.creator_fee_on_input is on_input
        assert swap.creator_fee > 0


def test_cpmm_without_a_creator_fee_takes_none() -> None:
    pool = raydium_cpmm.Pool(10**12, 10**12, creator_fee_rate=1_000, enable_creator_fee=False)
    assert pool.swap_exact_in(10**9, True, NOW).creator_fee == 0
    assert pool.swap_exact_out(10**9, True, NOW).creator_fee == 0


@quickly
@given(trade=trades(dlmm_pools()), sell=st.booleans())
def test_dlmm_no_bin_ever_loses_value_at_its_own_price(trade: Trade, sell: bool) -> None:
    before, after = trade.pool, trade.sold_or_bought(sell).after
    for bin_id, (was, now) in enumerate(zip(before.bins, after.bins, strict=True), before.first_bin_id):
        price = bin_price_x64(bin_id, before.parameters.bin_step)
        assert now.amount_x * price + (now.amount_y << 64) >= was.amount_x * price + (was.amount_y << 64)


@quickly
@given(trade=trades(dlmm_pools()), sell=st.booleans())
def test_dlmm_limit_orders_give_only_what_is_paid_out(trade: Trade, sell: bool) -> None:
    """Orders are filled from the same input: what they are owed for it is not in the bins."""
    swap = trade.sold_or_bought(sell)
    fee_in, fee_out = (swap.fee, 0) if swap.fee_on_input else (0, swap.fee)
    into_bins, out_of_bins = moved_in_bins(trade, swap.after)
    out_of_orders = ordered(trade.pool, trade.a_to_b) - ordered(swap.after, trade.a_to_b)
    assert out_of_bins + out_of_orders == swap.amount_out + fee_out + swap.surplus
    assert 0 <= into_bins <= swap.amount_in - fee_in
    assert ordered(trade.pool, not trade.a_to_b) == ordered(swap.after, not trade.a_to_b)


def test_dlmm_volatility_decays_again_with_each_sale_that_stays_in_its_bin() -> None:
    """Between the filter and the decay period a sale over one pool gets cheaper in parts. The program is like that."""
    pool = msgspec.structs.replace(
        a_dlmm_pool(Bin(10**12, 0)), volatility_accumulator=350_000, last_update_timestamp=NOW - 60
    )
    once = pool.swap_exact_in(10**9, False, NOW)
    first = pool.swap_exact_in(10, False, NOW)
    rest = first.after.swap_exact_in(10**9 - 10, False, NOW)
    assert first.amount_out + rest.amount_out > once.amount_out
    assert [each.after.volatility_accumulator for each in (once, first, rest)] == [175_000, 175_000, 87_500]


@quickly
@given(trade=trades(dlmm_pools(with_orders=False)), sell=st.booleans())
def test_dlmm_accounts_for_every_unit(trade: Trade, sell: bool) -> None:
    swap = trade.sold_or_bought(sell)
    fee_in, fee_out = (swap.fee, 0) if swap.fee_on_input else (0, swap.fee)
    assert swap.fee == swap.fee_lp + swap.fee_protocol
    received, paid = moved_in_bins(trade, swap.after)
    assert received + fee_in == swap.amount_in
    assert paid == swap.amount_out + fee_out + swap.surplus


@quickly
@given(trade=trades(dlmm_pools()), sell=st.booleans())
def test_dlmm_touches_only_the_bins_it_walks_through(trade: Trade, sell: bool) -> None:
    before, after = trade.pool, trade.sold_or_bought(sell).after
    low, high = sorted((before.active_id, after.active_id))
    for bin_id, (was, now) in enumerate(zip(before.bins, after.bins, strict=True), before.first_bin_id):
        assert low <= bin_id <= high or now is was


@quickly
@given(trade=trades(dlmm_pools()))
def test_dlmm_leaves_nothing_to_buy_behind_the_active_bin(trade: Trade) -> None:
    after = trade.sold().after
    behind = range(after.active_id + 1, trade.pool.active_id + 1)
    if not trade.a_to_b:
        behind = range(trade.pool.active_id, after.active_id)
    for bin_id in behind:
        left = after.bins[bin_id - after.first_bin_id]
        assert (left.amount_y if trade.a_to_b else left.amount_x) == 0


def test_dlmm_orders_partly_filled_are_processed_orders() -> None:
    pool = a_dlmm_pool(Bin(0, 0, open_orders=1_000, orders_ask=True))
    once = pool.swap_exact_out(400, False, NOW)
    assert once.after.bins == (Bin(0, 0, processed_orders=600, orders_ask=True),)
    twice = once.after.swap_exact_out(600, False, NOW)
    assert twice.after.bins == (Bin(0, 0, orders_ask=True),)
    assert twice.after.reserves == (0, 0)


def test_dlmm_orders_serve_only_their_side() -> None:
    pool = a_dlmm_pool(Bin(0, 0, open_orders=1_000, orders_ask=True))
    assert pool.reserves == (1_000, 0)
    with pytest.raises(SwapRefused) as refused:
        pool.swap_exact_in(100, True, NOW)
    assert refused.value.kind == "insufficient_liquidity"


def test_dlmm_fees_rise_with_every_bin_crossed() -> None:
    pool = a_dlmm_pool(*[Bin(10**9, 0)] * 5)
    fees = [pool.swap_exact_out(crossed * 10**9, False, NOW).fee for crossed in range(1, 6)]
    steps = [later - earlier for earlier, later in pairwise(fees)]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0] > fees[0]


@pytest.mark.parametrize("collect_fee_mode", [0, 1])
def test_dlmm_rounding_surplus_goes_to_the_protocol_only_with_the_fee_on_output(
    collect_fee_mode: int,
) -> None:
    """One X buys some 2500 Y here, so who asks for 3 Y pays for far more than that."""
    parameters = meteora_dlmm.Parameters(400, protocol_share_bps=0, collect_fee_mode=collect_fee_mode)
    pool = meteora_dlmm.Pool(parameters, 200, 200, (Bin(0, 10**9),), index_reference=200, last_update_timestamp=NOW)
    swap = pool.swap_exact_out(3, True, NOW)
    assert swap.amount_out == 3
    assert (swap.fee_protocol > 2_000) == (collect_fee_mode == 1)
    assert (swap.surplus > 2_000) == (collect_fee_mode == 0)


def test_dlmm_spot_price_is_that_of_the_next_bin_to_trade() -> None:
    pool = a_dlmm_pool(Bin(0, 0), Bin(0, 0), Bin(5, 0))
    price = bin_price_x64(2, pool.parameters.bin_step)
    assert pool.spot_price(a_to_b=False) == (1 << 64, price)
    assert pool.spot_price(a_to_b=True) == (1 << 64, 1 << 64)


@quickly
@given(st.integers(1, 10**15), st.integers(1, 10**15), st.sampled_from([1, 10, 100, 400]))
def test_dlmm_the_bin_of_a_price_is_the_greatest_not_above_it(numerator: int, denominator: int, bin_step: int) -> None:
    bin_id = bin_at_or_below(numerator, denominator, bin_step)
    assert bin_price_x64(bin_id, bin_step) * denominator <= numerator << 64
    assert bin_price_x64(bin_id + 1, bin_step) * denominator > numerator << 64


@quickly
@given(st.integers(-500, 500), st.sampled_from([1, 10, 100, 400]))
def test_dlmm_the_bin_of_a_bins_price_is_that_bin(bin_id: int, bin_step: int) -> None:
    price = bin_price_x64(bin_id, bin_step)
    assert bin_at_or_below(price, 1 << 64, bin_step) == bin_id
    assert bin_at_or_below(price - 1, 1 << 64, bin_step) == bin_id - 1


def test_dlmm_a_price_beyond_all_bins_has_no_bin() -> None:
    with pytest.raises(ValueError, match="no bin of step 100"):
        bin_at_or_below(1, 10**40, 100)
    with pytest.raises(ValueError, match="has no price"):
        bin_price_x64(BIN_ID_MAX, 400)


def a_dlmm_pool(*bins: Bin) -> meteora_dlmm.Pool:
    """A pool at price 1 whose first bin is the active one."""
    parameters = meteora_dlmm.Parameters(bin_step=10)
    return meteora_dlmm.Pool(parameters, 0, 0, bins, index_reference=0, last_update_timestamp=NOW)


def moved(trade: Trade, after: Pool) -> tuple[int, int]:
    """What the reserves received of the input and lost of the output."""
    into, out_of = (0, 1) if trade.a_to_b else (1, 0)
    before = trade.pool.reserves
    return after.reserves[into] - before[into], before[out_of] - after.reserves[out_of]


def moved_in_bins(trade: Trade, after: meteora_dlmm.Pool) -> tuple[int, int]:
    x = sum(each.amount_x for each in after.bins) - sum(each.amount_x for each in trade.pool.bins)
    y = sum(each.amount_y for each in after.bins) - sum(each.amount_y for each in trade.pool.bins)
    return (x, -y) if trade.a_to_b else (y, -x)


def ordered(pool: meteora_dlmm.Pool, a_to_b: bool) -> int:
    """What limit orders on the side that serves such a swap still offer."""
    return sum(each.processed_orders + each.open_orders for each in pool.bins if each.orders_ask is not a_to_b)
