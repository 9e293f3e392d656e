"""What lies where in the bytes of an account: fields one after the other, little-endian and without gaps.

A layout is written as "name:type" in the order of the program's own source. Types are u8 to u128, i32 to i128, `key` for an
address, and a number for so many bytes as they are; what is called `_` is of no use here.
"""

import hashlib
import re
from collections.abc import Iterator

from order_engine.venues.simulated.accounts import addresses

_MARK = "mark:8 "  # Anchor begins each account with it
_TYPE = re.compile(r"([ui])([0-9]+)")


class Layout:
    """The fields of one kind of account of a `program`, or of a part of one.

    `size` is in bytes, and accounts of that kind have just as many, or with `size_max` up to so many. An account that is
    `marked` begins with the eight bytes by which Anchor tells kinds apart.
    """

    def __init__(self, name: str, fields: str, program: str = "", marked: bool = True, size_max: int = 0) -> None:
        self.name, self.program = name, program
        self.mark = hashlib.sha256(f"account:{name}".encode()).digest()[:8] if program and marked else b""
        self.places: dict[str, tuple[int, int, bool]] = {}
        at = 0
        for field in ((_MARK if self.mark else "") + fields).split():
            title, kind = field.split(":")
            known = _TYPE.fullmatch(kind)
            length = addresses.ADDRESS_BYTES if kind == "key" else int(known[2]) // 8 if known else int(kind)  # exact
            self.places[title] = at, length, bool(known and known[1] == "i")
            at += length
        self.size = at
        self.size_max = size_max or at

    def fits(self, content: bytes) -> bool:
        """True when these bytes can be such an account."""
        return self.size <= len(content) <= self.size_max and content.startswith(self.mark)

    def each(self, content: bytes) -> Iterator["Fields"]:
        """Such parts one after the other, as many as there are."""
        for at in range(0, len(content) - self.size + 1, self.size):
            yield Fields(self, content, at)


class Fields:
    """The fields of an account, or of a part that begins `at` a byte of it. Numbers are asked for by `fields[name]`."""

    __slots__ = ("_at", "_content", "_places")

    def __init__(self, layout: Layout, content: bytes, at: int = 0) -> None:
        self._places, self._content, self._at = layout.places, content, at

    def __getitem__(self, name: str) -> int:
        at, length, signed = self._places[name]
        at += self._at
        return int.from_bytes(self._content[at : at + length], "little", signed=signed)

    def raw(self, name: str) -> bytes:
        """A field as its bytes."""
        at, length, _ = self._places[name]
        return self._content[self._at + at : self._at + at + length]

    def key(self, name: str) -> str:
        """A field that is an address."""
        return addresses.written(self.raw(name))

    def rest(self, name: str) -> bytes:
        """Everything from this field to the end of the account."""
        return self._content[self._at + self._places[name][0] :]


def bits(content: bytes) -> Iterator[int]:
    """The places of the bits that are set, lowest first."""
    for at, byte in enumerate(content):
        for bit in range(8):
            if byte >> bit & 1:
                yield at * 8 + bit
