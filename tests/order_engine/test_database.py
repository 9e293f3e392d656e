import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from order_engine import database
from order_engine.database import DatabaseUnusable

OURS = 0x6F656531


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "001_first.sql").write_text("CREATE TABLE one (a INTEGER) STRICT; INSERT INTO one VALUES (1);")
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


def foreign(path: Path, *statements: str) -> bytes:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path.read_bytes()


def value(connection: sqlite3.Connection, pragma: str) -> object:
    return connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def test_a_new_file_gets_the_schema_the_careful_settings_and_private_modes(path: Path, migrations: Path) -> None:
    with closing(database.open_writer(path, migrations, OURS)) as db:
        assert db.execute("SELECT a FROM one").fetchall() == [(1,)]
        assert value(db, "journal_mode") == "wal"
        assert value(db, "synchronous") == 2
        assert value(db, "foreign_keys") == 1
        assert value(db, "application_id") == OURS
        assert value(db, "user_version") == 1
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.parent.glob("some.db*"))


def test_a_later_version_migrates_keeps_what_is_there_and_leaves_a_private_backup(path: Path, migrations: Path) -> None:
    database.open_writer(path, migrations, OURS).close()
    (migrations / "002_second.sql").write_text("ALTER TABLE one ADD COLUMN b INTEGER; UPDATE one SET b = 2;")
    with closing(database.open_writer(path, migrations, OURS)) as db:
        assert db.execute("SELECT a, b FROM one").fetchall() == [(1, 2)]
    backup = path.with_name("some.db.v1.bak")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(backup)) as old:
        assert old.execute("SELECT * FROM one").fetchall() == [(1,)]


def test_a_migration_happens_wholly_or_not_at_all(path: Path, migrations: Path) -> None:
    database.open_writer(path, migrations, OURS).close()
    (migrations / "002_broken.sql").write_text("CREATE TABLE two (a INTEGER); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(DatabaseUnusable, match="nowhere"):
        database.open_writer(path, migrations, OURS)
    (migrations / "002_broken.sql").unlink()
    with closing(database.open_writer(path, migrations, OURS)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("one",)]


@pytest.mark.parametrize("statements", [
    ("CREATE TABLE theirs (a)",),
    ("CREATE TABLE theirs (a)", "PRAGMA user_version = 1"),
    ("CREATE TABLE theirs (a)", "PRAGMA application_id = 77"),
    ("CREATE TABLE theirs (a)", "PRAGMA application_id = 77", "PRAGMA user_version = 1"),
    ("PRAGMA application_id = 77",),
], ids=str)  # fmt: skip
def test_another_programs_file_is_refused_and_left_as_it_is(
    path: Path, migrations: Path, statements: tuple[str]
) -> None:
    before = foreign(path, *statements)
    with pytest.raises(DatabaseUnusable, match="another program"):
        database.open_writer(path, migrations, OURS)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused_and_left_as_it_is(path: Path, migrations: Path) -> None:
    path.write_bytes(b"a letter to my aunt, " * 1_000)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        database.open_writer(path, migrations, OURS)
    assert path.read_bytes() == b"a letter to my aunt, " * 1_000


def test_a_newer_file_is_refused_and_left_as_it_is(path: Path, migrations: Path) -> None:
    database.open_writer(path, migrations, OURS).close()
    before = foreign(path, "PRAGMA user_version = 9")
    with pytest.raises(DatabaseUnusable, match="schema 9, this version knows 1"):
        database.open_writer(path, migrations, OURS)
    assert path.read_bytes() == before
