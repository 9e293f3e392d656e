"""The life of an order: one table, and the one function that changes a status.

A status changes only when an event meets this table. An illegal step raises and changes nothing. README's picture of the
life of an order is drawn from this table.
"""

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
    )


def apply(order: Order, event: Event) -> Order:
    """The order after `event`. Raises IllegalStep, and changes nothing, where the table has no such step."""
    status = TRANSITIONS.get((order.status, type(event)))
    if status is None:
        raise IllegalStep(f"order {order.order_id} is {order.status} and cannot take {type(event).__name__}")
    begun_again = order.status in (Status.ROUTING, Status.BUILDING)  # nothing was sent, so the same attempt may go on
    order = replace(order, status=status, version=order.version + 1, updated_at=event.at)
    match event:
        case Routing(attempt=attempt, previous_error_code=code):
            if attempt != order.attempts + 1 and not (begun_again and attempt == order.attempts):
                raise IllegalStep(f"order {order.order_id} is at attempt {order.attempts}, {attempt} cannot follow")
            return replace(
                order,
                attempts=attempt,
                setbacks=(*order.setbacks, code) if code is not None else order.setbacks,
                settlement=Settlement.NONE,
                routed_dex=None,
                quoted_out=None,
                transaction=None,
            )
        case Building():
            return replace(order, routed_dex=event.routed_dex, quoted_out=event.quoted_out)
        case Submitted():
            return replace(order, settlement=Settlement.IN_FLIGHT, transaction=event.transaction)
        case Unanswered():
            return replace(order, settlement=Settlement.UNKNOWN)
        case Confirmed():
            return replace(
                order,
                settlement=Settlement.SETTLED,
                amount_out=event.amount_out,
                fee=event.fee,
                fee_token=event.fee_token,
                network_fee=event.network_fee,
                height=event.height,
                ended_at=event.at,
            )
        case Failed():
            sent = order.transaction is not None
            return replace(
                order,
                settlement=Settlement.SETTLED if sent else Settlement.NONE,
                error=event.error,
                error_code=event.error_code,
                ended_at=event.at,
            )
        case Cancelled() | Expired():
            return replace(order, error=None, ended_at=event.at)
        case Pending():
            raise IllegalStep(f"order {order.order_id} exists already")
