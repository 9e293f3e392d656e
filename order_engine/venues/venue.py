"""The venue contract: what the engine needs from a place to trade, and no more. A real chain has the same face.

A venue prices; the chain it settles on shows the pools, builds, sends, and knows what landed. Both are another system: they
may be slow, silent or wrong about time, and no transaction of ours spans them and the journal.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from order_engine.orders import Transaction
from order_engine.quotes import Ask, Quote
from order_engine.routes import Fill, Leg
from order_engine.venues.snapshot import Snapshot


class Landed(msgspec.Struct, frozen=True):
    """What the ledger says of a signature. A transaction lands once: it did its swap, or it failed with `error_code`.

    `fills` are its swaps in the order in which they ran. `fee` is the sum of their fees where all are in one `fee_token`, which
    is "" otherwise. `network_fee` is in lamports and is paid in both cases.
    """

    signature: str
    height: int
    network_fee: int
    amount_out: int = 0
    fee: int = 0
    fee_token: str = ""
    error_code: str | None = None
    error: str | None = None
    amount_in: int = 0
    fills: tuple[Fill, ...] = ()


class PoolView(msgspec.Struct, frozen=True):
    """A pool as shown to people: amounts in base units, the price as an exact ratio of B per A in base units."""

    dex: str
    pool: str
    model: str
    token_a: str
    token_b: str
    reserve_a: int
    reserve_b: int
    fee_ppm: int  # what a swap would pay now, in millionths
    price: tuple[int, int]


class Venue(Protocol):
    """A place to trade."""

    @property
    def name(self) -> str:
        """The word users know it by, such as "raydium"."""

    @property
    def prompt(self) -> bool:
        """True while it answers quotes at once, out of memory: asking it holds nobody up."""

    def serves(self, token: str, other: str) -> bool:
        """True when it has a pool for this pair. Answers at once."""

    def quote(self, ask: Ask) -> Quote:
        """Its best offer. Raises Refused when it cannot serve this ask, VenueUnavailable when it could not answer."""

    def pools(self) -> Sequence[PoolView]:
        """Its pools as they are now."""


class Chain(Protocol):
    """Where pools are, and where transactions land, at most once each."""

    def snapshot(self) -> Snapshot:
        """All pools as of one block. Raises VenueUnavailable when they could not be read."""

    def build(self, ask: Ask, legs: tuple[Leg, ...], limit: int, nonce: str) -> Transaction:
        """A signed transaction of all these swaps, or none: it sells exactly `ask.amount` for at least `limit`, or buys exactly
        as much for at most `limit`. The legs say in which proportions. Another nonce gives another signature. Sends nothing.
        Raises VenueUnavailable."""

    def send(self, transaction: Transaction) -> None:
        """Hands the bytes over; sending the same ones again is harmless. Raises OutcomeUnknown when no answer came."""

    def look_up(self, signature: str) -> Landed | None:
        """What the ledger says, or None if it is not there yet. Raises VenueUnavailable when it could not be asked."""

    def height(self) -> int:
        """The newest block. Never goes back. Raises VenueUnavailable when it could not be asked."""

    def balances(self) -> Mapping[str, int]:
        """What the wallet holds, per token."""

    def on_block(self, listener: Callable[[int], None]) -> None:
        """Calls `listener` with each new height, from the chain's own thread. The listener must return at once."""
