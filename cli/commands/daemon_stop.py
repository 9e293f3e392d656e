"""`oee daemon stop`: not before the open orders are over, unless it is told so; and never by force."""

from typing import Annotated

import typer

from cli import durations
from cli.exits import Exit
from cli.session import Session
from cli.stopping import stop_daemon


def stop(
    context: typer.Context,
    drain: Annotated[
        str,
        typer.Option("--drain", metavar="SPAN", help="Wait so long for open orders; if some are left, go on running."),
    ] = "30s",
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait: unfinished orders resume at the next start.")
    ] = False,
) -> Exit:
    """Let the open orders finish, then stop the daemon.

    \b
      oee daemon stop
      oee daemon stop --drain 5m
      oee daemon stop --now

    Exits 8, with the daemon running on, when orders are still open after the wait.
    """
    session = Session.of(context)
    return stop_daemon(session, 0 if now else durations.read(drain, "--drain"), now=now)
