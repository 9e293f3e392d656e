"""The switch that stops trading at once: while it is off, no order is accepted and nothing is sent.

What was sent before is watched to its end, since only that tells what became of it; what was not sent waits where it stands.
The switch is a file in the home, so that it survives every restart, can be thrown while no daemon runs, and is off whatever
the file says: that it is there is enough.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from order_engine.clock import timestamp
from order_engine.errors import Halted, StorageUnavailable

SENDING_S = 5.0  # how long to wait for sends that have begun: they only hand bytes over


def write(file: Path) -> None:
    """Throws the switch for every daemon that starts from now on. Harmless when it was thrown before. Raises OSError."""
    if not file.exists():
        file.touch(mode=0o600)
    _sync(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Halt:
    """Whether trading is halted in this home. Safe to use from any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._quiet = threading.Condition()
        self._sending = 0
        self._on = file.exists()

    @property
    def on(self) -> bool:
        """True while nothing may be accepted or sent."""
        return self._on

    @property
    def since_ms(self) -> int | None:
        """Since when, as the file's time says; None while trading goes on."""
        try:
            return self._file.stat().st_mtime_ns // 1_000_000 if self._on else None
        except FileNotFoundError:  # somebody else took it away: this daemon stays halted until it is told
            return None

    def halt(self) -> None:
        """Halts. When this returns, no send is under way and none begins; a restart changes nothing about it.

        Raises StorageUnavailable when the file could not be written: halted all the same, but only until this daemon ends.
        """
        with self._quiet:
            self._on = True
            self._quiet.wait_for(lambda: self._sending == 0, SENDING_S)
        try:
            write(self._file)
        except OSError as error:
            raise StorageUnavailable(
                f"Halted, but {self._file} could not be written ({error.strerror}): a restart would forget it.",
                hint="Make room, then again: oee halt",
            ) from error

    def resume(self) -> None:
        """Lets trading go on. Raises StorageUnavailable, still halted, when the file could not be removed."""
        try:
            self._file.unlink(missing_ok=True)
            _sync(self._file.parent)
        except OSError as error:
            raise StorageUnavailable(
                f"{self._file} could not be removed ({error.strerror}). Trading stays halted.", hint="Run: oee doctor"
            ) from error
        self._on = False

    def check(self) -> None:
        """Raises Halted while no order may be accepted."""
        if self._on:
            raise self._halted("Nothing was stored.")

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Stands around every handing over of bytes. Raises Halted, before a byte has left, while nothing may be sent."""
        with self._quiet:
            if self._on:
                raise self._halted("The transaction was not sent.")
            self._sending += 1
        try:
            yield
        finally:
            with self._quiet:
                self._sending -= 1
                if self._sending == 0:
                    self._quiet.notify_all()

    def _halted(self, consequence: str) -> Halted:
        since = self.since_ms
        when = f" since {timestamp(since)}" if since is not None else ""
        return Halted(f"Trading is halted{when}. {consequence}", hint="Let it go on: oee resume")
