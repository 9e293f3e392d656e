"""Very many orders through one home: all accepted ones end, memory stays flat, and the journal adds up."""

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import msgspec

from order_engine.client import BLOCK, Client
from order_engine.clock import SystemClock
from order_engine.events import Event, Pending
from order_engine.lifecycle import apply, begin
from order_engine.orders import Order
from tests.conftest import RunningDaemon
from tests.proofs.load.readers import memory
from tests.waiting import until

CLOCK = SystemClock()
PAIRS = (  # there and back, so that neither the wallet nor a price wears out
    ("SOL", "USDC", "0.0001"),
    ("USDC", "SOL", "0.016"),
    ("SOL", "USDT", "0.0001"),
    ("USDT", "SOL", "0.016"),
    ("SOL", "RAY", "0.0001"),
    ("RAY", "SOL", "0.01"),
    ("SOL", "BONK", "0.0001"),
    ("BONK", "SOL", "900"),
)
OPEN_MAX = 5_000  # from which on the sender waits, as a good client does

_order = msgspec.json.Decoder(Order).decode
_event: Callable[[str], Event] = msgspec.json.Decoder(Event).decode


class Many(NamedTuple):
    """How it went."""

    sent: int
    confirmed: int
    failed: int
    other: int
    told_to_wait: int
    seconds: float
    rss: list[int]  # MiB, at every tenth of the way
    rss_peak: int
    refolded: int
    events: int
    violations: list[str]


def many(daemon: RunningDaemon, count: int, refold_every: int) -> Many:
    """So many orders, as `oee batch` sends them; those that are told to wait are sent again."""
    told_to_wait = accepted = 0
    rss: list[int] = []
    violations: list[str] = []
    begun = CLOCK.steady_ms()
    waiting = deque(range(count))
    with Client(daemon.home, autostart=False) as client:
        while waiting:
            block = [waiting.popleft() for _ in range(min(BLOCK, len(waiting)))]
            for number, record in zip(block, client.batch(map(_order_of, block)), strict=True):
                if record["schema"] == "oee.order/1":
                    accepted += 1
                elif record["code"] == "over_capacity":
                    told_to_wait += 1
                    waiting.append(number)
                else:
                    violations.append(f"order {number}: {record}")
            if accepted * 10 // count > len(rss) - 1:
                rss.append(memory(daemon.pid)["VmRSS"])
            until(lambda: client.status()["open"] < OPEN_MAX, "room for more", 120)
        until(lambda: client.status()["open"] == 0, "every order's end", 120)
    seconds = (CLOCK.steady_ms() - begun) / 1_000
    peak = memory(daemon.pid)["VmHWM"]
    states, events, refolded, wrong = examine(daemon, refold_every)
    if sum(states.values()) != count:
        violations.append(f"{sum(states.values())} orders in the journal, {count} were sent")
    confirmed, failed = states.pop("confirmed", 0), states.pop("failed", 0)
    if states:
        violations.append(f"orders are left {states}")
    figures = count, confirmed, failed, sum(states.values()), told_to_wait, seconds, rss, peak, refolded, events
    return Many(*figures, violations + wrong)


def _order_of(number: int) -> dict[str, str]:
    token_in, token_out, amount = PAIRS[number % len(PAIRS)]
    return {"inputToken": token_in, "outputToken": token_out, "amount": amount, "clientOrderId": f"many-{number}"}


def examine(daemon: RunningDaemon, refold_every: int) -> tuple[dict[str, int], int, int, list[str]]:
    """Orders by status, how many events, how many orders were folded again from them, and what does not add up."""
    wrong: list[str] = []
    with closing(sqlite3.connect(f"file:{daemon.home.journal}?mode=ro", uri=True)) as journal:
        states = dict(journal.execute("SELECT status, count(*) FROM orders GROUP BY status"))
        events, last = journal.execute("SELECT count(*), max(seq) FROM events").fetchone()
        if events != last:
            wrong.append(f"{events} events, the last is number {last}")
        rows = journal.execute("SELECT id, state FROM orders WHERE n % ? = 0", (refold_every,)).fetchall()
        for order_id, state in rows:
            log = journal.execute("SELECT seq, facts FROM events WHERE order_id = ? ORDER BY seq", (order_id,))
            if (problem := misfolded(order_id, state, log)) is not None:
                wrong.append(problem)
        sent = journal.execute(
            "SELECT json_extract(state, '$.transaction.signature'), status FROM orders WHERE status = 'confirmed'"
        ).fetchall()
    with closing(sqlite3.connect(f"file:{daemon.home.chain}?mode=ro", uri=True)) as chain:
        landed = {signature for (signature,) in chain.execute("SELECT signature FROM ledger WHERE error_code IS NULL")}
    confirmed = [signature for signature, _ in sent]
    if len(confirmed) != len(landed) or set(confirmed) != landed:
        wrong.append(f"{len(confirmed)} orders are confirmed, {len(landed)} swaps landed")
    return states, events, len(rows), wrong


def misfolded(order_id: str, state: str, log: Iterator[tuple[int, str]]) -> str | None:
    """How the order that its events make differs from the one that is stored, or None."""
    order: Order | None = None
    for seq, facts in log:
        event = _event(facts)
        if order is None:
            if not isinstance(event, Pending):
                return f"order {order_id} begins with {type(event).__name__}"
            order = begin(order_id, event)
        else:
            order = apply(order, event)
        order = msgspec.structs.replace(order, seq=seq)
    stored = _order(state)
    return None if order == stored else f"order {order_id}: stored {stored}, its events make {order}"


def told(many: Many) -> str:
    """The figures for people."""
    return json.dumps(many._asdict() | {"violations": len(many.violations)})
