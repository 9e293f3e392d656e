"""How a pool came to be: its listing, its model, and what liquidity providers put in. Their plan for it as long as it lives.

It stands apart from `genesis` because pools also come later: from a file of real ones, and at a height that was named.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from order_engine.venues import (
    meteora,
    orca,
    raydium,
)
from order_engine.venues.simulated.market import PPM, Listing, fair_price
from order_engine.venues.snapshot import AnyPool

VENUES = (raydium.NAME, meteora.NAME, orca.NAME)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with `reserve_a` and `reserve_b` base units in it, at the first block of a height of at least `height`.

    `price` is base units of B per A as an exact ratio. Without one it is that of the reserves in a pool of that kind, and
    else the reference price.
    """

    listing: Listing
    model: str
    parameters: Mapping[str, Any]
    reserve_a: int
    reserve_b: int
    price: tuple[int, int] | None = None
    height: int = 0

    @property
    def reserves(self) -> tuple[int, int]:
        """What the providers put in."""
        return self.reserve_a, self.reserve_b


def open_pool(opening: Opening) -> AnyPool:
    """The pool as it opens."""
    listing = opening.listing
    price = opening.price or fair_price(listing.token_a, listing.token_b, PPM, PPM)
    if opening.model in raydium.MODELS:
        return raydium.open_pool(opening.model, opening.parameters, *opening.reserves, price)
    if opening.model in orca.MODELS:
        return orca.open_pool(opening.parameters, *opening.reserves, price)
    return meteora.open_pool(opening.model, opening.parameters, *opening.reserves, price)
