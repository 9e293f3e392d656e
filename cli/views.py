"""How waiting is shown: live on a terminal, one line per change elsewhere, records with --json, ids with -q."""

from collections.abc import Sequence
from typing import Protocol, TextIO

from cli import render
from cli.output import Output, Record
from cli.paint import clean, state_of


class View(Protocol):
    """Whoever shows what happens."""

    def event(self, event: Record) -> None:
        """The next event of one of the orders."""

    def ended(self, order: Record) -> None:
        """The record of an order that need not be waited for any more."""

    def close(self) -> None:
        """Nothing more will come."""


class Silent:
    """For those who only want the end."""

    def event(self, event: Record) -> None:
        """Nothing is shown."""

    def ended(self, order: Record) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing was begun."""


class Changes:
    """One line per change, on stdout: tab-separated for people and awk, the event itself with --json."""

    def __init__(self, output: Output) -> None:
        self._output = output
        output.live = True

    def event(self, event: Record) -> None:
        """The event, unless only ids or fields are wanted."""
        if self._output.json:
            self._output.record(event)
        elif self._output.human:
            self._output.line(change(event))

    def ended(self, order: Record) -> None:
        """The id or the field of the order."""
        if not self._output.json:
            self._output.record(order, order["orderId"])

    def close(self) -> None:
        """Everything is out already."""


def change(event: Record) -> str:
    """One event as a line: time, order, state, what matters."""
    fields = (event["timestamp"], render.short_id(event["orderId"]), state_of(event), render.detail(event))
    return "\t".join(clean(field) for field in fields)


def live(output: Output, orders: Sequence[Record], stream: TextIO) -> View:
    """The live view of these orders on a terminal."""
    from cli.live import Live

    return Live(output, orders, stream)


def for_watch(output: Output, orders: Sequence[Record], stream: TextIO) -> View:
    """The view that suits the flags and the stream."""
    if output.human and output.out.terminal and not output.out.dumb:
        return live(output, orders, stream)
    return Changes(output)
