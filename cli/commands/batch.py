"""`oee batch`: many orders through one connection, each answered on its own."""

import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TextIO

import typer

from cli import batch_input, bps, durations
from cli.exits import Exit
from cli.output import ORDER_FIELDS, Record
from cli.placing import Placing
from cli.session import Session
from cli.waiting import DEFAULT_TIMEOUT
from order_engine.errors import Malformed, NotFound

BLOCK = 500
STDIN = "-"


def batch(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="NDJSON, or CSV with a header; - is standard input.")],
    slippage: Annotated[
        str | None, typer.Option("--slippage", metavar="LIMIT", help="For lines that name none: 50bps or 0.5%.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcomes; print each order as it ends.")] = False,
    timeout: Annotated[
        str,
        typer.Option("--timeout", metavar="SPAN", help="How long to wait after the last line, or for room: 30s, 2m."),
    ] = DEFAULT_TIMEOUT,
    parallel: Annotated[
        int | None, typer.Option("--parallel", metavar="N", min=1, help="With --wait: no more than N open at once.")
    ] = None,
    stop_on_error: Annotated[
        bool,
        typer.Option(
            "--stop-on-error", help="Send nothing after a line that is refused or, with --wait, not confirmed."
        ),
    ] = False,
) -> Exit:
    """Place many orders from NDJSON or CSV.

    \b
      oee batch orders.csv --wait --json > results.ndjson      # in,out,amount,slippage,key
      python bot.py | oee batch - --wait --json
      oee batch slices.csv --wait --stop-on-error
      echo '{"in":"SOL","out":"USDC","amount":"0.1"}' | oee batch -
      echo '{"in":"SOL","out":"USDC","receive":"20","maxInput":"0.2"}' | oee batch -

    Every line is answered: by its order, or by an error that names the line and leaves the others alone. Exits by the
    worst. A file is read whole before anything is sent; standard input is sent as it arrives. With --wait and
    --stop-on-error one order goes at a time, unless --parallel allows more.
    """
    session = Session.of(context)
    session.output.check(ORDER_FIELDS)
    if parallel is not None and not wait:
        raise Malformed("--parallel goes with --wait: without it nobody knows how many are open.", field="--parallel")
    if stop_on_error and wait:
        parallel = parallel or 1
    limit_bps = bps.read(slippage, "--slippage")
    defaults = {} if limit_bps is None else {"slippageBps": limit_bps}
    timeout_ms = durations.read(timeout, "--timeout") if wait else None
    with ExitStack() as files:
        source: Iterator[list[batch_input.Line]] | None = None
        if file != STDIN:
            lines = files.enter_context(_open(file))
            source = iter([list(batch_input.read(lines, defaults))])
        else:
            source = _arriving(session.stdin("orders"), defaults)
        return Placing(session, timeout_ms, parallel=parallel, stop_on_error=stop_on_error).run(source)


def _open(file: str) -> TextIO:
    try:
        return Path(file).open(encoding="utf-8-sig", newline="")
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise Malformed(f"{file} cannot be read: {error.strerror}.") from error


def _arriving(stream: TextIO, defaults: Record) -> Iterator[list[batch_input.Line]]:
    """Blocks of what has arrived: one line where they come slowly, many where they come fast."""
    arrived: queue.Queue[batch_input.Line | Exception | None] = queue.Queue(maxsize=2 * BLOCK)

    def read() -> None:
        try:
            for line in batch_input.read(stream, defaults):
                arrived.put(line)
        except Exception as error:
            arrived.put(error)
        else:
            arrived.put(None)

    threading.Thread(target=read, name="input", daemon=True).start()
    while True:
        block: list[batch_input.Line] = []
        item = arrived.get()
        while isinstance(item, batch_input.Line):
            block.append(item)
            if len(block) == BLOCK or arrived.empty():
                break
            item = arrived.get_nowait()
        if block:
            yield block
        if isinstance(item, Exception):
            raise item
        if item is None:
            return
