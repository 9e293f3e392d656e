"""Orders as a file has them: one JSON object per line, or CSV with a header; to the words of the API.

A line that is not understood is an error at its place and never an order. CSV and NDJSON are told apart by the first
character. Amounts stay as they were written, digit for digit.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from order_engine.amounts import InvalidAmount, parse_slippage
from order_engine.errors import Malformed

ALIASES: Mapping[str, str] = {
    "in": "inputToken", "out": "outputToken", "key": "clientOrderId", "min_out": "minOutput", "minOut": "minOutput",
    "max_impact_bps": "maxImpactBps", "slippage_bps": "slippageBps", "client_order_id": "clientOrderId",
    "max_in": "maxInput", "maxIn": "maxInput",
}  # fmt: skip
COLUMNS = (
    "inputToken", "outputToken", "input_token", "output_token", "tokenIn", "tokenOut",
    "amount", "receive", "slippage", "slippageBps", "minOutput", "maxInput", "maxImpactBps", "routing", "clientOrderId",
    "type",
)  # fmt: skip
_WHOLE = ("slippageBps", "maxImpactBps")  # numbers in the API, text in CSV


class Line(NamedTuple):
    """A line of the input, from 1: the order on it, or why there is none."""

    number: int
    order: dict[str, Any] | Malformed


def read(lines: Iterable[str], defaults: Mapping[str, Any]) -> Iterator[Line]:
    """The orders in `lines`, with `defaults` where they are silent.

    Raises Malformed for what is no text, and for CSV whose header or quoting is not understood.
    """
    try:
        yield from _read(lines, defaults)
    except UnicodeDecodeError as error:
        raise Malformed(f"The input is not UTF-8: byte {error.start} is wrong.") from error
    except csv.Error as error:
        raise Malformed(f"The CSV cannot be read: {error}.") from error


def _read(lines: Iterable[str], defaults: Mapping[str, Any]) -> Iterator[Line]:
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    rest = chain([first], numbered)
    is_json = first[1].lstrip().startswith("{")
    for number, order in _json(rest) if is_json else _csv(rest):
        if isinstance(order, Malformed):
            yield Line(number, order)
        else:
            silent = {name: value for name, value in defaults.items() if not _says(order, name)}
            yield Line(number, order | silent)


def _says(order: Mapping[str, Any], name: str) -> bool:
    return name in order or (name == "slippageBps" and "slippage" in order)


def _json(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any] | Malformed]]:
    for number, line in numbered:
        try:
            # Text for what is no whole number: 0.1 is sent on as it stands here, never as the nearest float.
            fields = json.loads(line, object_pairs_hook=_object, parse_float=str, parse_constant=_constant)
            if not isinstance(fields, dict):
                raise Malformed("Not a JSON object.")
            yield number, _slippage(fields, bare_is_fraction=True)
        except Malformed as error:
            yield number, error
        except (ValueError, RecursionError) as error:
            yield number, Malformed(f"Not JSON: {error}.")


def _csv(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any] | Malformed]]:
    number = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, text in numbered:  # noqa: B007 - read by the loop below
            yield text

    rows = csv.reader(texts(), skipinitialspace=True)
    header = [ALIASES.get(name.strip(), name.strip()) for name in next(rows)]
    for name in header:
        if name not in COLUMNS:
            raise Malformed(
                f"{name[:40]!a} is not a column of orders. Nothing was sent.",
                field=ascii(name[:40])[1:-1],
                hint="The first line names the columns, such as: in,out,amount,slippage,key",
            )
    if len(set(header)) < len(header):
        raise Malformed("The header names a column twice. Nothing was sent.")
    for row in rows:
        if len(row) != len(header):
            yield number, Malformed(f"{len(row)} values for {len(header)} columns.")
            continue
        fields = {name: text.strip() for name, text in zip(header, row, strict=True) if text.strip()}
        try:
            for name in _WHOLE:
                if name in fields and fields[name].isascii() and fields[name].isdigit():
                    fields[name] = int(fields[name])  # type: ignore[assignment]
            yield number, _slippage(dict(fields), bare_is_fraction=False)
        except Malformed as error:
            yield number, error


def _slippage(fields: dict[str, Any], *, bare_is_fraction: bool) -> dict[str, Any]:
    """The same fields with a slippage such as 50bps or 0.5% in bps. Without a unit JSON means a fraction, as the API does."""
    text = fields.get("slippage")
    if not isinstance(text, str):
        return fields
    if not text.endswith(("bps", "%")):
        if bare_is_fraction:
            return fields
        raise Malformed(
            f"slippage {text[:40]!a} has no unit.",
            field="slippage",
            hint="Write 50bps or 0.5%, or name the column slippageBps.",
        )
    try:
        bps = parse_slippage(text)
    except InvalidAmount as error:
        raise Malformed(f"slippage: {error}", code="invalid_amount", field="slippage") from error
    return {name: value for name, value in fields.items() if name != "slippage"} | {"slippageBps": bps}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for given, value in pairs:
        name = ALIASES.get(given, given)
        if name in fields:
            raise Malformed(f"{given[:40]!a} is given twice.", field=ascii(given[:40])[1:-1])
        fields[name] = value
    return fields


def _constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON.")
