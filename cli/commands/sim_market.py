"""`oee sim market`: how the rest of the simulated market behaves."""

from pathlib import Path
from typing import Annotated

import typer

from cli.exits import Exit
from cli.output import Record
from cli.render import table
from cli.session import Session
from order_engine.errors import Malformed

# The fields of oee.market/1. A test keeps it like the record.
FIELDS = ("schema", "regime", "since", "height", "regimes", "rules", "fairUsd", "coming")


def market(
    context: typer.Context,
    regime: Annotated[str | None, typer.Argument(metavar="[REGIME]", help="How it behaves from now on.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A regime of your own, in TOML or JSON.")
    ] = None,
) -> Exit:
    """Show how the rest of the market behaves, or choose it.

    \b
      oee sim market
      oee sim market crash
      oee sim market --file mine.toml

    \b
    calm      prices wander by a few per cent, venues drift apart and come back
    choppy    prices turn about often, and more of them trade large
    trending  prices go one way for an hour, then back; the seed says which way first
    thin      a fifth of the liquidity, and nobody hurries to bring prices together
    crash     prices fall by a third within six minutes, half of the liquidity is gone

    It holds until another is chosen, over restarts too, and prices go on from where they are. A file gives a name and what
    differs from calm, such as noise_ppm = 9000; --json shows every rule. In this market pools fill up again by themselves.
    """
    session = Session.of(context)
    output = session.output
    output.check(FIELDS)
    if regime is not None and file is not None:
        raise Malformed("Give a regime or --file, not both.")
    chosen = regime is not None or file is not None
    rules = None if file is None else _read(file)
    record = session.client.choose_market(regime, rules=rules) if chosen else session.client.market()
    if output.record(record, record["regime"]):
        return Exit.OK
    if chosen:
        output.line(record["regime"])
        output.say(f"The market is {record['regime']} from height {record['since']} on.")
        return Exit.OK
    output.line(f"{record['regime']} since height {record['since']}, now {record['height']}")
    output.show(table([("TOKEN", "<"), ("FAIR USD", ".")], record["fairUsd"].items()))
    for pool in record["coming"]:
        output.line(_coming(pool))
    return Exit.OK


def _coming(pool: Record) -> str:
    return f"{pool['pool']} opens at height {pool['height']}: {pool['dex']} {pool['tokenA']}/{pool['tokenB']}"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{file} cannot be read: {error}", field="--file") from error
