"""`oee daemon restart`: stop, then start; for a new version or new settings."""

from typing import Annotated

import typer

from cli import durations
from cli.commands.daemon_start import start
from cli.exits import Exit
from cli.session import Session
from cli.stopping import stop_daemon


def restart(
    context: typer.Context,
    drain: Annotated[
        str,
        typer.Option("--drain", metavar="SPAN", help="Wait so long for open orders; if some are left, go on running."),
    ] = "30s",
    now: Annotated[bool, typer.Option("--now", help="Do not wait: unfinished orders resume after the start.")] = False,
) -> Exit:
    """Stop the daemon, then start it.

    \b
      oee daemon restart
      oee daemon restart --now
    """
    session = Session.of(context)
    stopped = stop_daemon(session, 0 if now else durations.read(drain, "--drain"), now=now)
    return start(context) if stopped is Exit.OK else stopped
