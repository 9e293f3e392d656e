"""Whether the journal is what was written: SQLite guards the shape of its file, but not one byte of what is in it.

A page that a disk gave back with one bit changed is read by SQLite like any other. So the log has a sum for each event, and
every order must be exactly what its events make of it. And SQLite takes a log (the -wal file) that is damaged in the middle
for one that ends there, and one that is missing for one that was empty; both would take back what had been promised.
"""

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from msgspec import to_builtins
from msgspec.structs import replace

from order_engine.database import SMALL_BYTES
from order_engine.events import Event
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import OPEN, Order

NEWEST = 5_000  # events that are looked at in a file that is too large to look at all of them

NOTHING_MISSING = "UPDATE daemon SET running = 0"

_LOG_HEADER, _FRAME_HEADER = 32, 24
_event: Callable[[str], Any] = msgspec.json.Decoder(Event).decode
_order = msgspec.json.Decoder(Order).decode
_encode = msgspec.json.Encoder().encode

_STORY = """SELECT o.id, o.client_order_id, o.status, o.version, o.dex, o.input_token, o.output_token, o.created_at, o.state,
                   e.seq, e.version, e.at, e.facts, {sum}
            FROM orders o LEFT JOIN events e ON e.order_id = o.id {which} ORDER BY o.n, e.version"""
_OPEN_ONLY = f"WHERE o.status IN ({', '.join(repr(status.value) for status in OPEN)})"
_NEWEST = "SELECT seq, facts, sum FROM events WHERE sum IS NOT NULL ORDER BY seq DESC LIMIT ?"


def examine(db: sqlite3.Connection, path: Path) -> str | None:
    """What is wrong with a journal that nobody is writing to, or None. Of a large one only what can be seen in time: whether
    its log is there and whole, the open orders, and the newest events. `oee doctor` looks at everything."""
    small = path.stat().st_size <= SMALL_BYTES
    return _missing_log(db, path) or _broken_log(db, path) or find_damage(db, everything=small)


def sum_of(facts: bytes) -> int:
    """The sum that is kept with an event."""
    return zlib.crc32(facts)


def find_damage(db: sqlite3.Connection, *, everything: bool) -> str | None:
    """What is wrong with the contents of a journal, or None. Not `everything`: the open orders and the newest events, since
    those are what is acted on, and what the last hours wrote."""
    with_sums = _has(db, "events", "sum")
    seen = newest_first = 0
    try:
        story = _STORY.format(sum="e.sum" if with_sums else "NULL", which="" if everything else _OPEN_ONLY)
        for _, rows in groupby(db.execute(story), key=lambda row: row[0]):
            count, first_seq, error = _damage_of_order(rows)
            if error is not None:
                return error
            if first_seq <= newest_first:
                return f"order {first_seq} is out of order"
            seen, newest_first = seen + count, first_seq
        if not everything:
            return _damage_of_newest(db) if with_sums else None
        events, newest = db.execute("SELECT count(*), coalesce(max(seq), 0) FROM events").fetchone()
        if events != newest or seen != events:
            return f"{newest} events were written, {events} are there, {seen} of them belong to orders"
    except (msgspec.MsgspecError, IllegalStep, AttributeError, TypeError) as unreadable:  # a NULL may be anywhere
        return f"a record cannot be read: {unreadable}"
    except sqlite3.OperationalError as error:
        if hasattr(error, "sqlite_errorcode"):
            raise
        return "a record cannot be read: it is no UTF-8"  # Python's own, before SQLite could object to anything
    return None


