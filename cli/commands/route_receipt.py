"""`oee route receipt`: the receipts of orders' routes, one line each."""

from typing import Annotated

import typer

from cli import identify
from cli.exits import Exit
from cli.output import to_json
from cli.session import Session


def receipt(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ends of order ids, or - to read them.")],
) -> Exit:
    """Print the receipt of an order's route.

    \b
      oee route receipt c5a0f1 > receipt.json
      oee route receipt c5a0f1 | oee route verify -

    A receipt is the route as it was planned, the states of all pools at that block, and the prices that prove how near it
    is to the best there could be: all that anybody needs to check it. Always JSON, one line for each order. An order that
    was never routed over all pools has none: exit 3.
    """
    session = Session.of(context)
    output = session.output
    for order in identify.find_all(session, ids):
        record = session.client.receipt(order["orderId"])
        if not output.record(record, order["orderId"]):
            output.line(to_json(record))
    return Exit.OK
