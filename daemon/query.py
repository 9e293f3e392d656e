"""Query parameters: declared once, and from that declaration both read strictly and described in the OpenAPI document.

As strict as a body: an unknown, repeated, empty or out-of-range parameter is refused by name. A silent default for a
mistyped filter would be a wrong answer that looks right.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from litestar.openapi.spec import Parameter as SpecParameter
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from order_engine.clock import SystemClock
from order_engine.errors import Malformed
from order_engine.orders import OPEN, Status
from order_engine.requests import read_key, refuse_unknown
from order_engine.tokens import resolve

PARAMETERS_MAX = 32

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DIGITS = re.compile(r"[0-9]{1,18}")
_CLOCK = SystemClock()


class Parameter(NamedTuple):
    """One query parameter: how its text is read (raising Malformed) and how OpenAPI describes it."""

    read: Callable[[str, str], Any]  # text, name of the parameter
    schema: Schema
    description: str
    required: bool = False

    def described(self, name: str) -> SpecParameter:
        """The same parameter in the OpenAPI document."""
        return SpecParameter(
            name=name, param_in="query", schema=self.schema, description=self.description, required=self.required
        )


Query = Mapping[str, Parameter]


def read_query(query_string: bytes, query: Query) -> dict[str, Any]:
    """The parameters that were given, read. Raises Malformed with `field` for anything that `query` does not foresee."""
    given = read_pairs(query_string)
    refuse_unknown(given, tuple(query), "parameter")
    for name, parameter in query.items():
        if parameter.required and name not in given:
            raise Malformed(f"{name} is missing.", field=name)
    return {name: query[name].read(text, name) for name, text in given.items()}


def read_pairs(query_string: bytes) -> dict[str, str]:
    """Name and text of each parameter, each given once. Raises Malformed."""
    if not query_string:
        return {}
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
        )
    except ValueError as error:  # not ASCII, not UTF-8 behind the percent signs, or too many
        raise Malformed(f"The query string is not understood: {type(error).__name__}.") from error
    given: dict[str, str] = {}
    for name, text in pairs:
        if name in given:
            raise Malformed(f"{name[:60]!a} is given twice.", field=ascii(name[:60])[1:-1])
        given[name] = text
    return given


def read_time(text: str, name: str) -> int:
    """Unix milliseconds from an RFC 3339 time, or from a duration back from now such as 1h. Raises Malformed."""
    if match := _DURATION.fullmatch(text):
        return max(_CLOCK.now_ms() - int(match[1]) * _UNITS_MS[match[2]], 0)
    try:
        if _TIME.fullmatch(text):
            return max(int(datetime.fromisoformat(text.upper()).timestamp() * 1_000), 0)
    except (ValueError, OverflowError) as error:  # a 30th of February
        raise Malformed(f"{name} {text} is not a time: {error}.", field=name) from error
    raise Malformed(
        f"{name} {text[:40]!a} is neither a time such as 2026-11-20T09:41:03Z nor a duration back such as 1h, 30m or 2d.",
        field=name,
    )


def read_pair(text: str, name: str) -> tuple[str, str]:
    """Two different tokens from A/B. Raises Malformed or UnknownToken."""
    first, slash, second = text.partition("/")
    if not slash or "/" in second:
        raise Malformed(f"{name} {text[:40]!a} is not a pair such as SOL/USDC.", field=name)
    pair = resolve(first, name).symbol, resolve(second, name).symbol
    if pair[0] == pair[1]:
        raise Malformed(f"{name}: both are {pair[0]}.", code="same_token", field=name)
    return pair


def read_statuses(text: str, name: str) -> tuple[Status, ...]:
    """Statuses from a comma list, in which `open` means all that are not final. Raises Malformed."""
    found: dict[Status, None] = {}
    for word in text.split(","):
        if word == "open":
            found |= dict.fromkeys(OPEN)
        elif word in _STATUSES:
            found[Status(word)] = None
        else:
            known = ", ".join((*_STATUSES, "open"))
            raise Malformed(f"{name} {word[:40]!a} is not a status. Known: {known}.", field=name)
    return tuple(found)


def read_switch(text: str, name: str) -> bool:
    """True or false. Raises Malformed."""
    if text not in ("true", "false"):
        raise Malformed(f"{name} {text[:40]!a} is not true or false.", field=name)
    return text == "true"


def number(low: int, high: int, description: str, default: int | None = None) -> Parameter:
    """A whole number from `low` to `high`."""

    def read(text: str, name: str) -> int:
        value = int(text) if _DIGITS.fullmatch(text) else -1
        if not low <= value <= high:
            raise Malformed(f"{name} {text[:40]!a} is not a whole number from {low} to {high}.", field=name)
        return value

    return Parameter(read, Schema(type=OpenAPIType.INTEGER, minimum=low, maximum=high, default=default), description)


def matching(pattern: str, what: str, description: str) -> Parameter:
    """Text that matches a pattern, in any case; read in lower case."""
    compiled = re.compile(pattern)

    def read(text: str, name: str) -> str:
        if compiled.fullmatch(text.lower()) is None:
            raise Malformed(f"{name} {text[:40]!a} is not {what}.", field=name)
        return text.lower()

    return Parameter(read, Schema(type=OpenAPIType.STRING, pattern=f"^{pattern}$"), description)


_STATUSES = tuple(status.value for status in Status)
_WORD = f"({'|'.join((*_STATUSES, 'open'))})"
_TIMES = [
    Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
    Schema(type=OpenAPIType.STRING, pattern="^[0-9]{1,9}(ms|s|m|h|d|w)$"),
]

SEQ_MAX = 10**15


class Since(NamedTuple):
    """A place in the log: after this event, or at this wall time."""

    seq: int | None = None
    at_ms: int | None = None


def read_since(text: str, name: str) -> Since:
    """A seq, a time or a duration back. Raises Malformed."""
    if text.isascii() and text.isdigit():
        return Since(seq=_seq(text, name))
    return Since(at_ms=read_time(text, name))


_seq = number(0, SEQ_MAX, "").read

PLACE = Parameter(
    read_since,
    Schema(one_of=[Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=SEQ_MAX), *_TIMES]),
    "After this event, or not before this time, or not longer ago than this duration (1h, 30m, 2d). Default: 0.",
)
SINCE = Parameter(
    read_time, Schema(one_of=_TIMES), "Not before this time, or not longer ago than this duration (1h, 30m, 2d)."
)
PAIR = Parameter(
    read_pair,
    Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9]+/[A-Za-z0-9]+$"),
    "Two tokens as A/B, in either direction.",
)
STATUS = Parameter(
    read_statuses,
    Schema(type=OpenAPIType.STRING, pattern=f"^{_WORD}(,{_WORD})*$"),
    "Statuses, separated by commas; `open` is every one that is not final.",
)
SWITCH = Schema(type=OpenAPIType.BOOLEAN, default=False)
KEY = Parameter(
    read_key,
    Schema(type=OpenAPIType.STRING, pattern="^[!-~]{1,128}$"),
    "The client order id.",
)
