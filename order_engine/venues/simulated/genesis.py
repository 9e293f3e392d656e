"""How the simulated world begins: its pools and everybody's balances, from genesis.json."""

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from order_engine.amounts import parse_amount
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.market import Listing
from order_engine.venues.simulated.openings import VENUES, Opening, open_pool
from order_engine.venues.snapshot import AnyPool

__all__ = ["MARKET", "NETWORK", "VENUES", "WALLET", "Account", "Genesis", "genesis", "openings"]

Account = tuple[str, str]  # who, and which token

WALLET = "wallet"
MARKET = "market"  # everybody else's money
NETWORK = "network"  # where network fees go
MARKET_TIMES = 20  # the market owns so many times what lies in the pools

FILE = Path(__file__).with_name("genesis.json")


class Genesis(NamedTuple):
    """The state before the first block."""

    listings: list[Listing]
    pools: dict[str, AnyPool]
    balances: dict[Account, int]


def genesis() -> Genesis:
    """The world as it begins, always the same. Base units throughout."""
    balances: dict[Account, int] = {
        (WALLET, token): parse_amount(text, TOKENS[token].decimals) for token, text in _content()["wallet"].items()
    }
    listings: list[Listing] = []
    pools: dict[str, AnyPool] = {}
    for opening in openings().values():
        listing = opening.listing
        listings.append(listing)
        pools[listing.address] = open_pool(opening)
        for token, units in zip((listing.token_a, listing.token_b), opening.reserves, strict=True):
            balances[listing.address, token] = units
            balances[MARKET, token] = balances.get((MARKET, token), 0) + MARKET_TIMES * units
    return Genesis(listings, pools, balances)


@cache
def openings() -> dict[str, Opening]:
    """The pools of genesis.json by their addresses, as they open."""
    found = [
        Opening(
            listing=Listing(entry["address"], entry["dex"], entry["tokenA"], entry["tokenB"]),
            model=entry["model"],
            parameters=entry["parameters"],
            reserve_a=int(entry["reserveA"]),
            reserve_b=int(entry["reserveB"]),
        )
        for entry in _content()["pools"]
    ]
    return {opening.listing.address: opening for opening in found}


def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return content
