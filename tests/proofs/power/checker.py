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
from order_engine.database import DatabaseUnusable
from order_engine.events import Event
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.journal import Journal
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, Status
from order_engine.venues.simulated.ledger import Ledger
from tests.order_engine.given import rows, settings

Told = Sequence[dict[str, Any]]

_encode = msgspec.json.Encoder().encode
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
        for path in (home.journal, home.chain):
            if (whole := rows(path, "PRAGMA integrity_check")) != [("ok",)]:
                return [f"corrupt: {path.name}: {whole}"]
        return [f"corrupt: {each}" for each in stopped] + told_and_there(home, told) + agreement(home)
    except (DatabaseUnusable, sqlite3.Error, IllegalStep, msgspec.MsgspecError) as error:
        return [f"corrupt: {error}"]


def told_and_there(home: Home, told: Told) -> list[str]:
    """What somebody was told and is not on disk as it was told."""
    events = {seq: (order, facts) for seq, order, facts in rows(home.journal, "SELECT seq, order_id, facts FROM events")}
    orders = {order for (order,) in rows(home.journal, "SELECT id FROM orders")}
    findings: list[str] = []
    for each in told:
        if "accepted" in each:
            if each["accepted"] not in orders:
                findings.append(f"lost: order {each['accepted']} was accepted")
        elif events.get(each["seq"]) != (each["order"], each["event"]):
            findings.append(f"lost: event {each['seq']} was published, {events.get(each['seq'])} is there")
    return findings


def agreement(home: Home) -> list[str]:
    """Where a home contradicts itself: log and orders, orders and ledger, balances and genesis."""
    folded: dict[str, Order] = {}
    log = rows(home.journal, "SELECT seq, order_id, facts FROM events ORDER BY seq")
    findings = [] if [row[0] for row in log] == list(range(1, len(log) + 1)) else ["lost: the log has a gap"]
    for seq, order_id, facts in log:
        event: Any = _event(facts)
        order = apply(folded[order_id], event) if order_id in folded else begin(order_id, event)
        folded[order_id] = msgspec.structs.replace(order, seq=seq)
    orders = {order_id: _order(state) for order_id, state in rows(home.journal, "SELECT id, state FROM orders")}
    if orders != folded:
        findings.append("lost: the orders are not what their events make of them")
    swaps: dict[str, list[tuple[Any, ...]]] = {}
    for nonce, *row in rows(home.chain, "SELECT nonce, signature, amount_out, height FROM ledger WHERE error_code IS NULL"):
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
    findings += [f"lost: the ledger has a swap of order {order_id}, which is not there" for order_id in swaps]
    if rows(home.chain, _SUMS) != rows(home.chain, _GENESIS):
        findings.append("corrupt: the balances do not add up to the genesis")
    return findings


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
    return findings + told_and_there(home, told) + agreement(home)


def told_in(acks: Path) -> list[dict[str, Any]]:
    """What a process that is no more had told."""
    return [json.loads(line) for line in acks.read_bytes().splitlines()]
