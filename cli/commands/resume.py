"""`oee resume`: trading goes on after a halt."""

import typer

from cli.exits import Exit
from cli.session import Session


def resume(context: typer.Context) -> Exit:
    """Let trading go on after a halt.

    \b
      oee resume

    The orders that waited go on, with fresh quotes. Harmless when nothing was halted.
    """
    session = Session.of(context)
    output = session.output
    status = session.client.resume()
    if not output.record(status, status["status"]):
        output.show([[("Trading goes on. ", "ok"), (f"Open orders: {status['open']}.", "")]])
    return Exit.OK
