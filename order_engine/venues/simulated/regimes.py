"""How the rest of the market behaves: named regimes, or one of your own from a file.

A regime says how others trade and how much liquidity lies in the pools; it never says a price. It stands alone because it is
chosen from outside, while `market` makes trades of it.
"""

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from order_engine.errors import Malformed

RULES_MAX = 4_096  # characters of a regime of one's own

_Odds = Annotated[int, Meta(ge=0, le=256)]


class Regime(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Odds are of 256 and per block, moves in millionths of a price, times in blocks of nominally 400 ms.

    Fair values wander by up to `wander_percent` of what each token does on calm days, with a new course every `knot_blocks`.
    Beside that they go `trend_ppm` one way within `trend_blocks` (which way decides the seed where `trend_either_way`), and
    then back where `trend_comes_back`, for ever; else they stay there.
    """

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,31}$")]
    noise_ppm: Annotated[int, Meta(ge=0, le=100_000)] = 3_200  # the largest move an ordinary trade makes
    whale_times: Annotated[int, Meta(ge=1, le=100)] = 12  # a rare trade is so much larger
    whale_odds: _Odds = 2
    wander_percent: Annotated[int, Meta(ge=0, le=500)] = 100
    knot_blocks: Annotated[int, Meta(ge=16, le=1_000_000)] = 2_048
    trend_ppm: Annotated[int, Meta(ge=-500_000, le=500_000)] = 0
    trend_blocks: Annotated[int, Meta(ge=16, le=1_000_000)] = 2_048
    trend_either_way: bool = False
    trend_comes_back: bool = False
    informed_odds: _Odds = 16  # somebody knows where the price will be, and trades on it
    arbitrage_margin_ppm: Annotated[int, Meta(ge=0, le=100_000)] = 50  # beyond a pool's fee, to be worth their while
    arbitrage_odds: _Odds = 255  # they are hardly ever asleep, so that nobody else earns what is theirs
    liquidity_percent: Annotated[int, Meta(ge=5, le=400)] = 100  # of what a pool opened with: providers come and go


CALM = Regime(name="calm")

REGIMES: Mapping[str, Regime] = {
    regime.name: regime
    for regime in (
        CALM,
        Regime(name="choppy", noise_ppm=9_000, whale_odds=6, knot_blocks=96, informed_odds=48),
        Regime(
            name="trending",
            trend_ppm=120_000,
            trend_blocks=9_000,  # an hour
            trend_either_way=True,
            trend_comes_back=True,
            informed_odds=64,
        ),
        Regime(
            name="thin",
            noise_ppm=6_000,
            whale_odds=3,
            arbitrage_margin_ppm=5_000,
            arbitrage_odds=48,
            liquidity_percent=20,
        ),
        Regime(
            name="crash",
            noise_ppm=8_000,
            whale_odds=8,
            trend_ppm=-300_000,
            trend_blocks=900,  # six minutes
            informed_odds=96,
            liquidity_percent=50,
        ),
    )
}


def known_regime(name: str) -> Regime:
    """The regime of this name. Raises Malformed, naming those that there are."""
    if name in REGIMES:
        return REGIMES[name]
    raise Malformed(f"regime {name[:40]!a} is not known. Known: {', '.join(REGIMES)}.", field="regime")


def read_regime(text: str) -> Regime:
    """A regime of one's own, in TOML or JSON: a name and what differs from calm. Raises Malformed by field."""
    if len(text) > RULES_MAX:
        raise Malformed(f"The regime has {len(text)} characters, the limit is {RULES_MAX}.", field="rules")
    try:
        fields: Any = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # TOML's own is a ValueError
        raise Malformed(f"The regime is neither TOML nor JSON: {error}", field="rules") from error
    if isinstance(fields, dict) and fields.get("name") in [*REGIMES]:
        raise Malformed(f"{fields['name']} is a regime already. Give yours another name.", field="name")
    try:
        return msgspec.convert(fields, Regime)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "rules"
        raise Malformed(f"The regime cannot be used: {error}", field=field) from error
