"""Meteora: which pool models it has, and how a pool of it is opened."""

from collections.abc import Mapping

from order_engine.amounts import div_floor
from order_engine.venues import meteora_dlmm
from order_engine.venues.meteora_dlmm import Bin, Parameters, Pool, bin_at_or_below

NAME = "meteora"
MODELS = {"meteora_dlmm": meteora_dlmm.Pool}


def open_pool(
    parameters: Mapping[str, int], reserve_a: int, reserve_b: int, price: tuple[int, int], bins_each_side: int
) -> Pool:
    """A new DLMM pool around `price` (base units of B per A): each side's reserve spread evenly over its bins.

    The active bin holds both tokens. What does not divide evenly lies in the active bin.
    """
    known = Parameters(**parameters)
    active = bin_at_or_below(*price, known.bin_step)
    each_a, each_b = div_floor(reserve_a, bins_each_side + 1), div_floor(reserve_b, bins_each_side + 1)
    middle = Bin(reserve_a - bins_each_side * each_a, reserve_b - bins_each_side * each_b)
    bins = (*[Bin(0, each_b)] * bins_each_side, middle, *[Bin(each_a, 0)] * bins_each_side)
    return Pool(known, active, active - bins_each_side, bins, index_reference=active)
