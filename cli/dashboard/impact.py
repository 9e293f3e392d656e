"""How far orders of several sizes would move the pools of a pair: asked of the venues, because only they know their curves."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from cli.dashboard.desk import Record
from cli.dashboard.prices import worth
from order_engine.client import Client

SIZES = 4
SMALLEST_WORTH = Decimal(100)  # the smallest size is a power of ten of tokens, worth this or less in USDC


class Impacts(NamedTuple):
    """The answers for one pair: per venue, for each size, the impact in bps or None where it made no offer."""

    pair: tuple[str, str]
    sizes: tuple[str, ...]
    bps: dict[str, tuple[int | None, ...]]


def sizes(pools: Sequence[Record], token: str) -> tuple[str, ...]:
    """Four amounts of a token, each ten times the one before: for SOL from 0.1 to 100, for cheaper tokens more of them."""
    price = worth(pools, token) or SMALLEST_WORTH
    smallest = Decimal(10) ** (SMALLEST_WORTH / price).adjusted() if price > 0 else Decimal(1)
    return tuple(format((smallest * 10**step).normalize(), "f") for step in range(SIZES))


def ask(client: Client, pair: tuple[str, str], amounts: Sequence[str]) -> Impacts:
    """Asks for a quote of each amount. Slow. Raises what `client.quote` raises."""
    found: dict[str, list[int | None]] = {}
    for number, amount in enumerate(amounts):
        for offer in client.quote(*pair, amount)["quotes"]:
            row = found.setdefault(str(offer["dex"]), [None] * len(amounts))
            row[number] = offer.get("priceImpactBps")
    return Impacts(pair, tuple(amounts), {dex: tuple(row) for dex, row in found.items()})
