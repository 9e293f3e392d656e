"""Networks of pools of every model out of a seed, and what to ask of them: the same on every machine."""

from math import isqrt
from typing import NamedTuple

from order_engine.simulation.dice import Dice
from order_engine.venues import (
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from order_engine.venues.concentrated import Tick
from order_engine.venues.meteora_dlmm import Bin, bin_at_or_below, bin_price_x64
from order_engine.venues.snapshot import AnyPool, Listing
from order_engine.venues.tick_prices import TICK_MAX, orca_sqrt_price_x64, raydium_sqrt_price_x64, tick_at_or_below

NOW = 1_750_000_000
MODELS = ("raydium_amm_v4", "raydium_cpmm", "raydium_clmm", "meteora_dlmm", "meteora_damm_v2", "orca_whirlpool")
CONSTANT_PRODUCT = MODELS[:2]

_LEVEL = 1_000_000


class Question(NamedTuple):
    """Pools, and how much of one token is to become another."""

    listings: list[Listing]
    token_in: str
    token_out: str
    amount: int


class Wish(NamedTuple):
    """What a pool should be like: worth about so much of A and B in base units, with a fee, its price off by `drift_ppm`."""

    units_a: int
    units_b: int
    fee_bps: int
    drift_ppm: int


def question(
    seed: int,
    *,
    models: tuple[str, ...] = MODELS,
    tokens: int | None = None,
    pools: int | None = None,
    loud: bool = False,
) -> Question:
    """2 to 6 tokens, 4 to 60 pools, and an amount worth 10 to 1 000 000 dollars.

    Pools agree on prices as far as their fees keep arbitrage away, unless `loud`: then they may be off by 2 %.
    """
    dice = Dice(seed)
    names = [f"T{number}" for number in range(tokens or dice.between(2, 6))]
    units = [_units_per_dollar(dice) for _ in names]
    listings = []
    for number in range(pools or dice.between(4, 60)):
        a = number if number < len(names) - 1 else dice.between(0, len(names) - 1)
        b = number + 1 if number < len(names) - 1 else (a + dice.between(1, len(names) - 1)) % len(names)
        dollars = _spread(dice, 4, 7)
        fee_bps = dice.pick((1, 2, 4, 5, 10, 20, 25, 30, 100))
        widest = 20_000 if loud else 80 * fee_bps
        wish = Wish(dollars * units[a], dollars * units[b], fee_bps, dice.between(-widest, widest))
        state = BUILDERS[dice.pick(models)](dice, wish)
        listings.append(Listing("venue", f"p{number}", names[a], names[b], state))
    return Question(listings, names[0], names[-1], _spread(dice, 1, 6) * units[0])


def _units_per_dollar(dice: Dice) -> int:
    """Of tokens with 6 to 9 decimals that cost a thousandth of a dollar to a hundred dollars."""
    return _spread(dice, 4, 10)


def _spread(dice: Dice, low: int, high: int) -> int:
    """Something between 10^low and 10^high, any size as likely as any other."""
    power: int = 10 ** dice.between(low, high - 1)
    return power * dice.between(_LEVEL, 10 * _LEVEL) // _LEVEL


def _drifted(wish: Wish) -> tuple[int, int]:
    """The reserves at the price that is asked for."""
    return wish.units_a, wish.units_b * (1_000_000 + wish.drift_ppm) // 1_000_000


def _amm_v4(dice: Dice, wish: Wish) -> AnyPool:
    return raydium_amm_v4.Pool(*_drifted(wish), wish.fee_bps, 10_000)


def _cpmm(dice: Dice, wish: Wish) -> AnyPool:
    creator = dice.chance(300_000)
    trade, creator_rate = (wish.fee_bps * 50, wish.fee_bps * 50) if creator else (wish.fee_bps * 100, 0)
    return raydium_cpmm.Pool(
        *_drifted(wish),
        trade_fee_rate=trade,
        creator_fee_rate=creator_rate,
        enable_creator_fee=creator,
        creator_fee_on=dice.between(0, 2),
    )


def _dlmm(dice: Dice, wish: Wish) -> AnyPool:
    """Bins as wide as the fee, so that the price at the nearest bin is within it."""
    step = wish.fee_bps
    units_a, units_b = _drifted(wish._replace(drift_ppm=wish.drift_ppm // 4))
    active = bin_at_or_below(units_b * 2_000, units_a * 2_000, step)
    if abs((bin_price_x64(active + 1, step) * units_a >> 64) - units_b) < abs(
        (bin_price_x64(active, step) * units_a >> 64) - units_b
    ):
        active += 1
    each = dice.between(3, 40)
    bins = tuple(
        Bin(
            units_a * (each + 1 - abs(offset)) // (each * each) if offset >= 0 else 0,
            units_b * (each + 1 - abs(offset)) // (each * each) if offset <= 0 else 0,
        )
        for offset in range(-each, each + 1)
    )
    parameters = meteora_dlmm.Parameters(
        step, variable_fee_control=dice.pick((0, 7_500, 40_000)), collect_fee_mode=dice.between(0, 1)
    )
    return meteora_dlmm.Pool(parameters, active, active - each, bins, index_reference=active)


def _damm_v2(dice: Dice, wish: Wish) -> AnyPool:
    units_a, units_b = _drifted(wish)
    fee = meteora_damm_v2.BaseFee(wish.fee_bps * 100_000)
    price = isqrt((units_b << 128) // units_a)
    if dice.chance(300_000):
        return meteora_damm_v2.Pool(
            1, price, base_fee=fee, collect_fee_mode=2, token_a_amount=units_a, token_b_amount=units_b
        )
    liquidity = isqrt(units_a * units_b) << 64
    if dice.chance(500_000):
        return meteora_damm_v2.Pool(liquidity, price, base_fee=fee, collect_fee_mode=dice.between(0, 1))
    width = dice.between(2, 40)
    return meteora_damm_v2.Pool(
        liquidity * width,
        price,
        price * (20 * width - 10) // (20 * width),
        price * (20 * width) // (20 * width - 10),
        base_fee=fee,
        collect_fee_mode=dice.between(0, 1),
    )


def _positions(dice: Dice, wish: Wish, tick: int, spacing: int) -> tuple[dict[int, int], int]:
    """Net liquidity by tick of some overlapping positions around a tick, and what is in force there."""
    depth = isqrt(wish.units_a * wish.units_b)
    home = tick - tick % spacing
    nets: dict[int, int] = {}
    total = 0
    for _ in range(dice.between(1, 6)):
        half = spacing * dice.between(1, 200)
        liquidity = depth * 200 // (half // spacing + 4) // dice.between(1, 6)
        low, high = home - half, home + spacing * dice.between(1, 200)
        nets[low], nets[high] = nets.get(low, 0) + liquidity, nets.get(high, 0) - liquidity
        total += liquidity
    wide = TICK_MAX - TICK_MAX % spacing
    nets[-wide], nets[wide] = nets.get(-wide, 0) + depth, nets.get(wide, 0) - depth
    return nets, total + depth


def _clmm(dice: Dice, wish: Wish) -> AnyPool:
    units_a, units_b = _drifted(wish)
    price = isqrt((units_b << 128) // units_a)
    tick = tick_at_or_below(price, raydium_sqrt_price_x64)
    spacing = dice.pick((1, 10, 60))
    nets, liquidity = _positions(dice, wish, tick, spacing)
    orders = {}
    if dice.chance(300_000):
        home = tick - tick % spacing
        for _ in range(3):
            away = dice.between(1, 100)
            orders[home + spacing * (away + 1)] = units_a // 50
            orders[home - spacing * away] = units_b // 50
    dynamic = None
    if dice.chance(300_000):
        dynamic = raydium_clmm.DynamicFee(30, 600, 5_000, dice.pick((1_000, 20_000)), 300_000, tick // spacing)
    ticks = tuple(
        raydium_clmm.Tick(each, nets.get(each, 0), abs(nets.get(each, 0)), orders.get(each, 0))
        for each in sorted({*nets, *orders})
    )
    parameters = raydium_clmm.Parameters(spacing, wish.fee_bps * 100, fee_on=dice.between(0, 2))
    return raydium_clmm.Pool(parameters, price, tick, liquidity, ticks, dynamic)


def _whirlpool(dice: Dice, wish: Wish) -> AnyPool:
    units_a, units_b = _drifted(wish)
    price = isqrt((units_b << 128) // units_a)
    tick = tick_at_or_below(price, orca_sqrt_price_x64)
    spacing = dice.pick((1, 4, 8, 64))
    nets, liquidity = _positions(dice, wish, tick, spacing)
    adaptive = None
    if dice.chance(300_000):
        adaptive = orca_whirlpool.AdaptiveFee(
            30, 600, 5_000, dice.pick((1_000, 20_000)), 300_000, spacing, 64, tick // spacing
        )
    ticks = tuple(Tick(each, net) for each, net in sorted(nets.items()))
    parameters = orca_whirlpool.Parameters(spacing, wish.fee_bps * 100)
    return orca_whirlpool.Pool(parameters, price, tick, liquidity, ticks, adaptive)


BUILDERS = {
    "raydium_amm_v4": _amm_v4,
    "raydium_cpmm": _cpmm,
    "raydium_clmm": _clmm,
    "meteora_dlmm": _dlmm,
    "meteora_damm_v2": _damm_v2,
    "orca_whirlpool": _whirlpool,
}
