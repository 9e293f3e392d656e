"""Orca: which pool models it has, and how a pool of it is opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from order_engine.venues import orca_whirlpool, positions
from order_engine.venues.concentrated import Tick
from order_engine.venues.orca_whirlpool import Parameters, Pool
from order_engine.venues.tick_prices import orca_sqrt_price_x64, tick_at_or_below

NAME = "orca"
MODELS = {"orca_whirlpool": orca_whirlpool.Pool}


def open_pool(parameters: Mapping[str, Any], reserve_a: int, reserve_b: int, price: tuple[int, int]) -> Pool:
    """A new Whirlpool at `price` (base units of B per A): its positions take what they can of the reserves."""
    known = dict(parameters)
    shape = known.pop("positions")
    sqrt_price = positions.sqrt_price_x64(price)
    tick = tick_at_or_below(sqrt_price, orca_sqrt_price_x64)
    return laid_anew(Pool(Parameters(**known), sqrt_price, tick, 0, ()), shape, reserve_a, reserve_b)


def laid_anew(pool: Pool, shape: Sequence[positions.Position], reserve_a: int, reserve_b: int) -> Pool:
    """The pool at the price where it is, its liquidity in new positions that take what they can of the reserves."""
    ticks, liquidity = positions.lay_out(
        shape,
        pool.tick_current_index,
        pool.parameters.tick_spacing,
        pool.sqrt_price_x64,
        orca_sqrt_price_x64,
        reserve_a,
        reserve_b,
    )
    return replace(pool, liquidity=liquidity, ticks=tuple(Tick(at, net) for at, net, _ in ticks))
