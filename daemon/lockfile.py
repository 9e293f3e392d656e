"""One daemon per home, and the files that tell where it is.

The lock is the kernel's: it is free the moment its holder is gone, however that happened. The files are only information; a
stale one names a process that is gone and does no harm.
"""

import json
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from order_engine.home import Home
from order_engine.messages import Record


class AlreadyRunning(Exception):
    """Another daemon has this home. The message says where it is."""


class DaemonFiles(NamedTuple):
    """What a running daemon leaves for its clients."""

    home: Home
    token: str

    def publish(self, record: Record) -> None:
        """Writes the token, the same as a header line, and then the record that leads to them."""
        write_private(self.home.token_file, self.token)
        write_private(self.home.auth_header_file, f"Authorization: Bearer {self.token}\n")
        write_private(self.home.daemon_file, json.dumps(record) + "\n")

    def remove(self) -> None:
        """Takes them away, first the one that leads to the others."""
        for path in (self.home.daemon_file, self.home.auth_header_file, self.home.token_file):
            path.unlink(missing_ok=True)


def new_token() -> str:
    """32 random bytes as 43 base64url characters."""
    return secrets.token_urlsafe(32)


def lock(home: Home) -> FileLock:
    """The home's lock, held. Raises AlreadyRunning."""
    held = FileLock(home.lock, blocking=False, mode=0o600)
    try:
        held.acquire()
    except Timeout as error:
        raise AlreadyRunning(f"already running ({_holder(home)})") from error
    return held


def write_private(path: Path, text: str) -> None:
    """Replaces the file as a whole, durably, readable by its owner only. Never follows what lies at the temporary name."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _holder(home: Home) -> str:
    try:
        found = json.loads(home.daemon_file.read_bytes())
        return f"pid {int(found['pid'])}, {found['url']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"it is starting or stopping; {home.lock} is held"
