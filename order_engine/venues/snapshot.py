"""The pools of a market at one moment, as routing sees them: names, tokens and states, and nothing of where they are kept."""

from typing import NamedTuple

from order_engine.venues import (
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)

AnyPool = (
    raydium_amm_v4.Pool
    | raydium_cpmm.Pool
    | raydium_clmm.Pool
    | meteora_dlmm.Pool
    | meteora_damm_v2.Pool
    | orca_whirlpool.Pool
)


class Listing(NamedTuple):
    """A pool by name on a venue, the tokens it trades and its state. Names are unique within one question."""

    dex: str
    pool: str
    token_a: str
    token_b: str
    state: AnyPool


def ends(listing: Listing, a_to_b: bool) -> tuple[str, str]:
    """The token that is sold and the one that is bought."""
    return (listing.token_a, listing.token_b) if a_to_b else (listing.token_b, listing.token_a)


class Snapshot(NamedTuple):
    """All pools as they are after the block of `height`, whose unix seconds are `now`. A transaction costs `network_fee`
    lamports."""

    height: int
    now: int
    listings: tuple[Listing, ...]
    network_fee: int = 0
