"""A pool seen as pieces: what it pays for the next unit, best price first, each piece a curve or a flat price.

Everything that routing knows about a model is here, so that the models stay as they are: a further model is one more
function and one more line in `PIECES`. A piece promises two things. No swap of the pool, however the program rounds,
pays more than its pieces together pay for the same input: that is what the certificate stands on. And up to that
rounding it pays as much, piece after piece: that is what the search goes by.

All figures are ratios of integers with the fees already inside: gross input, net output, in base units.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from order_engine.amounts import U64_MAX
from order_engine.venues import (
    concentrated,
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from order_engine.venues.snapshot import AnyPool
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


class Curve(msgspec.Struct, frozen=True, gc=False):
    """Pays b·x/(a+x) for x, with a = `in_num`/`in_den` and b = `out_num`/`out_den`, the virtual reserves.

    A fee on the input is in a (divided by what is left of a unit), a fee on the output in b. The marginal price is b/a
    at first and falls as 1/(1+x/a)². The piece ends where (a+x)/a = `end_num`/`end_den`; `end_den` 0 means never.
    """

    in_num: int
    in_den: int
    out_num: int
    out_den: int
    end_num: int = 1
    end_den: int = 0


class Flat(msgspec.Struct, frozen=True, gc=False):
    """Pays `price_num`/`price_den` for every unit until it has paid `out_num`/`out_den`."""

    price_num: int
    price_den: int
    out_num: int
    out_den: int


Piece = Curve | Flat


def pieces(pool: AnyPool, a_to_b: bool, now: int) -> Iterable[Piece]:
    """The pool's pieces for one direction, best price first, made as they are asked for.

    `now` is unix seconds of the block. Raises KeyError for a model that is not in `PIECES`. Where fees fall along the
    way (DLMM on its way back to its reference bin) a later piece may pay more than an earlier one; each of the two
    promises holds all the same.
    """
    return PIECES[type(pool)](pool, a_to_b, now)


class Remembered:
    """Pieces that may be gone through more than once: each is made once, and only when somebody comes as far."""

    __slots__ = ("_made", "_source")

    def __init__(self, source: Iterable[Piece]) -> None:
        self._source = iter(source)
        self._made: list[Piece] = []

    def __iter__(self) -> Iterator[Piece]:
        """From the best price on."""
        made, number = self._made, 0
        while True:
            if number == len(made):
                piece = next(self._source, None)
                if piece is None:
                    return
                made.append(piece)
            yield made[number]
            number += 1


def remembered(pool: AnyPool, a_to_b: bool, now: int) -> Iterable[Piece]:
    """`pieces` that may be gone through more than once."""
    found = PIECES[type(pool)](pool, a_to_b, now)
    return found if isinstance(found, tuple) else Remembered(found)


def moment(pool: AnyPool, now: int) -> object:
    """What of the time matters to the pool's pieces: where this and the pool are the same, they are too."""
    if isinstance(pool, meteora_dlmm.Pool):
        return pool._references(now)
    if isinstance(pool, meteora_damm_v2.Pool):
        return pool._fee_rate(now)
    if isinstance(pool, raydium_clmm.Pool):
        return now if pool.dynamic_fee else None
    if isinstance(pool, orca_whirlpool.Pool):
        return now if pool.adaptive_fee else None
    return None


def unsure(pool: AnyPool, a_to_b: bool, now: int) -> int | None:
    """After how many pieces at most every piece pays less than the one before it; None where that is not known."""
    if isinstance(pool, meteora_dlmm.Pool):
        index, step = pool._start(a_to_b)
        _, reference = pool._references(now)
        return max((reference - pool.first_bin_id - index) * step, 0)  # until there fees may fall from bin to bin
    if isinstance(pool, raydium_clmm.Pool):
        return None if pool.dynamic_fee or any(map(raydium_clmm._orders, pool.ticks)) else 0
    if isinstance(pool, orca_whirlpool.Pool):
        return None if pool.adaptive_fee else 0
    return 0


def _amm_v4(pool: raydium_amm_v4.Pool, a_to_b: bool, now: int) -> Iterable[Piece]:  # noqa: ARG001
    """One curve without end: x·y = k over the input less its fee (raydium-amm, math.rs)."""
    one = pool.swap_fee_denominator
    left = one - pool.swap_fee_numerator
    if not pool.reserve_a or not pool.reserve_b:
        return ()
    if a_to_b:
        return (Curve(pool.reserve_a * one, left, pool.reserve_b, 1),)
    return (Curve(pool.reserve_b * one, left, pool.reserve_a, 1),)


