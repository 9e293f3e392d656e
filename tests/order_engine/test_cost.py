"""What an order costs, in things that can be counted: statements, commits, encodings. No clock is asked."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from daemon.live import EVERYTHING, Hub, Reader
from daemon.metrics import Counts
from order_engine import journal as journals
from order_engine.engine import Engine
from order_engine.journal import Journal
from order_engine.orders import Order, Status
from tests.order_engine.given import BUILDING, CANCELLED, PENDING, ROUTING, a_journal, a_request, an_engine, locked
from tests.waiting import until

EVENTS = 5  # of an order that is confirmed at once: pending, routing, building, submitted, confirmed
ORDERS = 200


@contextmanager
def statements_of(db: sqlite3.Connection) -> Iterator[Counter[str]]:
    """How often each kind of statement runs on this connection: by its first two words, or one."""
    seen: Counter[str] = Counter()

    def note(sql: str) -> None:
        first, second, *_ = [*sql.split(), ""]
        seen[first if first in ("BEGIN", "COMMIT", "SELECT") else f"{first} {second}"] += 1

    db.set_trace_callback(note)
    try:
        yield seen
    finally:
        db.set_trace_callback(None)


def confirmed(engine: Engine, orders: int) -> list[Order]:
    """So many orders, submitted at once and seen to their end."""
    submitted = [engine.submit(a_request(amount_in=1_000_000, slippage_bps=500)) for _ in range(orders)]
    ids = [answer.result(20).order.order_id for answer in submitted]
    until(lambda: engine.status()["open"] == 0, "the end of every order")
    found = [engine.order(order_id) for order_id in ids]
    assert {order.status for order in found} == {Status.CONFIRMED}
    return found


def test_an_order_takes_two_statements_per_event_three_per_commit_and_one_for_its_end(tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        confirmed(engine, 1)
        journal: Journal = engine._journal
        before = journal.commits
        with statements_of(journal._db) as seen:
            (order,) = confirmed(engine, 1)
        commits = journal.commits - before
        assert order.version == EVENTS
        assert commits <= EVENTS
        assert seen["INSERT INTO"] <= 1 + EVENTS + 1, (
            "the order, its events, and that the day has one more that ended so"
        )
        assert seen["UPDATE orders"] <= EVENTS - 1
        assert seen["BEGIN"] == seen["COMMIT"] == seen["SELECT"] == commits, "the SELECT asks whose journal it is"
        assert seen.total() <= 2 * EVENTS + 3 * commits + 1, f"and nothing else: {seen}"


def test_orders_that_come_while_the_disk_is_busy_share_a_commit(tmp_path: Path) -> None:
    with a_journal(tmp_path / "journal.db") as journal:
        with locked(tmp_path / "journal.db"):
            coming = [journal.create(f"order-{number}", PENDING) for number in range(ORDERS)]
        for answer in coming:
            answer.result(20)
        assert journal.commits <= 2, "the first may have been alone when the disk was found busy"


def test_a_crowd_is_given_a_moment_in_which_those_behind_it_come_into_the_same_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "CROWD_S", 60)  # which the close ends
    busy, go_on = Event(), Event()

    def keep_busy(_: object) -> None:
        busy.set()
        assert go_on.wait(20)

    with a_journal(tmp_path / "journal.db") as journal:
        journal.accept("order-0", PENDING, keep_busy)
        assert busy.wait(20)
        crowd = [journal.create(f"order-{number}", PENDING) for number in range(1, 2 + journals.CROWD)]
        go_on.set()
        until(journal._inbox.empty, "the crowd in the writer's hands")
        behind = [journal.create(f"behind-{number}", PENDING) for number in range(5)]
    assert all(answer.done() for answer in (*crowd, *behind))
    assert journal.commits == 2


def test_events_that_share_a_commit_share_statements_and_an_order_is_written_once(tmp_path: Path) -> None:
    with a_journal(tmp_path / "journal.db") as journal:
        first = journal.create("order-0", PENDING).result(20)
        with statements_of(journal._db) as seen:
            with locked(tmp_path / "journal.db"):
                others = [journal.create(f"order-{number}", PENDING) for number in range(1, ORDERS)]
                routing = journal.record(first.order, ROUTING)
                building = journal.record(routing.order, BUILDING, before=routing)
                last = journal.append(building.order, CANCELLED)
            for answer in (*others, last):
                answer.result(20)
            commits = seen["COMMIT"]
        assert commits <= 2, "the first may have been alone when the disk was found busy"
        assert seen["UPDATE orders"] <= commits, "of three steps of one order, what it came to"
        assert seen["INSERT INTO"] <= (ORDERS - 1) + (ORDERS + 2) // 32 + 31 * commits, (
            "the orders; the events in blocks"
        )


def test_a_burst_of_orders_takes_far_fewer_commits_than_events(tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        before = engine.metrics()
        with locked(tmp_path / "data" / "journal.db"):  # until all are there, however fast the disk is
            submitted = [engine.submit(a_request(amount_in=1_000_000, slippage_bps=500)) for _ in range(ORDERS)]
        for answer in submitted:
            answer.result(20)
        until(lambda: engine.status()["open"] == 0, "the end of every order")
        after = engine.metrics()
        events = after["seq"] - before["seq"]
        assert events == ORDERS * EVENTS
        assert after["commits"] - before["commits"] <= events // 2


def test_an_event_is_encoded_once_for_all_its_readers(tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        sent = asyncio.run(_sent_to_readers(engine, 100, 3))
    texts = sent[0]
    assert len(texts) == 3 * EVENTS
    for other in sent:
        assert [id(text) for text in other] == [id(text) for text in texts], "the very same text, not an equal one"


async def _sent_to_readers(engine: Engine, readers: int, orders: int) -> list[list[bytes]]:
    """What each of so many readers of everything is sent while so many orders are confirmed."""
    hub = Hub(engine, Counts(), asyncio.get_running_loop())
    sent: list[list[bytes]] = [[] for _ in range(readers)]

    def reader_into(texts: list[bytes]) -> Reader:
        async def send(frames: Sequence[bytes]) -> None:
            texts.extend(frames)

        reader = Reader(hub, send)
        reader.subscribe(EVERYTHING, engine.last_seq())
        return reader

    crowd = [reader_into(texts) for texts in sent]
    running = [asyncio.ensure_future(reader.run()) for reader in crowd]
    live = [subscription for reader in crowd for subscription in reader._subscriptions.values()]
    await asyncio.to_thread(until, lambda: all(each.live for each in live), "readers that are done with the past")
    await asyncio.to_thread(confirmed, engine, orders)
    await asyncio.to_thread(
        until, lambda: all(len(texts) == orders * EVENTS for texts in sent), "every event everywhere"
    )
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for reader in crowd:
        reader.close()
    hub.close()
    return sent
