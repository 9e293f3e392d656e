"""How a route reads: on one line as shares of venues, leg by leg, and how near it is to the best there can be. Pure.

A route is the records' list of legs, None where there is none. A leg's share is of all that the route has to sell of the leg's
input token, in whole per cent to the nearest; it decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal  # at run time where it is needed: an order that is placed needs none

Legs = Sequence[Mapping[str, Any]]

NOTHING_PROVEN = 10_000  # bps: a gap of all there is


def shares(legs: Legs) -> list[str]:
    """The share of each leg, such as 62%; <1% for what would be none. What comes back from a circle is not counted twice."""
    sold = {token: _sum(leg["amountIn"] for leg in legs if leg["inputToken"] == token) for token in _sold(legs)}
    held = {token: amount - _returned(legs, token) for token, amount in sold.items()}
    return [_percent(_sum([leg["amountIn"]]), held[leg["inputToken"]]) for leg in legs]


def _sold(legs: Legs) -> list[str]:
    return list(dict.fromkeys(str(leg["inputToken"]) for leg in legs))


def _sum(amounts: Iterable[str]) -> "Decimal":
    from decimal import Decimal

    return sum(map(Decimal, amounts), Decimal(0))


def _returned(legs: Legs, token: str) -> "Decimal":
    """How much of a token is got for what was bought with that token before: a circle."""
    bought: set[str] = set()
    returned: list[str] = []
    for leg in legs:
        if leg["inputToken"] in bought and leg["outputToken"] == token:
            returned.append(leg["amountOut"])
        elif leg["inputToken"] == token or leg["inputToken"] in bought:
            bought.add(leg["outputToken"])
    return _sum(returned)


def _percent(part: "Decimal", whole: "Decimal") -> str:
    from decimal import ROUND_HALF_UP

    if part >= whole:  # a circle brings more back than it took
        return "100%"
    percent = int((part / whole * 100).to_integral_value(ROUND_HALF_UP))  # to the nearest
    return f"{percent}%" if percent or not part else "<1%"


def in_short(legs: Legs | None, dex: str | None) -> str:
    """Where a route goes, on one line: raydium 62% + meteora 38%, or the venues and the tokens between; else the venue."""
    if not legs or len(legs) == 1:
        return str(legs[0]["dex"] if legs else dex or "-")
    ways = paths(legs)
    direct = [leg for leg in legs if ways == [f"{leg['inputToken']} → {leg['outputToken']}"]]
    if direct:
        said = " + ".join(f"{name} {share}" for name, share in _by_venue(direct).items())
        return said if len(direct) == len(legs) else f"{said} and a circle"
    return f"{' + '.join(dict.fromkeys(str(leg['dex']) for leg in legs))} by {' + '.join(ways)}"


def _by_venue(legs: Legs) -> dict[str, str]:
    """What share each venue has of a route of one pair, the largest first."""
    venues = dict.fromkeys(str(leg["dex"]) for leg in legs)
    sold = {name: _sum(leg["amountIn"] for leg in legs if leg["dex"] == name) for name in venues}
    whole = sum(sold.values(), _sum([]))
    return {name: _percent(part, whole) for name, part in sorted(sold.items(), key=lambda each: -each[1])}


def paths(legs: Legs) -> list[str]:
    """The ways through the tokens, such as SOL → USDC → BONK, those that the first legs begin first; without circles.

    Nothing else is held at first, and nothing else may be left at last: so the first leg sells what the order sells, and the
    last one gets what it gets.
    """
    onward: dict[str, list[str]] = {}
    for leg in legs:
        tokens = onward.setdefault(leg["inputToken"], [])
        if leg["outputToken"] not in tokens:
            tokens.append(leg["outputToken"])
    begin, end = legs[0]["inputToken"], legs[-1]["outputToken"]
    found: list[str] = []

    def walk(way: list[str]) -> None:
        if way[-1] == end:
            found.append(" → ".join(way))
            return
        for token in onward.get(way[-1], []):
            if token not in way:
                walk([*way, token])

    walk([begin])
    return found or [f"{begin} → {end}"]


def total(quote: Mapping[str, Any]) -> dict[str, Any]:
    """What a quote's route comes to, in the fields in which a venue's offer has it."""
    return {"amountIn": quote.get("quotedInput"), "amountOut": quote.get("quotedOutput")}


def gap(record: Mapping[str, Any]) -> str | None:
    """How near the route is to the best that any route could have been, in words; None where there is no proof."""
    bps = record.get("gapBps")
    if bps is None:
        return None
    if _sum([bps]) >= NOTHING_PROVEN:
        return "not proven to be near the best possible: pools that disagree might pay for all of it"
    if not _sum([bps]):
        return "the best possible"
    side = "above the least" if record.get("receive") else "below the best"
    return f"at most {bps} bps {side} possible"
