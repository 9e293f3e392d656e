"""`oee halt`: the kill switch."""

from typing import Annotated

import typer

from cli.exits import Exit
from cli.output import Record
from cli.render import counted
from cli.session import Session


def halt(
    context: typer.Context,
    cancel_open: Annotated[
        bool, typer.Option("--cancel-open", help="Also cancel every order that was not sent yet.")
    ] = False,
) -> Exit:
    """Stop trading at once: nothing is accepted or sent.

    \b
      oee halt
      oee halt --cancel-open
      price-feed | awk '$1 < 120 {exit 1}' || oee halt --cancel-open

    Until `oee resume`, over restarts too. What was sent before is watched to its end. Never asks.
    """
    session = Session.of(context)
    output = session.output
    status = session.client.halt(cancel_open=cancel_open)
    if not output.record(status, status["status"]):
        output.show([[("Halted. ", "warn"), (_rest(status), "")]])
    return Exit.OK


def _rest(status: Record) -> str:
    in_flight = status["inFlight"]
    waiting = status["open"] - in_flight
    said = [
        f"{counted(waiting, 'order')} not sent wait{'s' if waiting == 1 else ''} (cancel: oee halt --cancel-open)."
        if waiting
        else "",
        f"{counted(in_flight, 'order')} in flight {'is' if in_flight == 1 else 'are'} watched to the end."
        if in_flight
        else "",
    ]
    return " ".join(filter(None, said)) or "No order is open."
