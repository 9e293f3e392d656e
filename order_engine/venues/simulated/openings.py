"""How a pool came to be: its listing, its model, and what liquidity providers put in. Their plan for it as long as it lives.

It stands apart from `genesis` because pools also come later: from a file of real ones, and at a height that was named.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from order_engine.venues import (
    meteora,
    meteora_damm_v2,
    meteora_dlmm,
    orca,
    orca_whirlpool,
    raydium,
    raydium_clmm,
)
from order_engine.venues.simulated.market import PPM, Listing, fair_price
from order_engine.venues.snapshot import AnyPool

BEGAN_S = 1_700_000_000  # unix seconds of the simulated chain's first block
VENUES = (raydium.NAME, meteora.NAME, orca.NAME)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with `reserve_a` and `reserve_b` base units in it, at the first block of a height of at least `height`.

    `price` is base units of B per A as an exact ratio. Without one it is that of the reserves in a pool of that kind, and
    else the reference price. With a `state` the pool opens exactly so, whatever else is said; its times are those of the
    chain that it comes from.
    """

    listing: Listing
    model: str
    parameters: Mapping[str, Any]
    reserve_a: int
    reserve_b: int
    price: tuple[int, int] | None = None
    height: int = 0
    state: AnyPool | None = None

    @property
    def reserves(self) -> tuple[int, int]:
        """What the providers put in."""
        return self.reserve_a, self.reserve_b


def open_pool(opening: Opening, now: int = BEGAN_S) -> AnyPool:
    """The pool as it opens at `now`, unix seconds of the simulated chain. Only an exact state has to do with time."""
    if opening.state is not None:
        return _moved_to(opening.state, now)
    listing = opening.listing
    price = opening.price or fair_price(listing.token_a, listing.token_b, PPM, PPM)
    if opening.model in raydium.MODELS:
        return raydium.open_pool(opening.model, opening.parameters, *opening.reserves, price)
    if opening.model in orca.MODELS:
        return orca.open_pool(opening.parameters, *opening.reserves, price)
    return meteora.open_pool(opening.model, opening.parameters, *opening.reserves, price)


def _moved_to(state: AnyPool, now: int) -> AnyPool:
    """The pool with all its times shifted alike, so that its newest one is `now`.

    The chains have clocks of their own, and when an account was read it does not say. The newest time in it is the last that is
    known of the real chain: its volatility is as fresh as it can have been, and no swap comes before the last one. A time of
    0 is one that never was, and stays 0.
    """
    match state:
        case raydium_clmm.Pool(dynamic_fee=raydium_clmm.DynamicFee() as fee):
            updated = now if fee.last_update_timestamp else 0
            return replace(state, dynamic_fee=replace(fee, last_update_timestamp=updated))
        case meteora_dlmm.Pool():
            return replace(state, last_update_timestamp=now if state.last_update_timestamp else 0)
        case orca_whirlpool.Pool(adaptive_fee=orca_whirlpool.AdaptiveFee() as adaptive):
            later = now - max(adaptive.last_reference_update_timestamp, adaptive.last_major_swap_timestamp)
            moved = replace(
                adaptive,
                last_reference_update_timestamp=_shifted(adaptive.last_reference_update_timestamp, later),
                last_major_swap_timestamp=_shifted(adaptive.last_major_swap_timestamp, later),
            )
            return replace(state, adaptive_fee=moved)
        case meteora_damm_v2.Pool():
            known = state.dynamic_fee
            updated = 0 if known is None else known.last_update_timestamp
            later = now - max(updated, state.activation_point)
            return replace(
                state,
                activation_point=_shifted(state.activation_point, later),
                dynamic_fee=known and replace(known, last_update_timestamp=_shifted(updated, later)),
            )
    return state


def _shifted(time: int, later: int) -> int:
    return max(time + later, 0) if time else 0
