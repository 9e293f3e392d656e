"""How our SQLite files are opened: the same careful settings everywhere, numbered migrations, and private to the user.

Two files use this, the journal and the simulated chain's ledger. No transaction ever spans them.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from order_engine.failpoints import failpoint

BUSY_MS = 2_000
SMALL_BYTES = 32 * 1024**2  # up to this size the whole structure is checked at every start: 0.1 s


Examine = Callable[[sqlite3.Connection, Path], str | None]  # reads only; what is wrong with the contents, if anything


class DatabaseUnusable(Exception):
    """The file is of another program, newer than this one, or damaged. Nothing was changed. The message says what to do."""


def open_writer(
    path: Path, migrations: Path, application_id: int, examine: Examine | None = None
) -> sqlite3.Connection:
    """The only writing connection of a file: WAL, every commit synced, schema brought up to date.

    Before anything is written the file is looked at: a small one wholly, and by `examine`, which says what it finds wrong.
    Raises DatabaseUnusable. The connection may be used by one thread at a time.
    """
    steps = sorted(migrations.glob("[0-9][0-9][0-9]_*.sql"))
    with usable(path):
        _look_at(path, steps, application_id, examine)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # before SQLite does, so that its mode is ours
            os.close(descriptor)
        except OSError as error:
            raise DatabaseUnusable(f"{path} cannot be opened: {error.strerror}.") from error
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1_000)
        try:
            version = _ours(connection, path, len(steps), application_id)
            _configure(connection, path)
            _migrate(connection, path, steps, version, application_id)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path, *, alone: bool = False) -> sqlite3.Connection:
    """A connection that can only read. Sees every commit made before each of its statements.

    `alone`: nobody else has the file open and there is no log, so that nothing needs to be locked or made.
    """
    place = f"{path.as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    connection = sqlite3.connect(
        place, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1_000
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Whatever SQLite says inside, while a file is being taken into use, becomes DatabaseUnusable with the next step."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        match _kind(error):
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                words = f"{path} is locked by another program. Close that program and start again."
            case sqlite3.SQLITE_FULL:
                words = f"There is no room on the disk of {path}. Nothing was lost. Make room and start again."
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
                words = f"{path} cannot be read or written: {error}. Look at the disk (oee doctor), then start again."
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                words = damaged(path, str(error))
            case _:
                words = f"{path} cannot be used: {error}. It was left as it is."
        raise DatabaseUnusable(words) from error
    except UnicodeDecodeError as error:  # from Python, on the way to telling what SQLite found
        raise DatabaseUnusable(damaged(path, "its schema is no text")) from error


def _look_at(path: Path, steps: list[Path], application_id: int, examine: Examine | None) -> None:
    """Looks without changing anything: a writer, when it closes, takes in the log and deletes it, whatever is in it."""
    log = path.with_name(f"{path.name}-wal")
    size, log_size = (file.stat().st_size if file.exists() else 0 for file in (path, log))
    if size == 0 and log_size > 0:  # SQLite would throw the log away, and begin anew
        raise DatabaseUnusable(damaged(path, f"it is empty, and {log.name} is not"))
    if size == 0 or path.with_name(f"{path.name}-journal").exists():
        return  # new, or it was being made when the power went: nothing was promised yet, and SQLite puts that right
    with closing(open_reader(path, alone=log_size == 0)) as reader:
        version = _ours(reader, path, len(steps), application_id)
        found: str | None = None
        try:
            if size <= SMALL_BYTES and (said := reader.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                found = said
            if found is None and not _made_by(steps[:version]) <= _schema(reader):
                found = "its schema is not the one that was made"
            if found is None and version and examine is not None:
                found = examine(reader, path)
        except sqlite3.OperationalError as error:
            if _kind(error) != sqlite3.SQLITE_ERROR:
                raise
            found = f"its schema is not what it was: {error}"  # a name in it that is no longer known
        if found is not None:
            raise DatabaseUnusable(damaged(path, found))


def _made_by(steps: list[Path]) -> set[str]:
    """What these migrations make of an empty file."""
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript("".join(step.read_text(encoding="utf-8") for step in steps))
        return _schema(model)


def _schema(connection: sqlite3.Connection) -> set[str]:
    """Each statement of the schema, without what means nothing: remarks, spaces and, outside of quotes, the case of letters.
    A remark that is reworded in a migration must not lock anybody out."""
    statements: set[str] = set()
    for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"):
        parts = re.split("('[^']*')", re.sub("--[^\n]*", "", sql))
        statements.add("".join(part if part.startswith("'") else "".join(part.lower().split()) for part in parts))
    return statements


def damaged(path: Path, what: str) -> str:
    """What to say of a file that is not whole."""
    return (
        f"{path} is damaged: {what}. It was left as it is. Keep a copy of it and of {path.name}-wal, "
        "put a backup of both in their place, and start again."
    )


def is_damage(error: Exception) -> bool:
    """True when SQLite says that the file itself is broken, not that it could not be reached."""
    return _kind(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_failed_sync(error: Exception) -> bool:
    """True when the disk did not take what it was told to keep: then nobody knows any more what it has, and asking
    again proves nothing, since Linux reports it once and forgets."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)


def _kind(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":  # SQLite keeps to itself why
        raise DatabaseUnusable(
            f"{path} cannot be switched to a write-ahead log, it stays with {mode!r}. Check the disk."
        )
    for pragma in (
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
