"""`oee batch`: many orders through one connection, each answered on its own."""

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TextIO

import typer

from cli import batch_input, bps, durations, render
from cli.exits import Exit, of_code, of_order, worst
from cli.output import ORDER_FIELDS, Record, to_json
from cli.session import Session
from cli.waiting import DEFAULT_TIMEOUT, FINAL, explain_open
from order_engine.clock import SystemClock
from order_engine.errors import Malformed, NotFound
from order_engine.messages import ERROR, error_record

BLOCK = 500
STDIN = "-"
_CLOCK = SystemClock()

News = (
    list[batch_input.Line] | Record | Exception | None
)  # orders that arrived, an event, a failure, the end of the input


def batch(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="NDJSON, or CSV with a header; - is standard input.")],
    slippage: Annotated[
        str | None, typer.Option("--slippage", metavar="LIMIT", help="For lines that name none: 50bps or 0.5%.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcomes; print each order as it ends.")] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="How long to wait after the last line: 30s, 2m.")
    ] = DEFAULT_TIMEOUT,
) -> Exit:
    """Place many orders from NDJSON or CSV.

    \b
      oee batch orders.csv --wait --json > results.ndjson      # in,out,amount,slippage,key
      python bot.py | oee batch - --wait --json
      echo '{"in":"SOL","out":"USDC","amount":"0.1"}' | oee batch -

    Every line is answered: by its order, or by an error that names the line and leaves the others alone. Exits by the
    worst. A file is read whole before anything is sent; standard input is sent as it arrives.
    """
    session = Session.of(context)
    session.output.check(ORDER_FIELDS)
    limit_bps = bps.read(slippage, "--slippage")
    defaults = {} if limit_bps is None else {"slippageBps": limit_bps}
    timeout_ms = durations.read(timeout, "--timeout") if wait else None
    with ExitStack() as files:
        source: Iterator[list[batch_input.Line]] | None = None
        if file != STDIN:
            lines = files.enter_context(_open(file))
            source = iter([list(batch_input.read(lines, defaults))])
        elif session.stdin_is_terminal and session.no_input:
            raise Malformed("Standard input is a terminal, and --no-input is set.", hint="Pipe the orders in.")
        else:
            source = _arriving(sys.stdin, defaults)
        return _Batch(session, timeout_ms).run(source)


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


class _Batch:
    """The placing of orders and, where that is wanted, the waiting for them."""

    def __init__(self, session: Session, timeout_ms: int | None) -> None:
        self._session = session
        self._output = session.output
        self._waits = timeout_ms is not None
        self._timeout_ms = timeout_ms or 0
        self._open: dict[str, Record] = {}
        self._exits: list[Exit] = []
        self._accepted = self._refused = 0
        self._output.live = True

    def run(self, source: Iterator[list[batch_input.Line]]) -> Exit:
        """Places everything that comes; with waiting, returns when all of it is over or the time is up."""
        if self._waits:
            return self._run_waiting(source)
        for block in source:
            self._place(block)
        self._sum_up()
        return worst(self._exits)

    def _run_waiting(self, source: Iterator[list[batch_input.Line]]) -> Exit:
        news: queue.SimpleQueue[News] = queue.SimpleQueue()
        seq = self._session.client.status()["seq"]  # before the first order, so that no end is missed
        _in_background(lambda: _feed(source, news), news)
        _in_background(lambda: _follow(self._session, seq, news), news)
        deadline: float | None = None  # begins with the end of the input
        try:
            while deadline is None or self._open:
                try:
                    item = news.get(timeout=None if deadline is None else max(deadline - _CLOCK.steady_ms(), 0) / 1_000)
                except queue.Empty:
                    break
                if item is None:
                    self._sum_up()
                    deadline = _CLOCK.steady_ms() + self._timeout_ms
                elif isinstance(item, Exception):
                    raise item
                elif isinstance(item, list):
                    self._place(item)
                elif item["orderId"] in self._open:
                    self._ended(self._session.client.order(item["orderId"]))
        except KeyboardInterrupt:
            self._output.say("Detached. The orders go on. Reattach: oee watch")
            return Exit.INTERRUPTED
        for order_id in list(self._open):
            order = self._session.client.order(order_id)
            self._ended(order)
            explain_open(self._session, [order], self._timeout_ms)
        return worst(self._exits)

    def _place(self, block: list[batch_input.Line]) -> None:
        answers = self._session.client.batch([line.order for line in block if not isinstance(line.order, Malformed)])
        for number, order in block:
            if isinstance(order, Malformed):
                record = error_record(order.code, order.message, hint=order.hint, field=order.field, line=number)
            else:
                record = next(answers)
            if record["schema"] == ERROR:
                self._no(record | {"line": number})
            else:
                self._yes(record)

    def _yes(self, order: Record) -> None:
        self._accepted += 1
        if not self._waits:
            if not self._output.record(order, order["orderId"]):
                self._output.line(order["orderId"])
            return
        if self._output.quiet:
            self._output.line(order["orderId"])
        self._open[order["orderId"]] = order
        if order["status"] in FINAL:  # the same key, again
            self._ended(order)

    def _no(self, error: Record) -> None:
        self._refused += 1
        self._exits.append(of_code(error["code"]))
        if self._output.json:
            self._output.line(to_json(error))
        else:
            self._output.say(f"line {error['line']}: {error['message']}")

    def _ended(self, order: Record) -> None:
        del self._open[order["orderId"]]
        self._exits.append(of_order(order))
        if self._output.quiet or self._output.record(order):
            return
        first, *more = render.outcome(order, self._output.out)
        self._output.show([[(f"{render.short_id(order['orderId'])}  ", ""), *first], *more], cut=False)

    def _sum_up(self) -> None:
        refused = f", {self._refused} refused" if self._refused else ""
        self._output.say(f"{self._accepted} accepted{refused}.")


def _in_background(work: Callable[[], None], news: "queue.SimpleQueue[News]") -> None:
    def run() -> None:
        try:
            work()
        except Exception as error:
            news.put(error)

    threading.Thread(target=run, daemon=True).start()


def _feed(source: Iterator[list[batch_input.Line]], news: "queue.SimpleQueue[News]") -> None:
    for block in source:
        news.put(block)
    news.put(None)


def _follow(session: Session, seq: int, news: "queue.SimpleQueue[News]") -> None:
    client = session.client_for(autostart=False)  # its own: a client is for one thread
    for event in client.follow(None, seq):
        if event["status"] in FINAL:
            news.put(event)
