"""What became of every order of a scratch home, judged from its two files and the client's notes by somebody who was not there.

It reads the databases as they lie on disk and trusts nothing else: not the engine's memory, not its log. Every violation is a
line that begins with one of `KINDS`.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from order_engine.events import Event, Pending
from order_engine.lifecycle import IllegalStep, apply, begin
from order_engine.orders import Order, Status
from order_engine.reconcile import imbalances, wrong_outcomes
from order_engine.simulation.crash_life import Scratch

KINDS = {
    "lost": "promised or told, and not in the journal; or never brought to an end",
    "doubled": "one order executed twice, or one key with two orders",
    "wrong": "an outcome that the ledger does not bear out, or that changed after it was told",
    "imbalance": "value that appeared or vanished",
    "log": "a gap, an illegal step, or a row that its events do not give",
    "damaged": "a file that is not whole",
}

_decode = msgspec.json.Decoder(Order).decode
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Findings(msgspec.Struct):
    """What a home has gone through, and what is wrong with it."""

    orders: int = 0
    promised: int = 0
    told: int = 0
    resumed: int = 0
    landed: int = 0
    expired: int = 0
    violations: list[str] = msgspec.field(default_factory=list)


class _Swap(NamedTuple):
    signature: str
    amount_out: int
    fee: int
    fee_token: str
    height: int


def examine(scratch: Scratch, attempts: int = 3) -> Findings:
    """Everything that can be said of a home whose orders should all have come to their end."""
    home = scratch.home
    damaged = [f"damaged: {path.name}: {said}" for path in (home.journal, home.chain) for said in _damage(path)]
    if damaged:
        return Findings(violations=damaged)
    orders = {
        order.order_id: order
        for (state,) in _rows(home.journal, "SELECT state FROM orders")
        for order in [_decode(state)]
    }
    promised, told = scratch.lines("promised"), scratch.lines("told")
    found = Findings(
        orders=len(orders),
        promised=len(promised),
        told=len(told),
        resumed=sum(int(words[0]) for words in scratch.lines("resumed")) + _resumed_by_daemons(home.log_file),
        landed=_rows(home.chain, "SELECT count(*) FROM ledger WHERE error_code IS NULL")[0][0],
        expired=sum(order.setbacks.count("transaction_expired") for order in orders.values())
        + sum(order.error_code == "transaction_expired" for order in orders.values()),
    )
    found.violations += _promises(orders, promised, scratch)
    found.violations += _tellings(home.journal, orders, told)
    found.violations += _executions(home.chain, orders, attempts)
    found.violations += [f"imbalance: {said}" for said in imbalances(home.chain)]
    found.violations += [f"wrong: {said}" for said in wrong_outcomes(home.journal, home.chain)]
    found.violations += _log(home.journal, orders)
    return found


def doubled(chain: Path) -> int:
    """How many orders have been executed more than once so far. May be asked between two lives."""
    try:
        nonces = _rows(chain, "SELECT nonce FROM ledger WHERE error_code IS NULL")
    except sqlite3.OperationalError:  # killed before there was a ledger, or while the file was being made
        return 0
    counts = Counter(nonce.partition("/")[0] for (nonce,) in nonces)
    return sum(count > 1 for count in counts.values())


def _damage(path: Path) -> Iterator[str]:
    try:
        for (said,) in _rows(path, "PRAGMA integrity_check"):
            if said != "ok":
                yield said
    except sqlite3.Error as error:
        yield str(error)


def _resumed_by_daemons(log: Path) -> int:
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(int(line["resumed"]) for line in map(msgspec.json.decode, lines) if line["event"] == "engine started")


def _promises(orders: Mapping[str, Order], promised: list[list[str]], scratch: Scratch) -> Iterator[str]:
    of_key: dict[str, str] = {}
    for key, order_id in promised:
        if order_id not in orders:
            yield f"lost: order {order_id} was promised under {key} and is not in the journal"
        if of_key.setdefault(key, order_id) != order_id:
            yield f"doubled: the key {key} was promised as {of_key[key]} and as {order_id}"
    for key, request in scratch.unanswered():
        yield f"lost: {key} was asked again after the last crash and has no answer ({request.amount_in} {request.input_token})"
    for order in orders.values():
        if not order.status.final:
            yield f"lost: order {order.order_id} is still {order.status} and nobody works on it"
    keys = Counter(order.request.client_order_id for order in orders.values())
    yield from (f"doubled: the key {key} has {count} orders" for key, count in keys.items() if count > 1)


def _tellings(journal: Path, orders: Mapping[str, Order], told: list[list[str]]) -> Iterator[str]:
    rows = {
        seq: (order_id, version)
        for seq, order_id, version in _rows(journal, "SELECT seq, order_id, version FROM events")
    }
    before = 0
    for seq, order_id, version, status in told:
        if rows.get(int(seq)) != (order_id, int(version)):
            yield f"lost: event {seq} of {order_id} was told and is not in the log"
        if int(seq) <= before:
            yield f"log: event {seq} was told after event {before}"
        before = int(seq)
        now = orders.get(order_id)
        if now is not None and Status(status).final and now.status != status:
            yield f"wrong: {order_id} was told to be {status}, and is {now.status}"


def _executions(chain: Path, orders: Mapping[str, Order], attempts: int) -> Iterator[str]:
    swaps: dict[str, list[_Swap]] = {}
    for nonce, *row in _rows(
        chain, "SELECT nonce, signature, amount_out, fee, fee_token, height FROM ledger WHERE error_code IS NULL"
    ):
        swaps.setdefault(nonce.partition("/")[0], []).append(_Swap(*row))
    yield from (f"wrong: {order_id} was executed, and nobody ordered it" for order_id in swaps.keys() - orders.keys())
    for order_id, order in orders.items():
        done = swaps.get(order_id, [])
        if len(done) > 1:
            yield f"doubled: order {order_id} was executed {len(done)} times"
        elif order.status is not Status.CONFIRMED:
            if done and order.status.final:
                yield f"wrong: order {order_id} is {order.status}, and was executed"
        elif not done:
            yield f"wrong: order {order_id} is confirmed, and was not executed"
        else:
            signature = order.transaction.signature if order.transaction else None
            if (
                _Swap(str(signature), order.amount_out or 0, order.fee or 0, order.fee_token or "", order.height or 0)
                != done[0]
            ):
                yield f"wrong: order {order_id} is confirmed with other facts than the ledger's"
            if done[0].amount_out < (order.request.min_out or 1):
                yield f"wrong: order {order_id} got {done[0].amount_out}, less than its floor"
            if (order.amount_in or 0) > order.most_in:
                yield f"wrong: order {order_id} paid {order.amount_in}, it may take {order.most_in} at most"
            if done[0].amount_out != (order.request.receive or done[0].amount_out):
                yield f"wrong: order {order_id} got {done[0].amount_out}, it said {order.request.receive}"
        if order.attempts > attempts:
            yield f"wrong: order {order_id} made {order.attempts} attempts"
    height = _rows(chain, "SELECT height FROM chain")[0][0]
    for (wire,) in _rows(chain, "SELECT wire FROM mempool"):
        asked = msgspec.json.decode(wire)
        owner = orders.get(asked["nonce"].partition("/")[0])
        if owner is not None and owner.status.final and asked["last_valid_height"] > height:
            yield f"wrong: order {owner.order_id} is {owner.status}, and a transaction of it may still land"


def _log(journal: Path, orders: Mapping[str, Order]) -> Iterator[str]:
    folded: dict[str, Order] = {}
    for place, (seq, order_id, facts) in enumerate(
        _rows(journal, "SELECT seq, order_id, facts FROM events ORDER BY seq"), start=1
    ):
        if seq != place:
            yield f"log: event {place} is missing"
            return
        event = _event.decode(facts)
        try:
            order = begin(order_id, event) if isinstance(event, Pending) else apply(folded[order_id], event)
        except (IllegalStep, KeyError) as error:
            yield f"log: event {seq} cannot follow: {error}"
            return
        folded[order_id] = msgspec.structs.replace(order, seq=seq)
    for order_id in folded.keys() | orders.keys():
        if folded.get(order_id) != orders.get(order_id):
            yield f"log: the events of {order_id} do not give its row"


def _rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        return reader.execute(sql).fetchall()
