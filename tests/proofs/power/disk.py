"""What a disk may hold after the power was cut: a trace of changes, replayed to any moment, with the unsynced ones at the mercy
of dice.

The model, per file: what was written before its last sync is there; of what came later each change is there or not, whatever
the order, and a torn one only by whole sectors of 512 bytes. Per folder: names that came or went are certain after a sync of
the folder itself, and until then each of them is there or not. (Leave that out, as our first model did, and SQLite is blamed
for a log that "vanished".)
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any, NamedTuple

SECTOR = 512
ACKS = "acks"
_HEAD = struct.Struct("<ciqII")


class Note(NamedTuple):
    """One change, as trace.c noted it."""

    what: str
    fd: int
    at: int
    name: str
    data: bytes


def notes(trace: Path) -> Iterator[Note]:
    """Every change in the order in which it was made."""
    with trace.open("rb") as file:
        while head := file.read(_HEAD.size):
            what, fd, at, name_size, data_size = _HEAD.unpack(head)
            yield Note(what.decode(), fd, at, file.read(name_size).decode(), file.read(data_size))


Change = tuple[int, bytes | None]  # where and what was written; None: the file was made this long


class _File:
    __slots__ = ("durable", "pending")

    def __init__(self) -> None:
        self.durable = bytearray()
        self.pending: list[Change] = []

    def sync(self) -> None:
        for change in self.pending:
            _make(self.durable, change)
        self.pending.clear()

    def after_cut(self, dice: Random) -> bytearray:
        """Its content after a cut, one of the many that there may be."""
        content = bytearray(self.durable)
        if not self.pending:
            return content
        fate = dice.choice(("kept", "dropped", "first", "some", "torn"))
        first = dice.randrange(len(self.pending) + 1)
        share = dice.choice((0.1, 0.5, 0.9))
        for number, change in enumerate(self.pending):
            at, data = change
            match fate:
                case "dropped":
                    break
                case "first" if number >= first:
                    break
                case "some" if dice.random() > share:
                    continue
                case "torn" if data is not None:
                    for start in range(at - at % SECTOR, at + len(data), SECTOR):
                        if dice.random() < share:
                            part = slice(max(start - at, 0), start + SECTOR - at)
                            _make(content, (at + part.start, data[part]))
                    continue
            _make(content, change)
        return content


def _make(content: bytearray, change: Change) -> None:
    at, data = change
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


class Disk:
    """The folder as the process sees it, and what of it is certain. `lying` is a disk whose syncs do nothing."""

    def __init__(self, *, lying: bool = False) -> None:
        self.told: list[dict[str, Any]] = []  # everything that anybody was told so far
        self._lying = lying
        self._open: dict[int, _File | None] = {}  # None: the folder itself
        self._names: dict[str, _File] = {}
        self._certain: dict[str, _File] = {}
        self._pending: list[tuple[str, _File | None]] = []  # None: the name went

    def apply(self, note: Note) -> None:
        """One change more."""
        match note.what:
            case "o":
                if note.name and note.name not in self._names:
                    self._name(note.name, _File())
                self._open[note.fd] = self._names[note.name] if note.name else None
            case "u":
                self._name(note.name, None)
            case "r":
                self._name(note.data.decode(), self._names[note.name])
                self._name(note.name, None)
            case "s":
                self._sync(self._open[note.fd])
            case "w" | "t":
                file = self._open[note.fd]
                assert file is not None, "a folder is not written to"
                if file is self._names.get(ACKS):
                    self.told += map(json.loads, note.data.splitlines())
                else:
                    file.pending.append((note.at, note.data if note.what == "w" else None))

    def _name(self, name: str, file: _File | None) -> None:
        self._pending.append((name, file))
        if file is None:
            del self._names[name]
        else:
            self._names[name] = file

    def _sync(self, file: _File | None) -> None:
        if self._lying:
            return
        if file is not None:
            file.sync()
        else:
            self._certain = dict(self._names)
            self._pending.clear()

    def after_cut(self, dice: Random) -> dict[str, bytearray]:
        """What is found when the power is back: name to content."""
        names = dict(self._certain)
        fate = dice.choice(("kept", "dropped", "some"))
        for name, file in self._pending:
            if fate == "dropped" or (fate == "some" and dice.random() < 0.5):
                continue
            if file is None:
                names.pop(name, None)
            else:
                names[name] = file
        return {name: file.after_cut(dice) for name, file in names.items() if name != ACKS}

    def as_seen(self) -> dict[str, bytearray]:
        """What the process itself would read: every change made."""
        seen: dict[str, bytearray] = {}
        for name, file in self._names.items():
            seen[name] = bytearray(file.durable)
            for change in file.pending:
                _make(seen[name], change)
        return {name: content for name, content in seen.items() if name != ACKS}
