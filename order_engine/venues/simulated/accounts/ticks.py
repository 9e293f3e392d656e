"""What Raydium CLMM and Orca Whirlpool have in common: ticks whose liquidity must add up to the pool's, at a price within it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from order_engine.amounts import div_floor
from order_engine.venues.concentrated import Tick
from order_engine.venues.simulated.accounts.dump import Account
from order_engine.venues.tick_prices import SQRT_PRICE_MIN_X64, TICK_MAX, TICK_MIN, tick_at_or_below

TICKS_MAX = 30_000  # initialised ones of a pool: Raydium's deepest have about 10 000
VOLATILITY_MAX = 20_000_000  # 2 000 groups of ticks, each one step of a swap; pools in use have some dozens at most
FAR = TICK_MAX + 1  # no group of ticks is farther from zero, whatever its size


class Gap(NamedTuple):
    """On which side of the price the liquidity of the ticks does not add up to the pool's."""

    below: bool
    above: bool


def gap(ticks: Sequence[Tick], tick_current: int, liquidity: int) -> Gap:
    """Where ticks are missing: those up to the current one add up to the pool's liquidity, all of them to nothing."""
    below = sum(tick.liquidity_net for tick in ticks if tick.tick <= tick_current)
    above = sum(tick.liquidity_net for tick in ticks if tick.tick > tick_current)
    return Gap(below != liquidity, above != -liquidity)


def check_ticks(pool: Account, ticks: Sequence[Tick]) -> None:
    """Raises Malformed for more ticks than a pool has, and for liquidity below zero between any two of them."""
    if len(ticks) > TICKS_MAX:
        raise pool.wrong(f"{len(ticks)} ticks are initialised, the limit is {TICKS_MAX}")
    liquidity = 0
    for tick in ticks:
        liquidity += tick.liquidity_net
        if liquidity < 0:
            raise pool.wrong(f"above tick {tick.tick} the liquidity is below zero: the accounts do not fit together")


def check_price(pool: Account, price: int, highest: int, tick: int, price_of: Callable[[int], int]) -> None:
    """Raises Malformed for a price, a Q64.64 square root of at most `highest`, that is not in this tick.

    A price that came down to a tick exactly and crossed it counts as in the tick below.
    """
    if not SQRT_PRICE_MIN_X64 <= price <= highest:
        raise pool.wrong(f"the square-root price {price} is none")
    at = tick_at_or_below(price, price_of)
    if tick != at and not (tick == at - 1 and price_of(at) == price):
        raise pool.wrong(f"the price is in tick {at}, and the current tick is {tick}")


def start_of(tick: int, width: int) -> int:
    """The first tick of the array, so many ticks wide, in which this one is."""
    return div_floor(tick, width) * width


def is_start(tick: int, width: int) -> bool:
    """True when an array of this width can begin at this tick."""
    return tick % width == 0 and TICK_MIN - width < tick <= TICK_MAX
