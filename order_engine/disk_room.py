"""Room for what was promised: new orders are refused while there is still some left for those that are under way.

A disk that is really full fails in the middle of a commit, and then the process has to leave. So it is asked before, from
outside of any transaction, and the last megabytes are kept for the orders that were accepted already.
"""

import os
import threading
from pathlib import Path

from order_engine.clock import Clock
from order_engine.errors import StorageUnavailable

RESERVE_BYTES = 64 * 1024**2  # what 20,000 open orders may still write, and the log before it is taken in
LOOK_MS = 1_000


class DiskRoom:
    """Whether the disk of a folder has room for new orders. Looks at most once a second. Safe to use from any thread."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._free = 0

    def check(self) -> None:
        """Raises StorageUnavailable when there is room only for what was accepted before."""
        with self._lock:
            now = self._clock.steady_ms()
            if self._looked_at is None or now - self._looked_at >= LOOK_MS:
                self._looked_at, self._free = now, _free_bytes(self._folder)
            free = self._free
        if free < RESERVE_BYTES:
            raise StorageUnavailable(
                f"The disk of {self._folder} has {free // 1024**2} MiB free, {RESERVE_BYTES // 1024**2} are kept for the "
                "orders under way. Nothing was stored.",
                hint="Make room, then send it again: there is no need to restart anything.",
            )


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
