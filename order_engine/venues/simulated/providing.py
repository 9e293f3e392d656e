"""What liquidity providers do: they bring a pool back to where they want it, a half of the way at a time, at the price it has.

A pool that was drained fills up again, one whose price has left its positions or bins gets new ones around it, and one that
has grown by its fees gives them up. A pool that was sold out while the market went on cannot follow it: its providers take out
what is left, and open it anew at the fair price. A pool that holds limit orders is left alone, because those belong to somebody;
so is one that came exactly as it is on the real chain, whose providers we do not know.
"""

from math import isqrt

from msgspec.structs import replace

from order_engine.amounts import BPS, div_ceil, div_floor
from order_engine.venues import (
    meteora,
    meteora_damm_v2,
    meteora_dlmm,
    orca,
    orca_whirlpool,
    raydium,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from order_engine.venues.simulated.market import stray_ppm
from order_engine.venues.simulated.openings import Opening, open_pool
from order_engine.venues.snapshot import AnyPool

CLOSE_BPS = 200  # nobody moves for less than that
SOLD_OUT_BPS = 200  # a side that has less than that of what it should have
FAR_PPM = 20_000


def refilled(pool: AnyPool, opening: Opening, percent: int, fair: tuple[int, int]) -> AnyPool | None:
    """The pool a half of the way nearer to `percent` of what it opened with; None where it is near enough.

    Its price stays, unless it is sold out and far from `fair` (base units of B per A, a ratio). Amounts are base units. What
    does not divide evenly goes into constant-product pools rounded up: the providers pay it. A pool that opened with an
    exact state is left alone.
    """
    if opening.state is not None:
        return None
    goal_a, goal_b = (div_floor(units * percent, 100) for units in opening.reserves)
    has_a, has_b = pool.reserves
    a, b = div_floor(has_a + goal_a, 2), div_floor(has_b + goal_b, 2)
    shape = opening.parameters
    found: AnyPool
    sold_out = has_a * BPS < goal_a * SOLD_OUT_BPS or has_b * BPS < goal_b * SOLD_OUT_BPS
    laid = isinstance(pool, raydium_clmm.Pool | orca_whirlpool.Pool | meteora_dlmm.Pool)
    if laid and sold_out and abs(stray_ppm(pool, fair)) > FAR_PPM and not _holds_orders(pool):
        return open_pool(replace(opening, reserve_a=a, reserve_b=b, price=fair))
    match pool:
        case raydium_amm_v4.Pool() | raydium_cpmm.Pool():
            return _grown(pool, isqrt(goal_a * goal_b))
        case meteora_damm_v2.Pool():
            return _grown_between_bounds(pool, opening, percent)
        case _ if _holds_orders(pool):
            return None
        case raydium_clmm.Pool():
            found = raydium.laid_anew(pool, shape["positions"], a, b)
        case orca_whirlpool.Pool():
            found = orca.laid_anew(pool, shape["positions"], a, b)
        case meteora_dlmm.Pool():
            found = meteora.laid_anew(pool, shape["bins_each_side"], a, b)
    return None if _close(found.reserves, pool.reserves) else found


def _holds_orders(pool: AnyPool) -> bool:
    match pool:
        case raydium_clmm.Pool():
            return any(tick.open_orders or tick.part_filled_orders for tick in pool.ticks)
        case meteora_dlmm.Pool():
            return any(each.processed_orders or each.open_orders for each in pool.bins)
    return False


def _grown(pool: raydium_amm_v4.Pool | raydium_cpmm.Pool, goal: int) -> raydium_amm_v4.Pool | raydium_cpmm.Pool | None:
    """Both reserves in proportion, so that their geometric mean comes half of the way to `goal`."""
    has = isqrt(pool.reserve_a * pool.reserve_b)
    wanted = div_floor(has + goal, 2)
    if _close((has,), (wanted,)) or wanted == 0:
        return None
    a, b = (div_ceil(units * wanted, has) for units in pool.reserves)
    return replace(pool, reserve_a=a, reserve_b=b)


def _grown_between_bounds(pool: meteora_damm_v2.Pool, opening: Opening, percent: int) -> meteora_damm_v2.Pool | None:
    """More or less liquidity between the same bounds. A compounding pool, which has none, is left alone."""
    opened = open_pool(opening)
    if not isinstance(opened, meteora_damm_v2.Pool) or pool.token_a_amount:
        return None
    wanted = div_floor(pool.liquidity_x64 + div_floor(opened.liquidity_x64 * percent, 100), 2)
    if _close((pool.liquidity_x64,), (wanted,)) or wanted == 0:
        return None
    return replace(pool, liquidity_x64=wanted)


def _close(found: tuple[int, ...], before: tuple[int, ...]) -> bool:
    return all(abs(new - old) * BPS <= max(new, old) * CLOSE_BPS for new, old in zip(found, before, strict=True))
