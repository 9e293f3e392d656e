"""`oee balances`: what the wallet has."""

import typer

from cli.exits import Exit
from cli.render import table
from cli.session import Session


def balances(context: typer.Context) -> Exit:
    """Show what the wallet has.

    \b
      oee balances
      oee balances --json

    FREE can be spent, RESERVED is held by open orders.
    """
    session = Session.of(context)
    output = session.output
    found = session.client.balances()
    if output.human:
        columns = [("TOKEN", "<"), ("FREE", "."), ("RESERVED", "."), ("TOTAL", ".")]
        output.show(table(columns, ([b["token"], b["free"], b["reserved"], b["total"]] for b in found)))
        return Exit.OK
    for balance in found:
        output.record(balance, balance["token"])
    return Exit.OK
