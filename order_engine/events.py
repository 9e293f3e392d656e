"""What happened to an order, in the words of the contract. Frozen facts, each on the event that made it true.

Amounts are base units, `at` is unix milliseconds. The journal keeps these as JSON for ever: fields are only added, with a
default.
"""

import msgspec

from order_engine.orders import Order, OrderRequest, Transaction
from order_engine.quotes import Offer
from order_engine.routes import Fill, Leg, Proof


class Pending(msgspec.Struct, frozen=True, tag="pending"):
    """The order was accepted: it is on disk and will be worked on."""

    at: int
    request: OrderRequest
    retry_of: str | None = None
    ceiling: int | None = None


class Routing(msgspec.Struct, frozen=True, tag="routing"):
    """A worker asks the venues. From the second attempt on, with what ended the one before."""

    at: int
    attempt: int
    previous_error_code: str | None = None
    previous_error: str | None = None


class Building(msgspec.Struct, frozen=True, tag="building"):
    """A route was chosen, out of these offers, for this reason.

    `routed_dex` is the venue with the largest share, `pool` its pool with the largest. `proof` says how good the route is, of
    one that was sought over all pools.
    """

    at: int
    routed_dex: str
    pool: str
    quoted_out: int
    quotes: tuple[Offer, ...]
    reason: str
    quoted_in: int | None = None
    legs: tuple[Leg, ...] = ()
    proof: Proof | None = None


class Submitted(msgspec.Struct, frozen=True, tag="submitted"):
    """The signed transaction is recorded; it is sent only after this is on disk. The point of no return."""

    at: int
    routed_dex: str
    transaction: Transaction
    min_out: int
    max_in: int | None = None


class Unanswered(msgspec.Struct, frozen=True, tag="unanswered"):
    """Sent, and the answer was lost: the transaction may land until its last valid height. Nothing is decided yet."""

    at: int
    reason: str


class Confirmed(msgspec.Struct, frozen=True, tag="confirmed"):
    """The ledger shows that it landed: done. `fee_token` is "" where fees were taken in several tokens: `fills` has them all."""

    at: int
    tx_hash: str
    routed_dex: str
    quoted_out: int
    amount_out: int
    fee: int
    fee_token: str
    network_fee: int
    height: int
    quoted_in: int | None = None
    amount_in: int | None = None
    fills: tuple[Fill, ...] = ()


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Definitely not executed, and nothing of it can execute any more."""

    at: int
    error_code: str
    error: str
    attempts: int


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """Definitely not executed, by request."""

    at: int
    reason: str


class Expired(msgspec.Struct, frozen=True, tag="expired"):
    """Definitely not executed, by time."""

    at: int
    reason: str


Event = Pending | Routing | Building | Submitted | Unanswered | Confirmed | Failed | Cancelled | Expired


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the log, and the order as it was right after it. Exists only once it is on disk."""

    seq: int
    event: Event
    order: Order


class LogEntry(msgspec.Struct, frozen=True):
    """An event as read back from the log, with the few words of its order that are needed to show it."""

    seq: int
    order_id: str
    request: OrderRequest
    event: Event
