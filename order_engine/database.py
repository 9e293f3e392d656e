"""How our SQLite files are opened: the same careful settings everywhere, numbered migrations, and private to the user.

Two files use this, the journal and the simulated chain's ledger. No transaction ever spans them.
"""

import os
import sqlite3
from pathlib import Path

from order_engine.failpoints import failpoint

BUSY_MS = 2_000


class DatabaseUnusable(Exception):
    """The file is of another program, newer than this one, or damaged. Nothing was changed. The message says what to do."""


def open_writer(path: Path, migrations: Path, application_id: int) -> sqlite3.Connection:
    """The only writing connection of a file: WAL, every commit synced, schema brought up to date.

    Raises DatabaseUnusable. The connection may be used by one thread at a time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # before SQLite does, so that its mode is ours
    os.close(descriptor)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1_000)
    try:
        steps = sorted(migrations.glob("[0-9][0-9][0-9]_*.sql"))
        version = _ours(connection, path, len(steps), application_id)
        _configure(connection)
        _migrate(connection, path, steps, version, application_id)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DatabaseUnusable(
            f"{path} cannot be used: {error}. It was left as it is. Move it away, or restore a backup, and start again."
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that can only read. Sees every commit made before each of its statements."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1_000
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: fsync alone does not reach the disk
        "checkpoint_fullfsync = ON",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "mmap_size = 0",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _ours(connection: sqlite3.Connection, path: Path, newest: int, application_id: int) -> int:
    """The schema version of a file that is ours, 0 for an empty one. Reads only. Raises DatabaseUnusable for any other."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found != application_id and (found or version or tables):
        raise DatabaseUnusable(f"{path} belongs to another program (application id {found:#x}). It was left as it is.")
    if version > newest:
        raise DatabaseUnusable(
            f"{path} has schema {version}, this version knows {newest}. It was left as it is. Use the newer oee that wrote it."
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path, steps: list[Path], version: int, application_id: int) -> None:
    if version == len(steps):
        return
    if version:
        _back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
    script = "".join(step.read_text(encoding="utf-8") for step in steps[version:])
    connection.executescript(
        f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {application_id};\nPRAGMA user_version = {len(steps)};"
    )
    failpoint("in-migration")
    connection.execute("COMMIT")


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    descriptor = os.open(copy, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(descriptor)
    target = sqlite3.connect(copy)
    try:
        connection.backup(target)
    finally:
        target.close()
