"""Looks at a home after the power was cut, with our own Journal and Ledger, and holds it against what had been told.

A finding is a line that begins with its kind: `corrupt` (a file does not open, or is not whole) or `lost` (told, and not
there, or there with other content). No finding is the only good answer.
"""

import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from order_engine import assembly
from order_engine.database import DatabaseUnusable, open_reader
from order_engine.events import Event
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.journal import Journal
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, Status
from order_engine.venues.simulated.ledger import Ledger
from tests.order_engine.given import settings

Told = Sequence[dict[str, Any]]
Rows = Sequence[tuple[Any, ...]]

_event = msgspec.json.Decoder(Event).decode
_order = msgspec.json.Decoder(Order).decode
_SUMS = "SELECT token, sum(units) FROM balances GROUP BY token ORDER BY token"
_GENESIS = "SELECT token, units FROM genesis ORDER BY token"


def look_at_plain(home: Home, told: Told) -> list[str]:
    """Findings in a plain database whose every row was told after its commit."""
    path = home.data_dir / "plain.db"
    try:
        with closing(sqlite3.connect(path)) as db:
            if (found := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                return [f"corrupt: {path.name}: {found}"]
            there = dict(db.execute("SELECT n, words FROM said").fetchall()) if told else {}
    except sqlite3.Error as error:
        return [f"corrupt: {path.name}: {error}"]
    return [f"lost: row {each['row']}" for each in told if there.get(each["row"]) != each["words"]]


def look_at_engine(home: Home, told: Told) -> list[str]:
    """Findings in an engine's home: opens, is whole, has everything that was told, and agrees with itself."""
    stopped: list[str] = []
    try:
        journal = Journal(home.journal, Feed(), stopped.append)
        try:
            Ledger(home.chain, 7, 0).close()
        finally:
            journal.close()
        return [f"corrupt: {each}" for each in stopped] + _read(home, told)
    except (DatabaseUnusable, sqlite3.Error, IllegalStep, msgspec.MsgspecError) as error:
        return [f"corrupt: {error}"]


def _read(home: Home, told: Told) -> list[str]:
    """Findings in the files as somebody reads them who is not the engine."""
    with closing(open_reader(home.journal)) as journal, closing(open_reader(home.chain)) as chain:
        for db in (journal, chain):
            if (whole := db.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
                return [f"corrupt: {whole}"]
        events = journal.execute("SELECT seq, order_id, facts FROM events ORDER BY seq").fetchall()
        orders = dict(journal.execute("SELECT id, state FROM orders").fetchall())
        ledger = chain.execute(
            "SELECT nonce, signature, amount_out, height FROM ledger WHERE error_code IS NULL"
        ).fetchall()
        balanced = chain.execute(_SUMS).fetchall() == chain.execute(_GENESIS).fetchall()
    findings = [] if balanced else ["corrupt: the balances do not add up to the genesis"]
    return findings + _told_and_there(told, events, orders) + _agreement(events, orders, ledger)


def _told_and_there(told: Told, log: Rows, orders: dict[str, str]) -> list[str]:
    """What somebody was told and is not on disk as it was told."""
    events = {seq: (order, facts) for seq, order, facts in log}
    findings: list[str] = []
    for each in told:
        if "accepted" in each:
            if each["accepted"] not in orders:
                findings.append(f"lost: order {each['accepted']} was accepted")
        elif events.get(each["seq"]) != (each["order"], each["event"]):
            findings.append(f"lost: event {each['seq']} was published, {events.get(each['seq'])} is there")
    return findings


def _agreement(log: Rows, states: dict[str, str], ledger: Rows) -> list[str]:
    """Where a home contradicts itself: log and orders, orders and ledger."""
    folded: dict[str, Order] = {}
    findings = [] if [row[0] for row in log] == list(range(1, len(log) + 1)) else ["lost: the log has a gap"]
    for seq, order_id, facts in log:
        event: Any = _event(facts)
        order = apply(folded[order_id], event) if order_id in folded else begin(order_id, event)
        folded[order_id] = msgspec.structs.replace(order, seq=seq)
    orders = {order_id: _order(state) for order_id, state in states.items()}
    if orders != folded:
        findings.append("lost: the orders are not what their events make of them")
    swaps: dict[str, list[tuple[Any, ...]]] = {}
    for nonce, *row in ledger:
        swaps.setdefault(nonce.split("/")[0], []).append(tuple(row))
    for order in orders.values():
        found = swaps.pop(order.order_id, [])
        if len(found) > 1:
            findings.append(f"lost: order {order.order_id} was executed {len(found)} times")
        if order.status is Status.CONFIRMED:
            assert order.transaction is not None
            if found != [(order.transaction.signature, order.amount_out, order.height)]:
                findings.append(f"lost: order {order.order_id} is confirmed, the ledger has {found}")
        elif order.status.final and found:
            findings.append(f"lost: order {order.order_id} is {order.status}, the ledger has {found}")
    return findings + [f"lost: the ledger has a swap of order {order_id}, which is not there" for order_id in swaps]


def go_on(home: Home, told: Told) -> list[str]:
    """Findings after a new start of the engine has had its time: an order that does not end, or ends otherwise than told."""
    stopped: list[str] = []
    engine = assembly.assemble(home, settings(home, landing_slots_max=4, valid_slots=3, workers=4), stopped.append)
    engine.start()
    left = engine.drain(20_000)
    engine.close()
    findings = [f"corrupt: {each}" for each in stopped]
    if left:
        findings.append(f"lost: {left} orders do not end, {threading.active_count()} threads")
    return findings + _read(home, told)


def told_in(acks: Path) -> list[dict[str, Any]]:
    """What a process that is no more had told."""
    return [json.loads(line) for line in acks.read_bytes().splitlines()]
