import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from order_engine import database
from order_engine.database import DatabaseUnusable
from order_engine.errors import StorageUnavailable
from order_engine.events import Building, Pending, Recorded, Routing
from order_engine.feed import Feed
from order_engine.journal import Journal, KeyTaken, OrderQuery, Superseded
from order_engine.lifecycle import IllegalStep
from order_engine.orders import OPEN, Status
from tests.order_engine.given import (
    BUILDING,
    CANCELLED,
    CONFIRMED,
    FAILED,
    PATHS,
    PENDING,
    ROUTING,
    SUBMITTED,
    a_journal,
    a_request,
    an_order,
    broken,
    fill_up,
    locked,
    make_room,
    rows,
    write,
)
from tests.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def seqs(path: Path) -> list[int]:
    return [seq for (seq,) in rows(path, "SELECT seq FROM events ORDER BY seq")]


# order and event


def test_an_order_and_its_event_are_on_disk_when_the_future_answers(path: Path) -> None:
    with a_journal(path) as journal:
        order = write(journal, "order-1", ROUTING)
        assert rows(path, "SELECT id, status, version FROM orders") == [("order-1", "routing", 2)]
        assert rows(path, "SELECT seq, order_id, version FROM events") == [(1, "order-1", 1), (2, "order-1", 2)]
        assert journal.order("order-1") == order
        assert order.seq == journal.last_seq() == 2


@pytest.mark.parametrize("status", list(Status))
def test_an_order_reads_back_as_it_was_written(path: Path, status: Status) -> None:
    with a_journal(path) as journal:
        order = write(journal, "order-1", *PATHS[status], client_order_id="key", min_out=2**64 - 1)
        assert journal.order("order-1") == order == journal.order_by_key("key")
        assert [entry.event for entry in journal.events(0, 10)][1:] == list(PATHS[status])


def test_an_illegal_step_raises_at_once_and_writes_nothing(path: Path) -> None:
    with a_journal(path) as journal:
        order = write(journal, "order-1")
        with pytest.raises(IllegalStep):
            journal.append(order, CONFIRMED)
        assert (journal.order("order-1"), journal.last_seq()) == (order, 1)


def test_what_does_not_exist_is_none(path: Path) -> None:
    with a_journal(path) as journal:
        assert journal.order("nobody") is None
        assert journal.order_by_key("nothing") is None
        assert journal.append(an_order(), ROUTING).exception(10).__class__ is Superseded


# seq


def test_seq_has_no_gap_over_restarts_and_refused_writes(path: Path) -> None:
    for start in range(4):
        with a_journal(path) as journal:
            order = write(journal, f"order-{start}", client_order_id=f"key-{start}")
            assert isinstance(journal.create("twin", Pending(1, order.request)).exception(10), KeyTaken)
            moved = journal.append(order, ROUTING).result(10).order
            assert isinstance(journal.append(order, CANCELLED).exception(10), Superseded)
            fill_up(journal)
            large = Building(1, "raydium", "pool", 1, (), "because " * 100_000)
            assert isinstance(journal.append(moved, large).exception(10), StorageUnavailable)
            make_room(journal)
            journal.append(moved, BUILDING).result(10)
            assert journal.last_seq() == 3 * (start + 1)
    assert seqs(path) == list(range(1, 13))


def test_seq_has_no_gap_when_many_write_at_once(path: Path) -> None:
    def live(n: int) -> None:
        write(journal, f"order-{n}", *PATHS[Status.CONFIRMED])

    with a_journal(path) as journal, ThreadPoolExecutor(16) as threads:
        list(threads.map(live, range(100)))
        assert seqs(path) == list(range(1, 501))
        assert journal.events(0, 1, "order-7")[0].event == PENDING


# publishing


def test_what_is_published_is_already_on_disk(path: Path) -> None:
    found: list[bool] = []

    def listener(recorded: object) -> None:
        assert isinstance(recorded, list)
        for each in recorded:
            on_disk = rows(path, "SELECT version FROM events WHERE seq = ?", each.seq)
            state = rows(path, "SELECT version, status FROM orders WHERE id = ?", each.order.order_id)
            found.append(on_disk == [(each.order.version,)] and state[0][0] >= each.order.version)

    with a_journal(path) as journal:
        journal._feed.subscribe(listener)
        write(journal, "order-1", *PATHS[Status.CONFIRMED])
        write(journal, "order-2", CANCELLED)
    assert found == [True] * 7


