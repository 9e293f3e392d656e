"""What `oee doctor` looks at. Each check is a function of the home; none starts a daemon or changes what it looks at."""

import importlib.util
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from cli.settings_file import resolved
from order_engine import __version__
from order_engine.client import Client, find_daemon
from order_engine.clock import SystemClock
from order_engine.errors import EngineError, Malformed
from order_engine.home import Home

PYTHON = (3, 11)
DISK_WARN, DISK_FAIL = 1_024**3, 64 * 1_024**2
SYNC_WARN_MS = 50.0  # every accepted order waits for one
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


def journal(home: Home) -> Check:
    """The journal is whole, where no daemon is writing to it."""
    if not home.journal.exists():
        return Check("journal", "ok", "none yet")
    try:
        with FileLock(home.lock, blocking=False):
            return _integrity(home.journal)
    except Timeout:
        return Check("journal", "ok", "in use by the daemon, which checked it at its start")
    except OSError as error:
        return Check("journal", "fail", f"{home.lock} cannot be used: {error}.", "See the folders above.")


def _integrity(path: Path) -> Check:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        events = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    except sqlite3.Error as error:
        found, events = str(error), 0
    finally:
        connection.close()
    if found == "ok":
        return Check("journal", "ok", f"whole, {events} events")
    return Check("journal", "fail", f"{path} is damaged: {found}.", "Keep a copy of it, then restore a backup.")


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
    """Daemon and command line are of one version."""
    found = find_daemon(home)
    if found is None or found.version == __version__:
        return Check("version", "ok", __version__)
    return Check(
        "version", "warn", f"the daemon is {found.version}, this oee is {__version__}.", "Run: oee daemon restart"
    )


CHECKS: tuple[Callable[[Home], Check], ...] = (
    python, bytecode, config, folders, disk, sync, journal, token, daemon, version,
)  # fmt: skip


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
