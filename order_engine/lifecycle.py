"""The life of an order: one table, and the one function that changes a status.

A status changes only when an event meets this table. An illegal step raises and changes nothing. README's picture of the
life of an order is drawn from this table.
"""

from typing import Any

from msgspec.structs import replace

from order_engine.events import (
    Building,
    Cancelled,
    Confirmed,
    Event,
    Expired,
    Failed,
    Pending,
    Routing,
    Submitted,
    Unanswered,
)
from order_engine.orders import Order, Settlement, Status

TRANSITIONS: dict[tuple[Status, type], Status] = {
    (Status.PENDING, Routing): Status.ROUTING,
    (Status.PENDING, Cancelled): Status.CANCELLED,
    (Status.PENDING, Expired): Status.EXPIRED,
    (Status.ROUTING, Routing): Status.ROUTING,  # nothing was sent: the next attempt
    (Status.ROUTING, Building): Status.BUILDING,
    (Status.ROUTING, Failed): Status.FAILED,
    (Status.ROUTING, Cancelled): Status.CANCELLED,
    (Status.ROUTING, Expired): Status.EXPIRED,
    (Status.BUILDING, Routing): Status.ROUTING,
    (Status.BUILDING, Submitted): Status.SUBMITTED,  # the point of no return
    (Status.BUILDING, Failed): Status.FAILED,
    (Status.BUILDING, Cancelled): Status.CANCELLED,
    (Status.SUBMITTED, Unanswered): Status.SUBMITTED,
    (Status.SUBMITTED, Routing): Status.ROUTING,  # the transaction is provably dead
    (Status.SUBMITTED, Confirmed): Status.CONFIRMED,
    (Status.SUBMITTED, Failed): Status.FAILED,  # provably dead, and no attempt is left
}


class IllegalStep(Exception):
    """This event cannot happen to an order in this state. Nothing was changed."""


def begin(order_id: str, event: Pending) -> Order:
    """The order that an accepted request makes."""
    return Order(
        order_id=order_id,
        request=event.request,
        status=Status.PENDING,
        settlement=Settlement.NONE,
        version=1,
        created_at=event.at,
        updated_at=event.at,
        retry_of=event.retry_of,
        ceiling=event.ceiling,
    )


def apply(order: Order, event: Event) -> Order:
    """The order after `event`. Raises IllegalStep, and changes nothing, where the table has no such step."""
    status = TRANSITIONS.get((order.status, type(event)))
    if status is None:
        raise IllegalStep(f"order {order.order_id} is {order.status} and cannot take {type(event).__name__}")
    return replace(order, status=status, version=order.version + 1, updated_at=event.at, **_changes(order, event))


def _changes(order: Order, event: Event) -> dict[str, Any]:
    """What `event` says beyond the status, as fields of the order. Raises IllegalStep where it does not fit the attempt."""
    if isinstance(event, Routing):
        begun_again = order.status in (Status.ROUTING, Status.BUILDING)  # nothing was sent: the same attempt may go on
        if event.attempt != order.attempts + 1 and not (begun_again and event.attempt == order.attempts):
            raise IllegalStep(f"order {order.order_id} is at attempt {order.attempts}, {event.attempt} cannot follow")
        code = event.previous_error_code
        return {
            "attempts": event.attempt,
            "setbacks": (*order.setbacks, code) if code is not None else order.setbacks,
            "settlement": Settlement.NONE,
            "routed_dex": None,
            "quoted_out": None,
            "quoted_in": None,
            "legs": (),
            "gap_ppb": None,
            "transaction": None,
        }
    if isinstance(event, Building):
        return {
            "routed_dex": event.routed_dex,
            "quoted_out": event.quoted_out,
            "quoted_in": event.quoted_in,
            "legs": event.legs,
            "gap_ppb": None if event.proof is None else event.proof.gap_ppb,
        }
    if isinstance(event, Submitted):
        return {"settlement": Settlement.IN_FLIGHT, "transaction": event.transaction}
    if isinstance(event, Confirmed):
        return {
            "settlement": Settlement.SETTLED,
            "amount_out": event.amount_out,
            "fee": event.fee,
            "fee_token": event.fee_token,
            "network_fee": event.network_fee,
            "height": event.height,
            "amount_in": event.amount_in,
            "fills": event.fills,
            "ended_at": event.at,
        }
    if isinstance(event, Failed):
        return {
            "settlement": Settlement.NONE if order.transaction is None else Settlement.SETTLED,
            "error": event.error,
            "error_code": event.error_code,
            "ended_at": event.at,
        }
    if isinstance(event, Unanswered):
        return {"settlement": Settlement.UNKNOWN}
    if isinstance(event, Cancelled | Expired):
        return {"error": None, "ended_at": event.at}
    raise IllegalStep(f"order {order.order_id} exists already")
