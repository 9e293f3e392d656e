"""What a tick costs: the square root of 1.0001^tick as Raydium CLMM and as Orca Whirlpool round it, and the way back.

Both programs count liquidity from tick to tick and both multiply tabled powers, but with tables of different precision, so
that the same tick has prices that differ in the last digits. Nothing here knows of pools. Prices are Q64.64 square
roots (`sqrt_price_x64`): sqrt(raw B per raw A) * 2^64.
"""

from collections.abc import Callable
from functools import lru_cache

from order_engine.amounts import div_floor

TICK_MAX = 443_636  # tick_math.rs of both programs, MAX_TICK and MAX_TICK_INDEX
TICK_MIN = -TICK_MAX
SQRT_PRICE_MIN_X64 = 4_295_048_016  # of TICK_MIN, the same for both
RAYDIUM_SQRT_PRICE_MAX_X64 = 79_226_673_521_066_979_257_578_248_091
ORCA_SQRT_PRICE_MAX_X64 = 79_226_673_515_401_279_992_447_579_055

_U128_MAX = (1 << 128) - 1
_CACHED = 1 << 16  # prices: the ticks around the markets of a whole chain, some 15 MB when full

# Factor i is 1.0001^(-2^i / 2) in Q64.64. Raydium's are of low precision on purpose and follow from nothing.
_RAYDIUM_DOWN = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x09AA508B5B85A500,
    0x005D6AF8DEDC582C,
    0x00002216E584F5FA,
)
# Orca's are the exact powers rounded down: 1.0001^(-2^i / 2) in Q64.64, 1.0001^(2^i / 2) in Q32.96 (a test derives them).
_ORCA_DOWN = (
    18445821805675392311,
    18444899583751176498,
    18443055278223354162,
    18439367220385604838,
    18431993317065449817,
    18417254355718160513,
    18387811781193591352,
    18329067761203520168,
    18212142134806087854,
    17980523815641551639,
    17526086738831147013,
    16651378430235024244,
    15030750278693429944,
    12247334978882834399,
    8131365268884726200,
    3584323654723342297,
    696457651847595233,
    26294789957452057,
    37481735321082,
)
_ORCA_UP = (
    79232123823359799118286999567,
    79236085330515764027303304731,
    79244008939048815603706035061,
    79259858533276714757314932305,
    79291567232598584799939703904,
    79355022692464371645785046466,
    79482085999252804386437311141,
    79736823300114093921829183326,
    80248749790819932309965073892,
    81282483887344747381513967011,
    83390072131320151908154831281,
    87770609709833776024991924138,
    97234110755111693312479820773,
    119332217159966728226237229890,
    179736315981702064433883588727,
    407748233172238350107850275304,
    2098478828474011932436660412517,
    55581415166113811149459800483533,
    38992368544603139932233054999993551,
)


@lru_cache(maxsize=_CACHED)
def raydium_sqrt_price_x64(tick: int) -> int:
    """The price of a tick, -443636 to 443636, in Raydium CLMM. Raises ValueError for any other.

    Source: raydium-clmm, libraries/tick_math.rs get_sqrt_price_at_tick. Each product is rounded down; above zero it is
    the inverse of the price below, rounded down.
    """
    shrunk = _power(_within(tick), _RAYDIUM_DOWN, 64)
    return div_floor(_U128_MAX, shrunk) if tick > 0 else shrunk


@lru_cache(maxsize=_CACHED)
def orca_sqrt_price_x64(tick: int) -> int:
    """The price of a tick, -443636 to 443636, in Orca Whirlpool. Raises ValueError for any other.

    Source: whirlpools, math/tick_math.rs sqrt_price_from_tick_index. Each product is rounded down.
    """
    power = _within(tick)
    return _power(power, _ORCA_DOWN, 64) if tick < 0 else _power(power, _ORCA_UP, 96) >> 32  # floor, as the program


def tick_at_or_below(sqrt_price_x64: int, price_of: Callable[[int], int], near: int | None = None) -> int:
    """The greatest tick whose price by `price_of` is at most the given one. A tick `near` it makes the search short.

    The programs estimate a logarithm and then choose; this steps towards the answer by how far the price is away, and
    gives the same. Raises ValueError for a price below that of the lowest tick.
    Source: tick_math.rs get_tick_at_sqrt_price (Raydium), tick_index_from_sqrt_price (Orca).
    """
    if sqrt_price_x64 < SQRT_PRICE_MIN_X64:
        raise ValueError(f"no tick is at or below the square-root price {sqrt_price_x64}")
    tick = (sqrt_price_x64.bit_length() - 65) * 13_863 if near is None else near  # 13 863 ticks double a price
    while True:
        if not TICK_MIN <= tick <= TICK_MAX:
            tick = max(TICK_MIN, min(tick, TICK_MAX))
        price = price_of(tick)
        # ln(p/q) is a little more than 2(p-q)/(p+q), and a tick is 1/20001 of it: never past the answer from below.
        step = div_floor((sqrt_price_x64 - price) * 40_001, sqrt_price_x64 + price)
        if step >= 0 and (tick == TICK_MAX or sqrt_price_x64 < price_of(tick + 1)):
            return tick
        tick += step or 1


def _within(tick: int) -> int:
    """How far a tick is from zero."""
    if not TICK_MIN <= tick <= TICK_MAX:
        raise ValueError(f"tick {tick} is not from {TICK_MIN} to {TICK_MAX}")
    return abs(tick)


def _power(exponent: int, factors: tuple[int, ...], bits: int) -> int:
    """The product of the factors whose bit is set in `exponent`, each product rounded down to `bits` fraction bits."""
    product = 1 << bits
    for factor in factors[: exponent.bit_length()]:
        if exponent & 1:
            product = (product * factor) >> bits  # floor, as the programs
        exponent >>= 1
    return product
