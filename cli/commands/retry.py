"""`oee retry`: a new order like one that definitely was not executed."""

from typing import Annotated

import typer

from cli import bps, identify, render
from cli.exits import Exit, of_code, worst
from cli.output import ORDER_FIELDS, Record
from cli.paint import state_of
from cli.session import Session
from order_engine.errors import EngineError, Malformed, OutcomeUnknown


def retry(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ends of order ids, or - to read them.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every failed order that was not retried yet.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="SPAN|TIME", help="With --failed: placed in the last SPAN, or after TIME."),
    ] = None,
    slippage: Annotated[
        str | None, typer.Option("--slippage", metavar="LIMIT", help="Another limit for the new order: 80bps or 0.8%.")
    ] = None,
) -> Exit:
    """Place an order that was not executed anew.

    \b
      oee retry 0e6bd4
      oee retry 0e6bd4 --slippage 80bps
      oee retry --failed --since 1h

    Only what is failed, cancelled or expired. An order that may still land is refused: exit 7.
    """
    session = Session.of(context)
    session.output.check(ORDER_FIELDS)
    if failed == bool(ids):
        raise Malformed("Name the orders, or give --failed." if not ids else "Give orders or --failed, not both.")
    if since is not None and not failed:
        raise Malformed("--since goes with --failed.", field="--since")
    slippage_bps = bps.read(slippage, "--slippage")
    if failed:
        orders: list[Record | EngineError] = list(_failed_once(session, since))
        if not orders:
            session.output.say("No failed order is left to retry.")
    else:
        orders = list(identify.find_each(session, ids or []))
    return worst(_retry(session, order, slippage_bps) for order in orders)


def _failed_once(session: Session, since: str | None) -> list[Record]:
    """The failed orders that no other order retries."""
    orders = list(session.client.orders(since=since))  # a retry is newer than what it retries, so it is among these
    retried = {order["retryOf"] for order in orders}
    return [order for order in orders if order["status"] == "failed" and order["orderId"] not in retried]


def _retry(session: Session, order: Record | EngineError, slippage_bps: int | None) -> Exit:
    output = session.output
    try:
        if isinstance(order, EngineError):
            raise order
        if state_of(order) == "unknown":
            name = render.short_id(order["orderId"])
            raise OutcomeUnknown(f"{name} is not retried. {render.may_still_land(order, session.client.status())}")
        new = session.client.retry(order["orderId"], slippage_bps=slippage_bps)
    except EngineError as error:
        if error.code == "unreachable":  # so are all the others
            raise
        output.error(error)
        return of_code(error.code)
    if not output.record(new, new["orderId"]):
        output.line(new["orderId"])
        output.say(f"{render.short_id(order['orderId'])} -> {render.short_id(new['orderId'])}")
    return Exit.OK
