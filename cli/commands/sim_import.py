"""`oee sim import`: real pools in the simulated market."""

import re
import sys
from typing import Annotated

import typer

from cli.exits import Exit
from cli.render import counted
from cli.session import Session
from order_engine.errors import Malformed

FIELDS = ("schema", "height", "opened", "coming")


def import_(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Public pool records or raw accounts, as JSON or NDJSON.")
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="HEIGHT|+N", help="New pools open at this height, or N blocks from now."),
    ] = None,
) -> Exit:
    """Bring real pools into the simulated market, all of a file or none.

    \b
      oee sim import pools.json
      oee sim import - < pools.json
      oee sim import new.json --at +500

    Understood are what Raydium (api-v3 pools/info), Meteora (datapi pools, pair/all) and Orca (v2 pools) publish, and records as
    in our genesis.json, which may name a height. A pool that is there already gets the state of the file, a new one opens. The
    market takes the prices of the file for fair. What is wrong is named by line and field, and then nothing is changed.

    Records do not say how liquidity is spread over prices: positions and bins are laid around the price as in our other pools.

    Raw accounts say everything, and such a pool opens exactly as it is. Put into one file what these print, of the pool, its
    vaults, its config and its tick or bin arrays:

    \b
      solana account ADDRESS --output json >> pool.json

    Answers of getProgramAccounts and getMultipleAccounts are understood too (base64; the latter with "pubkeys": [...] beside
    "result"). All arrays that hold something are needed, and what is missing is named by its address. By getProgramAccounts
    they come at once, with a memcmp filter on the pool's address: at byte 8 for Raydium CLMM, 24 for Meteora DLMM, 9956 and
    12 for Orca. An account that does not exist is {"pubkey": ADDRESS, "account": null}.
    """
    session = Session.of(context)
    output = session.output
    output.check(FIELDS)
    height = None if at is None else _height(session, at)
    record = session.client.import_pools(_read(file), height)
    if output.json or output.field is not None:
        output.record(record)
        return Exit.OK
    for address in (*record["opened"], *record["coming"]):
        output.line(address)
    opened, coming = len(record["opened"]), len(record["coming"])
    later = f", {counted(coming, 'pool')} to come: oee sim market" if coming else ""
    output.say(f"{counted(opened, 'pool')} as in the file from height {record['height']} on{later}.")
    return Exit.OK


def _height(session: Session, text: str) -> int:
    if re.fullmatch(r"\+?[0-9]{1,12}", text) is None:
        raise Malformed(f"--at: {text[:40]!a} is neither a height nor a number of blocks such as +500.", field="--at")
    return int(text) + (int(session.client.status()["height"]) if text.startswith("+") else 0)


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read()
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - pathlib would cost every start 10 ms
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{file} cannot be read: {error}", field="FILE") from error
