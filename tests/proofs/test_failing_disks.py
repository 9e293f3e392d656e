"""Disks that fail: a sync that errs, no room, a lock by somebody else, changed bytes, missing and foreign files, old schemas.

With more tries and figures: python -m tests.proofs.power.damage --flips 10000, python -m tests.proofs.power.locks 1 10
"""

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

import pytest

from order_engine import database, integrity, journal
from order_engine.clock import SystemClock
from order_engine.database import DatabaseUnusable
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.journal import APPLICATION_ID, MIGRATIONS, Journal
from order_engine.venues.simulated.ledger import Ledger
from tests.conftest import run_daemon
from tests.order_engine.given import BUILDING, ROUTING, a_journal, an_engine, broken, rows, write
from tests.proofs.power import checker, damage, locks, shims
from tests.proofs.power.campaign import ROOT
from tests.proofs.power.failing import STORAGE_BROKE
from tests.waiting import until

needs_shim = pytest.mark.skipif(not shims.POSSIBLE, reason=shims.WHY_NOT)

DATA = ROOT / "tests" / "data"
SYNCS_MAX = 300
FULL_MOMENTS, FULL_STRIDE = 16, 53
FLIPS = 500
KILLS = 25


def failing(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """What the engines on a failing disk said, a record each."""
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "tests.proofs.power.failing", *map(str, arguments)],
        cwd=ROOT,
        env=shims.environment(shims.compiled("faults", folder), OEE_FAULT_FOLDER=str(folder)),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3_000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


# errors


