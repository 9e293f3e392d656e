"""`oee quote`: what every venue would pay, and who would get the order."""

from typing import Annotated

import typer

from cli import durations, quotes
from cli.exits import Exit
from cli.output import Record
from cli.session import Session
from order_engine.clock import SystemClock


def quote(
    context: typer.Context,
    input_token: Annotated[str, typer.Argument(metavar="IN", help="The token to sell: symbol or mint.")],
    output_token: Annotated[str, typer.Argument(metavar="OUT", help="The token to get.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="How much of IN, in whole tokens.")],
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="SPAN", help="Ask again every SPAN, such as 2s.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="With --watch: stop after N quotes.")
    ] = None,
) -> Exit:
    """Compare venues; nothing is placed.

    \b
      oee quote SOL USDC 50
      oee quote SOL USDC 50 --watch 2s
      oee quote SOL USDC 50 --field best
    """
    session = Session.of(context)
    every_ms = durations.read(watch, "--watch") if watch is not None else None
    if every_ms is None:
        return _show(session, session.client.quote(input_token, output_token, amount))
    session.output.live = True
    shown = 0
    while True:
        code = _show(session, session.client.quote(input_token, output_token, amount))
        shown += 1
        if shown == count:
            return code
        SystemClock().sleep_ms(every_ms)


def _show(session: Session, record: Record) -> Exit:
    output = session.output
    if output.human:
        output.show(quotes.lines(record, output.out))
    elif record["best"] is not None or not output.quiet:
        output.record(record, record["best"])
    if record["best"] is None:
        raise quotes.nobody(record)
    return Exit.OK
