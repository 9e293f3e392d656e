"""`oee pools`: where liquidity is, how deep it is, and what it cost lately."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated

import typer

from cli.dashboard.charts import sparkline
from cli.exits import Exit
from cli.output import Record
from cli.render import Column, short_hash, table
from cli.session import Session
from order_engine.errors import Malformed, NotFound

WIDTH = 16  # of the price over time

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

    Of a pair also how deep each pool is for whoever sells IN: how much of it moves the price by half a per cent, how many bps
    some sizes move it, and how its price went since the daemon started.
    """
    session = Session.of(context)
    output = session.output
    if input_token is not None and output_token is None:
        raise Malformed("Name both tokens of the pair, or none.", field="OUT")
    pair = f"{input_token}/{output_token}" if input_token else None
    found = session.client.pools(pair, curve=input_token)
    if not found and input_token:
        raise NotFound(f"No venue has a pool for {input_token} and {output_token}.", hint="See all: oee pools")
    if output.human:
        output.show(table(COLUMNS, map(_row, found)))
        if input_token:
            output.line("")
            output.show(table(*_curves(found, output.out.ascii)))
        return Exit.OK
    for pool in found:
        output.record(pool, pool["pool"])
    return Exit.OK


def _curves(pools: Sequence[Record], ascii_only: bool) -> tuple[list[Column], Iterator[list[str]]]:
    """How deep each pool is for a sale of these sizes, in bps of impact, and its price over time."""
    curve = pools[0]["curve"]
    token = curve["sells"]
    sizes = [f"{impact['amount']} {token}" for impact in curve["impacts"]]
    columns = [
        ("VENUE", "<"), ("POOL", "<"), (f"{token} FOR {curve['depth']['bps']} bps", "."),
        *((size, ">") for size in sizes), ("PRICE LATELY", "<"),
    ]  # fmt: skip
    return columns, (_curve(pool, ascii_only) for pool in pools)


def _curve(pool: Record, ascii_only: bool) -> list[str]:
    curve = pool["curve"]
    impacts = [f"{i['priceImpactBps']} bps" if "priceImpactBps" in i else "-" for i in curve["impacts"]]
    prices = [Decimal(price["price"]) for price in curve["prices"]]
    some = [prices[n * len(prices) // WIDTH] for n in range(WIDTH)] if len(prices) > WIDTH else prices
    drawn = sparkline([*some[:-1], *prices[-1:]], ascii_only=ascii_only)
    return [pool["dex"], short_hash(pool["pool"]), _whole(curve["depth"]["amount"]), *impacts, drawn]


def _whole(amount: str) -> str:
    """A depth, which is about so much: without the digits that nobody reads."""
    whole, _, part = amount.partition(".")
    return whole if len(whole) > 2 or not part else f"{whole}.{part[:2]}"


def _row(pool: Record) -> list[str]:
    names = ("price", "feeBps", "reserveA", "reserveB")
    pair = f"{pool['tokenA']}/{pool['tokenB']}"
    return [pool["dex"], short_hash(pool["pool"]), pool["model"], pair, *(str(pool[name]) for name in names)]
