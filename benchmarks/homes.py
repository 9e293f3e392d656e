"""Homes with a history: a million finished orders in minutes, each of them valid.

One real order is lived by a real engine. Every finished order is that order's life again, under an id and at a time of its own,
folded by the engine's own lifecycle and written with the sums that its journal keeps: `integrity.find_damage` finds nothing. Only
the writing is not the journal's, which would sync every 256 of them. (The simulated chain knows nothing of these orders, so
`oee doctor`, which compares every outcome with the ledger, does complain.)
"""

import hashlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

import msgspec
from msgspec.structs import replace

from benchmarks.daemon import CLOCK, Failed, until
from order_engine.assembly import assemble
from order_engine.events import Event, Pending
from order_engine.home import Home
from order_engine.integrity import sum_of
from order_engine.lifecycle import apply, begin
from order_engine.orders import Order, OrderRequest
from order_engine.settings import load

APART_MS = 50  # between two orders of the history
BLOCK = 5_000  # orders in a transaction

_encode = msgspec.json.Encoder().encode

OrderRow = tuple[object, ...]
EventRow = tuple[object, ...]


def with_history(folder: Path, finished: int) -> Path:
    """A home in this folder with so many finished orders, made when it is first asked for. Whoever uses it may add to it."""
    root = folder / f"history-{finished}"
    if not root.exists():
        making = root.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        write_history(making, finished)
        making.rename(root)
    return root


def write_history(root: Path, finished: int) -> None:
    """Makes a home with so many finished orders."""
    life = one_life(root.parent)
    home = Home.at(root)
    assemble(home, load(home.config_file, {"OEE_SIM_SPEED": "instant"}), _broken).close()  # makes the files
    db = sqlite3.connect(home.journal, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        begun_ms = CLOCK.now_ms() - finished * APART_MS
        for first in range(0, finished, BLOCK):
            rows = [orders_rows(life, number, begun_ms) for number in range(first, min(first + BLOCK, finished))]
            db.execute("BEGIN")
            db.executemany(_ORDER, (order for order, _ in rows))
            db.executemany(_EVENT, (event for _, events in rows for event in events))
            db.execute("COMMIT")
        db.execute(_OUTCOMES)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.close()


_ORDER = """INSERT INTO orders (n, id, client_order_id, status, version, epoch, dex, input_token, output_token, created_at, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_OUTCOMES = "INSERT INTO outcomes SELECT json_extract(state, '$.ended_at') / 86400000, status, count(*) FROM orders GROUP BY 1, 2"
_EVENT = "INSERT INTO events (seq, order_id, version, at, facts, sum) VALUES (?, ?, ?, ?, ?, ?)"


def orders_rows(life: list[Event], number: int, begun_ms: int) -> tuple[OrderRow, list[EventRow]]:
    """The row of the order with this number, from 0, and those of its events, which follow the ones of the order before."""
    created_at = begun_ms + number * APART_MS
    order_id, shift = _id(number, created_at), created_at - life[0].at
    order: Order | None = None
    events: list[EventRow] = []
    for version, event in enumerate((replace(event, at=event.at + shift) for event in life), 1):
        seq = number * len(life) + version
        order = begin(order_id, event) if isinstance(event, Pending) else apply(_there(order), event)
        facts = _encode(event)
        events.append((seq, order_id, version, event.at, facts.decode(), sum_of(facts)))
    last = replace(_there(order), seq=(number + 1) * len(life))
    request = last.request
    told = (number + 1, order_id, None, last.status.value, last.version, 1, last.routed_dex)
    return (*told, request.input_token, request.output_token, last.created_at, _encode(last).decode()), events


def one_life(folder: Path) -> list[Event]:
    """The events of one order that a real engine confirmed."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="life-", dir=folder) as root:
        home = Home.at(Path(root))
        engine = assemble(home, load(home.config_file, {"OEE_SIM_SPEED": "instant"}), _broken)
        engine.start()
        try:
            asked = OrderRequest("SOL", "USDC", 1_000_000, slippage_bps=500, max_impact_bps=300)
            order_id = engine.submit(asked).result(20).order.order_id
            until(lambda: engine.order(order_id).status.final, "the end of the order")
            return [entry.event for entry in engine.events(0, 100, order_id)]
        finally:
            engine.drain(0)
            engine.close()


def _there(order: Order | None) -> Order:
    if order is None:
        raise Failed("A life begins with `pending`")
    return order


def _id(number: int, at_ms: int) -> str:
    """A UUIDv7 of this time: what begins it rises, what ends it is spread evenly, as with real ones."""
    dice = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=8).hexdigest()
    time = f"{at_ms:012x}"
    return f"{time[:8]}-{time[8:]}-7{number & 0xFFF:03x}-8{dice[:3]}-{dice[4:16]}"


def _broken(reason: str) -> None:
    raise Failed(reason)
