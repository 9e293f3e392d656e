"""`oee sim fault list`: what goes wrong, and how often it has."""

import typer

from cli.exits import Exit
from cli.faults import FIELDS, limits, matches, what
from cli.render import table
from cli.session import Session

COLUMNS = [("ID", "<"), ("FAULT", "<"), ("FOR", "<"), ("STRUCK", ">"), ("LEFT", "<")]


def list_(context: typer.Context) -> Exit:
    """List the faults of the running daemon.

    \b
      oee sim fault list
      oee sim fault list --json | jq -r '[.faultId,.kind,.struck]|@tsv'
    """
    session = Session.of(context)
    output = session.output
    output.check(FIELDS)
    found = session.client.faults()
    if output.human:
        if found:
            rows = ([f["faultId"], what(f), matches(f), str(f["struck"]), limits(f)] for f in found)
            output.show(table(COLUMNS, rows))
        else:
            output.say("No fault is set: all goes well.")
        return Exit.OK
    for fault in found:
        output.record(fault, fault["faultId"])
    return Exit.OK
