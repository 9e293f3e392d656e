"""Orders that say what they receive, orders over several pools, and the receipts of their routes: from submit to restart."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.json import encode
from msgspec.structs import replace

from order_engine.assembly import assemble
from order_engine.engine import ROOM_BPS, Engine
from order_engine.errors import DuplicateKey, NotFound, Refused
from order_engine.home import Home
from order_engine.integrity import sum_of
from order_engine.journal import OrderQuery
from order_engine.messages import event_record, order_record
from order_engine.orders import Order, OrderRequest, Status
from order_engine.routes import Routing
from order_engine.routing import best
from order_engine.routing.certificate import verify
from tests.order_engine.given import SOL, USDC, a_request, an_engine, broken, go_back, locked, rows, settings
from tests.waiting import until

DATA = Path(__file__).parent.parent / "data"
FEES = 3 * 5_000  # of three attempts, in lamports
NOTHING_LANDS = {"slot_ms": 60_000}
ROUTINGS = get_args(Routing)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with an_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path)


def buying(units: int = 250 * USDC, **changes: Any) -> OrderRequest:
    """An order for exactly so much USDC, to be paid in SOL."""
    return a_request(amount_in=0, receive=units, **changes)


def submit(engine: Engine, request: OrderRequest) -> Order:
    return engine.submit(request).result(20).order


def ended(engine: Engine, request: OrderRequest) -> Order:
    """The new order once it is over and nothing is held for it any more."""
    order_id = submit(engine, request).order_id
    until(lambda: engine.order(order_id).status.final, "the end of the order")
    until(lambda: reserved(engine) == {}, "the release of its hold")
    return engine.order(order_id)


def reserved(engine: Engine) -> dict[str, str]:
    return {record["token"]: record["reserved"] for record in engine.balances() if record["reserved"] != "0"}


def totals(engine: Engine) -> dict[str, Decimal]:
    return {record["token"]: Decimal(record["total"]) for record in engine.balances()}


def held_sol(*ceilings: int | None) -> dict[str, str]:
    """What orders with these ceilings hold together, network fees included."""
    lamports = sum((ceiling or 0) + FEES for ceiling in ceilings)
    return {"SOL": f"{Decimal(lamports) / SOL:f}".rstrip("0")}


def stopped_in_flight(home: Home, *requests: OrderRequest) -> list[Order]:
    """Orders whose transactions are out, in a home whose engine was stopped before any could land."""
    engine = assemble(home, settings(home, **NOTHING_LANDS), broken)
    engine.start()
    ids = [submit(engine, request).order_id for request in requests]
    until(lambda: all(engine.order(order_id).status is Status.SUBMITTED for order_id in ids), "the sending")
    orders = [engine.order(order_id) for order_id in ids]
    assert engine.drain(0) == len(requests)
    engine.close()
    return orders


# exactly so much is received


@pytest.mark.parametrize("routing", ROUTINGS)
def test_exactly_what_was_asked_for_is_received_and_at_most_the_ceiling_is_taken(
    engine: Engine, routing: Routing
) -> None:
    before = totals(engine)
    order = ended(engine, buying(1_234_567_891, routing=routing))
    assert (order.status, order.amount_out) == (Status.CONFIRMED, 1_234_567_891)
    assert order.ceiling is not None
    assert order.amount_in is not None
    assert order.quoted_in is not None
    assert 0 < order.amount_in <= order.quoted_in * 10_050 // 10_000 <= order.ceiling
    after = totals(engine)
    assert after["USDC"] == before["USDC"] + Decimal("1234.567891")
    assert after["SOL"] == before["SOL"] - Decimal(order.amount_in + 5_000) / SOL
    assert sum(fill.amount_in for fill in order.fills if fill.token_in == "SOL") == order.amount_in


def test_without_a_maximum_the_ceiling_is_the_price_of_now_with_slippage_and_room(engine: Engine) -> None:
    order = ended(engine, buying(slippage_bps=100, routing="best"))
    assert order.ceiling is not None
    assert order.quoted_in is not None
    room = Decimal(order.ceiling) / order.quoted_in - 1
    assert abs(room * 10_000 - (100 + ROOM_BPS)) < 50, "the market moved a little in between"


def test_the_users_own_maximum_is_the_ceiling(engine: Engine) -> None:
    order = ended(engine, buying(max_in=9 * SOL, routing="best"))
    assert (order.status, order.ceiling) == (Status.CONFIRMED, 9 * SOL)


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_maximum_below_the_price_fails_definitely_and_nothing_is_sold(
    engine: Engine, home: Home, routing: Routing
) -> None:
    before = totals(engine)
    order = ended(engine, buying(max_in=SOL, routing=routing))
    assert (order.status, order.error_code, order.attempts) == (Status.FAILED, "slippage_exceeded", 3)
    assert "above the order's own maximum of 1 SOL" in (order.error or "")
    assert totals(engine) == before
    assert rows(home.chain, "SELECT count(*) FROM ledger") == [(0,)]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (buying(max_in=10_000_000 * SOL), "insufficient_balance"),
        (buying(3_000_000 * USDC), "insufficient_balance"),
        (buying(10**9 * USDC, routing="best"), "no_route"),
        (replace(buying(10**6), input_token="WIF", output_token="BONK"), "no_route"),  # by a single pool
    ],
)
def test_what_cannot_be_paid_or_had_is_refused_and_nothing_is_stored(
    engine: Engine, request_: OrderRequest, code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        engine.submit(request_)
    assert refusal.value.code == code
    assert refusal.value.field == ("receive" if code == "insufficient_balance" else None)
    assert (engine.last_seq(), reserved(engine)) == (0, {})


def test_an_order_that_has_to_be_planned_first_does_not_hold_up_the_others(engine: Engine) -> None:
    with ThreadPoolExecutor(2) as threads:
        with best._lock:  # a plan that takes for ever
            slow = threads.submit(engine.submit, buying(client_order_id="slow"))
            until(slow.running)
            for _ in range(50):
                assert threads.submit(engine.submit, buying(max_in=SOL * 5 // 2)).result(10).result(10).created
            assert not slow.done()
        first = slow.result(10).result(10)
    again = engine.submit(buying(client_order_id="slow")).result(10)
    assert (first.created, again) == (True, (engine.order(first.order.order_id), False))


# what is held


def test_the_ceiling_is_held_with_the_network_fees_and_given_free_at_the_end(tmp_path: Path) -> None:
    with an_engine(tmp_path, quote_ms=60) as engine:
        with locked(Home.at(tmp_path).journal):  # nothing ends meanwhile
            answers = [engine.submit(buying(max_in=5 * SOL)), engine.submit(buying(max_in=7 * SOL))]
            assert reserved(engine) == held_sol(5 * SOL, 7 * SOL)
        ids = [answer.result(20).order.order_id for answer in answers]
        until(lambda: all(engine.order(order_id).status is Status.CONFIRMED for order_id in ids))
        until(lambda: reserved(engine) == {})


@pytest.mark.parametrize("routing", ROUTINGS)
def test_a_restart_in_the_middle_holds_the_ceiling_again_and_receives_exactly_once(
    home: Home, tmp_path: Path, routing: Routing
) -> None:
    orders = stopped_in_flight(home, buying(routing=routing), buying(max_in=4 * SOL, routing=routing))
    later = assemble(home, settings(home), broken)
    held: list[dict[str, str]] = []
    start_chain = later._start_chain

    def look_then_start() -> None:
        held.append(reserved(later))
        start_chain()

    later._start_chain = look_then_start
    later.start()
    assert held == [held_sol(orders[0].ceiling, 4 * SOL)]
    until(lambda: not later._journal.open_ids() and reserved(later) == {})
    for order in orders:
        now = later.order(order.order_id)
        assert (now.status, now.ceiling, now.amount_out) == (Status.CONFIRMED, order.ceiling, 250 * USDC)
    done = rows(home.chain, "SELECT nonce FROM ledger WHERE error_code IS NULL ORDER BY nonce")
    assert [nonce.partition("/")[0] for (nonce,) in done] == sorted(order.order_id for order in orders)
    later.drain(0)
    later.close()


# the same again


def test_the_same_key_and_order_is_the_same_order_although_the_market_has_moved(engine: Engine) -> None:
    request = buying(client_order_id="key", routing="best")
    first = ended(engine, request)
    ended(engine, a_request(amount_in=5_000 * SOL, max_impact_bps=10_000, routing="best"))
    again = engine.submit(request).result(20)
    assert (again.created, again.order) == (False, first)
    other = ended(engine, buying(client_order_id="other", routing="best"))
    assert (other.ceiling or 0) > (first.ceiling or 0), "the market has moved"


def test_how_a_route_is_sought_makes_no_other_order_of_the_same_key(engine: Engine) -> None:
    first = ended(engine, buying(client_order_id="key", routing="best"))
    assert engine.submit(buying(client_order_id="key", routing="single")).result(20).order == first


@pytest.mark.parametrize("change", [{"receive": 251 * USDC}, {"max_in": 5 * SOL}, {"slippage_bps": 51}], ids=str)
def test_the_same_key_for_another_amount_maximum_or_slippage_is_refused(engine: Engine, change: dict[str, Any]) -> None:
    request = buying(client_order_id="key", routing="best")
    ended(engine, request)
    with pytest.raises(DuplicateKey):
        engine.submit(replace(request, **change))
    assert reserved(engine) == {}


def test_the_same_key_while_the_first_is_being_written_is_the_same_order(engine: Engine, home: Home) -> None:
    request = buying(client_order_id="key", routing="best")
    with locked(home.journal):
        first, again = engine.submit(request), engine.submit(request)
    assert first.result(20).order == again.result(20).order
    assert (first.result().created, again.result().created) == (True, False)
    until(lambda: not engine._journal.open_ids() and reserved(engine) == {})


def test_a_retry_receives_the_same_and_gets_a_ceiling_of_its_own(engine: Engine) -> None:
    dead = ended(engine, buying(90_000 * USDC, max_impact_bps=0))
    assert (dead.status, dead.error_code) == (Status.FAILED, "price_impact_too_high")
    anew = engine.retry(dead.order_id, slippage_bps=1_000).result(20).order
    assert (anew.retry_of, anew.request.receive, anew.request.max_in) == (dead.order_id, 90_000 * USDC, None)
    assert (anew.ceiling or 0) > (dead.ceiling or 0)
    bounded = ended(engine, buying(max_in=SOL))
    assert engine.retry(bounded.order_id).result(20).order.ceiling == SOL


# over several pools


def test_a_pair_that_no_pool_trades_is_swapped_over_others_in_one_transaction(engine: Engine, home: Home) -> None:
    before = totals(engine)
    sold = replace(a_request(amount_in=500 * 10**6, routing="best"), input_token="WIF", output_token="BONK")
    order = ended(engine, sold)
    assert order.status is Status.CONFIRMED
    assert len(order.fills) > 1
    moved = {token: units - before[token] for token, units in totals(engine).items() if units != before[token]}
    assert moved == {
        "WIF": -500,
        "BONK": Decimal(order.amount_out or 0) / 10**5,
        "SOL": -Decimal("0.000005"),
    }
    assert rows(home.chain, "SELECT count(*) FROM ledger") == [(1,)]


def test_every_figure_of_a_route_is_told_in_its_records(engine: Engine) -> None:
    order = ended(engine, a_request(amount_in=3_000 * SOL, routing="best", slippage_bps=500))
    told = order_record(order)
    assert len(told["route"]) == len(order.fills) > 1
    assert sum(Decimal(leg["amountIn"]) for leg in told["route"] if leg["inputToken"] == "SOL") == 3_000
    assert Decimal(told["gapBps"]) * 10**5 == order.gap_ppb
    assert Decimal(told["amountIn"]) == 3_000
    events = {
        type(entry.event).__name__: event_record(entry.seq, entry.order_id, entry.request, entry.event)
        for entry in engine.events(0, 100, order.order_id)
    }
    assert events["Building"]["gapBps"] == told["gapBps"]
    assert len(events["Building"]["route"]) == len(order.legs)
    assert events["Confirmed"]["route"] == told["route"]
    assert events["Confirmed"]["fees"] == told["fees"]


# receipts


@pytest.mark.parametrize("request_", [
    a_request(amount_in=3_000 * SOL, routing="best"), buying(routing="best"),
    replace(a_request(amount_in=500 * 10**6, routing="best"), input_token="WIF", output_token="BONK"),
])  # fmt: skip
def test_the_receipt_of_a_route_holds_and_is_the_same_after_a_restart(tmp_path: Path, request_: OrderRequest) -> None:
    with an_engine(tmp_path) as engine:
        order = ended(engine, request_)
        receipt = engine.receipt(order.order_id)
        assert verify(receipt) == []
        assert receipt.plan.legs == order.legs
        assert (receipt.plan.amount_in, receipt.plan.amount_out) == (order.quoted_in, order.quoted_out)
        assert receipt.proof.gap_ppb == order.gap_ppb
        assert len(receipt.states) == len(engine.pools())
    with an_engine(tmp_path) as again:
        assert again.receipt(order.order_id) == receipt


def test_the_pools_that_many_receipts_speak_of_are_kept_once(home: Home) -> None:
    orders = stopped_in_flight(home, *[a_request(routing="best", amount_in=n * SOL) for n in range(1, 13)])
    assert rows(home.journal, "SELECT count(*) FROM snapshots") == [(1,)]
    with an_engine(home.data_dir.parent) as engine:
        assert all(verify(engine.receipt(order.order_id)) == [] for order in orders)


def test_a_pool_that_stays_the_same_is_kept_once_for_many_blocks_and_over_batches(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    with an_engine(tmp_path) as engine:
        ids = [ended(engine, a_request(routing="best", amount_in=n * SOL)).order_id for n in range(1, 13)]
        kept = [engine.receipt(order_id) for order_id in ids]
        pools = len(engine.pools())
    with an_engine(tmp_path) as again:
        assert [again.receipt(order_id) for order_id in ids] == kept
        assert all(verify(receipt) == [] for receipt in kept)
    blocks = {receipt.proof.digest for receipt in kept}
    states = {(listing.pool, encode(listing)) for receipt in kept for listing in receipt.states}
    assert rows(home.journal, "SELECT count(*) FROM snapshots") == [(len(blocks),)]
    assert rows(home.journal, "SELECT count(*) FROM pool_states") == [(len(states),)]
    assert len(blocks) > 6
    assert len(states) < len(blocks) * pools // 2


def test_pools_that_the_version_before_kept_are_still_read(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    with an_engine(tmp_path) as engine:
        order = ended(engine, a_request(routing="best"))
        receipt = engine.receipt(order.order_id)
    with closing(sqlite3.connect(home.journal, isolation_level=None)) as db:
        packed = zlib.compress(encode(receipt.states), 1)
        db.execute("INSERT INTO markets VALUES (?, ?, ?)", (receipt.proof.digest, receipt.proof.height, packed))
        go_back(db, 3)
    with an_engine(tmp_path) as engine:
        assert engine.receipt(order.order_id) == receipt


def test_an_order_over_a_single_pool_has_no_receipt(engine: Engine) -> None:
    order = ended(engine, a_request())
    with pytest.raises(NotFound, match="was not routed over all pools"):
        engine.receipt(order.order_id)
    with pytest.raises(NotFound, match="No order"):
        engine.receipt("nobody")


def test_an_order_that_found_no_route_has_no_receipt(engine: Engine) -> None:
    order = ended(engine, buying(max_in=1, routing="best"))
    assert order.error_code == "slippage_exceeded"
    with pytest.raises(NotFound):
        engine.receipt(order.order_id)


# what the version before this one wrote


def as_before(facts: dict[str, Any]) -> dict[str, Any]:
    """An order or an event without what that version did not know."""
    for new in ("ceiling", "quoted_in", "legs", "gap_ppb", "amount_in", "fills", "proof", "max_in"):
        facts.pop(new, None)
    for new in ("receive", "max_in", "routing"):
        facts.get("request", {}).pop(new, None)
    for quote in facts.get("quotes", ()):
        for new in ("amount_in", "net_in"):
            quote.pop(new, None)
    return facts


def written_before(path: Path) -> None:
    """Makes of a journal what the version before this one would have left."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for order_id, state in db.execute("SELECT id, state FROM orders").fetchall():
            text = json.dumps(as_before(json.loads(state)))
            db.execute("UPDATE orders SET state = ? WHERE id = ?", (text, order_id))
        for seq, facts in db.execute("SELECT seq, facts FROM events").fetchall():
            text = json.dumps(as_before(json.loads(facts)))
            db.execute("UPDATE events SET facts = ?, sum = ? WHERE seq = ?", (text, sum_of(text.encode()), seq))
        go_back(db, 2)