def _damage_of_order(rows: Iterator[tuple[Any, ...]]) -> tuple[int, int, str | None]:
    """How many events an order has, the number of its first, and what is wrong with it."""
    order: Order | None = None
    count = first_seq = 0
    row: tuple[Any, ...] = ()
    for row in rows:
        seq, version, at, facts, total = row[9:]
        count += 1
        if seq is None or version != count:
            return 0, 0, f"order {row[0]} lacks event {count}"
        if total is not None and sum_of(facts.encode()) != total:
            return 0, 0, f"event {seq} is not what was written"
        event = _event(facts)
        order = replace(begin(row[0], event) if order is None else apply(order, event), seq=seq)
        first_seq = first_seq or seq
        if event.at != at:
            return 0, 0, f"event {seq} has another time than its row"
    assert order is not None  # groupby makes no empty groups
    request = order.request
    told = (request.client_order_id, order.status, order.version, order.routed_dex)
    if (*told, request.input_token, request.output_token, order.created_at) != row[1:8] or not _is_text_of(
        row[8], order
    ):
        return 0, 0, f"order {order.order_id} is not what its events make of it"
    return count, first_seq, None


def _is_text_of(state: str, order: Order) -> bool:
    """True for the text of just this order, as this version writes it or as an earlier one did, which knew fewer fields.

    To compare what is read is not enough: of a field whose name was damaged nothing is read, and so its default.
    """
    text = state.encode()
    return text == _encode(order) or (_order(text) == order and _within(msgspec.json.decode(text), to_builtins(order)))


def _within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in part.items())
    return bool(part == (list(whole) if isinstance(whole, tuple) else whole))


def _has(db: sqlite3.Connection, table: str, column: str) -> bool:
    """False in the file of an earlier version that has not been migrated yet."""
    return column in (name for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))


def _damage_of_newest(db: sqlite3.Connection) -> str | None:
    for seq, facts, total in db.execute(_NEWEST, (NEWEST,)):
        if sum_of(facts.encode()) != total:
            return f"event {seq} is not what was written"
    return None


def _missing_log(db: sqlite3.Connection, path: Path) -> str | None:
    """What to say when the file was not closed in an orderly way, and what had not been taken in yet is not there."""
    log = path.with_name(f"{path.name}-wal")
    if not _has(db, "daemon", "running") or not db.execute("SELECT running FROM daemon").fetchone()[0]:
        return None
    if log.exists() and log.stat().st_size > 0:
        return None
    return (
        f"{log.name} is missing, and with it the newest orders. Put it back beside {path.name}. Only if this is a backup, or if "
        f"another program took the log in, say that nothing is missing: sqlite3 {path} '{NOTHING_MISSING}'"
    )


def _broken_log(db: sqlite3.Connection, path: Path) -> str | None:
    """What is wrong with the log of a file whose every commit is synced, or None.

    SQLite reads a log up to the first frame that is not right. Behind that there may be what an interrupted commit left, but
    no second commit: nobody begins one before the last is synced. (The last commit itself, when it is damaged, looks like one
    that was never finished; no one can tell those apart.)
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or (size := log.stat().st_size) < _LOG_HEADER:
        return None
    db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    with path.with_name(f"{path.name}-shm").open("rb") as index:
        read = struct.unpack("=I", index.read(20)[16:])[0]  # mxFrame of the WAL-index: how far SQLite has come
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER)
        if not _header_is_right(header):
            return f"the header of {log.name} is not right"
        salts, page = header[16:24], struct.unpack(">I", header[8:12])[0]
        commits = 0
        for start in range(_LOG_HEADER + read * (_FRAME_HEADER + page), size, _FRAME_HEADER + page):
            file.seek(start)
            frame = file.read(_FRAME_HEADER)
            if len(frame) == _FRAME_HEADER and frame[8:16] == salts:
                commits += struct.unpack(">I", frame[4:8])[0] != 0
    return None if commits < 2 else f"{log.name} is broken at frame {read + 1}, {commits} commits follow"


def _header_is_right(header: bytes) -> bool:
    order = ">" if header[3] & 1 else "<"
    one = two = 0
    words = struct.unpack(f"{order}6I", header[:24])
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return (one, two) == struct.unpack(">2I", header[24:32])