def test_everything_is_published_once_in_order_and_before_the_writer_is_answered(path: Path) -> None:
    published: list[Recorded] = []
    with a_journal(path) as journal:
        journal._feed.subscribe(published.extend)
        for n in range(20):
            done = journal.create(f"order-{n}", PENDING).result(10)
            assert published[-1] == done
    assert [each.seq for each in published] == list(range(1, 21))


def test_what_was_refused_is_not_published(path: Path) -> None:
    published: list[Recorded] = []
    with a_journal(path) as journal:
        order = write(journal, "order-1", client_order_id="key")
        journal._feed.subscribe(published.extend)
        journal.create("order-2", Pending(1, order.request)).exception(10)
        journal.append(an_order(order_id="nobody"), ROUTING).exception(10)
        fill_up(journal)
        journal.append(order, Routing(1, 1, "x", "words " * 100_000)).exception(10)
    assert published == []


def test_a_listener_that_fails_stops_neither_the_others_nor_the_journal(path: Path) -> None:
    published: list[Recorded] = []

    def fails(recorded: object) -> None:
        raise RuntimeError("a listener's own bug")

    with a_journal(path) as journal:
        journal._feed.subscribe(fails)
        journal._feed.subscribe(published.extend)
        write(journal, "order-1", ROUTING)
    assert len(published) == 2


# several at once


def test_of_two_that_act_on_the_same_order_one_wins_and_the_other_is_told(path: Path) -> None:
    with a_journal(path) as journal:
        for n in range(50):
            order = write(journal, f"order-{n}")
            answers = [journal.append(order, ROUTING), journal.append(order, CANCELLED)]
            if n % 2:
                Thread(target=journal.append, args=(order, CANCELLED)).start()
            errors = [answer.exception(10) for answer in answers]
            assert [type(error) for error in errors].count(type(None)) <= 1
            assert all(error is None or isinstance(error, Superseded) for error in errors)
            until(lambda n=n: len(journal.events(0, 10, f"order-{n}")) == 2)  # type: ignore[misc]


def test_a_client_order_id_belongs_to_one_order_only(path: Path) -> None:
    with a_journal(path) as journal:
        answers = [journal.create(f"order-{n}", Pending(1, a_request(client_order_id="key"))) for n in range(100)]
        errors = [answer.exception(10) for answer in answers]
        assert [type(error) for error in errors] == [type(None)] + [KeyTaken] * 99
        assert rows(path, "SELECT count(*) FROM orders") == [(1,)]


def test_orders_without_client_order_id_do_not_collide(path: Path) -> None:
    with a_journal(path) as journal:
        write(journal, "order-1")
        write(journal, "order-2")
        assert len(journal.open_ids()) == 2


def test_what_gathers_while_the_disk_is_busy_is_committed_together(path: Path) -> None:
    with a_journal(path) as journal:
        with locked(path):
            answers = [journal.create(f"order-{n}", PENDING) for n in range(200)]
        for answer in answers:
            answer.result(10)
        assert journal.commits <= 3


def test_many_threads_need_fewer_commits_than_events(path: Path) -> None:
    with a_journal(path) as journal, ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda n: write(journal, f"order-{n}", ROUTING, BUILDING), range(200)))
        assert journal.last_seq() == 600
        assert journal.commits < 600


