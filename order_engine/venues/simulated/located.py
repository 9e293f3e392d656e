"""JSON with the line of every value, and every number as it was written: so that a file can be refused by line and field.

It stands alone because the readers of a language's own library forget both.
"""

import re
from collections.abc import Iterator
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NamedTuple

from order_engine.errors import Malformed

DEPTH_MAX = 32

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
