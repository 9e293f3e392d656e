"""`oee quote`: what every venue would pay, and the route that an order would get."""

from pathlib import Path
from typing import Annotated

import typer

from cli import durations, quotes
from cli.asking import asked
from cli.exits import Exit
from cli.output import Record, to_json
from cli.session import Session
from order_engine.clock import SystemClock
from order_engine.errors import Malformed

STDOUT = "-"


def quote(
    context: typer.Context,
    input_token: Annotated[str, typer.Argument(metavar="IN", help="The token to sell: symbol or mint.")],
    output_token: Annotated[str, typer.Argument(metavar="OUT", help="The token to get.")],
    amount: Annotated[
        str | None, typer.Argument(metavar="[AMOUNT]", help="How much of IN to sell, in whole tokens.")
    ] = None,
    receive: Annotated[
        str | None, typer.Option("--receive", metavar="N", help="In place of AMOUNT: how much of OUT to get, exactly.")
    ] = None,
    route: Annotated[
        str | None,
        typer.Option("--route", metavar="HOW", help="best: over all pools and hops; single: one pool of one venue."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of every pool why it is used or not, at which prices.")
    ] = False,
    receipt: Annotated[
        str | None,
        typer.Option(
            "--receipt", metavar="FILE", help="Write the route's receipt there, for oee route verify; - prints only it."
        ),
    ] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="SPAN", help="Ask again every SPAN, such as 2s.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", metavar="N", min=1, help="With --watch: stop after N quotes.")
    ] = None,
) -> Exit:
    """Compare venues and routes; nothing is placed.

    \b
      oee quote SOL USDC 50
      oee quote SOL USDC 50 --watch 2s
      oee quote SOL USDC 50 --field best
      oee quote SOL USDC --receive 200 --explain
      oee quote SOL USDC 50 --receipt - | oee route verify -
    """
    session = Session.of(context)
    every_ms = durations.read(watch, "--watch") if watch is not None else None
    question = asked(amount, receive, routing=route)
    if receipt is not None and every_ms is not None:
        raise Malformed("--receipt goes without --watch: one receipt is of one quote.", field="--receipt")

    def ask() -> Record:
        return session.client.quote(input_token, output_token, **question, explain=explain, receipt=receipt is not None)

    if every_ms is None:
        return _show(session, ask(), receipt)
    session.output.live = True
    shown = 0
    while True:
        code = _show(session, ask())
        shown += 1
        if shown == count:
            return code
        SystemClock().sleep_ms(every_ms)


def _show(session: Session, record: Record, receipt: str | None = None) -> Exit:
    output = session.output
    found = record.pop("receipt", None) if receipt is not None else None
    if receipt == STDOUT and found is not None:
        output.line(to_json(found))
        return Exit.OK
    if output.human:
        output.show(quotes.lines(record, output.out))
        output.show(quotes.explained(record), cut=False)
        if record.get("explanation", record) is None and record["best"] is not None:
            output.say("Nothing to explain: only --route best looks at all pools.")
    elif record["best"] is not None or not output.quiet:
        output.record(record, record["best"])
    if record["best"] is None:
        raise quotes.nobody(record)
    if receipt is not None:
        _write(receipt, found)
        output.say(f"The receipt is in {receipt}. Check it: oee route verify {receipt}")
    return Exit.OK


def _write(file: str, found: Record | None) -> None:
    if found is None:
        raise Malformed("This route has no receipt: only --route best has one.", field="--receipt")
    try:
        Path(file).write_text(to_json(found) + "\n", encoding="ascii")
    except OSError as error:
        raise Malformed(f"{file} cannot be written: {error.strerror}.", field="--receipt") from error
