from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from order_engine.clock import SystemClock
from order_engine.errors import OutcomeUnknown
from order_engine.execution import Effect, Height, Living, LookUp, NextBlock
from order_engine.journal import Superseded
from order_engine.lifecycle import IllegalStep
from order_engine.orders import Settlement, Status, Transaction
from order_engine.quotes import Ask, Quote
from order_engine.recovery import requeue_missing
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.work_queue import WorkQueue
from order_engine.workers import Hands
from tests.order_engine.given import CANCELLED, Floor, a_floor, rows, venues_of
from tests.waiting import until


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with a_floor(tmp_path) as floor:
        yield floor


def test_a_worker_carries_an_order_to_the_sending_and_hands_it_over(floor: Floor) -> None:
    floor.submit()
    floor.workers.work("order-1")
    assert floor.events() == ["Pending", "Routing", "Building", "Submitted"]
    assert [living.order_id for living in floor.handed_over] == ["order-1"]
    floor.chain.make_block()
    signature = floor.order().transaction
    assert signature is not None
    assert floor.chain.look_up(signature.signature) is not None


def test_an_order_given_to_many_workers_at_once_is_lived_once(floor: Floor) -> None:
    for n in range(20):
        floor.submit(f"order-{n}")
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(floor.workers.work, [f"order-{n % 20}" for n in range(160)]))
    assert len(floor.handed_over) == 20
    assert all(floor.events(f"order-{n}") == ["Pending", "Routing", "Building", "Submitted"] for n in range(20))


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


class DiesWhileBuilding(SimulatedVenue):
    """Takes its worker with it, once."""

    alive = True

    def build(self, ask: Ask, quote: Quote, min_out: int, nonce: str) -> Transaction:
        if DiesWhileBuilding.alive:
            DiesWhileBuilding.alive = False
            raise SystemExit
        return super().build(ask, quote, min_out, nonce)


def test_a_worker_that_dies_in_mid_life_leaves_no_order_stuck(floor: Floor, tmp_path: Path) -> None:
    DiesWhileBuilding.alive = True
    venues = [DiesWhileBuilding(name, floor.chain, SystemClock(), 0) for name in ("raydium", "meteora")]
    queue = WorkQueue(tmp_path / "queue.db", 1, floor.staff(venues).work, SystemClock())
    queue.begin()
    try:
        floor.submit()
        queue.put("order-1")
        until(lambda: not DiesWhileBuilding.alive and queue.alive() == 0, "the worker's death")
        assert floor.order().status is Status.BUILDING
        until(lambda: len(floor.hands) == 0)
        assert requeue_missing(floor.journal, queue, floor.hands) == 1
        until(lambda: floor.handed_over, "a new worker that takes the order up")
    finally:
        queue.end(5)
    assert floor.events() == ["Pending", "Routing", "Building", "Routing", "Building", "Submitted"]
    assert floor.order().attempts == 1


def test_a_task_that_the_queue_lost_is_swept_up(floor: Floor, tmp_path: Path) -> None:
    queue = WorkQueue(tmp_path / "queue.db", 1, floor.workers.work, SystemClock())
    floor.submit()
    queue.put("order-1")
    assert requeue_missing(floor.journal, queue, floor.hands) == 0
    queue.storage.sql("DELETE FROM task", commit=True)
    assert requeue_missing(floor.journal, queue, floor.hands) == 1
    assert queue.waiting() == {"order-1"}
    assert requeue_missing(floor.journal, queue, floor.hands) == 0


def test_an_order_in_hand_is_not_swept_up_and_a_parked_one_is(floor: Floor, tmp_path: Path) -> None:
    queue = WorkQueue(tmp_path / "queue.db", 1, floor.workers.work, SystemClock())
    floor.submit()
    floor.workers.work("order-1")
    assert requeue_missing(floor.journal, queue, floor.hands) == 0
    floor.hands.park(floor.handed_over[0])
    assert requeue_missing(floor.journal, queue, floor.hands) == 1
    floor.hands.drop("order-1")
    floor.hands.park(floor.handed_over[0])


class Forgetful:
    """A chain that takes what is sent, and loses its answer."""

    def __init__(self, floor: Floor) -> None:
        self._chain = floor.chain

    def send(self, transaction: Transaction) -> None:
        self._chain.send(transaction)
        raise OutcomeUnknown("the line went dead")


def test_a_lost_answer_is_unknown_and_the_order_is_looked_up_all_the_same(floor: Floor) -> None:
    floor.submit()
    workers = floor.staff(venues_of(floor.chain))
    workers._chain = Forgetful(floor)  # type: ignore[assignment]  # a worker only sends
    workers.work("order-1")
    assert floor.order().settlement is Settlement.UNKNOWN
    floor.settlement.start()
    floor.settlement.watch(floor.handed_over[0])
    floor.chain.make_block()
    floor.chain.make_block()
    until(lambda: floor.order().status is Status.CONFIRMED)


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
                living.resume(perform(floor, living.effect))
            except Superseded:
                superseded = True
                break
        for _ in range(3):
            floor.chain.make_block()
        landed = rows(tmp_path / "chain.db", "SELECT count(*) FROM ledger")[0][0]
        assert (
            cancelled == superseded == (step <= 4)
        )  # routing, asking, building, signing, writing down; then it is out
        assert (floor.order().status, landed) == ((Status.CANCELLED, 0) if cancelled else (Status.CONFIRMED, 1))


def cancels(floor: Floor) -> bool:
    try:
        floor.journal.append(floor.order(), CANCELLED).result(10)
    except IllegalStep:
        return False
    return True


def perform(floor: Floor, effect: Effect) -> object:
    match effect:
        case Height():
            return floor.chain.height()
        case LookUp(signature=signature):
            return floor.chain.look_up(signature)
        case NextBlock():
            floor.chain.make_block()
            return None
    return floor.workers._perform(effect)


# hands


def test_hands_give_an_order_to_one_only_and_again_after_it_was_dropped() -> None:
    hands = Hands()
    assert hands.take("order-1") == (True, None)
    assert hands.take("order-1") == (False, None)
    hands.drop("order-1")
    assert hands.take("order-1") == (True, None)
    assert hands.missing(["order-1", "order-2", "order-3"], {"order-3"}) == ["order-2"]
