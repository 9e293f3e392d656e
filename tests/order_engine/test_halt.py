"""While trading is halted nothing is accepted and nothing is sent; what was sent is watched, what was not waits."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import pytest

from order_engine import halt as switch
from order_engine.engine import Engine
from order_engine.errors import Halted, StorageUnavailable
from order_engine.events import Recorded
from order_engine.halt import Halt
from order_engine.orders import Settlement, Status, Transaction
from order_engine.recovery import requeue_missing
from tests.order_engine.given import Floor, a_floor, a_request, an_engine
from tests.waiting import until


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with a_floor(tmp_path) as floor:
        yield floor


class NoQueue:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def put_all(self, order_ids: Sequence[str]) -> None:
        self.ids.update(order_ids)

    def waiting(self) -> set[str]:
        return self.ids


def count_sends(engine: Engine) -> list[object]:
    """Grows with everything that the chain is handed."""
    chain = engine._settlement._chain
    handed: list[object] = []
    original = chain.send

    def send(transaction: Transaction) -> None:
        handed.append(transaction)
        original(transaction)

    chain.send = send  # type: ignore[method-assign]
    return handed


# the switch


def test_a_halt_waits_for_the_sending_that_has_begun_and_lets_none_begin(tmp_path: Path) -> None:
    halt = Halt(tmp_path / "halted")
    inside = Event()
    done: list[str] = []

    def send() -> None:
        with halt.sending():
            inside.set()
            halting.join(0.3)  # a halt that did not wait would be over by now
            done.append("sent")

    def stop() -> None:
        assert inside.wait(10)
        halt.halt()
        done.append("halted")

    sender, halting = Thread(target=send), Thread(target=stop)
    halting.start()
    sender.start()
    until(lambda: halt.on)
    with pytest.raises(Halted, match="The transaction was not sent"), halt.sending():
        raise AssertionError("it may not get here")
    sender.join(10)
    halting.join(10)
    assert done == ["sent", "halted"]


def test_the_switch_survives_in_its_file_whatever_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "halted"
    assert Halt(file).since_ms is None
    switch.write(file)
    assert Halt(file).on
    file.write_bytes(b"\xff\x00 no such thing")
    again = Halt(file)
    assert again.on
    assert again.since_ms is not None
    again.resume()
    assert (again.on, Halt(file).on) == (False, False)


def test_a_halt_that_cannot_be_written_halts_all_the_same_and_says_so(tmp_path: Path) -> None:
    halt = Halt(tmp_path / "nowhere" / "halted")
    with pytest.raises(StorageUnavailable, match="a restart would forget it"):
        halt.halt()
    assert halt.on
    with pytest.raises(Halted):
        halt.check()


# orders


def test_an_order_that_was_not_sent_waits_and_goes_on_with_new_quotes(floor: Floor) -> None:
    floor.submit()
    floor.halt.halt()
    floor.workers.work("order-1")
    assert floor.events() == ["Pending"]
    queue = NoQueue()
    assert requeue_missing(floor.journal, queue, floor.hands) == 0, "nobody turns it round and round meanwhile"
    floor.halt.resume()
    assert requeue_missing(floor.journal, queue, floor.hands) == 1
    floor.settlement.start()
    floor.carry()
    assert floor.events() == ["Pending", "Routing", "Building", "Submitted"]


@pytest.mark.parametrize("at", ["Routing", "Building", "Submitted"])
def test_a_halt_in_the_middle_of_an_attempt_sends_nothing(
    floor: Floor, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The halt comes right after the commit of each step."""

    def halt_at_once(recorded: Sequence[Recorded]) -> None:
        if any(type(each.event).__name__ == at for each in recorded):
            floor.halt.halt()

    floor.feed.subscribe(halt_at_once)
    handed: list[object] = []
    monkeypatch.setattr(floor.chain, "send", handed.append)
    floor.settlement.start()
    floor.submit()
    floor.workers.work("order-1")
    for living in floor.handed_over:
        floor.settlement.watch(living)
    until(lambda: floor.halt.on and ("order-1" in floor.hands._parked or floor._rests("order-1")))
    assert handed == []
    floor.halt.resume()
    if "Submitted" in floor.events():  # on disk as sent: only the chain may say that it was not
        assert floor.order().settlement is Settlement.UNKNOWN
        assert floor.events()[-2:] == ["Submitted", "Unanswered"]
    else:
        assert at != "Submitted"


def test_what_was_sent_is_watched_to_its_end_while_halted(floor: Floor) -> None:
    floor.settlement.start()
    floor.submit()
    floor.carry()
    floor.halt.halt()
    for _ in range(3):
        floor.chain.make_block()
    until(lambda: floor.order().status is Status.CONFIRMED)


def test_nothing_is_sent_after_a_halt_in_full_run_and_every_order_ends_after_the_resume(tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        handed = count_sends(engine)
        with ThreadPoolExecutor(8) as threads:
            submitting = [threads.submit(engine.submit, a_request()) for _ in range(400)]
            until(lambda: len(handed) > 20)
            engine.halt()
            at_the_halt = len(handed)
        refused = sum(isinstance(each.exception(), Halted) for each in submitting)
        accepted = [each.result().result(10).order.order_id for each in submitting if each.exception() is None]
        assert refused + len(accepted) == 400
        until(lambda: engine.status()["inFlight"] == 0, "the end of what was sent")
        assert len(handed) == at_the_halt
        assert engine.status()["open"] > 0, "the halt came in full run"
    with an_engine(tmp_path) as engine:  # a restart changes nothing about it
        handed = count_sends(engine)
        until(lambda: engine.status()["inFlight"] == 0)
        assert (engine.status()["status"], engine.status()["halted"]) == ("halted", True)
        assert engine.drain(60_000) == engine.status()["open"], "a drain does not wait for those that cannot move"
        assert handed == []
    with an_engine(tmp_path) as engine:
        engine.resume()
        until(lambda: engine.status()["open"] == 0, "every order's end", 60)
        assert {engine.order(order_id).status for order_id in accepted} == {Status.CONFIRMED}


def test_cancel_open_cancels_what_was_not_sent_and_nothing_else(tmp_path: Path) -> None:
    with an_engine(tmp_path, slot_ms=1_000, landing_slots_min=60, landing_slots_max=60, workers=2) as engine:
        flying = [engine.submit(a_request()).result(10).order.order_id for _ in range(3)]
        until(lambda: engine.status()["inFlight"] == 3)
        engine.halt()
        engine._halt._on = False  # orders that came a moment before
        engine._workers.stopping = True
        waiting = [engine.submit(a_request()).result(10).order.order_id for _ in range(5)]
        assert sorted(order.order_id for order in engine.cancel_open()) == sorted(waiting)
        assert {engine.order(order_id).status for order_id in waiting} == {Status.CANCELLED}
        assert {engine.order(order_id).status for order_id in flying} == {Status.SUBMITTED}


def test_the_same_key_is_answered_while_halted_since_that_places_nothing(tmp_path: Path) -> None:
    with an_engine(tmp_path) as engine:
        first = _submit(engine)
        engine.halt()
        assert _submit(engine) == first
        with pytest.raises(Halted, match="Nothing was stored"):
            engine.submit(a_request(client_order_id="other"))


def _submit(engine: Engine) -> str:
    return engine.submit(a_request(client_order_id="key")).result(10).order.order_id
