"""Meteora: which pool models it has, and how a pool of it is opened."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from order_engine.amounts import div_floor
from order_engine.venues import meteora_damm_v2, meteora_dlmm, positions
from order_engine.venues.meteora_damm_v2 import BaseFee, DynamicFee
from order_engine.venues.meteora_dlmm import Bin, Parameters, bin_at_or_below, bin_price_x64

NAME = "meteora"
MODELS = {"meteora_dlmm": meteora_dlmm.Pool, "meteora_damm_v2": meteora_damm_v2.Pool}


def open_pool(
    model: str, parameters: Mapping[str, Any], reserve_a: int, reserve_b: int, price: tuple[int, int]
) -> meteora_dlmm.Pool | meteora_damm_v2.Pool:
    """A new pool at `price` (base units of B per A) that takes what it can of the reserves in base units."""
    known = dict(parameters)
    if model == "meteora_dlmm":
        return _bins(known, reserve_a, reserve_b, price)
    sqrt_price = positions.sqrt_price_x64(price)
    low, high = int(known.pop("sqrt_price_min_x64")), int(known.pop("sqrt_price_max_x64"))
    return meteora_damm_v2.Pool(
        positions.covered(low, sqrt_price, high, reserve_a, reserve_b) << 64,  # this model counts it in 2^-64
        sqrt_price,
        low,
        high,
        BaseFee(**known.pop("base_fee")),
        DynamicFee(**fee) if (fee := known.pop("dynamic_fee", None)) else None,
        **known,
    )


def _bins(known: dict[str, Any], reserve_a: int, reserve_b: int, price: tuple[int, int]) -> meteora_dlmm.Pool:
    bins_each_side = known.pop("bins_each_side")
    parameters = Parameters(**known)
    active = _nearest_bin(*price, parameters.bin_step)
    empty = meteora_dlmm.Pool(parameters, active, active, (Bin(0, 0),), index_reference=active)
    return laid_anew(empty, bins_each_side, reserve_a, reserve_b)


def _nearest_bin(numerator: int, denominator: int, bin_step: int) -> int:
    """The bin whose price is nearest to the ratio: a pool that opens off the market's price is bought empty at once."""
    below = bin_at_or_below(numerator, denominator, bin_step)
    low, high = bin_price_x64(below, bin_step), bin_price_x64(below + 1, bin_step)
    return below + ((numerator << 65) > (low + high) * denominator)


def laid_anew(pool: meteora_dlmm.Pool, bins_each_side: int, reserve_a: int, reserve_b: int) -> meteora_dlmm.Pool:
    """The pool at the price where it is, each side's reserve spread evenly over its bins.

    The active bin holds both tokens. What does not divide evenly lies in the active bin.
    """
    each_a, each_b = div_floor(reserve_a, bins_each_side + 1), div_floor(reserve_b, bins_each_side + 1)
    middle = Bin(reserve_a - bins_each_side * each_a, reserve_b - bins_each_side * each_b)
    bins = (*[Bin(0, each_b)] * bins_each_side, middle, *[Bin(each_a, 0)] * bins_each_side)
    return replace(pool, first_bin_id=pool.active_id - bins_each_side, bins=bins)
