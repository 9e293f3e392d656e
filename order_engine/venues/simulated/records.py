"""What is told of the simulated market beyond what every chain has: the regime, and how deep a pool is.

It stands beside `messages`, whose rules it keeps: camelCase, amounts and prices as exact decimal strings in whole tokens.
"""

from typing import Any

import msgspec

from order_engine.amounts import format_amount, format_price
from order_engine.clock import timestamp
from order_engine.tokens import TOKENS, Token
from order_engine.venues.pool import SwapRefused, impact_bps
from order_engine.venues.simulated.chain import Price, SimulatedChain
from order_engine.venues.simulated.importing import Plan
from order_engine.venues.simulated.market import PPM, Listing
from order_engine.venues.simulated.openings import Opening
from order_engine.venues.simulated.regimes import REGIMES

Record = dict[str, Any]

SIZES = 4  # each ten times the one before
SMALLEST_USD_NANOS = 100 * 10**9  # the smallest is a power of ten of tokens, worth at most this at its reference price
DEPTH_PPM = 5_000  # depth is what moves the price by so much


def market_record(chain: SimulatedChain) -> Record:
    """`oee.market/1`: the regime, since when, what tokens are worth in dollars by it, and which pools are to come."""
    market, height = chain.market, chain.height()
    rules = msgspec.structs.asdict(market.regime)
    return {
        "schema": "oee.market/1",
        "regime": rules.pop("name"),
        "since": market.since,
        "height": height,
        "regimes": list(REGIMES),
        "rules": rules,
        "fairUsd": {
            token: format_amount(TOKENS[token].usd_nanos * value, 15)  # nanos times millionths
            for token, value in chain.fair_values_ppm().items()
        },
        "coming": [_coming(opening) for opening in chain.coming],
    }


def _coming(opening: Opening) -> Record:
    listing = opening.listing
    return {
        "height": opening.height,
        "dex": listing.dex,
        "pool": listing.address,
        "model": opening.model,
        "tokenA": listing.token_a,
        "tokenB": listing.token_b,
    }


def import_record(plan: Plan, height: int) -> Record:
    """`oee.import/1`: which pools stand as the file says from this height on, and which open later."""
    later = {opening.listing.address: opening.height > height for opening in plan.openings}
    return {
        "schema": "oee.import/1",
        "height": height,
        "opened": [address for address, waits in later.items() if not waits],
        "coming": [address for address, waits in later.items() if waits],
    }


def curve_record(chain: SimulatedChain, address: str, token: str) -> Record:
    """What selling `token` into a pool does to its price: the depth, the impact of four sizes; and what it cost lately.

    An impact is that of a quote, in bps, rounded up; a size that the pool would refuse has a reason instead.
    """
    listing = next(each for each in chain.listings if each.address == address)
    a_to_b = listing.token_a == token
    sold = TOKENS[token]
    depth = chain.pool(address).depth(a_to_b, DEPTH_PPM)
    return {
        "sells": token,
        "depth": {"bps": DEPTH_PPM * 10_000 // PPM, "amount": format_amount(depth, sold.decimals)},
        "impacts": [_impact(chain, listing, a_to_b, sold, units) for units in _sizes(sold)],
        "prices": [_price(listing, price) for price in chain.prices(address)],
    }


def _sizes(token: Token) -> list[int]:
    """Four amounts in base units, each ten times the one before: for SOL 0.1 to 100, for cheaper tokens more of them."""
    smallest = 1
    while smallest * 10 * token.usd_nanos <= SMALLEST_USD_NANOS * 10**token.decimals:
        smallest *= 10
    return [smallest * 10**step for step in range(SIZES)]


def _impact(chain: SimulatedChain, listing: Listing, a_to_b: bool, sold: Token, units: int) -> Record:
    bought = TOKENS[listing.token_b if a_to_b else listing.token_a]
    pool = chain.pool(listing.address)
    told: Record = {"amount": format_amount(units, sold.decimals)}
    try:
        swap = pool.swap_exact_in(units, a_to_b, chain.block_time())
    except SwapRefused as refused:
        return told | {"reason": str(refused)}
    return told | {
        "amountOut": format_amount(swap.amount_out, bought.decimals),
        "priceImpactBps": impact_bps(pool, swap, a_to_b),
    }


def _price(listing: Listing, price: Price) -> Record:
    numerator, denominator = price.ratio
    decimals_a, decimals_b = TOKENS[listing.token_a].decimals, TOKENS[listing.token_b].decimals
    return {
        "height": price.height,
        "at": timestamp(price.made_at),
        "price": format_price(denominator, decimals_a, numerator, decimals_b),
    }
