"""Raydium: which pool models it has, and how a pool of it is opened."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from order_engine.venues import positions, raydium_amm_v4, raydium_clmm, raydium_cpmm
from order_engine.venues.raydium_clmm import Parameters, Tick
from order_engine.venues.tick_prices import raydium_sqrt_price_x64, tick_at_or_below

NAME = "raydium"
MODELS = {
    "raydium_amm_v4": raydium_amm_v4.Pool,
    "raydium_cpmm": raydium_cpmm.Pool,
    "raydium_clmm": raydium_clmm.Pool,
}


def open_pool(
    model: str, parameters: Mapping[str, Any], reserve_a: int, reserve_b: int, price: tuple[int, int]
) -> raydium_amm_v4.Pool | raydium_cpmm.Pool | raydium_clmm.Pool:
    """A new pool with these reserves in base units. Of AMM v4 and CPMM their ratio is the price; a CLMM stands at `price`,
    and its positions take what they can of the reserves."""
    if model == "raydium_amm_v4":
        return raydium_amm_v4.Pool(reserve_a, reserve_b, **parameters)
    if model == "raydium_cpmm":
        return raydium_cpmm.Pool(reserve_a, reserve_b, **parameters)
    known = dict(parameters)
    shape = known.pop("positions")
    sqrt_price = positions.sqrt_price_x64(price)
    tick = tick_at_or_below(sqrt_price, raydium_sqrt_price_x64)
    return laid_anew(raydium_clmm.Pool(Parameters(**known), sqrt_price, tick, 0, ()), shape, reserve_a, reserve_b)


def laid_anew(
    pool: raydium_clmm.Pool, shape: Sequence[positions.Position], reserve_a: int, reserve_b: int
) -> raydium_clmm.Pool:
    """The pool at the price where it is, its liquidity in new positions that take what they can of the reserves."""
    ticks, liquidity = positions.lay_out(
        shape,
        pool.tick_current,
        pool.parameters.tick_spacing,
        pool.sqrt_price_x64,
        raydium_sqrt_price_x64,
        reserve_a,
        reserve_b,
    )
    return replace(pool, liquidity=liquidity, ticks=tuple(Tick(*each) for each in ticks))
