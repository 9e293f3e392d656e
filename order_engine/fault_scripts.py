"""Outside words to faults: one of them from the fields of a request, or all of a TOML or JSON file.

It stands beside `requests`, whose strictness it shares: an unknown kind or field, a number out of its range or a field that
says nothing to this kind is refused by name, and nothing is changed.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from order_engine.errors import EngineError, Malformed
from order_engine.orders import Status
from order_engine.requests import Fields, Number, read_json, read_key, refuse_unknown, whole_number
from order_engine.settings import ConfigError
from order_engine.tokens import resolve
from order_engine.venues.simulated.faults import KINDS, Fault, Script

SLOTS_MAX = 10_000
MS_MAX = 600_000
TIMES_MAX = 1_000_000
FOR_MS_MAX = 86_400_000
PPM_MAX = 1_000_000

STATES = (*(status.value for status in Status), "unknown")  # where a daemon can be made to crash
CODES = (  # that a transaction can be made to land with
    "transaction_rejected",
    "slippage_exceeded",
    "insufficient_balance",
    "price_impact_too_high",
    "no_route",
    "venue_unavailable",
)

_ADDRESS = ("key", "pattern", "pair", "venue", "pool")
_LIMITS = ("times", "forMs")
_OF_KIND = tuple(field for field in KINDS.values() if field is not None)
FIELDS = ("kind", *_ADDRESS, *_LIMITS, *_OF_KIND)

_PPM = re.compile(r"-?[1-9][0-9]{0,6}")


def read_fault(fields: Fields) -> Fault:
    """The fault that these fields describe. Raises Malformed or UnknownToken, with `field`, for anything that is not understood."""
    refuse_unknown(fields, FIELDS)
    kind = _kind(fields.get("kind"))
    for name in (*_OF_KIND, *_ADDRESS, *_LIMITS):
        if fields.get(name) is not None and not _says_something(name, kind):
            raise Malformed(f"{name} says nothing to {kind}.", field=name, hint="See: oee sim fault add --help")
    needed = KINDS[kind]
    if needed is not None and fields.get(needed) is None:
        raise Malformed(f"{kind} needs {needed}.", field=needed)
    key, pattern = (None if (text := fields.get(name)) is None else read_key(text, name) for name in ("key", "pattern"))
    if key is not None and pattern is not None:
        raise Malformed("key and pattern say the same thing. Give one of them.", field="pattern")
    if kind == "price-step" and fields.get("pair") is None and fields.get("pool") is None:
        raise Malformed("price-step needs a pair or a pool.", field="pair")
    times = whole_number(fields, "times", 1, TIMES_MAX)
    return Fault(
        kind=kind,
        key=key,
        pattern=pattern,
        pair=_pair(fields.get("pair")),
        venue=_text(fields, "venue"),
        pool=_text(fields, "pool"),
        times=1 if kind == "crash" and times is None else times,
        for_ms=whole_number(fields, "forMs", 1, FOR_MS_MAX),
        slots=whole_number(fields, "slots", 1, SLOTS_MAX),
        code=_one_of(fields, "code", CODES),
        ms=whole_number(fields, "ms", 1, MS_MAX),
        ppm=_ppm(fields.get("ppm")),
        at=_one_of(fields, "at", STATES),
    )


def load_faults(path: Path, script: Script) -> None:
    """Arms the faults of a file: `[[faults]]` tables in TOML, a list under "faults" in JSON. Raises ConfigError."""
    try:
        for number, fields in enumerate(_entries(path), 1):
            try:
                script.add(read_fault(fields))
            except EngineError as error:
                raise ConfigError(f"{path}: fault {number}: {error.message}") from error
    except OSError as error:
        raise ConfigError(f"{path}: the faults cannot be read: {error.strerror}") from error


def _entries(path: Path) -> list[Fields]:
    try:
        content = tomllib.loads(path.read_text("utf-8")) if path.suffix == ".toml" else read_json(path.read_bytes())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except Malformed as error:
        raise ConfigError(
            f"{path}: {error.message} (a name that ends in .toml is read as TOML, any other as JSON)"
        ) from error
    entries = content.get("faults")
    if set(content) != {"faults"} or type(entries) is not list or any(type(entry) is not dict for entry in entries):
        raise ConfigError(
            f"{path}: not a list of faults. TOML: [[faults]] before each; JSON: an object with a list, faults"
        )
    return [_numbers(entry) for entry in entries]


def _numbers(entry: Mapping[str, Any]) -> Fields:
    """The same fields with numbers as `requests` reads them."""
    return {name: Number(value) if type(value) in (int, float) else value for name, value in entry.items()}


def _says_something(name: str, kind: str) -> bool:
    if name in _OF_KIND:
        return KINDS[kind] == name
    if name == "pool":
        return kind == "price-step"
    return kind != "price-step" or name in ("pair", "venue")


def _kind(value: object) -> str:
    if value is None:
        raise Malformed(f"kind is missing. Known: {', '.join(KINDS)}.", field="kind")
    if type(value) is not str or value not in KINDS:
        shown = value[:40] if type(value) is str else "…"
        near = get_close_matches(shown, KINDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(KINDS)}."
        raise Malformed(f"{shown!a} is not a kind of fault. {hint}", field="kind")
    return value


def _one_of(fields: Fields, name: str, known: tuple[str, ...]) -> str | None:
    text = _text(fields, name)
    if text is not None and text not in known:
        near = get_close_matches(text[:40], known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."
        raise Malformed(f"{name} {text[:40]!a} is not known. {hint}", field=name)
    return text


def _text(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise Malformed(f"{name} is not text.", field=name)
    return value


def _pair(value: object) -> tuple[str, str] | None:
    if value is None:
        return None
    first, slash, second = value.partition("/") if type(value) is str else ("", "", "")
    if not slash or "/" in second:
        shown = value[:40] if type(value) is str else "…"
        raise Malformed(f"pair {shown!a} is not a pair such as SOL/USDC.", field="pair")
    pair = resolve(first, "pair").symbol, resolve(second, "pair").symbol
    if pair[0] == pair[1]:
        raise Malformed(f"pair: both are {pair[0]}.", code="same_token", field="pair")
    return pair


def _ppm(value: object) -> int | None:
    if value is None:
        return None
    match = _PPM.fullmatch(value) if type(value) is Number else None
    if match is None or abs(int(match[0])) > PPM_MAX:
        shown = value[:40] if isinstance(value, str) else "…"
        raise Malformed(
            f"ppm {shown} is not a whole number from -{PPM_MAX} to {PPM_MAX} other than 0.",
            code="invalid_amount",
            field="ppm",
        )
    return int(match[0])
