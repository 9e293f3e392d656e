"""The frame of a proof in parts: which ones to run, on daemons in scratch homes, what was violated, and the exit code."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.conftest import RunningDaemon

SHOWN = 20  # violations of a part


class Place:
    """Where daemons are started, each in a home of its own unless one is given."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._homes = 0
        self.started: list[RunningDaemon] = []

    def new(self) -> Path:
        """A home that nobody has."""
        self._homes += 1
        root = self._scratch / str(self._homes)
        root.mkdir()
        return root

    def start(self, root: Path | None = None, **extra: str) -> RunningDaemon:
        """A daemon that lives no longer than the proof."""
        self.started.append(RunningDaemon(root or self.new(), extra))
        return self.started[-1]


Part = Callable[[Place, argparse.Namespace], Sequence[str]]  # prints its figures, returns what was violated


def run_parts(parser: argparse.ArgumentParser, parts: Mapping[str, Part]) -> int:
    """Runs the parts that the command line names, or all. The exit code: 1 when anything was violated."""
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default: all")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(parts):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    good = True
    with tempfile.TemporaryDirectory(prefix="oee-proof-") as scratch:
        place = Place(Path(scratch))
        try:
            for name in given.parts or parts:
                good &= _said(parts[name](place, given))
        finally:
            for each in place.started:
                each.stop(signal.SIGKILL)
    return 0 if good else 1


def _said(violations: Sequence[str]) -> bool:
    for each in violations[:SHOWN]:
        print(f"  VIOLATION {each}")
    if len(violations) > SHOWN:
        print(f"  and {len(violations) - SHOWN} more")
    sys.stdout.flush()
    return not violations
