"""`oee show`: one card per order, with its history."""

from typing import Annotated

import typer

from cli import cards, identify, render, routes, times
from cli.exits import Exit
from cli.output import ORDER_FIELDS, Record
from cli.paint import Line, Paint, state_of
from cli.session import Session
from cli.story import Story

WIDTH = 80  # where there is no terminal to ask


def show(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ends of order ids, or - to read them.")],
    events: Annotated[bool, typer.Option("--events", help="With every event; as `events` in the record.")] = False,
) -> Exit:
    """Show all that is known of an order.

    \b
      oee show c5a0f1
      oee show c5a0f1 --events --json
      oee list --status failed -q | oee show -
    """
    session = Session.of(context)
    output = session.output
    output.check((*ORDER_FIELDS, "events"))
    for number, order in enumerate(identify.find_all(session, ids)):
        history = session.client.order_events(order["orderId"]) if events or output.human else []
        if output.record(order | ({"events": history} if events else {}), order["orderId"]):
            continue
        if number:
            output.line("")
        status = session.client.status() if state_of(order) == "unknown" else None
        output.show(_card(order, history, output.out, status, whole=events))
    return Exit.OK


def _card(order: Record, history: list[Record], paint: Paint, status: Record | None, *, whole: bool) -> list[Line]:
    story = Story(order["orderId"], order)
    for event in history:
        story.add(event)
    facts: list[Line] = [
        [(f"{name:<8}", "dim"), (value, "")]
        for name, value in (
            ("id", order["orderId"]),
            ("key", order["clientOrderId"]),
            ("tx", order["txHash"]),
            ("routing", order.get("routing")),
            ("route", routes.gap(order) if len(order.get("route") or ()) == 1 else None),  # of more the card says it
            ("retry of", order["retryOf"]),
        )
        if value
    ]
    drawn = cards.card(story, paint, paint.width or WIDTH, times.now_ms(), status, whole=True)
    return [*drawn, *facts, *(map(_event, history) if whole else ())]


def _event(event: Record) -> Line:
    state = state_of(event)
    return [
        (f"{times.clock_time(event['timestamp'])}  ", "dim"),
        (f"{state:<10}", state),
        (f" {render.detail(event)}", ""),
    ]