def _cpmm(pool: raydium_cpmm.Pool, a_to_b: bool, now: int) -> Iterable[Piece]:  # noqa: ARG001
    """One curve without end; the creator's fee is in whichever side it is taken from (cp-swap, curve/calculator.rs)."""
    one = raydium_cpmm.RATE_ONE
    left_in, left_out = one - pool.trade_fee_rate, one
    if pool.enable_creator_fee:
        on = pool.creator_fee_on
        if on == raydium_cpmm.CREATOR_FEE_ON_INPUT or (on == raydium_cpmm.CREATOR_FEE_ON_A) == a_to_b:
            left_in -= pool.creator_fee_rate
        else:
            left_out -= pool.creator_fee_rate
    if not pool.reserve_a or not pool.reserve_b:
        return ()
    if a_to_b:
        return (Curve(pool.reserve_a * one, left_in, pool.reserve_b * left_out, one),)
    return (Curve(pool.reserve_b * one, left_in, pool.reserve_a * left_out, one),)


def _dlmm(pool: meteora_dlmm.Pool, a_to_b: bool, now: int) -> Iterator[Piece]:
    """One flat piece per bin that holds something, each with the fee that the swap will have reached there.

    The fee of a bin follows from its distance to the reference bin, not from the way there, so it is exact (dlmm-sdk,
    lb_pair.rs update_volatility_accumulator and get_total_fee). Limit orders trade at their bin's price.
    """
    one, parameters = meteora_dlmm.FEE_ONE, pool.parameters
    fee_on_input = parameters.collect_fee_mode == meteora_dlmm.FEE_ON_INPUT or not a_to_b
    volatility_reference, index_reference = pool._references(now)
    index, step = pool._start(a_to_b)
    bins, end = pool.bins, -1 if a_to_b else len(pool.bins)
    while index != end:
        available = meteora_dlmm._available(bins[index], a_to_b)
        if available:
            bin_id = pool.first_bin_id + index
            volatility = meteora_dlmm._volatility(parameters, volatility_reference, index_reference, bin_id)
            left = one - meteora_dlmm._fee_rate(parameters, volatility)
            price = meteora_dlmm.bin_price_x64(bin_id, parameters.bin_step)
            num, den = (price * left, one << 64) if a_to_b else (left << 64, one * price)
            yield Flat(num, den, available, 1) if fee_on_input else Flat(num, den, available * left, one)
        index += step


def _damm_v2(pool: meteora_damm_v2.Pool, a_to_b: bool, now: int) -> Iterable[Piece]:
    """One curve up to the bound of the range, or without end in compounding mode (damm-v2, liquidity_handler/*).

    The volatility of a swap is charged to the next one, so the fee is the same all along (fee.rs).
    """
    one = meteora_damm_v2.FEE_ONE
    left_in, left_out = one - pool._fee_rate(now), one
    if not pool._fee_on_input(a_to_b):
        left_in, left_out = left_out, left_in
    if pool.collect_fee_mode == meteora_damm_v2.COMPOUNDING:
        reserve_in, reserve_out = pool._facing(a_to_b)
        return (Curve(reserve_in * one, left_in, reserve_out * left_out, one),)
    price, liquidity = pool.sqrt_price_x64, pool.liquidity_x64
    end = pool.sqrt_price_min_x64 if a_to_b else pool.sqrt_price_max_x64
    if not liquidity or price == end:
        return ()
    if a_to_b:  # reserves L/√P and L·√P, liquidity and price in Q64.64 both
        return (Curve(liquidity * one, price * left_in, liquidity * price * left_out, one << 128, price, end),)
    return (Curve(liquidity * price * one, left_in << 128, liquidity * left_out, price * one, end, price),)


def _clmm(pool: raydium_clmm.Pool, a_to_b: bool, now: int) -> Iterator[Piece]:
    """A curve per range between ticks, cut where a dynamic fee changes, and a flat piece for the orders at a tick.

    It walks as a swap does (swap.rs, swap_internal), so that every piece has the fee that a swap pays there.
    """
    parameters, fee = pool.parameters, pool.dynamic_fee
    fee_on_input = parameters.fee_on == raydium_clmm.FEE_ON_INPUT or a_to_b is (
        parameters.fee_on == raydium_clmm.FEE_ON_A
    )
    volatility = fee and raydium_clmm._Volatility(fee, parameters, pool.tick_current, now, a_to_b)
    stop = SQRT_PRICE_MIN_X64 + 1 if a_to_b else RAYDIUM_SQRT_PRICE_MAX_X64 - 1
    price, liquidity, rate = pool.sqrt_price_x64, pool.liquidity, parameters.trade_fee_rate
    above = concentrated.first_above(pool.ticks, pool.tick_current)
    for tick in reversed(pool.ticks[:above]) if a_to_b else pool.ticks[above:]:
        tick_price = raydium_sqrt_price_x64(tick.tick)
        target = max(tick_price, stop) if a_to_b else min(tick_price, stop)
        while True:
            bound = target
            if volatility:
                rate, bound = volatility.rate(), volatility.bound(target, liquidity)
            if liquidity and price != bound:
                yield _between(price, bound, liquidity, rate, fee_on_input, a_to_b)
            price = bound
            if price == tick_price and (orders := raydium_clmm._orders(tick)):
                yield _orders_at(tick_price, orders, rate, fee_on_input, a_to_b)
            if volatility:
                near = tick.tick
                volatility.move_on(
                    near if price == tick_price else tick_at_or_below(price, raydium_sqrt_price_x64, near)
                )
            if price == target:
                break
        if price == stop:
            return
        if tick.liquidity_gross:
            liquidity += -tick.liquidity_net if a_to_b else tick.liquidity_net


