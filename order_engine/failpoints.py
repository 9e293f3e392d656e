"""Named places where a crash can be ordered. Only `oee sim crash` does that, on a home of its own; otherwise they do nothing.

A process is armed once, by two variables that are read at import (or by `arm`, in a process that was forked off):

    OEE_SIM_CRASH=1 OEE_FAILPOINT=NAME[:NTH[:LINGER_MS]]

and dies by SIGKILL the NTH time that it comes by NAME, after LINGER_MS in which only this thread stands still: the rest of the
world goes on, so that a transaction can land and nobody has heard of it. Some places say what they are about; there, NAME is
`place/about`. It stands apart because the lowest layers have such places too. Arming needs the mark of a scratch home, so
that no variable left behind by accident can kill somebody's daemon.
"""

import os
import signal
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from order_engine.clock import SystemClock

MARK = "scratch"  # the file that a home must have at its root


class _Order:
    """The crash that was ordered."""

    def __init__(self, text: str) -> None:
        self.point, *numbers = text.split(":")
        self._left, self._linger_ms = [*map(int, numbers), *(1, 0)[len(numbers) :]]
        self._lock = threading.Lock()

    def came_by(self) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            SystemClock().sleep_ms(self._linger_ms)
            os.kill(os.getpid(), signal.SIGKILL)


_order: _Order | None = None


def failpoint(place: str, about: object = None) -> None:
    """Ends the process here if just that was ordered. `about` is a word or number, or things with an `event` each."""
    if _order is not None and any(_order.point == name for name in _names(place, about)):
        _order.came_by()


def arm(environment: Mapping[str, str]) -> bool:
    """Orders what these variables say, and nothing where they do not; False outside of a scratch home."""
    global _order
    text, home = environment.get("OEE_FAILPOINT"), environment.get("OEE_HOME")
    _order = None
    if text and home and environment.get("OEE_SIM_CRASH") == "1" and (Path(home) / MARK).exists():
        _order = _Order(text)
    return _order is not None


def _names(place: str, about: object) -> Iterable[str]:
    if isinstance(about, list):
        return [f"{place}/{type(each.event).__name__.lower()}" for each in about]
    return [place if about is None else f"{place}/{about}"]


arm(os.environ)