@needs_shim
def test_whichever_sync_fails_the_process_leaves_and_nothing_told_contradicts_the_disk(tmp_path: Path) -> None:
    def every_second(first: int) -> list[dict[str, Any]]:
        folder = tmp_path / f"from{first}"
        return failing(folder, "sync", folder, first, SYNCS_MAX // 2, 2)

    with ThreadPoolExecutor(2) as pool:
        tried = [each for part in pool.map(every_second, (1, 2)) for each in part]
    fired = [each for each in tried if each["fired"]]
    print(f"{len(fired)} failed syncs, {sum(bool(each['findings']) for each in fired)} contradictions")
    assert len(fired) > 40
    assert not all(each["fired"] for each in tried), "there are more syncs than were tried"
    assert [each for each in tried if each["findings"]] == []
    assert {each["code"] for each in fired} == {STORAGE_BROKE}


@needs_shim
def test_a_disk_that_is_full_in_the_middle_of_a_write_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "full"
    tried = failing(folder, "full", folder, 1, FULL_MOMENTS, FULL_STRIDE)
    assert sum(each["fired"] for each in tried) > FULL_MOMENTS // 2
    assert [each for each in tried if each["findings"] or each["code"] not in (0, STORAGE_BROKE)] == []


@needs_shim
def test_without_room_new_orders_are_refused_and_those_under_way_end_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "room"
    (found,) = failing(folder, "room", folder)
    assert found["under_way"] > 0
    assert Counter(found["refused"]) == {"storage_unavailable": 51}
    assert found["stored"] == found["accepted"]
    assert found["left"] == 0
    assert max(found["noticed_ms"], found["resumed_ms"]) < 3_000, found


# locks


@pytest.mark.parametrize(("seconds", "stall_ms_max"), [(1.0, 2_500), (5.0, 5_500)])
def test_a_lock_by_somebody_else_delays_or_refuses_and_stores_nothing_by_halves(
    tmp_path: Path, seconds: float, stall_ms_max: float
) -> None:
    found = locks.hold(tmp_path, seconds)
    print(found)
    assert found.accepted >= locks.CLIENTS
    assert (found.refused > 0) == (seconds * 1_000 > database.BUSY_MS)
    assert found.stall_ms_max < stall_ms_max  # the batch before, and its own: two seconds each at most
    assert found.left_open == 0


# damage


def test_a_damaged_journal_is_refused_unless_what_was_hit_is_not_in_use() -> None:
    found = damage.run(FLIPS, seed=1)
    print(dict(found))
    assert sum(found.values()) == FLIPS + 4
    assert found["nowhere", "as it was"] == 4, "a whole one is refused"
    outcomes = Counter[str]()
    for (where, outcome), count in found.items():
        if where != "log, last commit":  # damaged, it is no different from one that was never finished
            outcomes[outcome] += count
    assert set(outcomes) - {"schema's wording only"} == {"refused", "as it was"}, found
    assert outcomes["refused"] > FLIPS // 2


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The data folder of an engine that was killed: the newest is in the log."""
    return damage.a_journal(tmp_path / "killed", stopped=False)


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4_096 * 4_096)


def _overwrite(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(b'"amount_in":') + 12] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "harm", "words"), [
    ("journal.db-wal", Path.unlink, "journal.db-wal is missing"),
    ("journal.db-wal", _empty, "journal.db-wal is missing"),
    ("journal.db-wal", _overwrite, "the header of journal.db-wal is not right"),
    ("journal.db", _cut_off, "is damaged"),
    ("journal.db", _overwrite, "is damaged"),
    ("journal.db", _empty, "it is empty, and journal.db-wal is not"),
    ("journal.db", Path.unlink, "it is empty, and journal.db-wal is not"),
    ("chain.db", _cut_off, "is damaged"),
    ("chain.db", _overwrite, "is damaged"),
])  # fmt: skip
def test_a_file_that_is_not_whole_ends_the_start_with_70_and_the_steps_and_is_left_alone(
    killed: Path, name: str, harm: Any, words: str
) -> None:
    if name == "chain.db":
        with closing(sqlite3.connect(killed / name)) as db:  # takes the log in, which would mend what is done next
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(killed / name)
    before = {
        path.name: path.read_bytes() for path in killed.glob(f"{name.removesuffix('-wal')}*") if "shm" not in path.name
    }
    ended = run_daemon(killed.parent)
    assert ended.returncode == STORAGE_BROKE, ended.stderr
    assert words in ended.stderr
    assert "put a backup of both in their place" in ended.stderr
    assert all((killed / file).read_bytes() == content for file, content in before.items())


def test_a_byte_that_changed_in_the_text_of_a_stopped_journal_is_noticed(tmp_path: Path) -> None:
    folder = damage.a_journal(tmp_path / "stopped", stopped=True)
    _one_byte(folder / "journal.db")
    with pytest.raises(DatabaseUnusable, match=r"is not what (was written|its events make of it)"):
        Journal(folder / "journal.db", Feed(), broken)


def test_of_a_large_journal_the_open_orders_and_the_newest_events_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    with a_journal(path) as opened:
        write(opened, "order-1", ROUTING)
    monkeypatch.setattr(integrity, "SMALL_BYTES", 0)
    monkeypatch.setattr(database, "SMALL_BYTES", 0)
    with a_journal(path):
        pass
    _one_byte(path)
    with pytest.raises(DatabaseUnusable, match="is damaged"):
        Journal(path, Feed(), broken)


def test_damage_that_is_met_while_running_ends_the_process(tmp_path: Path) -> None:
    """Beyond what a start looks at, SQLite itself notices a broken page when it comes to it."""
    path, stopped = tmp_path / "journal.db", list[str]()
    with a_journal(path, stopped.append) as opened:
        write(opened, "order-1", ROUTING)
        opened._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        content = bytearray(path.read_bytes())
        (root,) = rows(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_orders_1'")[0]
        content[(root - 1) * 4_096 : root * 4_096] = b"\xff" * 4_096
        path.write_bytes(content)
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            opened.order("order-2")  # the open ones are known without the file
    assert stopped
    assert "put a backup of both in their place" in stopped[0]


def test_a_log_that_was_taken_in_by_another_program_may_be_declared_complete(killed: Path) -> None:
    path = killed / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT count(*) FROM orders").fetchone()  # SQLite's own shell does just that when it closes
    with pytest.raises(DatabaseUnusable, match="is missing") as refused:
        Journal(path, Feed(), broken)
    assert integrity.NOTHING_MISSING in str(refused.value)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(integrity.NOTHING_MISSING)
    with a_journal(path) as opened:
        assert len(opened.open_ids()) >= 0
    with closing(database.open_reader(path)) as reader:
        assert integrity.find_damage(reader, everything=True) is None


# the log


def test_a_reader_that_never_ends_raises_the_alarm_and_the_log_shrinks_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_COMMITS", 10)
    path, log = tmp_path / "journal.db", tmp_path / "journal.db-wal"
    large = BUILDING.__class__(1_002, "raydium", "pool", 1, (), "x" * 1_000_000)

    def alarms() -> list[logging.LogRecord]:
        return [each for each in caplog.records if "log cannot be taken in" in each.message]

    with a_journal(path) as opened:
        order = write(opened, "order-1", ROUTING)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            while not alarms():
                order = opened.append(order, large).result(20).order
                order = opened.append(order, ROUTING).result(20).order
                assert log.stat().st_size < 2 * journal.LOG_ALARM_BYTES, "no alarm"
        largest = log.stat().st_size
        told = len(alarms())

        def shrunk() -> bool:
            nonlocal order
            order = opened.append(order, ROUTING).result(20).order
            return log.stat().st_size <= journal.LOG_ALARM_BYTES

        until(shrunk, "a shorter log")
        print(f"log {largest / 2**20:.0f} MiB at most, {log.stat().st_size / 2**20:.0f} afterwards, {told} alarms")


def test_a_long_log_that_nobody_holds_up_raises_no_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake made once: many orders in a short time were taken for a reader that never ends."""
    monkeypatch.setattr(journal, "LOG_ALARM_BYTES", 4_096)
    monkeypatch.setattr(journal, "CHECKPOINT_COMMITS", 3)
    with a_journal(tmp_path / "journal.db") as opened:
        for number in range(20):
            write(opened, f"order-{number}", ROUTING)
        assert opened.commits > 30
    assert [each for each in caplog.records if "log cannot be taken in" in each.message] == []


# other versions


@pytest.mark.parametrize("version", sorted(path.stem.removeprefix("journal-") for path in DATA.glob("journal-*.db")))
def test_the_databases_of_every_release_open_and_go_on(tmp_path: Path, version: str) -> None:
    home = Home.at(tmp_path)
    home.make()
    shutil.copyfile(DATA / f"journal-{version}.db", home.journal)
    shutil.copyfile(DATA / f"chain-{version}.db", home.chain)
    there = rows(home.journal, "SELECT id, state FROM orders ORDER BY n")
    assert len(there) >= 10
    assert checker.look_at_engine(home, []) == []
    with an_engine(tmp_path) as engine:
        assert [order_id for order_id, _ in there] == [
            order.order_id for order in engine.orders(journal.OrderQuery()).items
        ]
        again = next(order for order in engine.orders(journal.OrderQuery()).items if order.status == "confirmed")
        assert engine.submit(again.request).result(20).created == (again.request.client_order_id is None)
    assert checker.look_at_engine(home, []) == []


def first_schema(path: Path) -> Path:
    """A journal as the first schema had it, before there were sums."""
    shutil.copyfile(DATA / "journal-0.1.0.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE events DROP COLUMN sum")
        db.execute("ALTER TABLE daemon DROP COLUMN running")
        db.execute("PRAGMA user_version = 1")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def test_a_journal_of_the_first_schema_is_backed_up_and_brought_up_to_date(tmp_path: Path) -> None:
    path = first_schema(tmp_path / "journal.db")
    old = rows(path, "SELECT * FROM orders"), rows(path, "SELECT * FROM events")
    with a_journal(path) as opened:
        assert opened.open_ids() == []
    backup = tmp_path / "journal.db.v1.bak"
    assert (rows(backup, "SELECT * FROM orders"), rows(backup, "SELECT * FROM events")) == old
    assert rows(path, "SELECT * FROM orders") == old[0]
    assert rows(path, "SELECT seq, order_id, version, at, facts FROM events") == old[1]


@pytest.fixture
def future(tmp_path: Path) -> Path:
    """The migrations of a version to come, with one that takes its time."""
    folder = shutil.copytree(MIGRATIONS, tmp_path / "future")
    newest = len(list(folder.iterdir()))
    (folder / f"{newest + 1:03}_future.sql").write_text(
        "ALTER TABLE orders ADD COLUMN colour TEXT;\n"
        "CREATE TABLE copies (n INTEGER PRIMARY KEY, facts TEXT) STRICT;\n"
        "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 400)\n"
        "INSERT INTO copies (facts) SELECT facts FROM events, many;\n"
        "UPDATE orders SET colour = 'red';\n"
    )
    return folder


def _kills(path: Path, migrations: Path, dice: Random) -> Iterator[bool]:
    """Whether a migration was through when its process was killed: at once, a little later, …"""
    clock = SystemClock()
    begun = clock.steady_ms()
    assert _fork_and_kill(path.with_name("measured.db"), migrations, None)
    whole_ms = clock.steady_ms() - begun
    for _ in range(KILLS):
        yield _fork_and_kill(path, migrations, dice.uniform(0, 1.1 * whole_ms))


def _fork_and_kill(path: Path, migrations: Path, after_ms: float | None) -> bool:
    shutil.copyfile(DATA / "journal-0.1.0.db", path)
    for leftover in path.parent.glob(f"{path.name}?*"):
        leftover.unlink()
    process = os.fork()
    if process == 0:
        try:
            database.open_writer(path, migrations, APPLICATION_ID, integrity.examine)
        finally:
            os._exit(0)
    if after_ms is not None:
        SystemClock().sleep_ms(after_ms)  # not a wait for anything: the moment of the kill
        os.kill(process, signal.SIGKILL)
    return os.WIFEXITED(os.waitpid(process, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_migration_that_is_killed_leaves_the_old_or_the_new_and_the_next_start_the_new(
    tmp_path: Path, future: Path
) -> None:
    newest = len(list(MIGRATIONS.glob("*.sql"))) + 1
    before: int = rows(DATA / "journal-0.1.0.db", "PRAGMA user_version")[0][0]
    path = tmp_path / "journal.db"
    orders, events = (rows(DATA / "journal-0.1.0.db", f"SELECT * FROM {each}") for each in ("orders", "events"))  # noqa: S608
    found = Counter[str]()
    for _ in _kills(path, future, Random(3)):
        version = rows(path, "PRAGMA user_version")[0][0]
        there = rows(path, "SELECT * FROM orders")
        if version == before:
            assert there == orders
            found["old"] += 1
        else:
            assert version == newest
            assert there == [(*row, "red") for row in orders]
            assert rows(path.with_name(f"journal.db.v{before}.bak"), "SELECT * FROM orders") == orders
            found["new"] += 1
        database.open_writer(path, future, APPLICATION_ID, integrity.examine).close()
        assert rows(path, "SELECT * FROM events") == events
        assert rows(path, "SELECT DISTINCT colour FROM orders") == [("red",)]
        assert rows(path.with_name(f"journal.db.v{before}.bak"), "SELECT * FROM orders") == orders
        with pytest.raises(DatabaseUnusable, match="Use the newer oee"):
            Journal(path, Feed(), broken)
    print(f"{sum(found.values())} kills: {dict(found)}")
    assert found["old"], "every kill came too late"


def test_the_chains_file_is_refused_when_it_is_newer_too(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    Ledger(path, 7, 0).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseUnusable, match="Use the newer oee"):
        Ledger(path, 7, 0)
