"""`oee sim fault add`: one thing that goes wrong from now on."""

from typing import Annotated, Any

import typer

from cli import durations
from cli.exits import Exit
from cli.faults import FIELDS, limits, matches
from cli.session import Session


def add(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What goes wrong; see above.")],
    key: Annotated[str | None, typer.Option("--key", metavar="K", help="Only the order with this key.")] = None,
    pattern: Annotated[
        str | None, typer.Option("--pattern", metavar="GLOB", help="Only orders whose key matches, such as 'bot-*'.")
    ] = None,
    pair: Annotated[
        str | None, typer.Option("--pair", metavar="A/B", help="Only this pair; of a price step, A's price in B.")
    ] = None,
    venue: Annotated[str | None, typer.Option("--venue", metavar="V", help="Only at this venue.")] = None,
    pool: Annotated[str | None, typer.Option("--pool", metavar="POOL", help="price-step: only this pool.")] = None,
    times: Annotated[int | None, typer.Option("--times", metavar="N", help="Only the first N times.")] = None,
    for_: Annotated[str | None, typer.Option("--for", metavar="SPAN", help="Only that long: 30s, 2m.")] = None,
    slots: Annotated[int | None, typer.Option("--slots", metavar="N", help="land-late: by N slots.")] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="CODE", help="reject: with this error code.")] = None,
    ms: Annotated[int | None, typer.Option("--ms", metavar="N", help="venue-slow: by N milliseconds.")] = None,
    ppm: Annotated[
        int | None, typer.Option("--ppm", metavar="N", help="price-step: N millionths up, or down with a minus.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="STATE", help="crash: at this state of an order.")] = None,
) -> Exit:
    """Make something go wrong from now on.

    \b
      oee sim fault add land-late --slots 20 --pattern 'bot-*' --times 1
      oee sim fault add reject --code transaction_rejected --key dca-7
      oee sim fault add venue-down --venue raydium --for 30s
      oee sim fault add price-step --pair SOL/USDC --ppm -20000
      oee sim fault add crash --at submitted --pattern 'bot-*'

    \b
    lose-answer         it is sent, and the answer is lost: settlement unknown
    land-late           it lands --slots later; it expires where it was not valid that long
    never-land          it is swallowed, however often it is sent: transaction_expired
    reject              it lands as failed, with --code
    slippage            it lands as failed, with slippage_exceeded
    venue-down          no quote and no build
    venue-slow          each takes --ms longer
    rate-limit          "rate limited, try again" instead
    status-unreachable  the ledger cannot be asked what landed
    price-step          the pools' price moves by --ppm with the next block, once
    crash               the daemon kills itself right after the commit of --at, once

    Until it is cleared or the daemon stops, unless --times or --for end it. A quote is asked for no order: with --key or
    --pattern, a venue's trouble begins when it is to build. For faults from the start: OEE_FAULTS.
    """
    session = Session.of(context)
    session.output.check(FIELDS)
    given: dict[str, Any] = {
        "kind": kind,
        "key": key,
        "pattern": pattern,
        "pair": pair,
        "venue": venue,
        "pool": pool,
        "times": times,
        "forMs": None if for_ is None else durations.read(for_, "--for"),
        "slots": slots,
        "code": code,
        "ms": ms,
        "ppm": ppm,
        "at": at,
    }
    record = session.client.add_fault({name: value for name, value in given.items() if value is not None})
    if not session.output.record(record, record["faultId"]):
        session.output.line(record["faultId"])
        session.output.say(f"{record['kind']} for {matches(record)}, {limits(record)}.")
    return Exit.OK
