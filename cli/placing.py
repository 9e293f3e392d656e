"""Placing many orders, and waiting for their outcomes while more of them arrive.

With waiting, three things go on at once: the input arrives, orders are placed, outcomes come in. Two threads report to one
queue; everything that is decided or printed happens in the thread that reads it.
"""

import queue
import threading
from collections.abc import Callable, Iterator

from cli import batch_input, render
from cli.exits import Exit, of_code, of_order, worst
from cli.output import Record, to_json
from cli.session import DETACHED, Session
from cli.story import FINAL
from cli.waiting import explain_open
from order_engine.clock import SystemClock
from order_engine.errors import Malformed
from order_engine.messages import ERROR, error_record

WAITING_MAX = 64  # pieces of news: an input that is faster than the daemon has to wait

News = (
    list[batch_input.Line] | Record | Exception | None
)  # orders that arrived, an end, a failure, the end of the input

_CLOCK = SystemClock()


class Placing:
    """The placing of orders and, where that is wanted, the waiting for them.

    With `parallel` no more than so many are open at once; with `stop_on_error` nothing is placed after the first line that is
    refused or, with waiting, ends other than confirmed.
    """

    def __init__(
        self, session: Session, timeout_ms: int | None, *, parallel: int | None = None, stop_on_error: bool = False
    ) -> None:
        self._session = session
        self._parallel = parallel
        self._room = None if parallel is None else threading.Semaphore(parallel)
        self._stop_on_error = stop_on_error
        self._stopped_at: int | None = None  # the line after which nothing more was placed
        self._last = 0  # the line that was placed or refused last
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
        for block in source if not self._stop_on_error else _one_by_one(source):
            self._place(block)
            if self._stopped_at is not None:
                break
        self._sum_up()
        return worst(self._exits)

    def _run_waiting(self, source: Iterator[list[batch_input.Line]]) -> Exit:
        news: queue.Queue[News] = queue.Queue(maxsize=WAITING_MAX)
        seq = self._session.client.status()["seq"]  # before the first order, so that no end is missed
        _in_background(lambda: self._feed(source, news), news)
        _in_background(lambda: _follow(self._session, seq, news), news)
        deadline: float | None = None  # begins with the end of the input
        try:
            while deadline is None or self._open:
                try:
                    item = news.get(timeout=self._patience_s(deadline))
                except queue.Empty:
                    if deadline is None:
                        self._stopped_at = self._last
                        self._sum_up()
                    break
                if item is None:
                    self._sum_up()
                    deadline = _CLOCK.steady_ms() + self._timeout_ms
                elif isinstance(item, Exception):
                    raise item
                elif isinstance(item, list):
                    if self._stopped_at is None:
                        self._place(item)
                elif item["orderId"] in self._open:
                    self._ended(self._session.client.order(item["orderId"]))
        except KeyboardInterrupt:
            self._output.say(DETACHED)
            return Exit.INTERRUPTED
        for order_id in list(self._open):
            order = self._session.client.order(order_id)
            self._ended(order)
            explain_open(self._session, [order], self._timeout_ms)
        return worst(self._exits)

    def _patience_s(self, deadline: float | None) -> float | None:
        """How long to wait for news: for the next line as long as it takes, but not for room for it."""
        if deadline is not None:
            return max(deadline - _CLOCK.steady_ms(), 0) / 1_000
        full = self._parallel is not None and len(self._open) >= self._parallel
        return self._timeout_ms / 1_000 if full else None

    def _place(self, block: list[batch_input.Line]) -> None:
        answers = self._session.client.batch([line.order for line in block if not isinstance(line.order, Malformed)])
        for number, order in block:
            self._last = number
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
        if order["orderId"] in self._open:  # the same key, twice in this batch
            self._make_room()
        self._open[order["orderId"]] = order
        if order["status"] in FINAL:  # the same key, again
            self._ended(order)

    def _no(self, error: Record) -> None:
        self._refused += 1
        self._exits.append(of_code(error["code"]))
        self._make_room(stop=self._stop_on_error)
        if self._output.json:
            self._output.line(to_json(error))
        else:
            self._output.say(f"line {error['line']}: {error['message']}")

    def _ended(self, order: Record) -> None:
        del self._open[order["orderId"]]
        self._exits.append(of_order(order))
        self._make_room(stop=self._stop_on_error and order["status"] != "confirmed")
        if self._output.quiet or self._output.record(order):
            return
        self._output.show([render.outcome_line(order, self._output.out)], cut=False)

    def _make_room(self, *, stop: bool = False) -> None:
        """Lets the next line come; with `stop` it comes in vain."""
        if stop and self._stopped_at is None:
            self._stopped_at = self._last
        if self._room is not None:
            self._room.release()

    def _feed(self, source: Iterator[list[batch_input.Line]], news: "queue.Queue[News]") -> None:
        """In a thread of its own: the input, as it arrives and as there is room for it."""
        for block in source if self._room is None else _one_by_one(source):
            if self._room is not None:
                self._room.acquire()
            if self._stopped_at is not None:
                break
            news.put(block)
        news.put(None)

    def _sum_up(self) -> None:
        refused = f", {self._refused} refused" if self._refused else ""
        self._output.say(f"{self._accepted} accepted{refused}.")
        if self._stopped_at is not None:
            self._output.say(f"Stopped: nothing after line {self._stopped_at} was sent.")


def _in_background(work: Callable[[], None], news: "queue.Queue[News]") -> None:
    def run() -> None:
        try:
            work()
        except Exception as error:
            news.put(error)

    threading.Thread(target=run, daemon=True).start()


def _one_by_one(source: Iterator[list[batch_input.Line]]) -> Iterator[list[batch_input.Line]]:
    return ([line] for block in source for line in block)


def _follow(session: Session, seq: int, news: "queue.Queue[News]") -> None:
    client = session.client_for(autostart=False)  # its own: a client is for one thread
    for event in client.follow(None, seq):
        if event["status"] in FINAL:
            news.put(event)
