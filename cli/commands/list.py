"""`oee list`: orders as a table, records, CSV or ids."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

from cli import choices, render, times, venue_names
from cli.choosing import Order, belongs
from cli.exits import Exit
from cli.output import ORDER_FIELDS, Output, Record, bare
from cli.paint import Paint, Span, state_of
from cli.session import Session
from cli.story import FINAL, PATH
from order_engine.errors import Malformed

STATUSES = (*PATH, *sorted(FINAL - set(PATH)), "open")
FORMATS = ("table", "json", "csv")
COLUMNS = [("ID", "<"), ("PAIR", "<"), ("SELL", "."), ("STATUS", "<"), ("VENUE", "<"), ("GET", "."), ("AGE", ">")]


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
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="FIELD", help="By a field of the record, largest last; -FIELD: smallest last."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with each of them that changes, as it is then.")
    ] = False,
) -> Exit:
    """List orders, newest last.

    \b
      oee list --status open
      oee list --status failed --since 1h --json
      oee list --pair SOL/USDC --limit 500 -q
      oee list --since 30d --limit 10000 --format csv > orders.csv
      oee list --since 24h --status confirmed --sort fee --limit 10
      oee list --pair SOL/USDC -f

    --limit counts from the end: without --sort the newest, with it the last of all that match.
    """
    session = Session.of(context)
    output = session.output
    _choose_format(output, format_)
    output.check(ORDER_FIELDS)
    if status is not None:
        choices.each_of(status, STATUSES, "--status")
    if follow and until is not None:
        raise Malformed("-f goes on with what comes; --until ends before it.", field="--until")
    order = None if sort is None else Order.read(sort, "--sort")
    filters = {"status": status, "pair": pair, "dex": dex, "since": since, "key": key}
    seq = int(session.client.status()["seq"]) if follow else 0  # before the list, so that no change is missed
    found = _found(session, filters, until, limit, order)
    if dex is not None and not found:
        venue_names.check(session, dex, "--venue")
    if format_ == "csv":
        _print_csv(output, [ORDER_FIELDS])
    _print(output, found, format_)
    if follow:
        _follow(session, filters, seq, found, format_)
    elif not found and output.human and format_ != "csv":
        output.say("No order matches.")
    return Exit.OK


def _print(output: Output, orders: list[Record], format_: str) -> None:
    if format_ == "csv":
        _print_csv(output, ([bare(order.get(name)) for name in ORDER_FIELDS] for order in orders))
    elif not output.human:
        for order in orders:
            output.record(order, order["orderId"])
    elif orders:
        paint = output.out
        output.show(render.table(COLUMNS, (_row(order, paint) for order in orders)))


def _follow(session: Session, filters: dict[str, str | None], seq: int, found: list[Record], format_: str) -> None:
    """Each order that matches, as it is after each of its changes, until nobody wants to know."""
    output = session.output
    output.live = True
    holds = belongs(filters)
    if not found:
        output.say("No order matches yet.", terminal_only=True)
    table = _Rows(output, found)
    told: dict[str, int] = {}
    for event in session.client.follow(None, seq):
        order = session.client.order(event["orderId"])
        before = told.pop(order["orderId"], None)
        if event["status"] not in FINAL:
            told[order["orderId"]] = order["seq"]
        if before == order["seq"] or not holds(order):  # told with the event before, when this one had happened already
            continue
        if output.human and format_ != "csv":
            table.add(order)
        else:
            _print(output, [order], format_)


class _Rows:
    """Rows below a table that is printed already, each in line with all before it."""

    def __init__(self, output: Output, orders: list[Record]) -> None:
        self._output = output
        self._widest = _widest([_row(order, output.out) for order in orders])

    def add(self, order: Record) -> None:
        """Prints one more."""
        row = _row(order, self._output.out)
        lines = render.table(COLUMNS, [*self._widest, row])
        self._output.show(lines[-1:] if self._widest else lines)
        self._widest = _widest([*self._widest, row])


def _widest(rows: list[list[Span | str]]) -> list[list[Span | str]]:
    """For each column the rows that make it as wide as it is, before the point and after it."""
    kept: list[list[Span | str]] = []
    for column in range(len(COLUMNS)):
        for side in (0, 2):
            widths = [len(_text(row[column]).partition(".")[side]) for row in rows]
            kept += [rows[widths.index(max(widths))]] if widths else []
    return kept


def _text(cell: Span | str) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _choose_format(output: Output, format_: str) -> None:
    """Notes the format where the output keeps it. Raises Malformed for one that is unknown or said twice."""
    choices.one_of(format_, FORMATS, "--format")
    if format_ == "csv" and not output.human:
        raise Malformed("--format csv goes with none of --json, --quiet and --field.", field="--format")
    output.json = output.json or format_ == "json"


def _print_csv(output: Output, rows: Iterable[Sequence[str]]) -> None:
    """Rows as the records have them; an absent field is empty."""
    import csv
    import io

    row = io.StringIO()
    writer = csv.writer(row, lineterminator="")
    for values in rows:
        writer.writerow(values)
        output.line(row.getvalue())
        row.seek(0)
        row.truncate()


def _found(
    session: Session, filters: dict[str, Any], until: str | None, limit: int, order: Order | None
) -> list[Record]:
    """The last `limit` that match. With an order or an end all that match are asked for: the newest page is not all."""
    if until is None and order is None:
        return list(session.client.orders(limit=limit, **filters))
    orders: Iterable[Record] = session.client.orders(**filters)
    if until is not None:
        before = times.moment(until, "--until")
        orders = (each for each in orders if times.ms_of(each["createdAt"]) < before)
    return list(deque(orders, limit)) if order is None else order.last(orders, limit)


def _row(order: Record, paint: Paint) -> list[Span | str]:
    return [
        render.short_id(order["orderId"]),
        f"{order['inputToken']}/{order['outputToken']}",
        _sold(order),
        paint.state(state_of(order)),
        _venue(order),
        _got(order),
        times.age(order["createdAt"]),
    ]


def _sold(order: Record) -> str:
    """What was to be sold; of an order that receives what its route takes, once there is one."""
    if order["amount"] is not None or order.get("amountIn"):
        return str(order["amount"] or order["amountIn"])
    return f"≈{order['quotedInput']}" if order.get("quotedInput") else "-"


def _venue(order: Record) -> str:
    """The venue of the largest share, and how many swaps there are beside."""
    others = len(order.get("route") or ()) - 1
    return f"{order['routedDex'] or '-'}{f' +{others}' if others > 0 else ''}"


def _got(order: Record) -> str:
    """What was got, or, before that, what is exactly to be."""
    if order["amountOut"]:
        return f"{order['amountOut']} {order['outputToken']}"
    return f"={order['receive']} {order['outputToken']}" if order.get("receive") else "-"
