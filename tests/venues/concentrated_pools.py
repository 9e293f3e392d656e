"""Concentrated-liquidity pools for properties: a few positions around the price, which lies in, between or beside them."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from order_engine.venues import concentrated, orca_whirlpool, raydium_clmm
from order_engine.venues.tick_prices import orca_sqrt_price_x64, raydium_sqrt_price_x64

NOW = 1_750_000_000
SPACINGS = [1, 10, 60]
# Below 2^63 a unit of the square-root price is worth less than a unit of B, so that rounding it loses no more than that.
LIQUIDITY = st.integers(16, 61).flatmap(lambda bits: st.integers(1 << bits, 2 << bits))
ORDERS = st.one_of(st.just(0), st.integers(0, 45).flatmap(lambda bits: st.integers(1 << bits, 2 << bits)))


class Position(NamedTuple):
    low: int
    high: int
    liquidity: int


class Placed(NamedTuple):
    """Where a pool stands: between ticks, exactly on one, or on one that a swap came down to and crossed."""

    sqrt_price_x64: int
    tick: int
    positions: list[Position]

    @property
    def net(self) -> dict[int, int]:
        net: Counter[int] = Counter()
        for each in self.positions:
            net[each.low] += each.liquidity
            net[each.high] -= each.liquidity
        return dict(sorted(net.items()))

    @property
    def gross(self) -> dict[int, int]:
        gross: Counter[int] = Counter()
        for each in self.positions:
            gross[each.low] += each.liquidity
            gross[each.high] += each.liquidity
        return dict(gross)

    @property
    def liquidity(self) -> int:
        return sum(each.liquidity for each in self.positions if each.low <= self.tick < each.high)


@st.composite
def placed(draw: DrawFn, spacing: int, price_of: Callable[[int], int]) -> Placed:
    centre = draw(st.integers(-40_000 // spacing, 40_000 // spacing))
    offset = st.integers(-12, 12)
    ends = st.tuples(offset, offset).filter(lambda each: each[0] != each[1]).map(sorted)
    positions = [
        Position((centre + low) * spacing, (centre + high) * spacing, draw(LIQUIDITY))
        for low, high in draw(st.lists(ends, min_size=1, max_size=3))
    ]
    tick = centre * spacing + draw(st.integers(-2 * spacing, 2 * spacing))
    where = draw(st.sampled_from(["within", "exactly", "crossed"]))
    if where == "within":
        return Placed(draw(st.integers(price_of(tick), price_of(tick + 1) - 1)), tick, positions)
    tick -= tick % spacing
    return Placed(price_of(tick), tick - (where == "crossed"), positions)


@st.composite
def clmm_pools(draw: DrawFn, with_orders: bool = True, settled: bool = False) -> raydium_clmm.Pool:
    """If `settled`, the time since the last swap starts volatility anew from the current tick."""
    spacing = draw(st.sampled_from(SPACINGS))
    where = draw(placed(spacing, raydium_sqrt_price_x64))
    gross = where.gross
    held = draw(st.lists(ORDERS, min_size=12, max_size=12)) if with_orders else [0] * 12  # two for each of six ends
    dynamic_fee = raydium_clmm.DynamicFee(
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        dynamic_fee_control=draw(st.sampled_from([500, 20_000, 99_999])),
        max_volatility_accumulator=draw(st.sampled_from([50_000, 350_000])),
        tick_spacing_index_reference=where.tick // spacing + draw(st.integers(-6, 6)),
        volatility_reference=draw(st.integers(0, 25_000)),
        volatility_accumulator=draw(st.integers(0, 50_000)),
        last_update_timestamp=NOW - draw(st.sampled_from([600, 86_400] if settled else [0, 29, 30, 599, 600])),
    )
    return raydium_clmm.Pool(
        raydium_clmm.Parameters(
            spacing,
            draw(st.sampled_from([0, 1, 100, 2_500, 10_000])),
            draw(st.sampled_from([0, 120_000])),
            draw(st.sampled_from([0, 40_000])),
            draw(st.sampled_from([0, 1, 2])),
        ),
        where.sqrt_price_x64,
        where.tick,
        where.liquidity,
        tuple(
            raydium_clmm.Tick(tick, net, gross[tick], held[2 * place], held[2 * place + 1])
            for place, (tick, net) in enumerate(where.net.items())
        ),
        draw(st.sampled_from([None, dynamic_fee])),
    )


@st.composite
def whirlpools(draw: DrawFn, settled: bool = False) -> orca_whirlpool.Pool:
    """If `settled`, the time since the last swap starts volatility anew from the current tick."""
    spacing = draw(st.sampled_from(SPACINGS))
    where = draw(placed(spacing, orca_sqrt_price_x64))
    group = draw(st.sampled_from([size for size in (1, 5, 10, 60) if spacing % size == 0]))
    updated, major = draw(
        st.sampled_from(
            [(600, 600), (3_601, 600), (3_601, 0)] if settled else [(0, 0), (29, 40), (30, 30), (599, 9), (600, 599)]
        )
    )
    adaptive_fee = orca_whirlpool.AdaptiveFee(
        filter_period=30,
        decay_period=600,
        reduction_factor=5_000,
        adaptive_fee_control_factor=draw(st.sampled_from([0, 500, 20_000, 99_999])),
        max_volatility_accumulator=draw(st.sampled_from([50_000, 350_000])),
        tick_group_size=group,
        major_swap_threshold_ticks=draw(st.sampled_from([1, 64])),
        tick_group_index_reference=where.tick // group + draw(st.integers(-6, 6)),
        volatility_reference=draw(st.integers(0, 25_000)),
        volatility_accumulator=draw(st.integers(0, 50_000)),
        last_reference_update_timestamp=NOW - updated,
        last_major_swap_timestamp=NOW - major,
    )
    return orca_whirlpool.Pool(
        orca_whirlpool.Parameters(
            spacing, draw(st.sampled_from([0, 1, 100, 3_000, 20_000])), draw(st.sampled_from([0, 300, 2_500]))
        ),
        where.sqrt_price_x64,
        where.tick,
        where.liquidity,
        tuple(concentrated.Tick(tick, net) for tick, net in where.net.items()),
        draw(st.sampled_from([None, adaptive_fee])),
    )