def test_orders_that_the_version_before_left_open_are_held_and_finished(home: Home) -> None:
    orders = stopped_in_flight(home, a_request(amount_in=2 * SOL), a_request(amount_in=3 * SOL))
    written_before(home.journal)
    later = assemble(home, settings(home, **NOTHING_LANDS), broken)
    later.start()
    assert reserved(later) == held_sol(2 * SOL, 3 * SOL)
    for order in orders:
        found = later.order(order.order_id)
        assert (found.request, found.ceiling, found.legs) == (order.request, None, ())
    later.drain(0)
    later.close()
    with an_engine(home.data_dir.parent) as engine:
        until(lambda: not engine._journal.open_ids() and reserved(engine) == {})
        for order in orders:
            found = engine.order(order.order_id)
            assert (found.status, found.amount_in) == (Status.CONFIRMED, order.request.amount_in)
            with pytest.raises(NotFound):
                engine.receipt(order.order_id)


def test_the_database_of_the_first_release_opens_and_says_the_same(home: Home) -> None:
    home.make()
    shutil.copyfile(DATA / "journal-0.1.0.db", home.journal)
    shutil.copyfile(DATA / "chain-0.1.0.db", home.chain)
    before = {order_id: json.loads(state) for order_id, state in rows(home.journal, "SELECT id, state FROM orders")}
    with an_engine(home.data_dir.parent) as engine:
        orders = engine.orders(OrderQuery(limit=500)).items
        assert {order.order_id for order in orders} == set(before)
        for order in orders:
            old, told = before[order.order_id], order_record(order)
            assert (told["status"], told["txHash"]) == (old["status"], (old["transaction"] or {}).get("signature"))
            assert (order.amount_out, order.most_in) == (old["amount_out"], old["request"]["amount_in"])
            assert (order.request.routing, told["route"], told["receive"], told["amountIn"]) == (
                "single",
                None,
                None,
                None,
            )
            assert all(
                event_record(entry.seq, entry.order_id, entry.request, entry.event)
                for entry in engine.events(0, 100, order.order_id)
            )
        kept = next(order for order in orders if order.request.client_order_id == "kept-1")
        assert engine.submit(kept.request).result(20) == (kept, False)
        assert ended(engine, buying(routing="best")).status is Status.CONFIRMED
