"""`oee events`: the log, and what is added to it."""

from collections.abc import Iterator
from typing import Annotated

import typer

from cli import choices, render, times, venue_names
from cli.exits import Exit
from cli.output import Record
from cli.paint import Line, state_of
from cli.session import Session

STATES = ("pending", "routing", "building", "submitted", "unknown", "confirmed", "failed", "cancelled", "expired")


def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what happens from now.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="SEQ|SPAN", help="After this number, or in the last SPAN. Default: 1h."),
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="T,T", help="Only these states, such as confirmed,failed.")
    ] = None,
    order: Annotated[str | None, typer.Option("--order", metavar="ID", help="Only of this order.")] = None,
    dex: Annotated[
        str | None, typer.Option("--venue", "--dex", metavar="VENUE", help="Only events that name this venue.")
    ] = None,
) -> Exit:
    """Print what happened, and what happens.

    \b
      oee events --since 10m
      oee events -f --type failed --json
      oee events --order c5a0f1

    Each event has a number, seq, without gaps: a program that stops can go on with --since SEQ. With -f and no
    --since: only what happens from now.
    """
    session = Session.of(context)
    output = session.output
    output.live = follow
    types = _types(type_)
    if dex is not None:
        venue_names.check(session, dex, "--venue")
    for event in _chosen(session, follow, since, order):
        if (types is not None and state_of(event) not in types) or (dex is not None and event.get("routedDex") != dex):
            continue
        if not output.record(event, event["orderId"]):
            output.show([_line(event)])
    return Exit.OK


def _types(text: str | None) -> frozenset[str] | None:
    """The states that are wanted, None for all; also as order.failed and order.*, which other tools write."""
    if text is None:
        return None
    names = ",".join(name.strip().removeprefix("order.") for name in text.split(","))
    return None if "*" in names.split(",") else frozenset(choices.each_of(names, STATES, "--type"))


def _chosen(session: Session, follow: bool, since: str | None, order: str | None) -> Iterator[Record]:
    client = session.client
    order_id = str(client.find(order)["orderId"]) if order is not None else None
    if follow:
        start = _seq(session, since) if since is not None else None
        if order_id is not None and start is None:
            start = int(client.order(order_id)["seq"])
        yield from client.follow([order_id] if order_id else None, start)
    elif order_id is not None:
        start = _seq(session, since) if since is not None else 0
        yield from (event for event in client.order_events(order_id) if event["seq"] > start)
    else:
        yield from client.events(since or "1h")


def _seq(session: Session, since: str) -> int:
    """The number after which to begin."""
    if since.isascii() and since.isdigit():
        return int(since)
    first = next(session.client.events(since, limit=1), None)
    return int(first["seq"]) - 1 if first is not None else int(session.client.status()["seq"])


def _line(event: Record) -> Line:
    state = state_of(event)
    return [
        (f"{event['seq']:>6}  {times.clock_time(event['timestamp'])}  {render.short_id(event['orderId'])}  ", ""),
        (f"{state:<10}", state),
        (f"  {render.detail(event)}", ""),
    ]
