import json
import pickle
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Event, Semaphore, get_ident
from typing import Any

import pytest

from order_engine import work_queue
from order_engine.clock import SystemClock
from order_engine.work_queue import WorkQueue
from tests.order_engine.given import rows
from tests.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@contextmanager
def running(
    path: Path, work: Callable[[str], None], workers: int = 1, is_one_enough: Callable[[], bool] = bool
) -> Iterator[WorkQueue]:
    queue = WorkQueue(path, workers, work, SystemClock(), is_one_enough)
    queue.begin()
    try:
        yield queue
    finally:
        queue.end(5.0)


def resting(path: Path) -> WorkQueue:
    return WorkQueue(path, 1, lambda order_id: None, SystemClock())


def put_raw(path: Path, data: bytes, priority: float = 0) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("INSERT INTO task (queue, data, priority) VALUES ('orders', ?, ?)", (data, priority))


def test_nothing_but_ids_is_in_the_file(path: Path) -> None:
    with closing(resting(path)) as queue:
        queue.put("order-1")
        queue.put("order-2", priority=5)
        tasks = [json.loads(data) for (data,) in rows(path, "SELECT data FROM task ORDER BY id")]
        assert [(order_id, priority) for _, order_id, priority in tasks] == [("order-1", None), ("order-2", 5)]
        assert queue.waiting() == {"order-1", "order-2"}
        assert queue.depth() == 2


def test_the_file_is_private(path: Path) -> None:
    with closing(resting(path)) as queue:
        queue.put("order-1")
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("queue.db*")} == {0o600}


def test_equal_ones_go_by_age_and_a_higher_priority_goes_first(path: Path) -> None:
    done, gate = list[str](), Semaphore(0)

    def work(order_id: str) -> None:
        gate.acquire()
        done.append(order_id)

    with running(path, work) as queue:
        queue.put("first")  # keeps the only worker busy while the others gather
        until(lambda: queue.depth() == 0)
        for order_id, priority in (("a", None), ("b", None), ("urgent", 9), ("c", None), ("soon", 1)):
            queue.put(order_id, priority)
        gate.release(6)
        until(lambda: len(done) == 6)
    assert done == ["first", "urgent", "soon", "a", "b", "c"]


def test_an_idle_worker_takes_an_id_as_soon_as_it_is_put(path: Path) -> None:
    taken = Semaphore(0)
    with running(path, lambda order_id: taken.release()) as queue:
        for n in range(200):  # by polling twice a second this would take a hundred seconds
            queue.put(str(n))
            assert taken.acquire(timeout=20)


def test_what_a_worker_waits_for_goes_past_the_file(path: Path) -> None:
    done = list[str]()
    with running(path, done.append) as queue, closing(sqlite3.connect(path)) as other:
        until(lambda: queue.storage._waiting == 1)
        before = other.execute("PRAGMA data_version").fetchone()
        queue.put_all(["order-1", "order-2"])
        until(lambda: done == ["order-1", "order-2"])
        assert other.execute("PRAGMA data_version").fetchone() == before, "somebody wrote into the file"


def test_every_id_is_worked_on_once(path: Path) -> None:
    done: list[str] = []
    with running(path, done.append, workers=8) as queue:
        for n in range(500):
            queue.put(str(n))
        until(lambda: len(done) == 500)
        assert queue.depth() == 0
    assert sorted(done, key=int) == [str(n) for n in range(500)]


def test_a_worker_killed_by_its_work_is_replaced_and_the_queue_goes_on(path: Path) -> None:
    done: list[str] = []

    def work(order_id: str) -> None:
        if order_id.startswith("deadly"):
            raise SystemExit
        done.append(order_id)

    with running(path, work, workers=2) as queue:
        for order_id in ("deadly-1", "deadly-2"):
            queue.put(order_id)
        until(lambda: queue.alive() == 0, "the death of both workers")
        for n in range(20):
            queue.put(str(n))
        until(lambda: len(done) == 20)
        until(lambda: queue.alive() == 2)


def test_work_that_raises_costs_nothing_but_itself(path: Path) -> None:
    done: list[str] = []

    def work(order_id: str) -> None:
        if order_id == "bad":
            raise ValueError(order_id)
        done.append(order_id)

    with running(path, work) as queue:
        queue.put("bad")
        queue.put("good")
        until(lambda: done == ["good"])
        assert queue.alive() == 1


