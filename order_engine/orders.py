"""An order: what was asked, and what is known of it now. Frozen; `lifecycle.apply` makes the next one."""

from enum import StrEnum

import msgspec

from order_engine.quotes import Ask
from order_engine.routes import Fill, Leg, Routing


class Status(StrEnum):
    """Where an order stands. `lifecycle.TRANSITIONS` says what may follow what."""

    PENDING = "pending"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """True when the outcome is known for ever."""
        return self in FINAL


OPEN = (Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED)
FINAL = frozenset(Status) - frozenset(OPEN)


class Settlement(StrEnum):
    """What is known of the transaction that was sent last."""

    NONE = "none"  # nothing is out
    IN_FLIGHT = "in_flight"  # sent and taken
    UNKNOWN = "unknown"  # sent, and the answer was lost: it may still land until its last valid height
    SETTLED = "settled"  # the ledger has decided


class OrderRequest(msgspec.Struct, frozen=True):
    """What a client asked for, understood and in base units.

    Exactly `amount_in` is to be sold; or, where `receive` is given, exactly so much is to be received, and `amount_in` is 0.
    `min_out` is the client's own floor and `max_in` his own ceiling, which no retry may lower or raise. `max_impact_bps` refuses
    a route that moves a pool more. `routing` is "best" over all pools and hops, or the "single" best pool of one venue.
    """

    input_token: str
    output_token: str
    amount_in: int
    slippage_bps: int
    max_impact_bps: int
    min_out: int | None = None
    client_order_id: str | None = None
    type: str = "market"
    receive: int | None = None
    max_in: int | None = None
    routing: Routing = "single"  # what there was before there was a choice

    @property
    def ask(self) -> Ask:
        """The question this order puts to the venues."""
        if self.receive is not None:
            return Ask(self.input_token, self.output_token, self.receive, "out")
        return Ask(self.input_token, self.output_token, self.amount_in)

    @property
    def is_open_ended(self) -> bool:
        """True where it says what is to be received, and not what may be taken for it."""
        return self.receive is not None and self.max_in is None


class Transaction(msgspec.Struct, frozen=True):
    """A signed transaction. The signature is known before it is sent; it cannot land above `last_valid_height`."""

    signature: str
    last_valid_height: int
    wire: str  # the bytes to send, for the chain alone to read


class Order(msgspec.Struct, frozen=True):
    """Everything known of an order. `version` counts its events, `attempts` the attempts begun; times are unix ms.

    `ceiling` is what an order that is to receive an amount may take of its input at most; it is held from the beginning.
    `legs` are the swaps of the route as they were planned, `fills` as they were executed. `gap_ppb`: so much more, in parts
    of 10^9, no route could have got at most.
    """

    order_id: str
    request: OrderRequest
    status: Status
    settlement: Settlement
    version: int
    created_at: int
    updated_at: int
    attempts: int = 0
    setbacks: tuple[str, ...] = ()  # the error code of each attempt that is dead
    routed_dex: str | None = None
    quoted_out: int | None = None
    transaction: Transaction | None = None
    amount_out: int | None = None
    fee: int | None = None
    fee_token: str | None = None
    network_fee: int | None = None
    height: int | None = None
    error: str | None = None
    error_code: str | None = None
    ended_at: int | None = None
    retry_of: str | None = None
    ceiling: int | None = None
    quoted_in: int | None = None
    legs: tuple[Leg, ...] = ()
    gap_ppb: int | None = None
    amount_in: int | None = None
    fills: tuple[Fill, ...] = ()
    seq: int = 0  # of its newest event; the journal sets it

    @property
    def most_in(self) -> int:
        """What it may take of its input at most."""
        return self.request.amount_in if self.ceiling is None else self.ceiling