def _whirlpool(pool: orca_whirlpool.Pool, a_to_b: bool, now: int) -> Iterator[Piece]:
    """A curve per range between ticks, cut where an adaptive fee changes, as far as the tick arrays of a swap reach.

    It walks as a swap does (swap_manager.rs, swap), so that every piece has the fee that a swap pays there.
    """
    parameters, fee, spacing = pool.parameters, pool.adaptive_fee, pool.parameters.tick_spacing
    stop = SQRT_PRICE_MIN_X64 if a_to_b else ORCA_SQRT_PRICE_MAX_X64
    price, liquidity, rate = pool.sqrt_price_x64, pool.liquidity, parameters.fee_rate
    first, last = pool._arrays(a_to_b)
    if price == stop or (last > first if a_to_b else last < first):
        return
    if fee and now < max(fee.last_reference_update_timestamp, fee.last_major_swap_timestamp):
        return  # the program refuses a time before the pool's last one
    if not a_to_b:
        last += (orca_whirlpool.TICKS_IN_ARRAY - 1) * spacing
    edge = max(last, TICK_MIN) if a_to_b else min(last + spacing - 1, TICK_MAX)
    volatility = fee and orca_whirlpool._Volatility(fee, parameters.fee_rate, pool.tick_current_index, now, a_to_b)
    above = concentrated.first_above(pool.ticks, pool.tick_current_index)
    ahead = [
        (tick.tick, tick.liquidity_net)
        for tick in (reversed(pool.ticks[:above]) if a_to_b else pool.ticks[above:])
        if (tick.tick >= last if a_to_b else tick.tick <= last)
    ]
    if not ahead or ahead[-1][0] != last:
        ahead.append((edge, 0))
    for tick, liquidity_net in ahead:
        target = orca_sqrt_price_x64(tick)
        while True:
            bound = target
            if volatility:
                rate, bound = volatility.rate(), volatility.bound(target, liquidity)
            if liquidity and price != bound:
                yield _between(price, bound, liquidity, rate, True, a_to_b)
            price = bound
            if volatility:
                volatility.move_on(price, tick)
            if price == target:
                break
        if price == stop:
            return
        liquidity += -liquidity_net if a_to_b else liquidity_net


def _between(price: int, end: int, liquidity: int, rate: int, fee_on_input: bool, a_to_b: bool) -> Curve:
    """The curve between two Q64.64 square roots of prices: reserves are liquidity / price of A, liquidity · price of B."""
    one = concentrated.RATE_ONE
    left_in, left_out = (one - rate, one) if fee_on_input else (one, one - rate)
    if a_to_b:
        return Curve((liquidity << 64) * one, price * left_in, liquidity * price * left_out, one << 64, price, end)
    return Curve(liquidity * price * one, left_in << 64, (liquidity << 64) * left_out, price * one, end, price)


def _orders_at(tick_price: int, orders: int, rate: int, fee_on_input: bool, a_to_b: bool) -> Flat:
    """Limit orders all trade at their tick's price (raydium-clmm, tick_array.rs match_limit_order_with_sqrt_price)."""
    one = concentrated.RATE_ONE
    price = (tick_price * tick_price + (0 if a_to_b else U64_MAX)) >> 64  # as the program: the orders keep the dust
    left = one - rate
    num, den = (price * left, one << 64) if a_to_b else (left << 64, one * price)
    return Flat(num, den, orders, 1) if fee_on_input else Flat(num, den, orders * left, one)


PIECES: dict[type[AnyPool], Callable[[Any, bool, int], Iterable[Piece]]] = {
    raydium_amm_v4.Pool: _amm_v4,
    raydium_cpmm.Pool: _cpmm,
    meteora_dlmm.Pool: _dlmm,
    meteora_damm_v2.Pool: _damm_v2,
    raydium_clmm.Pool: _clmm,
    orca_whirlpool.Pool: _whirlpool,
}
