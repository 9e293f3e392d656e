from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from order_engine.clock import SystemClock
from order_engine.errors import OutcomeUnknown, VenueUnavailable
from order_engine.execution import Rules
from order_engine.orders import Settlement, Status, Transaction
from order_engine.quotes import Ask
from order_engine.router import best_quote
from order_engine.settlement import SettlementWatch
from order_engine.venues.simulated.chain import Timing
from order_engine.venues.venue import Landed
from tests.order_engine.given import SOL, Floor, a_floor, a_leg, fill_up, locked, make_room, rows, venues_of
from tests.waiting import until


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with a_floor(tmp_path, Rules(attempts=3, backoff_ms=0, resend_slots=2), Timing(0, 1, 1, valid_slots=5)) as floor:
        floor.settlement.start()
        yield floor


def sent(floor: Floor, order_id: str = "order-1", **request: int) -> None:
    floor.submit(order_id, **request)
    floor.carry(order_id)


def test_what_lands_is_confirmed_and_leaves_the_hands(floor: Floor) -> None:
    sent(floor)
    floor.chain.make_block()
    until(lambda: floor.order().status is Status.CONFIRMED)
    until(lambda: len(floor.hands) == 0)


def test_one_thread_settles_hundreds_at_once(floor: Floor) -> None:
    for n in range(200):
        sent(floor, f"order-{n}", amount_in=1_000_000 + n)
    floor.chain.make_block()
    until(lambda: not floor.journal.open_ids())
    assert floor.journal.count_by_status() == {"confirmed": 200}


def test_a_life_that_wants_a_worker_again_is_parked_and_goes_back_to_the_queue(floor: Floor) -> None:
    ask, whale = Ask("SOL", "USDC", SOL), Ask("SOL", "USDC", 2_000 * SOL)
    quote = best_quote([venue.quote(ask) for venue in venues_of(floor.chain)], ask)  # where the order will go
    assert quote is not None
    leg = replace(a_leg(ask, quote), amount_in=whale.amount)
    floor.chain.send(floor.chain.build(whale, (leg,), 1, "whale/1"))
    sent(floor, slippage_bps=1)
    assert floor.order().routed_dex == quote.dex
    floor.chain.make_block()  # the whale lands first, in the same pool, and takes the price away
    until(lambda: floor.back_in_queue == ["order-1"])
    assert (floor.order().status, floor.order().setbacks) == (Status.ROUTING, ("slippage_exceeded",))
    taken, living = floor.hands.take("order-1")
    assert taken
    assert living is not None


class Moody:
    """The chain of the floor, with moods. What it does not do itself the real one does."""

    def __init__(self, floor: Floor) -> None:
        self._chain = floor.chain
        self.mood: Callable[[], None] = lambda: None
        self.sent: list[Transaction] = []
        self.loses = False
        self.before_send: Callable[[], None] = lambda: None
        self.on_block = floor.chain.on_block

    def height(self) -> int:
        self.mood()
        return self._chain.height()

    def look_up(self, signature: str) -> Landed | None:
        self.mood()
        return self._chain.look_up(signature)

    def send(self, transaction: Transaction) -> None:
        self.before_send()
        self.sent.append(transaction)
        if not self.loses:
            self._chain.send(transaction)


def moody(floor: Floor, kind: type[Moody] = Moody) -> Moody:
    """Replaces the floor's settlement by one that sees a moody chain."""
    floor.settlement.stop()
    chain = kind(floor)
    floor.settlement = SettlementWatch(
        floor.journal, chain, SystemClock(), floor.hands, floor.back_in_queue.append, floor.halt  # type: ignore[arg-type]
    )  # fmt: skip
    floor.settlement.start()
    return chain


def test_a_silent_chain_leaves_the_order_submitted_until_it_answers(floor: Floor) -> None:
    chain = moody(floor)
    asked = 0

    def silent() -> None:
        nonlocal asked
        asked += 1
        raise VenueUnavailable("no answer")

    chain.mood = silent
    sent(floor)
    for _ in range(20):
        floor.chain.make_block()
    until(lambda: asked > 3)
    assert (floor.order().status, floor.order().attempts) == (Status.SUBMITTED, 1)
    chain.mood = lambda: None
    until(lambda: floor.order().status is Status.CONFIRMED)


def test_a_life_that_breaks_off_by_a_bug_harms_no_other_and_can_be_taken_up_again(floor: Floor) -> None:
    chain = moody(floor)

    def bug() -> None:
        chain.mood = lambda: None
        raise RuntimeError("a bug")

    chain.mood = bug
    sent(floor, "unlucky")
    until(lambda: len(floor.hands) == 0)
    sent(floor, "lucky")
    floor.chain.make_block()
    until(lambda: floor.order("lucky").status is Status.CONFIRMED)
    floor.carry("unlucky")  # the sweeper would
    until(lambda: floor.order("unlucky").status is Status.CONFIRMED)


def test_a_confirmation_that_the_disk_refused_is_recorded_when_there_is_room(floor: Floor, tmp_path: Path) -> None:
    sent(floor)
    fill_up(floor.journal)
    with locked(tmp_path / "journal.db"):  # nothing of ours is written while the block comes
        floor.chain.make_block()
    until(lambda: floor.order().status is Status.CONFIRMED or len(floor.hands) == 0)
    make_room(floor.journal)
    if not floor.order().status.final:
        floor.carry()
    until(lambda: floor.order().status is Status.CONFIRMED)
    assert rows(tmp_path / "chain.db", "SELECT count(*) FROM ledger") == [(1,)]


class Forgetful(Moody):
    """A chain that takes what is sent, and loses its answer."""

    def send(self, transaction: Transaction) -> None:
        super().send(transaction)
        raise OutcomeUnknown("the line went dead")


def test_a_lost_answer_is_unknown_and_the_order_is_looked_up_all_the_same(floor: Floor) -> None:
    moody(floor, Forgetful)
    sent(floor)
    assert floor.order().settlement is Settlement.UNKNOWN
    floor.chain.make_block()
    floor.chain.make_block()
    until(lambda: floor.order().status is Status.CONFIRMED)


def test_what_is_to_be_sent_is_on_disk_before_it_is_sent(floor: Floor, tmp_path: Path) -> None:
    chain = moody(floor)
    on_disk: list[object] = []
    look = "SELECT json_extract(state, '$.transaction.signature') FROM orders"
    chain.before_send = lambda: on_disk.extend(rows(tmp_path / "journal.db", look))
    sent(floor)
    assert on_disk == [(chain.sent[0].signature,)]


def test_without_a_trace_the_same_bytes_go_out_again(floor: Floor) -> None:
    chain = moody(floor)
    chain.loses = True
    sent(floor)
    for _ in range(5):
        before = floor.chain.height()
        floor.chain.make_block()
        until(lambda before=before: any(beyond > before for beyond, _ in floor.settlement._for_block))  # type: ignore[misc]
    assert len(chain.sent) == 3
    assert len({transaction.signature for transaction in chain.sent}) == 1
    assert floor.order().attempts == 1
    floor.chain.make_block()  # beyond the last valid height
    until(lambda: floor.order().attempts == 2)
    assert floor.order().setbacks == ("transaction_expired",)
