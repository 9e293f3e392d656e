"""`oee watch`: orders live, until they are over."""

import sys
from typing import Annotated

import typer

from cli import durations, identify
from cli.exits import Exit
from cli.output import ORDER_FIELDS
from cli.session import Session
from cli.views import for_watch
from cli.waiting import explain_open, wait


def watch(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Ends of order ids, or -; none: all open.")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SPAN", help="Stop after SPAN. Default: when all are over.")
    ] = None,
) -> Exit:
    """Watch orders live until they are over.

    \b
      oee watch
      oee watch c5a0f1
      oee watch c5a0f1 | cat          # one line per change: time, id, state, detail

    Ctrl-C detaches; the orders go on. The exit code tells the outcome: oee help exit-codes.
    """
    session = Session.of(context)
    output = session.output
    output.check(ORDER_FIELDS)
    timeout_ms = durations.read(timeout, "--timeout") if timeout is not None else None
    orders = identify.find_all(session, ids) if ids else list(session.client.orders(status="open"))
    if not orders:
        output.say("No order is open.")
        return Exit.OK
    view = for_watch(output, orders, sys.stdout)
    waited = wait(session, orders, view, timeout_ms=timeout_ms, history=True)
    if not waited.detached:
        explain_open(session, waited.orders, timeout_ms)
    return waited.exit
