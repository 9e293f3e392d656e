"""JSON with the line of every value, and every number as it was written: so that a file can be refused by line and field.

It stands alone because the readers of a language's own library forget both. A `Record` is an object of such a file whose
fields are asked for one by one, each refused by its own line where it does not say what is needed.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NamedTuple

from order_engine.amounts import U64_MAX
from order_engine.errors import Malformed
from order_engine.tokens import Token, resolve

DEPTH_MAX = 32

_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_WORDS = {"true": True, "false": False, "null": None}


class Digits(str):
    """A number, with its digits as they were written."""

    __slots__ = ()


class Value(NamedTuple):
    """What stands in a file: text, Digits, True, False, None, a list or a dict of Values; and where."""

    content: "str | bool | list[Value] | dict[str, Value] | None"
    line: int


class Record(NamedTuple):
    """An object of the file, and where it is."""

    fields: Mapping[str, Value]
    line: int
    place: str

    def get(self, path: str) -> Value:
        """The value of this field, which must be there and say something."""
        value: Value = Value(dict(self.fields), self.line)
        for name in path.split("."):
            inner = value.content
            if not isinstance(inner, dict) or name not in inner or inner[name].content is None:
                raise Malformed(
                    f"line {value.line}: {self.place}{path} is missing. Nothing was changed.", field=self.place + path
                )
            value = inner[name]
        return value

    def has(self, path: str) -> bool:
        """True when this field is there and says something."""
        try:
            self.get(path)
        except Malformed:
            return False
        return True

    def wrong(self, why: str, path: str = "") -> Malformed:
        """The refusal of a field, or of the record as a whole."""
        line = self.get(path).line if path and self.has(path) else self.line
        field = (self.place + path).rstrip(".") or f"line {line}"
        return Malformed(
            f"line {line}: {f'{self.place}{path}: ' if path else ''}{why}. Nothing was changed.", field=field
        )

    def text(self, path: str) -> str:
        """A field that is text."""
        content = self.get(path).content
        if not isinstance(content, str) or isinstance(content, Digits):
            raise self.wrong("text is needed", path)
        return content

    def number(self, path: str) -> Decimal:
        """A field that is a number above zero or zero, or such a number as text: exactly."""
        content = self.get(path).content
        if isinstance(content, str) and re.fullmatch(r"[0-9]{1,40}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?", content):
            return Decimal(content)
        raise self.wrong("a number of at least zero is needed", path)

    def whole(self, path: str, low: int, high: int, times: int = 1) -> int:
        """A field times `times`, which must be whole and between `low` and `high`."""
        with localcontext(prec=120):
            value = self.number(path) * times
            if value != value.to_integral_value() or not low <= value <= high:
                unit = f" (times {times})" if times != 1 else ""
                raise self.wrong(f"a whole number{unit} from {low} to {high} is needed", path)
            return int(value)

    def units(self, path: str, token: Token | None = None) -> int:
        """An amount above zero in base units; of whole tokens where a token is given, rounded down."""
        with localcontext(prec=120):
            value = int(self.number(path) * 10 ** (token.decimals if token else 0))
        if not 0 < value <= U64_MAX:
            raise self.wrong("an amount above zero that fits 64 bits is needed", path)
        return value

    def token(self, path: str) -> Token:
        """A token of our list, by symbol or mint."""
        text = self.text(path)
        try:
            return resolve(text)
        except Malformed as error:
            raise self.wrong(f"{text[:44]!a} is not a known token", path) from error

    def address(self, path: str) -> str:
        """The address of a pool."""
        text = self.text(path)
        if _ADDRESS.fullmatch(text) is None:
            raise self.wrong(f"{text[:60]!a} is not an address", path)
        return text

    def price(self, path: str, a: Token, b: Token) -> tuple[int, int]:
        """Whole B per whole A as an exact ratio of base units."""
        with localcontext(prec=120):
            numerator, denominator = self.number(path).as_integer_ratio()
        if numerator == 0:
            raise self.wrong("a price above zero is needed", path)
        return numerator * 10**b.decimals, denominator * 10**a.decimals


def read_located(text: str) -> list[Value]:
    """All JSON values of a text, one after the other (a document, or NDJSON). Raises Malformed with the line."""
    found: list[Value] = []
    reader = _Reader(text)
    while reader.more():
        found.append(reader.value(0))
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = 0
        self._line = 1

    def more(self) -> bool:
        """True when something follows that is not space."""
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing at least
        return self._at < len(self._text)

    def value(self, depth: int) -> Value:
        """The value that begins here."""
        if depth > DEPTH_MAX:
            raise self._wrong(f"more than {DEPTH_MAX} levels deep")
        self.more()
        line = self._here()
        match self._text[self._at : self._at + 1]:
            case "{":
                return Value(dict(self._members(depth)), line)
            case "[":
                return Value(list(self._items(depth)), line)
            case '"':
                return Value(self._string(), line)
        for word, meaning in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return Value(meaning, line)
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._wrong("not valid JSON")
        self._at = number.end()
        return Value(Digits(number[0]), line)

    def _members(self, depth: int) -> Iterator[tuple[str, Value]]:
        names: set[str] = set()
        for _ in self._separated("}"):
            if self._text[self._at : self._at + 1] != '"':
                raise self._wrong("not valid JSON: a name is missing")
            name = self._string()
            if name in names:
                raise self._wrong(f"{name[:40]!a} is there twice")
            names.add(name)
            self.more()
            self._take(":")
            yield name, self.value(depth + 1)

    def _items(self, depth: int) -> Iterator[Value]:
        for _ in self._separated("]"):
            yield self.value(depth + 1)

    def _separated(self, end: str) -> Iterator[None]:
        """Stops before each thing between here and `end`."""
        self._at += 1
        self.more()
        if self._text.startswith(end, self._at):
            self._at += 1
            return
        while True:
            yield
            self.more()
            if self._text.startswith(end, self._at):
                self._at += 1
                return
            self._take(",")
            self.more()

    def _take(self, mark: str) -> None:
        if not self._text.startswith(mark, self._at):
            raise self._wrong(f"not valid JSON: {mark} is missing")
        self._at += 1

    def _string(self) -> str:
        try:
            text, self._at = scanstring(self._text, self._at + 1, True)
        except JSONDecodeError as error:
            raise self._wrong(f"not valid JSON: {error.msg}") from error
        return str(text)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _wrong(self, why: str) -> Malformed:
        line = self._here()
        return Malformed(f"line {line}: {why}. Nothing was changed.", field=f"line {line}")
