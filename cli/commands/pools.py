"""`oee pools`: where liquidity is."""

from typing import Annotated

import typer

from cli.exits import Exit
from cli.output import Record
from cli.render import short_hash, table
from cli.session import Session
from order_engine.errors import Malformed, NotFound

COLUMNS = [
    ("VENUE", "<"), ("POOL", "<"), ("MODEL", "<"), ("PAIR", "<"),
    ("PRICE", "."), ("FEE bps", "."), ("RESERVE A", "."), ("RESERVE B", "."),
]  # fmt: skip


def pools(
    context: typer.Context,
    input_token: Annotated[str | None, typer.Argument(metavar="[IN", help="One token of a pair.")] = None,
    output_token: Annotated[str | None, typer.Argument(metavar="OUT]", help="The other one.")] = None,
) -> Exit:
    """Show the pools, all or of one pair.

    \b
      oee pools
      oee pools SOL USDC
      oee pools SOL USDC --json
    """
    session = Session.of(context)
    output = session.output
    if input_token is not None and output_token is None:
        raise Malformed("Name both tokens of the pair, or none.", field="OUT")
    found = session.client.pools(f"{input_token}/{output_token}" if input_token else None)
    if not found and input_token:
        raise NotFound(f"No venue has a pool for {input_token} and {output_token}.", hint="See all: oee pools")
    if output.human:
        output.show(table(COLUMNS, map(_row, found)))
        return Exit.OK
    for pool in found:
        output.record(pool, pool["pool"])
    return Exit.OK


def _row(pool: Record) -> list[str]:
    names = ("price", "feeBps", "reserveA", "reserveB")
    pair = f"{pool['tokenA']}/{pool['tokenB']}"
    return [pool["dex"], short_hash(pool["pool"]), pool["model"], pair, *(str(pool[name]) for name in names)]