def test_readers_of_threads_that_are_gone_do_not_pile_up(path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    with a_journal(path) as journal:
        write(journal, "order-1")
        before = open_files()
        for _ in range(40):
            reader = Thread(target=journal.order, args=("order-1",))
            reader.start()
            reader.join()
        assert open_files() < before + 10


def test_an_unwritable_record_is_refused_and_the_journal_goes_on(path: Path) -> None:
    with a_journal(path) as journal:
        hostile = journal.create("order-1", Pending(1, a_request(client_order_id="\ud800")))
        assert hostile.exception(10) is not None
        write(journal, "order-2")
        assert seqs(path) == [1]


def test_a_caller_who_gives_up_waiting_does_not_stop_the_journal(path: Path) -> None:
    with a_journal(path) as journal:
        with locked(path):
            given_up = journal.create("order-1", PENDING)
            given_up.cancel()
        write(journal, "order-2")
        assert sorted(journal.open_ids()) == ["order-1", "order-2"]


# storage


def test_a_full_disk_stores_nothing_and_says_so_and_the_journal_goes_on_after(path: Path) -> None:
    with a_journal(path) as journal:
        order = write(journal, "order-1")
        fill_up(journal)
        refused: list[BaseException | None] = []
        while not any(refused):
            number = len(refused)
            refused.append(journal.create(f"more-{number}", PENDING).exception(10))
        error = refused[-1]
        assert isinstance(error, StorageUnavailable)
        assert "full" in error.message
        assert "Nothing was stored" in error.message
        assert journal.last_seq() == len(seqs(path)) == len(refused)
        assert rows(path, "SELECT count(*) FROM orders") == [(len(refused),)]
        assert journal.order("order-1") == order  # reading goes on
        make_room(journal)
        journal.append(order, ROUTING).result(10)
        assert seqs(path) == list(range(1, len(refused) + 2))


def test_another_process_that_writes_for_a_while_only_delays(path: Path) -> None:
    with a_journal(path) as journal:
        with locked(path):
            answer = journal.create("order-1", PENDING)
            assert not answer.done()
        assert answer.result(10).seq == 1


FULL_FOR_REAL = """
import os, resource, signal, sys
from pathlib import Path
from order_engine.feed import Feed
from order_engine.journal import Journal
from tests.order_engine.given import PENDING

def fatal(reason):
    os.write(1, b"fatal\\n")
    os._exit(70)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]), Feed(), fatal)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
for n in range(10_000):
    error = journal.create(f"order-{n}", PENDING).exception(30)
    if error is not None:
        os.write(1, f"{type(error).__name__}\\n".encode())
        os._exit(1)
    os.write(1, f"order-{n}\\n".encode())
"""


def test_when_the_disk_refuses_a_commit_whatever_was_answered_is_there_and_the_process_leaves(path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FULL_FOR_REAL, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    *answered, last = said.stdout.split()
    assert (last, said.returncode) in {("fatal", 70), ("StorageUnavailable", 1)}, said.stderr
    with a_journal(path) as journal:
        assert len(answered) > 10
        assert set(answered) <= set(journal.open_ids())
        assert journal.last_seq() == len(journal.open_ids())
        write(journal, "afterwards")


# one writer


def test_an_old_journal_may_not_write_once_a_new_one_was_opened(path: Path) -> None:
    fatal: list[str] = []
    old = Journal(path, Feed(), fatal.append)
    order = write(old, "order-1")
    with a_journal(path) as new:
        unanswered = old.append(order, CANCELLED)
        until(lambda: fatal, "on_fatal")
        assert "another daemon has taken over" in fatal[0]
        assert not unanswered.done()
        assert new.order("order-1") == order
        new.append(order, ROUTING).result(10)
    old.close()
    assert seqs(path) == [1, 2]


def test_an_order_that_another_program_has_changed_ends_the_journal_and_nothing_of_that_commit_is_stored(
    path: Path,
) -> None:
    fatal: list[str] = []
    journal = Journal(path, Feed(), fatal.append)
    order = journal.create("order-1", PENDING).result(10).order
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE orders SET version = 7")
        journal.append(order, ROUTING)
        until(lambda: fatal, "on_fatal")
        assert fatal == ["another program has changed orders in this journal"]
        assert other.execute("SELECT version FROM orders").fetchall() == [(7,)]
        assert other.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    journal.close()


def test_a_reader_cannot_write(path: Path) -> None:
    with a_journal(path) as journal:
        write(journal, "order-1")
        reader = database.open_reader(path)
        with pytest.raises(Exception, match="readonly"):
            reader.execute("DELETE FROM events")
        reader.close()


def test_the_files_are_private(path: Path) -> None:
    with a_journal(path) as journal:
        write(journal, "order-1")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}


def test_closing_writes_what_is_waiting(path: Path) -> None:
    journal = Journal(path, Feed(), broken)
    with locked(path):
        answers = [journal.create(f"order-{n}", PENDING) for n in range(10)]
    journal.close()
    assert all(answer.done() for answer in answers)
    assert seqs(path) == list(range(1, 11))


def test_a_journal_of_a_newer_version_is_refused_unchanged(path: Path) -> None:
    with a_journal(path):
        pass
    change(path, "PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="schema 99"):
        Journal(path, Feed(), broken)
    assert path.read_bytes() == before


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


# reading


def test_a_page_is_the_newest_orders_newest_last_and_the_cursor_leads_back(path: Path) -> None:
    with a_journal(path) as journal:
        for n in range(10):
            write(journal, f"order-{n}")
        pages, cursor = [], None
        while True:
            items, cursor = journal.orders(OrderQuery(limit=4, cursor=cursor))
            pages.append([order.order_id for order in items])
            if cursor is None:
                break
            write(journal, f"newcomer-{cursor}")  # does not disturb the pages before it
    assert pages == [[f"order-{n}" for n in page] for page in ((6, 7, 8, 9), (2, 3, 4, 5), (0, 1))]


def test_a_full_last_page_has_no_cursor(path: Path) -> None:
    with a_journal(path) as journal:
        for n in range(4):
            write(journal, f"order-{n}")
        assert journal.orders(OrderQuery(limit=4))[1] is None


@pytest.mark.parametrize(("query", "ids"), [
    (OrderQuery(), "abcd"),
    (OrderQuery(statuses=("confirmed",)), "c"),
    (OrderQuery(statuses=tuple(OPEN)), "ab"),
    (OrderQuery(statuses=()), ""),
    (OrderQuery(pair=("SOL", "USDC")), "ac"),
    (OrderQuery(pair=("USDC", "SOL")), "ac"),
    (OrderQuery(pair=("SOL", "JUP")), ""),
    (OrderQuery(dex="raydium"), "c"),
    (OrderQuery(key="key-b"), "b"),
    (OrderQuery(key="key-"), ""),
    (OrderQuery(since_ms=1_000), "abcd"),
    (OrderQuery(since_ms=1_001), ""),
    (OrderQuery(suffix="aa0b"), "b"),
    (OrderQuery(suffix="ffaa0b"), "b"),
    (OrderQuery(suffix="eeaa0b"), ""),
    (OrderQuery(suffix="%a0b"), ""),
    (OrderQuery(pair=("USDC", "SOL"), statuses=("pending",)), "a"),
], ids=str)  # fmt: skip
def test_a_query_filters(path: Path, query: OrderQuery, ids: str) -> None:
    with a_journal(path) as journal:
        write(journal, "ffaa0a")
        write(journal, "ffaa0b", ROUTING, input_token="JUP", client_order_id="key-b")
        write(journal, "ffaa0c", ROUTING, BUILDING, SUBMITTED, CONFIRMED, input_token="USDC", output_token="SOL")
        write(journal, "ffaa0d", ROUTING, FAILED, input_token="WIF", output_token="SOL")
        assert "".join(order.order_id[-1] for order in journal.orders(query)[0]) == ids


def test_events_come_after_since_oldest_first_and_of_one_order_where_asked(path: Path) -> None:
    with a_journal(path) as journal:
        write(journal, "order-1", ROUTING)
        write(journal, "order-2", CANCELLED)
        assert [entry.seq for entry in journal.events(1, 2)] == [2, 3]
        assert [entry.seq for entry in journal.events(0, 10, "order-2")] == [3, 4]
        assert journal.events(4, 10) == []
        assert journal.events(0, 10, "nobody") == []
        assert journal.seq_before(1_001) == 3
        assert journal.seq_before(0) == 0


def test_open_orders_are_those_that_are_not_final_oldest_first(path: Path) -> None:
    with a_journal(path) as journal:
        for status in Status:
            write(journal, status.value, *PATHS[status])
        assert journal.open_ids() == [order.order_id for order in journal.open_orders()] == [s.value for s in OPEN]
