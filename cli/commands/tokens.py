"""`oee tokens`: what can be traded."""

import typer

from cli.exits import Exit
from cli.render import table
from cli.session import Session


def tokens(context: typer.Context) -> Exit:
    """Show the tokens that can be traded.

    \b
      oee tokens
      oee tokens --json
    """
    session = Session.of(context)
    output = session.output
    found = session.client.tokens()
    if output.human:
        columns = [("TOKEN", "<"), ("NAME", "<"), ("DECIMALS", ">"), ("MINT", "<")]
        output.show(table(columns, ([t["symbol"], t["name"], str(t["decimals"]), t["mint"]] for t in found)))
        return Exit.OK
    for token in found:
        output.record(token, token["symbol"])
    return Exit.OK
