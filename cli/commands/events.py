"""`oee events`: the log, and what is added to it."""

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from cli import choices, durations, render, times, venue_names
from cli.beating import beating
from cli.exits import Exit
from cli.output import Output, Record
from cli.paint import Line, state_of
from cli.session import Session
from order_engine.clock import timestamp
from order_engine.errors import EngineError, Malformed

HEARTBEAT = "oee.heartbeat/1"
BEAT_MS_MIN = 100

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
    forward_to: Annotated[
        str | None, typer.Option("--forward-to", metavar="URL", help="POST each of them there too, signed.")
    ] = None,
    heartbeat: Annotated[
        str | None,
        typer.Option("--heartbeat", metavar="SPAN", help="With -f: a sign of life after SPAN without an event."),
    ] = None,
) -> Exit:
    """Print what happened, and what happens.

    \b
      oee events --since 10m
      oee events -f --type failed --json
      oee events --order c5a0f1
      oee events -f --forward-to http://localhost:3000/hook
      oee events -f --json --heartbeat 30s

    Each event has a number, seq, without gaps: a program that stops can go on with --since SEQ. With -f and no
    --since: only what happens from now. --forward-to tries each event three times, in order; what nobody took is said
    on standard error. The receiver checks OEE-Signature by the secret in the file that oee config path forward-secret
    names: the HMAC-SHA256 of the time in it, a dot and the body.
    """
    session = Session.of(context)
    output = session.output
    output.live = follow
    types = _types(type_)
    every_ms = _heartbeat_ms(heartbeat, follow)
    deliver = _delivery(session, forward_to) if forward_to is not None else None
    if dex is not None:
        venue_names.check(session, dex, "--venue")
    found = _chosen(session, follow, since, order)
    if every_ms is not None:
        found = beating(found, every_ms, _pulse(session))
    lost = 0
    for event in found:
        if event["schema"] == HEARTBEAT:
            _show_beat(output, event)
            continue
        if (types is not None and state_of(event) not in types) or (dex is not None and event.get("routedDex") != dex):
            continue
        if not output.record(event, event["orderId"]):
            output.show([_line(event)])
        if deliver is not None:
            lost += not deliver(event)
    return Exit.UNREACHABLE if lost else Exit.OK


def _heartbeat_ms(text: str | None, follow: bool) -> int | None:
    if text is None:
        return None
    every_ms = durations.read(text, "--heartbeat")
    if not follow:
        raise Malformed("--heartbeat goes with -f.", field="--heartbeat")
    if every_ms < BEAT_MS_MIN:
        raise Malformed(f"--heartbeat {text[:20]!a} is below {durations.short(BEAT_MS_MIN)}.", field="--heartbeat")
    return every_ms


def _pulse(session: Session) -> Callable[[], Record | None]:
    """Asks the daemon, and says nothing where it does not answer: a heartbeat is its own, not ours."""
    client = session.client_for(autostart=False)  # its own: the other one is in another thread

    def pulse() -> Record | None:
        try:
            seq = client.status()["seq"]
        except EngineError:
            return None
        return {"schema": HEARTBEAT, "seq": seq, "timestamp": timestamp(times.now_ms())}

    return pulse


def _delivery(session: Session, url: str) -> Callable[[Record], bool]:
    from cli.forwarding import delivery  # most follow without it

    return delivery(session, url, "--forward-to")


def _show_beat(output: Output, beat: Record) -> None:
    """With --json a record, for people a line; nothing for those who want ids or a field."""
    if output.json:
        output.record(beat)
    elif output.human:
        said = f"{beat['seq']:>6}  {times.clock_time(beat['timestamp'])}  nothing new; the daemon answers"
        output.show([[(said, "dim")]])


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
