"""How the liquidity of a new pool is laid out: positions around a price, each as large as its share of the reserves covers.

It stands apart because Raydium CLMM and Orca Whirlpool open alike, each with its own prices of ticks.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from math import isqrt
from typing import NamedTuple

from order_engine.amounts import div_floor

Position = Sequence[int]  # [ticks from the price to its low end, to its high end, per cent of reserve A, of reserve B]


class Layout(NamedTuple):
    """Initialised ticks in order, as (tick, net, gross), and the liquidity at the price."""

    ticks: list[tuple[int, int, int]]
    liquidity: int


def sqrt_price_x64(price: tuple[int, int]) -> int:
    """The square root of a price (base units of B per A) as Q64.64, rounded down."""
    return isqrt(div_floor(price[0] << 128, price[1]))


def lay_out(
    positions: Sequence[Position],
    tick: int,
    spacing: int,
    sqrt_price_x64: int,
    price_of: Callable[[int], int],
    reserve_a: int,
    reserve_b: int,
) -> Layout:
    """Ticks and liquidity of positions, their ends on the grid of `spacing`. What one token has too much of is left over."""
    net: Counter[int] = Counter()
    gross: Counter[int] = Counter()
    liquidity = 0
    for below, above, percent_a, percent_b in positions:
        low, high = (div_floor(tick + offset, spacing) * spacing for offset in (below, above + spacing))
        share = div_floor(reserve_a * percent_a, 100), div_floor(reserve_b * percent_b, 100)
        units = covered(price_of(low), sqrt_price_x64, price_of(high), *share)
        for end, change in ((low, units), (high, -units)):
            net[end] += change
            gross[end] += units
        if low <= tick < high:
            liquidity += units
    return Layout([(each, net[each], gross[each]) for each in sorted(gross) if gross[each]], liquidity)


def covered(low: int, price: int, high: int, amount_a: int, amount_b: int) -> int:
    """The greatest liquidity from `low` to `high` (Q64.64 square roots) that both amounts cover, each rounded up."""
    price = max(low, min(price, high))
    found: list[int] = []
    if price < high:
        found.append(div_floor(amount_a * price * high, (high - price) << 64))
    if price > low:
        found.append(div_floor(amount_b << 64, price - low))
    return min(found)
