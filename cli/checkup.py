"""What `oee doctor` looks at. Each check is a function of the home; none starts a daemon or changes what it looks at."""

import importlib.util
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cli.settings_file import resolved
from order_engine import __version__
from order_engine.client import Client, find_daemon
from order_engine.clock import SystemClock, timestamp
from order_engine.errors import EngineError, Malformed
from order_engine.home import Home
from order_engine.integrity import find_damage
from order_engine.reconcile import imbalances, wrong_outcomes

PYTHON = (3, 11)
LIBRARIES = ("litestar", "huey", "typer", "rich", "textual", "websockets", "msgspec")
DISK_WARN, DISK_FAIL = 1_024**3, 64 * 1_024**2
SYNC_WARN_MS = 50.0  # every accepted order waits for one
LYING_MS = 0.02  # the fastest disks with a battery need more
CLOCK_WARN_MS = 60_000
SYNCS = 5


class Check(NamedTuple):
    """What was found, and the cure where one is needed."""

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None

    def record(self) -> dict[str, Any]:
        """`oee.check/1`."""
        return {
            "schema": "oee.check/1",
            "name": self.name,
            "state": self.state,
            "message": self.message,
            "hint": self.hint,
        }


def python(_: Home) -> Check:
    """The interpreter is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON:
        return Check("python", "ok", f"Python {found}")
    return Check("python", "fail", f"Python {found}", "oee needs Python 3.11 or newer.")


def bytecode(_: Home) -> Check:
    """Our modules are compiled; otherwise every command compiles them again."""
    modules = ("cli.main", "order_engine.client", "typer.main")
    missing = [name for name in modules if not _compiled(name)]
    if not missing:
        return Check("bytecode", "ok", "compiled")
    cure = f"{sys.executable} -m compileall -q {Path(__file__).parent.parent}"
    return Check("bytecode", "warn", f"{', '.join(missing)} not compiled: every command starts slower.", f"Run: {cure}")


def _compiled(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.cached is not None and Path(spec.cached).exists()


def config(home: Home) -> Check:
    """The settings can be used."""
    try:
        resolved(home.config_file)
    except Malformed as error:
        return Check("config", "fail", error.message, "Mend it: oee config set KEY VALUE, or an editor.")
    return Check("config", "ok", str(home.config_file) if home.config_file.exists() else "built in settings")


def folders(home: Home) -> Check:
    """The folders are there, ours, and closed to others."""
    for folder in (home.config_dir, home.data_dir, home.runtime_dir, home.log_dir):
        if not folder.exists():
            continue  # the daemon makes it, with the right mode
        found = folder.stat()
        if found.st_uid != os.getuid():
            return Check(
                "folders",
                "fail",
                f"{folder} belongs to user {found.st_uid}.",
                f"Run: sudo chown {os.getuid()} {folder}",
            )
        if found.st_mode & 0o022:
            mode = found.st_mode & 0o777
            return Check(
                "folders", "fail", f"{folder} can be written by others (mode {mode:04o}).", f"Run: chmod 700 {folder}"
            )
        if not os.access(folder, os.W_OK | os.X_OK):
            return Check("folders", "fail", f"{folder} cannot be written.", f"Run: chmod 700 {folder}")
    return Check("folders", "ok", f"{home.data_dir} is writable and private")


def disk(home: Home) -> Check:
    """There is room for the journal."""
    free = shutil.disk_usage(_existing(home.data_dir)).free
    message = f"{free / 1_024**3:.1f} GiB free"
    if free < DISK_FAIL:
        return Check(
            "disk", "fail", message, f"Make room where {home.data_dir} is: orders are refused when it is full."
        )
    return Check("disk", "warn" if free < DISK_WARN else "ok", message, "Make room soon." if free < DISK_WARN else None)


def modes(home: Home) -> Check:
    """The files with orders, keys and words of ours are closed to others."""
    open_to_others = [
        f"{path} (mode {path.stat().st_mode & 0o777:04o})"
        for folder in (home.data_dir, home.log_dir)
        if folder.exists()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.stat().st_mode & 0o077
    ]
    if not open_to_others:
        return Check("modes", "ok", "every file is ours alone")
    return Check(
        "modes",
        "fail",
        f"Open to others: {', '.join(open_to_others[:3])}{' …' if len(open_to_others) > 3 else ''}.",
        f"Run: chmod go-rwx {home.data_dir}/* {home.log_dir}/*",
    )


def journal(home: Home) -> Check:
    """Every event is what was written, every order what its events make of it. Also while a daemon is writing."""
    if not home.journal.exists():
        return Check("journal", "ok", "none yet")
    try:
        with closing(sqlite3.connect(f"{home.journal.as_uri()}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")  # one look, however much is written meanwhile
            found = reader.execute("PRAGMA integrity_check(1)").fetchone()[0]
            damage = find_damage(reader, everything=True) if found == "ok" else found
            events = reader.execute("SELECT count(*) FROM events").fetchone()[0]
    except sqlite3.Error as error:
        damage, events = str(error), 0
    if damage is None:
        return Check("journal", "ok", f"whole, {events} events, each read and checked")
    return Check(
        "journal", "fail", f"{home.journal} is damaged: {damage}.", "Keep a copy of it, then restore a backup."
    )


def outcomes(home: Home) -> Check:
    """The ledger bears out every outcome: nothing was done twice, nothing that was called dead was done."""
    return _agrees(
        home, "outcomes", "the ledger bears out every outcome", lambda: wrong_outcomes(home.journal, home.chain)
    )


def conservation(home: Home) -> Check:
    """Nothing of value appeared or vanished."""
    return _agrees(
        home, "value", "every token adds up to what there was at the beginning", lambda: imbalances(home.chain)
    )


def _agrees(home: Home, name: str, good: str, look: Callable[[], Iterable[str]]) -> Check:
    if not (home.journal.exists() and home.chain.exists()):
        return Check(name, "ok", "nothing was traded yet")
    try:
        found = list(islice(look(), 3))
    except sqlite3.Error as error:
        return Check(name, "fail", f"{home.data_dir} cannot be read: {error}.", "Keep a copy, then restore a backup.")
    if not found:
        return Check(name, "ok", good)
    return Check(
        name, "fail", "; ".join(found) + ".", f"This must never happen. Keep a copy of {home.data_dir} and report it."
    )


def clock(home: Home) -> Check:
    """The clock is not behind what was recorded: times on events would go back."""
    if not home.journal.exists():
        return Check("clock", "ok", timestamp(SystemClock().now_ms()))
    try:
        with closing(sqlite3.connect(f"{home.journal.as_uri()}?mode=ro", uri=True)) as reader:
            newest = reader.execute("SELECT coalesce(max(at), 0) FROM events").fetchone()[0]
    except sqlite3.Error as error:
        return Check("clock", "warn", f"{home.journal} cannot be read: {error}.", "See the journal above.")
    now = SystemClock().now_ms()
    if newest - now <= CLOCK_WARN_MS:
        return Check("clock", "ok", timestamp(now))
    return Check(
        "clock",
        "warn",
        f"The clock says {timestamp(now)}, the newest event was at {timestamp(newest)}.",
        "Set the clock. Nothing is decided by it, but the times of events will look wrong.",
    )


def sync(home: Home) -> Check:
    """The disk syncs fast enough."""
    clock = SystemClock()
    try:
        with tempfile.TemporaryFile(dir=_existing(home.data_dir)) as file:
            begun = clock.steady_ms()
            for _ in range(SYNCS):
                file.write(b"oee")
                file.flush()
                os.fsync(file.fileno())
            each = (clock.steady_ms() - begun) / SYNCS
    except OSError as error:
        return Check("sync", "fail", f"{home.data_dir}: {error.strerror}", "See the folders and the disk above.")
    if each < LYING_MS:
        return Check(
            "sync",
            "warn",
            f"{each * 1_000:.0f} µs per sync: no disk is that fast.",
            "It may not survive a power cut: memory, or a disk that says done too early. Put OEE_HOME on a disk that syncs.",
        )
    if each > SYNC_WARN_MS:
        return Check(
            "sync", "warn", f"{each:.1f} ms per sync", "Every order waits for one. Put OEE_HOME on a faster disk."
        )
    return Check("sync", "ok", f"{each:.1f} ms per sync")


def token(home: Home) -> Check:
    """The token is readable by nobody else."""
    if not home.token_file.exists():
        return Check("token", "ok", "none: no daemon runs")
    mode = home.token_file.stat().st_mode & 0o777
    if mode == 0o600:
        return Check("token", "ok", "mode 0600")
    cure = f"Run: chmod 600 {home.token_file} and oee daemon restart, which makes a new one."
    return Check("token", "fail", f"{home.token_file} has mode {mode:04o}, should be 0600.", cure)


def daemon(home: Home) -> Check:
    """The daemon, if there is one, answers."""
    if find_daemon(home) is None:
        return Check("daemon", "ok", "none runs; the next command starts it")
    try:
        with Client(home, autostart=False, timeout_s=5) as client:
            client.status()
            return Check("daemon", "ok", f"answers at {client.daemon()['url']}")
    except EngineError as error:
        return Check("daemon", "fail", error.message, error.hint)


def version(home: Home) -> Check:
    """Daemon and command line are of one version; which libraries they stand on."""
    found = find_daemon(home)
    if found is None or found.version == __version__:
        return Check("version", "ok", f"{__version__}, SQLite {sqlite3.sqlite_version}, {libraries()}")
    return Check(
        "version", "warn", f"the daemon is {found.version}, this oee is {__version__}.", "Run: oee daemon restart"
    )


def libraries() -> str:
    """The versions of what is fixed by our user."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)


def halted(home: Home) -> Check:
    """Trading goes on."""
    if home.halted.exists():
        return Check("halted", "warn", "Trading is halted: nothing is accepted or sent.", "Let it go on: oee resume")
    return Check("halted", "ok", "no")


CHECKS: tuple[Callable[[Home], Check], ...] = (
    python, bytecode, config, folders, modes, disk, sync, clock, journal, outcomes, conservation, token, daemon, version,
    halted,
)  # fmt: skip


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
