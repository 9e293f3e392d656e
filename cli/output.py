"""What goes where: stdout is data, stderr is talk. One object decides it for a command, by the flags that every command has.

`--json` prints one record per line, the same bytes on a terminal and in a pipe; `-q` ids only; `--field` one bare value;
without any of them the command words its own answer for people.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from cli.paint import Line, Paint, clean
from order_engine.errors import EngineError, Malformed

Record = dict[str, Any]

# The fields of oee.order/1, for refusing an unknown --field before the order is placed. A test keeps it like messages.py.
ORDER_FIELDS = (
    "schema", "orderId", "clientOrderId", "type", "inputToken", "outputToken", "amount", "slippageBps", "minOutput",
    "maxImpactBps", "status", "settlement", "attempts", "routedDex", "quotedOutput", "amountOut", "executedPrice", "fee",
    "feeToken", "networkFee", "txHash", "lastValidHeight", "height", "error", "errorCode", "retryOf", "createdAt",
    "updatedAt", "endedAt", "seq", "receive", "maxInput", "routing", "quotedInput", "amountIn", "route", "fees", "gapBps",
)  # fmt: skip


def to_json(record: Mapping[str, Any]) -> str:
    """A record on one line. ASCII only: no locale changes it, and no terminal obeys anything in it."""
    return json.dumps(record, separators=(",", ":"))


class Output:
    """How a command prints. The flags set `json`, `quiet`, `field` and `color` before the command runs."""

    def __init__(self) -> None:
        self.json = False
        self.quiet = False
        self.field: str | None = None
        self.color = "auto"
        self.live = False  # every line at once, because somebody follows

    @property
    def human(self) -> bool:
        """True when the answer is worded for people."""
        return not (self.json or self.quiet or self.field)

    def check(self, fields: Iterable[str] | None = None) -> None:
        """Raises Malformed for flags that exclude each other, or a `--field` that is none of `fields`: before anything happens."""
        if sum((self.json, self.quiet, self.field is not None)) > 1:
            raise Malformed("--json, --quiet and --field exclude each other.", hint="Give one of them.")
        if self.field is not None and fields is not None:
            _field_name(self.field, list(fields))

    @property
    def out(self) -> Paint:
        """What stdout can show."""
        return Paint(sys.stdout, self.color)

    @property
    def err(self) -> Paint:
        """What stderr can show."""
        return Paint(sys.stderr, self.color)

    def record(self, record: Mapping[str, Any], id_: object = "") -> bool:
        """Prints the record as `--json`, `-q` or `--field` ask. False, and nothing printed, when people are to read."""
        if self.json:
            self.line(to_json(record))
        elif self.field is not None:
            self.line(bare(record[_field_name(self.field, list(record))]))
        elif self.quiet:
            self.line(clean(str(id_)))
        else:
            return False
        return True

    def line(self, text: str) -> None:
        """One line of data."""
        print(text, flush=self.live)

    def show(self, lines: Iterable[Line], *, cut: bool = True) -> None:
        """Lines for people, on stdout: cut at the edge of a terminal, as tables are, unless they are sentences."""
        paint = self.out
        for line in lines:
            self.line(paint.text(line, cut=cut))

    def say(self, *lines: Line | str, terminal_only: bool = False) -> None:
        """Talk, on stderr: not with --json, whose stderr is for records, and not with --quiet."""
        if self.json or self.quiet or sys.stderr is None:
            return
        paint = self.err
        if terminal_only and not paint.terminal:
            return
        for line in lines:
            print(paint.text([(line, "")] if isinstance(line, str) else line, cut=False), file=sys.stderr)
        sys.stderr.flush()

    def error(self, error: EngineError, **more: object) -> None:
        """An error: words for people, `oee.error/1` with --json, both on stderr."""
        if sys.stderr is None:
            return
        if self.json:
            from order_engine.messages import error_record

            record = error_record(error.code, error.message, hint=error.hint, field=error.field, **more)
            print(to_json(record), file=sys.stderr, flush=True)
            return
        paint = self.err
        lines: list[Line] = [[(text, "")] for text in error.message.split("\n")]
        lines += [[(text, "dim")] for text in (error.hint or "").split("\n") if text]
        for line in lines:
            print(paint.text(line, cut=False), file=sys.stderr)
        sys.stderr.flush()


def field_name(name: str, fields: Iterable[str]) -> str | None:
    """The field that is meant; amount_out is amountOut. None for what is none."""
    first, *rest = name.split("_")
    spellings = (name, first + "".join(word.capitalize() for word in rest))
    return next((spelling for spelling in spellings if spelling in fields), None)


def _field_name(name: str, fields: list[str]) -> str:
    """The field that is meant. Raises Malformed, naming those that are close."""
    if (spelling := field_name(name, fields)) is not None:
        return spelling
    from difflib import get_close_matches

    near = get_close_matches(name, fields, n=3)
    shown = f"Did you mean {', '.join(near)}?" if near else f"Known: {', '.join(fields)}."
    raise Malformed(f"{name[:40]!a} is not a field of this record.", field="--field", hint=shown)


def bare(value: object) -> str:
    """A value of a record as text: nothing for what is absent, anything but text as JSON."""
    if value is None:
        return ""
    return clean(value) if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
