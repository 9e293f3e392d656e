import logging
import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from threading import Event, Thread
from typing import get_args

import pytest

from order_engine.assembly import assemble
from order_engine.engine import Engine
from order_engine.errors import Busy, Draining, DuplicateKey, NotFound, Refused, StorageUnavailable, TooLateToCancel
from order_engine.events import Recorded
from order_engine.home import Home
from order_engine.journal import OrderQuery
from order_engine.orders import OPEN, Order, OrderRequest, Status
from order_engine.quotes import Ask
from order_engine.routes import Routing
from order_engine.work_queue import BLOCK
from tests.order_engine.given import (
    SOL,
    USDC,
    a_request,
    an_engine,
    broken,
    fill_up,
    go_back,
    locked,
    make_room,
    rows,
    settings,
)
from tests.waiting import until

OPEN_FILES = Path("/proc/self/fd")
SLOW = {"quote_ms": 60, "workers": 2}  # time to meddle


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with an_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def submit(engine: Engine, **request: object) -> Order:
    return engine.submit(a_request(**request)).result(20).order


def all_ended(engine: Engine) -> bool:
    return not engine._journal.open_ids()


def reserved(engine: Engine) -> dict[str, str]:
    return {record["token"]: record["reserved"] for record in engine.balances() if record["reserved"] != "0"}


def swaps(home: Home, order_id: str) -> list[str]:
    found = rows(home.chain, "SELECT signature FROM ledger WHERE nonce LIKE ? AND error_code IS NULL", f"{order_id}/%")
    return [signature for (signature,) in found]


def conserved(home: Home) -> bool:
    sums = rows(home.chain, "SELECT token, sum(units) FROM balances GROUP BY token ORDER BY token")
    return sums == rows(home.chain, "SELECT token, units FROM genesis ORDER BY token")


# from end to end


