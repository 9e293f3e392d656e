"""How the simulated world begins: its pools and everybody's balances, from genesis.json."""

import json
from pathlib import Path
from typing import NamedTuple

from order_engine.amounts import parse_amount
from order_engine.tokens import TOKENS
from order_engine.venues import meteora, meteora_dlmm, raydium, raydium_amm_v4, raydium_cpmm
from order_engine.venues.simulated.market import PPM, Listing, fair_price

AnyPool = raydium_amm_v4.Pool | raydium_cpmm.Pool | meteora_dlmm.Pool
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
    content = json.loads(FILE.read_text(encoding="utf-8"))
    balances: dict[Account, int] = {
        (WALLET, token): parse_amount(text, TOKENS[token].decimals) for token, text in content["wallet"].items()
    }
    listings: list[Listing] = []
    pools: dict[str, AnyPool] = {}
    for entry in content["pools"]:
        listing = Listing(entry["address"], entry["dex"], entry["tokenA"], entry["tokenB"])
        reserves = int(entry["reserveA"]), int(entry["reserveB"])
        listings.append(listing)
        pools[listing.address] = _pool(entry["model"], dict(entry["parameters"]), listing, *reserves)
        for token, units in zip((listing.token_a, listing.token_b), reserves, strict=True):
            balances[listing.address, token] = units
            balances[MARKET, token] = balances.get((MARKET, token), 0) + MARKET_TIMES * units
    return Genesis(listings, pools, balances)


def _pool(model: str, parameters: dict[str, int], listing: Listing, reserve_a: int, reserve_b: int) -> AnyPool:
    if model in raydium.MODELS:
        return raydium.open_pool(model, parameters, reserve_a, reserve_b)
    bins_each_side = parameters.pop("bins_each_side")
    price = fair_price(listing.token_a, listing.token_b, PPM, PPM)
    return meteora.open_pool(parameters, reserve_a, reserve_b, price, bins_each_side)
