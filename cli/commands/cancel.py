"""`oee cancel`: orders that are not sent yet."""

from typing import Annotated

import typer

from cli import identify, render
from cli.exits import Exit, of_code, worst
from cli.output import ORDER_FIELDS, Record
from cli.session import Session
from order_engine.errors import EngineError, Malformed, NotFound, TooLateToCancel


def cancel(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ends of order ids, or - to read them.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every open order.")] = False,
) -> Exit:
    """Cancel orders that are not sent yet.

    \b
      oee cancel c5a0f1
      oee cancel --all
      oee list --status open --pair SOL/USDC -q | oee cancel -

    An order that was sent cannot be called back: exit 5, and nothing was changed.
    """
    session = Session.of(context)
    session.output.check(ORDER_FIELDS)
    if all_ == bool(ids):
        raise Malformed("Name the orders, or give --all." if not ids else "Give orders or --all, not both.")
    if all_:
        orders: list[Record | EngineError] = list(session.client.orders(status="open"))
        if not orders:
            session.output.say("No order is open.")
    else:
        orders = list(identify.find_each(session, ids or []))
    return worst(_cancel(session, order) for order in orders)


def _cancel(session: Session, order: Record | EngineError) -> Exit:
    output = session.output
    if isinstance(order, EngineError):
        output.error(order)
        return of_code(order.code)
    name = render.short_id(order["orderId"])
    try:
        cancelled = session.client.cancel(order["orderId"])
    except (TooLateToCancel, NotFound) as error:
        if output.json:
            output.error(error, orderId=order["orderId"])
        else:
            output.say(f"{name} {error.message}")
        return of_code(error.code)
    if not output.record(cancelled, order["orderId"]):
        output.show([[(f"{name} ", ""), (cancelled["status"], cancelled["status"])]])
    return Exit.OK
