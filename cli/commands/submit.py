"""`oee submit`: one order in, its id out. The path that must stay fast: no import here that an order does not need."""

from typing import Annotated

import typer

from cli import bps, durations
from cli.asking import asked
from cli.exits import Exit
from cli.output import ORDER_FIELDS, Record
from cli.session import Session

DEFAULT_TIMEOUT = "2m"


def submit(
    context: typer.Context,
    input_token: Annotated[str, typer.Argument(metavar="IN", help="The token to sell: symbol or mint.")],
    output_token: Annotated[str, typer.Argument(metavar="OUT", help="The token to get.")],
    amount: Annotated[
        str | None, typer.Argument(metavar="[AMOUNT]", help="How much of IN to sell, exactly, in whole tokens.")
    ] = None,
    receive: Annotated[
        str | None, typer.Option("--receive", metavar="N", help="In place of AMOUNT: how much of OUT to get, exactly.")
    ] = None,
    slippage: Annotated[
        str | None,
        typer.Option("--slippage", metavar="LIMIT", help="At most this much worse than the quote: 50bps or 0.5%."),
    ] = None,
    min_out: Annotated[
        str | None, typer.Option("--min-out", metavar="N", help="Never take less than N of OUT, whatever is quoted.")
    ] = None,
    max_in: Annotated[
        str | None, typer.Option("--max-in", metavar="N", help="With --receive: never give more than N of IN.")
    ] = None,
    max_impact: Annotated[
        str | None, typer.Option("--max-impact", metavar="LIMIT", help="Refuse to move the pool by more: 300bps or 3%.")
    ] = None,
    route: Annotated[
        str | None,
        typer.Option("--route", metavar="HOW", help="best: over all pools and hops; single: one pool of one venue."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="K", help="Your own id: the same key never places a second order.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome; the exit code tells it.")] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="How long to wait at most: 30s, 2m; 0 looks once.")
    ] = DEFAULT_TIMEOUT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Quote and check, as for a real order; nothing is stored.")
    ] = False,
) -> Exit:
    """Sell exactly AMOUNT of IN for OUT, or get exactly so much.

    \b
      oee submit SOL USDC 1.5
      oee submit SOL USDC 1.5 --slippage 30bps --wait
      oee submit SOL USDC --receive 200 --max-in 1.3
      id=$(oee submit USDC SOL 25 --key dca-2026-11-20 -q)

    Prints the order's id once the order is on disk. With --wait, ends by the outcome: oee help exit-codes.
    """
    session = Session.of(context)
    timeout_ms = durations.read(timeout, "--timeout")
    order: Record = {"inputToken": input_token, "outputToken": output_token}
    order |= asked(amount, receive, min_out=min_out, max_in=max_in, routing=route)
    optional = {"slippageBps": bps.read(slippage, "--slippage"), "maxImpactBps": bps.read(max_impact, "--max-impact")}
    order |= {name: value for name, value in optional.items() if value is not None}
    if dry_run:
        from cli.dry_run import dry_run as check

        return check(session, order)
    session.output.check(ORDER_FIELDS)
    record = _send(session, order, key)
    if wait:
        from cli.waiting import wait_for_submitted

        return wait_for_submitted(session, record, timeout_ms)
    if session.output.record(record, record["orderId"]):
        return Exit.OK
    session.output.line(record["orderId"])
    from cli.paint import state_of
    from cli.render import request

    session.output.say([(f"{request(record)}  ", ""), session.output.err.state(state_of(record))])
    session.output.say(f"Follow it: oee watch {record['orderId'][-6:]}", terminal_only=True)
    return Exit.OK


def _send(session: Session, order: Record, key: str | None) -> Record:
    from order_engine.client import new_key

    key = key or new_key()
    try:
        record, new = session.client.place(order, key=key)
    except KeyboardInterrupt:
        session.output.say(f"Interrupted while it was sent. It may have been taken: oee list --key {key}")
        raise
    if not new:
        from cli.times import age

        session.output.say(f"Already submitted {age(record['createdAt'])} ago.")
    return record
