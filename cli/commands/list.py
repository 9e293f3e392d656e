"""`oee list`: orders as a table, records, CSV or ids."""

from typing import Annotated, Any

import typer

from cli import choices, durations, render, times, venue_names
from cli.exits import Exit
from cli.output import ORDER_FIELDS, Output, Record, bare
from cli.paint import Paint, Span, state_of
from cli.session import Session
from cli.story import FINAL, PATH
from order_engine.errors import Malformed

STATUSES = (*PATH, *sorted(FINAL - set(PATH)), "open")
FORMATS = ("table", "json", "csv")
COLUMNS = [("ID", "<"), ("PAIR", "<"), ("SELL", "."), ("STATUS", "<"), ("VENUE", "<"), ("GOT", "."), ("AGE", ">")]


def list_(
    context: typer.Context,
    status: Annotated[
        str | None, typer.Option("--status", metavar="S,S", help="Only these; open means all that are not over.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option("--pair", metavar="A/B", help="Only this pair, in either direction.")
    ] = None,
    dex: Annotated[
        str | None, typer.Option("--venue", "--dex", metavar="VENUE", help="Only orders routed to this venue.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="SPAN|TIME", help="Only those placed in the last SPAN, or after TIME."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="SPAN|TIME", help="Only those placed before that.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="K", help="Only the order that has this key.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N that match.")] = 50,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="table, json (as --json) or csv, with a header.")
    ] = "table",
) -> Exit:
    """List orders, newest last.

    \b
      oee list --status open
      oee list --status failed --since 1h --json
      oee list --pair SOL/USDC --limit 500 -q
      oee list --since 30d --limit 10000 --format csv > orders.csv
    """
    session = Session.of(context)
    output = session.output
    _choose_format(output, format_)
    output.check(ORDER_FIELDS)
    if status is not None:
        choices.each_of(status, STATUSES, "--status")
    found = _found(session, {"status": status, "pair": pair, "dex": dex, "since": since, "key": key}, until, limit)
    if dex is not None and not found:
        venue_names.check(session, dex, "--venue")
    if format_ == "csv":
        _print_csv(output, found)
        return Exit.OK
    if output.human:
        if found:
            paint = output.out
            output.show(render.table(COLUMNS, (_row(order, paint) for order in found)))
        else:
            output.say("No order matches.")
        return Exit.OK
    for order in found:
        output.record(order, order["orderId"])
    return Exit.OK


def _choose_format(output: Output, format_: str) -> None:
    """Notes the format where the output keeps it. Raises Malformed for one that is unknown or said twice."""
    choices.one_of(format_, FORMATS, "--format")
    if format_ == "csv" and not output.human:
        raise Malformed("--format csv goes with none of --json, --quiet and --field.", field="--format")
    output.json = output.json or format_ == "json"


def _print_csv(output: Output, orders: list[Record]) -> None:
    """Every field of every order, as the records have them; an absent one is empty."""
    import csv
    import io

    row = io.StringIO()
    writer = csv.writer(row, lineterminator="")
    for values in [ORDER_FIELDS, *([bare(order[name]) for name in ORDER_FIELDS] for order in orders)]:
        writer.writerow(values)
        output.line(row.getvalue())
        row.seek(0)
        row.truncate()


def _found(session: Session, filters: dict[str, Any], until: str | None, limit: int) -> list[Record]:
    if until is None:
        return list(session.client.orders(limit=limit, **filters))
    before = _moment(until)
    kept = [order for order in session.client.orders(**filters) if times.ms_of(order["createdAt"]) < before]
    return kept[-limit:]


def _moment(text: str) -> int:
    """The unix milliseconds of a time, or of a span back from now."""
    try:
        return times.ms_of(text)
    except ValueError:
        return times.now_ms() - durations.read(text, "--until")


def _row(order: Record, paint: Paint) -> list[Span | str]:
    got = f"{order['amountOut']} {order['outputToken']}" if order["amountOut"] else "-"
    return [
        render.short_id(order["orderId"]),
        f"{order['inputToken']}/{order['outputToken']}",
        order["amount"],
        paint.state(state_of(order)),
        order["routedDex"] or "-",
        got,
        times.age(order["createdAt"]),
    ]
