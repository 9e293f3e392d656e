from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from order_engine.clock import SystemClock
from order_engine.events import Building, Routing, Submitted
from order_engine.execution import AskVenues, Build, Height, Living, LookUp, NextBlock, Record, Send
from order_engine.journal import Superseded
from order_engine.lifecycle import IllegalStep
from order_engine.orders import Status, Transaction
from order_engine.quotes import Ask
from order_engine.recovery import requeue_missing
from order_engine.router import Answers
from order_engine.routes import Leg
from order_engine.work_queue import WorkQueue
from order_engine.workers import Hands
from tests.order_engine.given import CANCELLED, Floor, a_floor, locked, rows, venues_of
from tests.waiting import until


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with a_floor(tmp_path) as floor:
        yield floor


def test_a_worker_carries_an_order_to_the_record_of_what_is_to_be_sent_and_hands_it_over(floor: Floor) -> None:
    floor.submit()
    floor.workers.work("order-1")
    until(lambda: floor.events() == ["Pending", "Routing", "Building"])
    (living,) = floor.handed_over
    assert isinstance(living.effect, Record)
    assert isinstance(living.effect.event, Submitted)
    assert floor.order().transaction is None, "only the settlement records and sends"


def test_a_worker_does_not_wait_for_the_disk(floor: Floor, tmp_path: Path) -> None:
    floor.submit()
    with locked(tmp_path / "journal.db"):
        floor.workers.work("order-1")
        assert len(floor.handed_over) == 1
        assert floor.events() == ["Pending"]
    until(lambda: floor.events() == ["Pending", "Routing", "Building"])


def test_an_order_given_to_many_workers_at_once_is_lived_once(floor: Floor) -> None:
    for n in range(20):
        floor.submit(f"order-{n}")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(floor.workers.work, [f"order-{n % 20}" for n in range(160)]))
    assert len(floor.handed_over) == 20
    for n in range(20):
        until(lambda n=n: floor.events(f"order-{n}") == ["Pending", "Routing", "Building"])  # type: ignore[misc]


def test_what_follows_a_record_that_was_not_stored_is_not_stored_either(floor: Floor, tmp_path: Path) -> None:
    """The cancel makes the version that the second record looks for: the number alone would let it in."""
    order = floor.submit()
    with locked(tmp_path / "journal.db"):
        cancelled = floor.journal.append(order, CANCELLED)
        routing = floor.journal.record(order, Routing(2, attempt=1))
        answers: list[object] = []
        building = Building(3, "raydium", "pool", 1, (), "a reason")
        floor.journal.record(routing.order, building, answers.append, before=routing)
    assert cancelled.result(10).order.version == 2
    until(lambda: answers)
    assert isinstance(answers[0], Superseded)
    assert floor.events() == ["Pending", "Cancelled"]


def test_unknown_and_finished_orders_are_left_alone(floor: Floor) -> None:
    floor.journal.append(floor.submit(), CANCELLED).result(10)
    for order_id in ("nobody", "order-1"):
        floor.workers.work(order_id)
    assert floor.events() == ["Pending", "Cancelled"]
    assert len(floor.hands) == 0


def test_a_stopping_worker_takes_nothing_up(floor: Floor) -> None:
    floor.submit()
    floor.workers.stopping = True
    floor.workers.work("order-1")
    assert floor.events() == ["Pending"]