def test_two_hundred_orders_at_once_all_end_and_the_ledger_agrees(engine: Engine, home: Home) -> None:
    dice = Random(3)
    requests = [
        dice.choice((
            a_request(amount_in=dice.randrange(1, 100) * SOL // 10),
            a_request(amount_in=dice.randrange(1, 100) * SOL // 10, slippage_bps=0),
            a_request(input_token="USDC", output_token="SOL", amount_in=dice.randrange(1, 500) * USDC),
            a_request(input_token="RAY", output_token="SOL", amount_in=dice.randrange(1, 500) * 10**6),
            a_request(amount_in=100 * SOL, max_impact_bps=0),
            a_request(amount_in=dice.randrange(1, 100) * SOL // 10, routing="best"),
            a_request(amount_in=0, receive=dice.randrange(1, 500) * USDC, routing=dice.choice(get_args(Routing))),
            a_request(amount_in=0, receive=dice.randrange(1, 500) * USDC, max_in=SOL, routing="best"),
            a_request(input_token="WIF", output_token="BONK", amount_in=dice.randrange(1, 500) * 10**6, routing="best"),
        ))
        for _ in range(200)
    ]  # fmt: skip
    with ThreadPoolExecutor(20) as threads:
        ids = [answer.result(20).order.order_id for answer in threads.map(engine.submit, requests)]
    until(lambda: all_ended(engine), "the end of all orders", 60)
    orders = [engine.order(order_id) for order_id in ids]
    statuses = {order.status for order in orders}
    assert statuses == {Status.CONFIRMED, Status.FAILED}
    for order in orders:
        assert order.transaction is not None or order.status is Status.FAILED
        signature = order.transaction.signature if order.transaction else ""
        assert swaps(home, order.order_id) == ([signature] if order.status is Status.CONFIRMED else [])
        events = engine.events(0, 100, order.order_id)
        assert events[-1].event.at >= events[0].event.at
        if order.status is Status.CONFIRMED:
            assert 0 < (order.amount_in or 0) <= order.most_in
            assert order.request.receive in (None, order.amount_out)
    assert conserved(home)
    until(lambda: reserved(engine) == {})


def test_the_wallet_shows_exactly_what_the_orders_moved(engine: Engine) -> None:
    def totals() -> dict[str, Decimal]:
        return {record["token"]: Decimal(record["total"]) for record in engine.balances()}

    before = totals()
    order_id = submit(engine, amount_in=3 * SOL).order_id
    until(lambda: engine.order(order_id).status is Status.CONFIRMED)
    order = engine.order(order_id)
    assert order.amount_out is not None
    assert totals()["SOL"] == before["SOL"] - 3 - Decimal("0.000005")
    assert totals()["USDC"] == before["USDC"] + Decimal(order.amount_out) / USDC
    assert order.amount_out >= order.quoted_out * 9_950 // 10_000  # type: ignore[operator]


def test_listeners_hear_the_whole_life_in_order(engine: Engine) -> None:
    heard: list[Recorded] = []
    engine.feed.subscribe(heard.extend)
    order_id = submit(engine).order_id
    until(lambda: engine.order(order_id).status.final)
    until(lambda: heard[-1].order.status.final)
    assert [type(each.event).__name__ for each in heard] == [
        "Pending", "Routing", "Building", "Submitted", "Confirmed",
    ]  # fmt: skip
    assert [each.seq for each in heard] == [1, 2, 3, 4, 5] == [e.seq for e in engine.events(0, 10, order_id)]


# accepting


def test_the_same_key_and_order_is_the_same_order_again(engine: Engine) -> None:
    first = engine.submit(a_request(client_order_id="key")).result(20)
    again = engine.submit(a_request(client_order_id="key")).result(20)
    assert (first.created, again.created) == (True, False)
    assert again.order.order_id == first.order.order_id


def test_the_same_key_a_hundred_times_at_once_is_one_order(engine: Engine) -> None:
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: engine.submit(a_request(client_order_id="key")).result(20), range(100)))
    assert len({answer.order.order_id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    until(lambda: all_ended(engine))
    until(lambda: reserved(engine) == {})


def test_the_same_key_for_another_order_is_refused_and_holds_nothing(engine: Engine) -> None:
    submit(engine, client_order_id="key")
    with pytest.raises(DuplicateKey):
        submit(engine, client_order_id="key", amount_in=2 * SOL)
    until(lambda: all_ended(engine) and reserved(engine) == {})


def test_the_same_key_while_the_first_is_still_being_written_is_the_same_order(engine: Engine, home: Home) -> None:
    everything = a_request(amount_in=9_000 * SOL, max_impact_bps=0, client_order_id="key")
    with locked(home.journal):
        first = engine.submit(everything)
        again = engine.submit(everything)
        other = engine.submit(a_request(client_order_id="key"))
    assert first.result(20).order.order_id == again.result(20).order.order_id
    assert (first.result().created, again.result().created) == (True, False)
    assert isinstance(other.exception(20), DuplicateKey)
    until(lambda: all_ended(engine) and reserved(engine) == {})


def test_two_that_want_the_same_money_cannot_both_have_it(engine: Engine, home: Home) -> None:
    with locked(home.journal):
        first = engine.submit(a_request(amount_in=6_000 * SOL, max_impact_bps=0))
        with pytest.raises(Refused, match=r"has 3999\.999985 SOL free") as refusal:
            engine.submit(a_request(amount_in=6_000 * SOL))
    assert refusal.value.code == "insufficient_balance"
    assert first.result(20).created
    until(lambda: all_ended(engine) and reserved(engine) == {})


def test_many_at_once_cannot_reserve_more_than_there_is(engine: Engine, home: Home) -> None:
    def take(_: int) -> bool:
        try:
            engine.submit(a_request(amount_in=1_000 * SOL, max_impact_bps=0))
        except Refused:
            return False
        return True

    with locked(home.journal), ThreadPoolExecutor(16) as threads:  # nothing ends meanwhile
        assert sum(threads.map(take, range(40))) == 9  # the tenth lacks the network fees
    until(lambda: all_ended(engine) and reserved(engine) == {})


def test_over_capacity_is_refused_and_room_comes_back(tmp_path: Path) -> None:
    with an_engine(tmp_path, max_open_orders=5, **SLOW) as engine:
        for _ in range(5):
            submit(engine)
        with pytest.raises(Busy):
            submit(engine)
        until(lambda: all_ended(engine) and reserved(engine) == {})
        submit(engine)


def test_what_cannot_be_traded_or_paid_is_refused_and_nothing_is_stored(engine: Engine) -> None:
    for request, code in (
        (a_request(input_token="WIF", output_token="BONK"), "no_route"),
        (a_request(amount_in=10_000_000 * SOL), "insufficient_balance"),
    ):
        with pytest.raises(Refused) as refusal:
            engine.submit(request)
        assert refusal.value.code == code
    assert (engine.last_seq(), reserved(engine)) == (0, {})


def test_a_full_disk_refuses_the_order_and_holds_nothing(engine: Engine) -> None:
    fill_up(engine._journal)
    errors: list[BaseException | None] = []
    while not any(errors):
        errors.append(engine.submit(a_request(max_impact_bps=0)).exception(20))
    assert isinstance(errors[-1], StorageUnavailable)
    make_room(engine._journal)
    until(lambda: all_ended(engine) and reserved(engine) == {}, "the end of those that were stored")


def test_the_same_key_as_one_that_could_not_be_stored_may_be_used_again(engine: Engine, home: Home) -> None:
    fill_up(engine._journal)
    request = a_request(client_order_id="key", max_impact_bps=0, amount_in=100 * SOL)
    while engine.submit(a_request(max_impact_bps=0)).exception(20) is None:
        pass
    with locked(home.journal):
        answers = [engine.submit(request), engine.submit(request)]
    assert [type(answer.exception(20)) for answer in answers] == [StorageUnavailable] * 2
    make_room(engine._journal)
    assert engine.submit(request).result(20).created


def test_a_queue_that_takes_nothing_only_delays(engine: Engine, home: Home, caplog: pytest.LogCaptureFixture) -> None:
    connection = engine._queue.storage.conn
    connection.execute("CREATE TEMP TRIGGER full BEFORE INSERT ON task BEGIN SELECT raise(ABORT, 'full'); END")
    with locked(home.journal):  # all but the first are in one commit: more than go past the file
        answers = [engine.submit(a_request(amount_in=10**6, slippage_bps=500)) for _ in range(BLOCK + 10)]
    ids = [answer.result(20).order.order_id for answer in answers]
    until(lambda: "a listener failed" in caplog.text)
    connection.execute("DROP TRIGGER full")
    until(lambda: all_ended(engine), "the sweeper's help")
    assert all(engine.order(order_id).status is Status.CONFIRMED for order_id in ids)
    until(lambda: reserved(engine) == {} and engine.status()["open"] == 0)


def test_a_client_that_stops_waiting_disturbs_nobody(
    engine: Engine, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with locked(home.journal):
        given_up = [engine.submit(a_request(client_order_id=key)) for key in ("key", "key", "other")]
        for answer in given_up:
            answer.cancel()
    until(lambda: engine.last_seq() > 0 and all_ended(engine))
    assert len(engine.orders(OrderQuery()).items) == 2
    until(lambda: reserved(engine) == {})
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


# cancelling and retrying


def test_a_cancelled_order_is_never_sent(tmp_path: Path) -> None:
    with an_engine(tmp_path, **SLOW) as engine:
        ids = [submit(engine).order_id for _ in range(10)]
        assert engine.cancel(ids[-1]).status is Status.CANCELLED
        assert engine.cancel(ids[-1]).status is Status.CANCELLED  # once more is harmless
        until(lambda: all_ended(engine) and reserved(engine) == {})
        assert swaps(Home.at(tmp_path), ids[-1]) == []


def test_it_is_too_late_to_cancel_what_is_over(engine: Engine) -> None:
    order_id = submit(engine).order_id
    until(lambda: engine.order(order_id).status is Status.CONFIRMED)
    with pytest.raises(TooLateToCancel, match="is confirmed"):
        engine.cancel(order_id)
    with pytest.raises(NotFound):
        engine.cancel("nobody")


def test_whenever_a_cancel_comes_the_order_is_cancelled_or_executed_and_never_both(engine: Engine, home: Home) -> None:
    outcomes: dict[str, bool] = {}

    def cancel(order_id: str) -> None:
        try:
            outcomes[order_id] = engine.cancel(order_id).status is Status.CANCELLED
        except TooLateToCancel:
            outcomes[order_id] = False

    threads: list[Thread] = []
    for n in range(300):
        order_id = submit(engine, amount_in=SOL // 1_000).order_id
        if n % 3:
            cancel(order_id)
        else:
            threads.append(Thread(target=cancel, args=(order_id,)))
            threads[-1].start()
    for thread in threads:
        thread.join()
    until(lambda: all_ended(engine))
    for order_id, cancelled in outcomes.items():
        order = engine.order(order_id)
        assert (order.status is Status.CANCELLED) == cancelled
        assert len(swaps(home, order_id)) == (order.status is Status.CONFIRMED)
    assert len(outcomes) == 300
    assert {True, False} == set(outcomes.values())
    until(lambda: reserved(engine) == {})


def test_only_what_is_definitely_dead_can_be_retried(engine: Engine) -> None:
    dead, done = submit(engine, max_impact_bps=0, amount_in=100 * SOL).order_id, submit(engine).order_id
    until(lambda: all_ended(engine))
    anew = engine.retry(dead, slippage_bps=77).result(20).order
    assert (anew.retry_of, anew.request.slippage_bps, anew.request.client_order_id) == (dead, 77, None)
    with pytest.raises(Refused) as refusal:
        engine.retry(done)
    assert refusal.value.code == "not_retryable"


# stopping and starting


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not tell which files are open")
def test_an_engine_that_was_closed_holds_none_of_its_files(home: Home) -> None:
    def held() -> list[str]:
        names = [os.path.realpath(file) for file in OPEN_FILES.iterdir()]
        return [name for name in names if name.startswith(str(home.data_dir))]

    engine = assemble(home, settings(home), broken)
    engine.start()
    submit(engine)
    until(lambda: all_ended(engine))
    assert held()
    engine.drain(20_000)
    engine.close()
    assert held() == []


def test_draining_takes_no_new_orders_and_sees_the_open_ones_to_their_end(home: Home) -> None:
    engine = assemble(home, settings(home), broken)
    engine.start()
    for _ in range(20):
        submit(engine)
    assert engine.drain(20_000) == 0
    with pytest.raises(Draining):
        engine.submit(a_request())
    engine.close()


def test_what_was_open_at_the_stop_is_held_again_and_finished_at_the_next_start(home: Home) -> None:
    engine = assemble(home, settings(home, slot_ms=60_000), broken)  # nothing lands before the stop
    engine.start()
    ids = [submit(engine, amount_in=SOL).order_id for _ in range(8)]
    until(lambda: all(engine.order(order_id).status is Status.SUBMITTED for order_id in ids))
    assert engine.drain(0) == 8
    engine.close()
    later = assemble(home, settings(home), broken)
    for order in later._journal.open_orders():
        assert order.status in OPEN
    held: list[dict[str, str]] = []
    start_chain = later._start_chain

    def look_then_start() -> None:
        held.append(reserved(later))
        start_chain()

    later._start_chain = look_then_start
    later.start()
    assert held == [{"SOL": "8.00012"}]
    until(lambda: all_ended(later) and reserved(later) == {})
    assert all(len(swaps(home, order_id)) == 1 for order_id in ids)
    assert later.drain(0) == 0
    later.close()


def test_a_start_does_not_wait_until_all_that_was_open_is_in_the_queue(home: Home) -> None:
    with an_engine(home.data_dir.parent, slot_ms=60_000) as engine:
        ids = [submit(engine, amount_in=SOL // 100).order_id for _ in range(8)]
        until(lambda: all(engine.order(order_id).status is Status.SUBMITTED for order_id in ids))
    later = assemble(home, settings(home), broken)
    held, let_go = Event(), Event()

    def hold_the_queue() -> None:
        with later._queue.storage._ready:
            held.set()
            let_go.wait(20)

    holding = Thread(target=hold_the_queue)
    holding.start()
    until(held.is_set)
    later.start()
    assert holding.is_alive()
    assert (later._tally.open, len(later._wallet)) == (8, 8)
    let_go.set()
    until(lambda: all_ended(later))
    assert all(len(swaps(home, order_id)) == 1 for order_id in ids)
    assert later.drain(0) == 0
    later.close()


def test_start_and_stop_again_and_again_loses_nothing(home: Home) -> None:
    ids: list[str] = []
    for _ in range(5):
        engine = assemble(home, settings(home), broken)
        engine.start()
        ids += [submit(engine, amount_in=SOL // 100).order_id for _ in range(10)]
        engine.drain(0)
        engine.close()
    with an_engine(home.data_dir.parent) as engine:
        until(lambda: all_ended(engine))
        assert {engine.order(order_id).status for order_id in ids} == {Status.CONFIRMED}
        assert all(len(swaps(home, order_id)) == 1 for order_id in ids)


# asking


def test_a_comparison_stores_nothing_and_names_every_venue(engine: Engine) -> None:
    for routing in get_args(Routing):
        found = engine.compare(Ask("SOL", "USDC", SOL), routing)
        assert [offer.dex for offer in found.offers] == ["raydium", "meteora", "orca"]
        assert found.route is not None
    assert engine.compare(Ask("WIF", "BONK", 10**6), "single").route is None
    assert engine.compare(Ask("WIF", "BONK", 10**6), "best").route is not None
    assert engine.last_seq() == 0


def test_status_counts_what_there_is(engine: Engine) -> None:
    for request in (a_request(), a_request(max_impact_bps=0, amount_in=100 * SOL)):
        engine.submit(OrderRequest(**{f: getattr(request, f) for f in request.__struct_fields__})).result(20)
    until(lambda: all_ended(engine) and engine.status()["open"] == 0)
    status = engine.status()
    assert (status["open"], status["unknown"], status["oldestOpenMs"]) == (0, 0, None)
    assert status["today"]["confirmed"] == 1
    assert status["today"]["failed"] == 1
    assert status["seq"] == engine.last_seq()


def test_what_ended_today_is_still_known_after_a_restart(tmp_path: Path) -> None:
    ended = {"confirmed": 5, "failed": 2, "cancelled": 0, "expired": 0}
    with an_engine(tmp_path) as engine:
        for answer in [engine.submit(a_request(amount_in=1_000_000, slippage_bps=500)) for _ in range(5)]:
            answer.result(20)
        for amount in (SOL, 2 * SOL):
            submit(engine, amount_in=amount, min_out=10**12)
        until(lambda: engine.status()["today"] == ended)
    with an_engine(tmp_path) as again:
        assert again.status()["today"] == ended, "at once"
        again.submit(a_request(amount_in=1_000_000, slippage_bps=500)).result(20)
        until(lambda: again.status()["today"]["confirmed"] == 6)
        assert again.status()["today"] == ended | {"confirmed": 6}
    with closing(sqlite3.connect(Home.at(tmp_path).journal, isolation_level=None)) as before:
        go_back(before, 4)
    with an_engine(tmp_path) as after_an_upgrade:
        assert after_an_upgrade.status()["today"] == ended | {"confirmed": 6}
