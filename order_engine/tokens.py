"""The tokens the engine knows. A symbol resolves through this pinned list only, never through a search.

Mints and decimals are those of Solana mainnet. `usd_nanos` is a reference price used for two things only: to express the
network fee, a few thousand lamports, in the output token when venues are compared; and to tell whether an order is far too
large, which must not depend on a market that somebody may have moved.
"""

from difflib import get_close_matches
from typing import NamedTuple

from order_engine.amounts import div_ceil
from order_engine.errors import UnknownToken


class Token(NamedTuple):
    """A fungible token. `decimals` base units digits; `usd_nanos` is the price of one whole token in 1e-9 US dollars."""

    symbol: str
    name: str
    mint: str
    decimals: int
    usd_nanos: int


NATIVE = "SOL"  # pays the network fee

TOKENS: dict[str, Token] = {
    token.symbol: token
    for token in (
        Token("SOL", "Solana", "So11111111111111111111111111111111111111112", 9, 163_500_000_000),
        Token("USDC", "USD Coin", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, 1_000_000_000),
        Token("USDT", "Tether USD", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, 1_000_000_000),
        Token("JUP", "Jupiter", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, 450_000_000),
        Token("BONK", "Bonk", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, 14_800),
        Token("RAY", "Raydium", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6, 2_200_000_000),
        Token("WIF", "dogwifhat", "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", 6, 850_000_000),
        Token("JitoSOL", "Jito Staked SOL", "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn", 9, 198_000_000_000),
    )
}

_BY_NAME = {name: token for token in TOKENS.values() for name in (token.symbol.upper(), token.mint)}


def resolve(text: str, field: str | None = None) -> Token:
    """The token with this symbol (in any case) or mint. Raises UnknownToken, naming symbols that are close."""
    token = _BY_NAME.get(text) or _BY_NAME.get(text.upper()) if text.isascii() else None
    if token is not None:
        return token
    close = get_close_matches(text.upper()[:20], [symbol.upper() for symbol in TOKENS], n=2, cutoff=0.6)
    raise UnknownToken(text, [_BY_NAME[name].symbol for name in close], field)


def network_fee_in(token: Token, lamports: int) -> int:
    """`lamports` expressed in base units of `token` at the reference prices, rounded up: costs are never flattered."""
    native = TOKENS[NATIVE]
    return div_ceil(lamports * native.usd_nanos * 10**token.decimals, token.usd_nanos * 10**native.decimals)


def worth_usd(token: Token, units: int) -> int:
    """What `units` of a token are worth at its reference price, in whole US dollars, rounded up."""
    return div_ceil(units * token.usd_nanos, 10**token.decimals * 10**9)