def test_a_worker_that_dies_in_mid_life_leaves_no_order_stuck(
    floor: Floor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[bool] = []
    build = floor.chain.build

    def takes_its_worker_with_it_once(ask: Ask, legs: tuple[Leg, ...], limit: int, nonce: str) -> Transaction:
        if not died:
            died.append(True)
            raise SystemExit
        return build(ask, legs, limit, nonce)

    monkeypatch.setattr(floor.chain, "build", takes_its_worker_with_it_once)
    queue = WorkQueue(tmp_path / "queue.db", 1, floor.workers.work, SystemClock())
    queue.begin()
    try:
        floor.submit()
        queue.put("order-1")
        until(lambda: died and queue.alive() == 0, "the worker's death")
        until(lambda: floor.order().status is Status.BUILDING)
        until(lambda: len(floor.hands) == 0)
        assert requeue_missing(floor.journal, queue, floor.hands) == 1
        until(lambda: floor.handed_over, "a new worker that takes the order up")
    finally:
        queue.end(5)
    until(lambda: floor.events() == ["Pending", "Routing", "Building", "Routing", "Building"])
    assert floor.order().attempts == 1


def test_a_task_that_the_queue_lost_is_swept_up(floor: Floor, tmp_path: Path) -> None:
    with closing(WorkQueue(tmp_path / "queue.db", 1, floor.workers.work, SystemClock())) as queue:
        floor.submit()
        queue.put("order-1")
        assert requeue_missing(floor.journal, queue, floor.hands) == 0
        queue.storage.sql("DELETE FROM task", commit=True)
        assert requeue_missing(floor.journal, queue, floor.hands) == 1
        assert queue.waiting() == {"order-1"}
        assert requeue_missing(floor.journal, queue, floor.hands) == 0


def test_an_order_in_hand_is_not_swept_up_and_a_parked_one_is(floor: Floor, tmp_path: Path) -> None:
    with closing(WorkQueue(tmp_path / "queue.db", 1, floor.workers.work, SystemClock())) as queue:
        floor.submit()
        floor.workers.work("order-1")
        assert requeue_missing(floor.journal, queue, floor.hands) == 0
        floor.hands.park(floor.handed_over[0])
        assert requeue_missing(floor.journal, queue, floor.hands) == 1
        floor.hands.drop("order-1")
        floor.hands.park(floor.handed_over[0])


# cancelling against every step of a life


@pytest.mark.parametrize("step", range(16))
def test_a_cancel_before_any_step_wins_or_loses_cleanly_and_is_never_sent_as_well(tmp_path: Path, step: int) -> None:
    with a_floor(tmp_path) as floor:
        living = Living(floor.submit(), floor.rules, lambda: 1)
        cancelled = superseded = False
        for number in range(40):
            if number == step:
                cancelled = cancels(floor)
            if living.effect is None:
                break
            try:
                living.resume(perform(floor, living))
            except Superseded:
                superseded = True
                break
        for _ in range(3):
            floor.chain.make_block()
        landed = rows(tmp_path / "chain.db", "SELECT count(*) FROM ledger")[0][0]
        assert cancelled == (step <= 4)  # routing, asking, building, signing, writing down; then it is out
        assert superseded == cancelled
        assert (floor.order().status, landed) == ((Status.CANCELLED, 0) if cancelled else (Status.CONFIRMED, 1))


def cancels(floor: Floor) -> bool:
    try:
        floor.journal.append(floor.order(), CANCELLED).result(10)
    except IllegalStep:
        return False
    return True


def perform(floor: Floor, living: Living) -> object:
    """What worker and settlement do, one step at a time. The commit of each record is awaited, so that a cancel can follow it."""
    match living.effect:
        case Height():
            return floor.chain.height()
        case LookUp(signature=signature):
            return floor.chain.look_up(signature)
        case NextBlock():
            floor.chain.make_block()
            return None
        case Send(transaction=transaction):
            floor.chain.send(transaction)
            return None
        case Record(order=order, event=event):
            return floor.journal.append(order, event).result(10).order
        case AskVenues(ask=ask):
            return Answers(tuple(venue.quote(ask) for venue in venues_of(floor.chain)))
        case Build(ask=ask, legs=legs, limit=limit, nonce=nonce):
            return floor.chain.build(ask, legs, limit, nonce)
    raise AssertionError(living.effect)


# hands


def test_hands_give_an_order_to_one_only_and_again_after_it_was_dropped() -> None:
    hands = Hands()
    assert hands.take("order-1") == (True, None)
    assert hands.take("order-1") == (False, None)
    hands.drop("order-1")
    assert hands.take("order-1") == (True, None)
    assert hands.missing(["order-1", "order-2", "order-3"], {"order-3"}) == ["order-2"]
