"""`oee venues`: who can be asked, and how they served."""

import typer

from cli.exits import Exit
from cli.render import table
from cli.session import Session

COLUMNS = [("VENUE", "<"), ("POOLS", ">"), ("QUOTED", ">"), ("DECLINED", ">"), ("CHOSEN", ">"), ("CONFIRMED", ">")]


def venues(context: typer.Context) -> Exit:
    """Show the venues and how they serve.

    \b
      oee venues
      oee venues --json

    The counts are those since the daemon started.
    """
    session = Session.of(context)
    output = session.output
    found = session.client.venues()
    if output.human:
        names = ("dex", "pools", "quoted", "declined", "chosen", "confirmed")
        output.show(table(COLUMNS, ([str(venue.get(name, "-")) for name in names] for venue in found)))
        return Exit.OK
    for venue in found:
        output.record(venue, venue["dex"])
    return Exit.OK
