"""`oee route verify`: whether a receipt holds, computed here from the pools' states that are in it. No daemon is asked."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exits import Exit
from cli.output import Record
from cli.session import Session
from order_engine.errors import Malformed, NotFound

if TYPE_CHECKING:
    from order_engine.routing.receipts import Receipt

VERDICT = "oee.verdict/1"
STDIN = "-"


def verify(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A receipt; - is standard input.")],
) -> Exit:
    """Check a receipt; no daemon is asked.

    \b
      oee route verify receipt.json
      oee quote SOL USDC 50 --receipt - | oee route verify -
      oee route verify receipt.json --field gapBps

    Runs every swap again on the pools of the receipt and computes again what any route whatsoever could have got. Exits 6
    when something does not hold, with each of its parts. What nobody can see from a receipt alone is whether its pools were
    those of the block: ask the chain for the digest.
    """
    session = Session.of(context)
    output = session.output
    content = _content(session, file)
    from order_engine.clock import SystemClock
    from order_engine.routing.receipts import LEFT_OUT, read_receipt
    from order_engine.routing.receipts import verify as problems_of

    receipt = read_receipt(content)
    clock = SystemClock()
    begun = clock.steady_ms()
    problems = [{"part": problem.part, "message": problem.message} for problem in problems_of(receipt)]
    verdict = _verdict(receipt, problems, clock.steady_ms() - begun, list(LEFT_OUT))
    if not output.record(verdict, verdict["digest"]):
        output.line(words(verdict))
        for problem in problems:
            output.say(f"{problem['part']}: {problem['message']}")
        output.say("The bound leaves out:", *(f"- {sentence}" for sentence in LEFT_OUT))
    return Exit.FAILED if problems else Exit.OK


def words(verdict: Record) -> str:
    """What a verdict comes to, in a line."""
    pools = f"checked {verdict['pools']} pools of height {verdict['height']} in {verdict['tookUs'] / 1_000:.1f} ms"
    if not verdict["holds"]:
        count = len(verdict["problems"])
        return f"does not hold: {count} {'problem' if count == 1 else 'problems'}; {pools}"
    sold, got = verdict["inputToken"], verdict["outputToken"]
    if verdict["exact"] == "out":
        said = (
            f"takes {verdict['amountIn']} {sold} for {verdict['amountOut']} {got}, "
            f"no route could take less than {verdict['bound']}"
        )
    else:
        said = f"pays {verdict['amountOut']} {got}, no route could pay more than {verdict['bound']}"
    return f"holds: {said} (gap {verdict['gapBps']} bps); {pools}"


def _content(session: Session, file: str) -> bytes:
    if file == STDIN:
        session.stdin("a receipt")
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise Malformed(f"{file} cannot be read: {error.strerror}.") from error


def _verdict(receipt: "Receipt", problems: list[dict[str, str]], took_ms: float, left_out: list[str]) -> Record:
    """`oee.verdict/1`."""
    from order_engine.messages import gap_bps

    plan, proof = receipt.plan, receipt.proof
    given = plan.token_in if plan.exact == "out" else plan.token_out  # what the bound is of
    return {
        "schema": VERDICT,
        "holds": not problems,
        "problems": problems,
        "exact": plan.exact,
        "inputToken": plan.token_in,
        "outputToken": plan.token_out,
        "amountIn": _amount(plan.amount_in, plan.token_in),
        "amountOut": _amount(plan.amount_out, plan.token_out),
        "bound": _amount(proof.bound, given),
        "gapBps": gap_bps(proof.gap_ppb),
        "pools": len(receipt.states),
        "height": proof.height,
        "digest": proof.digest,
        "leftOut": left_out,
        "tookUs": int(took_ms * 1_000),
    }


def _amount(units: int, token: str) -> str:
    """Base units as whole tokens; of a token that is not known here as they are."""
    from order_engine.amounts import format_amount
    from order_engine.tokens import TOKENS

    return format_amount(units, TOKENS[token].decimals if token in TOKENS else 0)
