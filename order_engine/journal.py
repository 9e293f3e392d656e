"""The only truth: `orders` (what is known now) and `events` (what happened, in order), changed together or not at all.

One thread owns the only writing connection and commits whatever has gathered while it was busy: the sync of one commit is the
gathering time of the next. An order moves only if its version is still the one that the caller saw, so of two that act on the
same order one wins and the other is told. An event is published after its commit, never before.
"""

import logging
import queue
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from order_engine import database, integrity
from order_engine.clock import DAY_MS
from order_engine.errors import StorageUnavailable
from order_engine.events import Event, LogEntry, Pending, Recorded
from order_engine.failpoints import failpoint
from order_engine.feed import BATCH, Feed
from order_engine.lifecycle import apply, begin
from order_engine.orders import OPEN, Order

APPLICATION_ID = 0x6F656531  # "oee1"
MIGRATIONS = Path(__file__).parent / "migrations"
GATHER_S = 0.001
# So many records at once, and more will follow within moments: what is written together shares pages, a sync and a block.
CROWD = 8
CROWD_S = 0.004
CACHE_KIB = 32 * 1024  # a long history has indexes that are written all over, which the usual 2 MiB do not hold
CHECKPOINT_COMMITS = 500
LOG_ALARM_BYTES = 64 * 1024**2  # of the -wal file: somebody reads for so long that it cannot be taken in

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_order = msgspec.json.Decoder(Order).decode
_event: Callable[[str], Event] = msgspec.json.Decoder(Event).decode  # the tag says which

_INSERT = """INSERT INTO orders (id, client_order_id, status, version, epoch, dex, input_token, output_token, created_at, state)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (client_order_id) DO NOTHING"""
_UPDATE = "UPDATE orders SET status = ?, version = ?, epoch = ?, dex = ?, state = ? WHERE id = ? AND version = ?"
_VERSION = "SELECT version FROM orders WHERE id = ?"
_EVENT = "INSERT INTO events (seq, order_id, version, at, facts, sum) VALUES (?, ?, ?, ?, ?, ?)"
_SNAPSHOT = "INSERT OR IGNORE INTO snapshots (digest, height, pools) VALUES (?, ?, ?)"
_POOL = "INSERT INTO pool_states (packed) VALUES (?)"
_ID_BYTES = 8
_TOGETHER = 32
_EVENTS = _EVENT + ", (?, ?, ?, ?, ?, ?)" * (_TOGETHER - 1)  # one call for many rows: each call hands the GIL round
_LOG = "SELECT e.seq, e.order_id, e.facts, o.state FROM events e JOIN orders o ON o.id = e.order_id"
_START = "UPDATE daemon SET epoch = epoch + 1, running = 1 RETURNING epoch"
_OUTCOME = """INSERT INTO outcomes (day, status, orders) VALUES (?, ?, ?)
              ON CONFLICT (day, status) DO UPDATE SET orders = orders + excluded.orders"""
_OPEN_STATUS = ", ".join(repr(status.value) for status in OPEN)
_OPEN = f"""FROM orders WHERE n IN (SELECT n FROM orders INDEXED BY orders_by_status WHERE status IN ({_OPEN_STATUS}))
            ORDER BY n"""  # noqa: S608 - our own words


class Superseded(Exception):
    """Somebody else moved the order first. Nothing was written; read it again."""


class KeyTaken(Exception):
    """Another order has this client order id. Nothing was written."""


class OrderQuery(msgspec.Struct, frozen=True):
    """Which orders to list. `pair` matches in either direction, `suffix` the end of the id; None does not filter.

    `cursor` continues where the page before ended. Without one, the newest `limit` orders are meant.
    """

    statuses: tuple[str, ...] | None = None
    pair: tuple[str, str] | None = None
    dex: str | None = None
    since_ms: int | None = None
    key: str | None = None
    suffix: str | None = None
    limit: int = 50
    cursor: int | None = None


Then = Callable[[Recorded | Exception], None]  # in the journal's thread: what was recorded, or why nothing was


class Kept(NamedTuple):
    """The pools that the proof in an event speaks of. `pack` makes bytes of each, in the journal's thread, if they are new."""

    digest: str
    height: int
    pack: Callable[[], Sequence[bytes]]