class Bomb:
    """Pickled, it is code that runs when it is read."""

    def __init__(self, crater: Path) -> None:
        self._crater = crater

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._crater,)


def test_what_somebody_else_wrote_into_the_file_is_not_run(path: Path) -> None:
    done, crater = list[str](), path.parent / "crater"
    bomb = pickle.dumps(Bomb(crater))
    with running(path, done.append) as queue:
        for garbage in (bomb, b"", b"\xff\xfe", b"{}", b"[]", b"17", b'["id", 5, null]', b'["id", ["order"], null]'):
            put_raw(path, garbage, priority=9)
        queue.put("order-1")
        queue.storage.wake()
        until(lambda: queue.depth() == 0)
        until(lambda: done)
    assert done == ["order-1"]
    assert not crater.exists()


def test_garbage_in_the_file_does_not_hide_the_ids_that_wait(path: Path) -> None:
    with closing(resting(path)) as queue:
        queue.put("order-1")
        for garbage in (b"\x80\x04.", b"{}", b"17", b"[]", b'["a", {}, 1]'):
            put_raw(path, garbage)
        assert queue.waiting() == {"order-1"}


def test_the_file_is_fresh_at_each_start(path: Path) -> None:
    with closing(resting(path)) as before:
        before.put("from before")
    with closing(resting(path)) as again:
        assert again.waiting() == set()
    path.write_bytes(b"no database at all")
    with closing(resting(path)) as anew:
        assert anew.depth() == 0


def test_the_end_waits_for_the_work_in_hand_and_takes_no_more(path: Path) -> None:
    begun, finish, done = Event(), Event(), list[str]()

    def work(order_id: str) -> None:
        begun.set()
        assert finish.wait(20)
        done.append(order_id)

    with running(path, work) as queue:
        queue.put("in hand")
        assert begun.wait(20)
        queue.put("waiting")
        finish.set()
        queue.end(10.0)
        assert done[0] == "in hand"
        assert len(done) + queue.depth() == 2


@pytest.mark.parametrize(("is_one_enough", "expected"), [(True, 1), (False, 4)])
def test_as_many_workers_are_woken_as_are_of_use(
    path: Path, monkeypatch: pytest.MonkeyPatch, is_one_enough: bool, expected: int
) -> None:
    monkeypatch.setattr(work_queue, "PROBE_S", 60)  # nobody looks up by himself
    workers, together = set[int](), Barrier(expected)

    def work(_: str) -> None:
        workers.add(get_ident())
        together.wait(20)  # until as many are at work as are expected

    with running(path, work, workers=4, is_one_enough=lambda: is_one_enough) as queue:
        until(lambda: queue.storage._waiting == 4)
        queue.put_all([f"order-{number}" for number in range(40)])
        until(lambda: queue.depth() == 0)
    assert len(workers) == expected


def test_a_worker_shares_what_it_has_not_begun_once_one_is_not_enough(path: Path) -> None:
    workers, together, one_is_enough = list[int](), Barrier(4), Event()
    one_is_enough.set()

    def work(order_id: str) -> None:
        if order_id == "order-0":
            one_is_enough.clear()
            return
        workers.append(get_ident())
        together.wait(20)  # until all four are at work

    with running(path, work, workers=4, is_one_enough=one_is_enough.is_set) as queue:
        until(lambda: queue.storage._waiting == 4)
        queue.put_all([f"order-{number}" for number in range(41)])
        until(lambda: len(workers) == 40)
    assert len(set(workers)) == 4


def test_where_one_worker_is_enough_it_gets_many_ids_at_once_and_no_one_of_them_spoils_the_others(path: Path) -> None:
    done, tasks = list[str](), list[Any]()

    def work(order_id: str) -> None:
        if order_id == "bad":
            raise ValueError(order_id)
        done.append(order_id)

    queue = WorkQueue(path, 1, work, SystemClock(), lambda: True)
    queue.pre_execute()(tasks.append)
    queue.put_all([f"order-{number}" for number in range(8)])
    put_raw(path, b'["id", 5, null]\n{}')
    queue.put_all(["bad", *(f"order-{number}" for number in range(8, 16))])
    queue.begin()
    try:
        until(lambda: len(done) == 16)
        assert done == [f"order-{number}" for number in range(16)]
        assert len(tasks) <= 2  # of at most BLOCK ids each
    finally:
        queue.end(1.0)
