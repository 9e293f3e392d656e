"""The maths of one step of a swap through concentrated liquidity, which Raydium CLMM and Orca Whirlpool share.

Within a step the liquidity does not change, so that it is a constant-product curve between two prices. All prices are Q64.64
square roots (`sqrt_price_x64`, raw B per raw A), selling A moves them down; amounts are base units, not yet checked
to fit 64 bits; fee rates are parts of 1 000 000. What comes in is rounded up and what goes out down: the pool keeps
the dust. Sources: raydium-clmm, libraries/{swap_math,sqrt_price_math,liquidity_math}.rs and states/pool_fee.rs;
whirlpools, math/{swap_math,token_math}.rs and manager/fee_rate_manager.rs. Liquidity beyond 2^95, at which Orca's 256
bits may overflow, is not modelled.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import isqrt
from operator import attrgetter

import msgspec

from order_engine.amounts import U64_MAX, div_ceil, div_floor
from order_engine.venues.pool import SwapRefused

RATE_ONE = 1_000_000  # config.rs, FEE_RATE_DENOMINATOR_VALUE; token_math.rs, FEE_RATE_MUL_VALUE
RATE_MAX = 100_000  # pool_fee.rs, MAX_FEE_RATE_NUMERATOR; fee_rate_manager.rs, FEE_RATE_HARD_LIMIT: 10 %

VOLATILITY_PER_GROUP = 10_000  # pool_fee.rs, VOLATILITY_ACCUMULATOR_SCALE; oracle.rs, the same
REDUCTION_ONE = 10_000  # pool_fee.rs and oracle.rs, REDUCTION_FACTOR_DENOMINATOR
_VOLATILITY_RATE_ONE = 100_000 * VOLATILITY_PER_GROUP**2  # pool_fee.rs, DYNAMIC_FEE_CONTROL_DENOMINATOR

Ranges = Iterator[tuple[int, int, int]]  # (price, next price, liquidity between them)

_tick = attrgetter("tick")


class Tick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A tick at which positions begin or end: going up past it adds `liquidity_net`, going down takes it away."""

    tick: int
    liquidity_net: int


def spot_price(sqrt_price_x64: int, a_to_b: bool) -> tuple[int, int]:
    """The marginal price without fee at this square root, as (base units out, base units in)."""
    squared = sqrt_price_x64 * sqrt_price_x64
    return (squared, 1 << 128) if a_to_b else (1 << 128, squared)


def first_above(ticks: Sequence[Tick], tick: int) -> int:
    """The place of the first of the ticks, which are sorted, that is above `tick`; the next one down is just before it."""
    return bisect_right(ticks, tick, key=_tick)


def ranges(
    ticks: Sequence[Tick], tick: int, price: int, liquidity: int, a_to_b: bool, price_of: Callable[[int], int]
) -> Ranges:
    """The way from `price` to the last of the ticks as (price, next price, liquidity) of each range, empty ones too."""
    above = first_above(ticks, tick)
    for each in reversed(ticks[:above]) if a_to_b else ticks[above:]:
        upcoming = price_of(each.tick)
        yield price, upcoming, liquidity
        price, liquidity = upcoming, liquidity + (-each.liquidity_net if a_to_b else each.liquidity_net)


def reaches(price: int, target: int, liquidity: int, amount: int, exact_in: bool, a_to_b: bool) -> bool:
    """Whether `amount`, of the input if `exact_in` and otherwise of the output, moves the price all the way.

    Compared without dividing, which is the same as with the amount for the way rounded up (input) or down (output).
    """
    if a_to_b:
        b_x64 = liquidity * (price - target)
        return amount * price * target >= b_x64 << 64 if exact_in else amount >= b_x64 >> 64
    b_x64 = liquidity * (target - price)
    return amount << 64 >= b_x64 if exact_in else (amount + 1) * price * target > b_x64 << 64


def price_after(price: int, liquidity: int, amount: int, exact_in: bool, a_to_b: bool) -> int:
    """The price to which `amount`, of the input if `exact_in` and otherwise of the output, moves a liquidity above 0.

    Rounded so that the price moves less for an input and more for an output. Raises SwapRefused, insufficient_liquidity,
    for more output than the liquidity can give.
    """
    if a_to_b is exact_in:  # it is A that is given
        depth = (liquidity << 64) + (amount * price if exact_in else -amount * price)
        if depth <= 0:
            raise SwapRefused("insufficient_liquidity", f"{amount} is more than the liquidity {liquidity} can give")
        return div_ceil((liquidity << 64) * price, depth)  # the pool keeps the dust
    if exact_in:
        return price + div_floor(amount << 64, liquidity)  # the pool keeps the dust
    after = price - div_ceil(amount << 64, liquidity)  # the pool keeps the dust
    if after <= 0:
        raise SwapRefused("insufficient_liquidity", f"{amount} is more than the liquidity {liquidity} can give")
    return after


def amounts(price: int, after: int, liquidity: int, a_to_b: bool) -> tuple[int, int]:
    """What comes in, rounded up, and what goes out, rounded down, while the price moves: the pool keeps the dust."""
    if a_to_b:
        b_x64 = liquidity * (price - after)
        return div_ceil(b_x64 << 64, price * after), b_x64 >> 64
    b_x64 = liquidity * (after - price)
    return (b_x64 + U64_MAX) >> 64, div_floor(b_x64 << 64, price * after)


def after_fee(amount: int, rate: int) -> int:
    """What an input trades once its fee is off, rounded down: liquidity keeps the dust."""
    return div_floor(amount * (RATE_ONE - rate), RATE_ONE)


def fee_on_top(amount: int, rate: int) -> int:
    """The fee for an input that does not contain it yet, rounded up: liquidity keeps the dust."""
    return div_ceil(amount * rate, RATE_ONE - rate)


def fee_within(amount: int, rate: int) -> int:
    """The fee that is part of an amount, rounded up: liquidity keeps the dust."""
    return div_ceil(amount * rate, RATE_ONE)


def volatility(reference: int, index_reference: int, index: int, greatest: int) -> int:
    """The volatility accumulator in the group of ticks `index`, 10 000 for each group away from the reference."""
    return min(reference + abs(index_reference - index) * VOLATILITY_PER_GROUP, greatest)


def rate_with_volatility(rate: int, control: int, accumulator: int, group_size: int) -> int:
    """A fee rate and what volatility adds to it, rounded up, at most 10 %: liquidity keeps the dust."""
    moved = accumulator * group_size
    return min(rate + div_ceil(control * moved * moved, _VOLATILITY_RATE_ONE), RATE_MAX)


def input_to_move(ways: Ranges, price: int, ppm: int, a_to_b: bool) -> int:
    """The input, without fee, that moves `price` by `ppm` millionths through these ranges, or to the end of them.

    Rounded down, for showing and estimating.
    """
    share = RATE_ONE - min(ppm, RATE_ONE) if a_to_b else RATE_ONE + ppm
    target = max(isqrt(div_floor(price * price * share, RATE_ONE)), 1)
    total = 0
    for start, end, liquidity in ways:
        last = end <= target if a_to_b else end >= target
        low, high = sorted((start, target if last else end))
        b_x64 = liquidity * (high - low)
        total += div_floor(b_x64 << 64, low * high) if a_to_b else b_x64 >> 64
        if last:
            break
    return total