class Write:
    """A record on its way. `order` is the order as it will be once this is stored."""

    __slots__ = ("before", "event", "kept", "order", "stored", "then")

    def __init__(
        self,
        order: Order,
        event: Event,
        then: Then | None,
        before: "Write | None" = None,
        kept: Kept | None = None,
    ) -> None:
        self.order = order
        self.event = event
        self.kept = kept
        self.then = then
        self.before = before  # a record that nobody waited for, and without which this one makes no sense
        self.stored = False

    @property
    def is_groundless(self) -> bool:
        """True when what this rests on was not stored. Versions do not tell: somebody else may have made the same number."""
        return self.before is not None and not self.before.stored


class _Changes:
    """What a batch makes of the orders that it touches. An order that takes several steps in it is written once, as it is then."""

    def __init__(self) -> None:
        self.before: dict[str, int] = {}  # of each order: the version that is in its row until it moves
        self.newest: dict[str, Order] = {}  # of each that moves
        self.events: list[tuple[object, ...]] = []
        self.ended: Counter[tuple[int, str]] = Counter()  # by day and status: orders that come to their end
        self.kept: dict[str, Kept] = {}  # by digest: pools that this batch keeps
        self.pools: dict[bytes, int] = {}  # of the last of them: where each is

    def version(self, order_id: str) -> int | None:
        """What an order has come to; None for one that was not touched."""
        moved = self.newest.get(order_id)
        return self.before.get(order_id) if moved is None else moved.version


class Journal:
    """Orders and their events on disk. Safe to use from any thread; writing is done by one thread of its own.

    `on_fatal` is called when a commit failed: whether it is on disk is then unknown, so nothing may be said or done any
    more until a new start has read the truth.
    """

    def __init__(self, path: Path, feed: Feed, on_fatal: Callable[[str], None]) -> None:
        self._path = path
        self._feed = feed
        self._on_fatal = on_fatal
        self._db = database.open_writer(path, MIGRATIONS, APPLICATION_ID, integrity.examine)
        # If this fails the connection is left open: to close it would take in, and delete, a log that may not be on disk.
        with database.usable(path):
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it between commits
            self._epoch: int = self._db.execute(_START).fetchone()[0]
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # the main file must say that it is in use
            self._page_size: int = self._db.execute("PRAGMA page_size").fetchone()[0]
            self._seq: int = self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        self._idle_readers: deque[sqlite3.Connection] = deque()
        self._open: dict[
            str, Order
        ] = {}  # those that this process has written and that are not final, as they are on disk
        self._inbox: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._kept = ""  # the digest of the pools that were kept last: many orders in a row are routed on the same
        self._pools: dict[bytes, int] = {}  # and where each of them is: most are the same in the next block
        self.commits = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="journal", daemon=True)
        self._thread.start()

    # writing

    def accept(self, order_id: str, event: Pending, then: Then) -> None:
        """Commits a new order, soon. `then` is given KeyTaken when its client order id is in use, and else as in `record`."""
        self._inbox.put(Write(begin(order_id, event), event, then))

    def record(
        self,
        order: Order,
        event: Event,
        then: Then | None = None,
        before: Write | None = None,
        kept: Kept | None = None,
    ) -> Write:
        """Commits what happened to `order` as the caller knows it, soon, and with it the pools that the event speaks of.

        `then` hears of the commit, in the journal's thread, and must return at once. It is given Superseded when the order
        had moved, or when `before`, a record that the caller did not wait for, was not stored; StorageUnavailable when
        nothing could be. Raises lifecycle.IllegalStep, at once, for an event that this order cannot take.
        """
        write = Write(apply(order, event), event, then, before, kept)
        self._inbox.put(write)
        return write

    def create(self, order_id: str, event: Pending) -> "Future[Recorded]":
        """As `accept`, for those who want to wait."""
        done, then = _promise()
        self.accept(order_id, event, then)
        return done

    def append(self, order: Order, event: Event) -> "Future[Recorded]":
        """As `record`, for those who want to wait."""
        done, then = _promise()
        self.record(order, event, then)
        return done

    def close(self) -> None:
        """Writes what is waiting, then closes. Later writes are never answered."""
        self._closing.set()
        self._inbox.put(None)
        self._thread.join()
        while self._idle_readers:
            self._idle_readers.pop().close()
        try:
            self._db.execute("UPDATE daemon SET running = 0 WHERE epoch = ?", (self._epoch,))
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:  # everything is on disk; but the next start must look at what this disk does
            self._on_fatal(f"{self._path} could not be closed: {error}")
        self._db.close()

    def _write_all(self) -> None:
        closing = False
        while not closing:
            batch = [self._inbox.get()]
            self._take(batch)
            if CROWD < len(batch) < BATCH:
                self._closing.wait(CROWD_S)
                self._take(batch)
            closing = batch[-1] is None
            writes = [item for item in batch if item is not None]
            if writes and not self._commit(writes):
                return

    def _take(self, batch: list[Write | None]) -> None:
        """Adds what has come, up to the end. A record that nobody waits for is mostly followed at once by one that somebody waits
        for."""
        waited_for = False
        while (last := batch[-1]) is not None and len(batch) < BATCH:
            waited_for = waited_for or last.then is not None
            try:
                batch.append(self._inbox.get(block=not waited_for, timeout=GATHER_S))
            except queue.Empty:
                return

    def _commit(self, batch: list[Write]) -> bool:
        """Writes a batch in one transaction, publishes it, answers everybody. False when the journal can go on no more."""
        answers: list[Recorded | Exception] = []
        recorded: list[Recorded] = []
        changes, seq = _Changes(), self._seq
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute("SELECT epoch FROM daemon").fetchone()[0] != self._epoch:
                self._db.execute("ROLLBACK")
                return self._stop("another daemon has taken over this journal", batch)
            for write in batch:
                answer = self._write(write, seq + 1, changes)
                if isinstance(answer, Recorded):
                    seq += 1
                    recorded.append(answer)
                answers.append(answer)
            if not self._store(changes):
                self._db.execute("ROLLBACK")
                return self._stop("another program has changed orders in this journal", batch)
        except Exception as error:  # rolled back, so it is certain that nothing was stored
            for write in batch:
                write.stored = False
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if database.is_damage(error):
                return self._stop(database.damaged(self._path, str(error)), batch)
            _log.error("the journal refused a batch", extra={"facts": {"error": str(error), "orders": len(batch)}})
            for write in batch:
                if write.then is not None:
                    write.then(_unavailable(self._path, error))
            return True
        failpoint("before-commit", batch)
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            return self._stop(f"a commit to {self._path} failed ({error}); what is on disk is unknown", batch)
        failpoint("after-commit", recorded)
        self._seq = seq
        if changes.kept:
            self._kept, self._pools = next(reversed(changes.kept)), changes.pools
        self.commits += 1
        for each in recorded:
            if each.order.status.final:
                self._open.pop(each.order.order_id, None)
            else:
                self._open[each.order.order_id] = each.order
        if recorded:
            self._feed.publish(recorded)
        for write, answer in zip(batch, answers, strict=True):
            if write.then is not None:
                write.then(answer)
        return self.commits % CHECKPOINT_COMMITS != 0 or self._checkpoint()

    def _checkpoint(self) -> bool:
        """Takes the log into the main file, as far as readers allow. False when the journal can go on no more."""
        try:
            _, pages, taken_in = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if database.is_failed_sync(error):
                return self._stop(f"{self._path} could not be synced: {error}", [])
            # The log only grows for a while: everything in it is safe.
            _log.error("the journal's log could not be taken in", extra={"facts": {"error": str(error)}})
            return True
        left = (pages - taken_in) * self._page_size  # a long log that was taken in is only waiting to be written over
        if left > LOG_ALARM_BYTES:
            facts = {"megabytes": left // 1024**2, "cure": "end what reads the journal all the time"}
            _log.warning("the journal's log cannot be taken in and grows", extra={"facts": facts})
        return True

    def _write(self, write: Write, seq: int, changes: _Changes) -> Recorded | Exception:
        """Takes a record into the batch, or says why it cannot be taken."""
        event, order_id = write.event, write.order.order_id
        order = msgspec.structs.replace(write.order, seq=seq)
        if order.version == 1:
            if not self._insert(order):
                return KeyTaken(str(order.request.client_order_id))
            changes.before[order_id] = 1
        else:
            version = self._version(order_id, changes)
            if write.is_groundless or version != order.version - 1:
                return Superseded(order_id)
            changes.before.setdefault(order_id, version)
            changes.newest[order_id] = order
            if order.status.final:
                changes.ended[event.at // DAY_MS, order.status.value] += 1
        facts = _encode(event)
        changes.events.append((seq, order_id, order.version, event.at, facts.decode(), integrity.sum_of(facts)))
        if write.kept is not None and write.kept.digest != self._kept:
            changes.kept[write.kept.digest] = write.kept
        write.stored, write.before = True, None
        return Recorded(seq, event, order)

    def _insert(self, order: Order) -> bool:
        """False when another order has its client order id."""
        request = order.request
        row = (order.order_id, request.client_order_id, order.status.value, 1, self._epoch, None)
        state = _encode(order).decode()
        found = self._db.execute(_INSERT, (*row, request.input_token, request.output_token, order.created_at, state))
        return found.rowcount == 1

    def _version(self, order_id: str, changes: _Changes) -> int | None:
        """What the order has come to, this batch included; None when there is no such order."""
        version = changes.version(order_id)
        if version is not None:
            return version
        if order_id in self._open:
            return self._open[order_id].version
        row = self._db.execute(_VERSION, (order_id,)).fetchone()
        return row[0] if row else None

    def _store(self, changes: _Changes) -> bool:
        """Writes what a batch has come to. False when an order on disk is not as this journal left it."""
        moved = [self._row(order, changes.before[order_id]) for order_id, order in changes.newest.items()]
        if moved and self._db.executemany(_UPDATE, moved).rowcount != len(moved):
            return False
        whole = len(changes.events) - len(changes.events) % _TOGETHER
        for at in range(0, whole, _TOGETHER):
            self._db.execute(_EVENTS, [value for row in changes.events[at : at + _TOGETHER] for value in row])
        self._db.executemany(_EVENT, changes.events[whole:])
        self._db.executemany(_OUTCOME, [(*of, orders) for of, orders in changes.ended.items()])
        for kept in changes.kept.values():
            known = self._pools | changes.pools
            changes.pools = {packed: known.get(packed) or self._keep(packed) for packed in kept.pack()}
            places = b"".join(place.to_bytes(_ID_BYTES, "big") for place in changes.pools.values())
            self._db.execute(_SNAPSHOT, (kept.digest, kept.height, places))
        return True

    def _keep(self, packed: bytes) -> int:
        """Where a pool is from now on."""
        place = self._db.execute(_POOL, (packed,)).lastrowid
        assert place is not None
        return place

    def _row(self, order: Order, before: int) -> tuple[object, ...]:
        state = _encode(order).decode()
        return order.status.value, order.version, self._epoch, order.routed_dex, state, order.order_id, before

    def _stop(self, reason: str, batch: Sequence[Write]) -> bool:
        """Says nothing to anybody: neither that it happened nor that it did not."""
        _log.critical(
            "the journal stops", extra={"facts": {"reason": reason, "orders": [w.order.order_id for w in batch]}}
        )
        self._on_fatal(reason)
        return False

    # reading

    def _read(self, sql: str, arguments: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            reader = self._idle_readers.pop()
        except IndexError:
            reader = database.open_reader(self._path)
        try:
            return reader.execute(sql, arguments).fetchall()
        except sqlite3.DatabaseError as error:
            if database.is_damage(error):
                self._on_fatal(database.damaged(self._path, str(error)))
            raise
        finally:
            self._idle_readers.append(reader)

    def last_seq(self) -> int:
        """The number of the newest committed event."""
        return self._seq

    def order(self, order_id: str) -> Order | None:
        """The order as it is on disk, or None."""
        order = self._open.get(order_id)
        if order is None:
            rows = self._read("SELECT state FROM orders WHERE id = ?", (order_id,))
            order = _order(rows[0][0]) if rows else None
        return order

    def order_by_key(self, client_order_id: str) -> Order | None:
        """The order that was accepted under this client order id, or None."""
        rows = self._read("SELECT state FROM orders WHERE client_order_id = ?", (client_order_id,))
        return _order(rows[0][0]) if rows else None

    def open_orders(self) -> list[Order]:
        """Every order that is not final, oldest first."""
        return [_order(state) for (state,) in self._read("SELECT state " + _OPEN)]

    def open_ids(self) -> list[str]:
        """The ids of every order that is not final, oldest first."""
        return [order_id for (order_id,) in self._read("SELECT id " + _OPEN)]

    def orders(self, query: OrderQuery) -> tuple[list[Order], int | None]:
        """A page of orders, newest last, and the cursor of the page before it in time (None when there is none)."""
        conditions, arguments = _conditions(query)
        rows = self._read(
            f"SELECT n, state FROM orders WHERE {' AND '.join(conditions)} ORDER BY n DESC LIMIT ?",  # noqa: S608 - our own words
            (*arguments, query.limit + 1),
        )
        more = len(rows) > query.limit
        page = rows[: query.limit]
        return [_order(state) for _, state in reversed(page)], page[-1][0] if more else None

    def events(self, since: int, limit: int, order_id: str | None = None) -> list[LogEntry]:
        """The events after `since`, oldest first, at most `limit`; of one order where an id is given."""
        if order_id is None:
            rows = self._read(_LOG + " WHERE e.seq > ? ORDER BY e.seq LIMIT ?", (since, limit))
        else:
            rows = self._read(
                _LOG + " WHERE e.order_id = ? AND e.seq > ? ORDER BY e.seq LIMIT ?", (order_id, since, limit)
            )
        return [LogEntry(seq, order_id, _order(state).request, _event(facts)) for seq, order_id, facts, state in rows]

    def pools(self, digest: str) -> list[bytes]:
        """The pools with this digest, as they were packed; none where nobody kept them."""
        rows = self._read("SELECT pools FROM snapshots WHERE digest = ?", (digest,))
        if not rows:  # of before: all in one
            return [bytes(packed) for (packed,) in self._read("SELECT states FROM markets WHERE digest = ?", (digest,))]
        places = [int.from_bytes(rows[0][0][at : at + _ID_BYTES], "big") for at in range(0, len(rows[0][0]), _ID_BYTES)]
        wanted = ", ".join("?" * len(places))
        found = dict(self._read(f"SELECT id, packed FROM pool_states WHERE id IN ({wanted})", places))  # noqa: S608
        return [found[place] for place in places if place in found]

    def seq_before(self, at_ms: int) -> int:
        """The number of the last event that is older than this wall time; 0 when there is none."""
        rows = self._read("SELECT coalesce(max(seq), 0) FROM events WHERE at < ?", (at_ms,))
        return int(rows[0][0])

    def ended_on(self, day: int) -> dict[str, int]:
        """How many orders came to each final status on this day, counted from 1970, by the wall time of their last events."""
        return dict(self._read("SELECT status, orders FROM outcomes WHERE day = ?", (day,)))

    def count_by_status(self) -> dict[str, int]:
        """How many orders are in each status, open ones exactly, final ones as they are on disk."""
        return dict(self._read("SELECT status, count(*) FROM orders GROUP BY status"))


def _promise() -> "tuple[Future[Recorded], Then]":
    """A future, and what fulfils it. It cannot be taken back: it will be written, whether or not anybody waits for it."""
    done: Future[Recorded] = Future()
    done.set_running_or_notify_cancel()

    def fulfil(answer: Recorded | Exception) -> None:
        if isinstance(answer, Recorded):
            done.set_result(answer)
        else:
            done.set_exception(answer)

    return done, fulfil


def _conditions(query: OrderQuery) -> tuple[list[str], list[object]]:
    conditions, arguments = ["1"], list[object]()
    if query.statuses is not None:
        conditions.append(f"status IN ({', '.join('?' * len(query.statuses))})")
        arguments += query.statuses
    if query.pair is not None:
        conditions.append("((input_token = ? AND output_token = ?) OR (input_token = ? AND output_token = ?))")
        arguments += (*query.pair, *reversed(query.pair))
    for column, value in (
        ("dex = ?", query.dex),
        ("created_at >= ?", query.since_ms),
        ("client_order_id = ?", query.key),
    ):
        if value is not None:
            conditions.append(column)
            arguments.append(value)
    if query.suffix is not None:
        conditions.append("substr(id, -4) = ? AND substr(id, ?) = ?")
        arguments += (query.suffix[-4:], -len(query.suffix), query.suffix)
    if query.cursor is not None:
        conditions.append("n < ?")
        arguments.append(query.cursor)
    return conditions, arguments


def _unavailable(path: Path, error: Exception) -> StorageUnavailable:
    return StorageUnavailable(
        f"The journal {path} took nothing: {error}. Nothing was stored.",
        hint="Check the disk (oee doctor), then send it again.",
    )
