"""`oee daemon logs`: what the daemon wrote down."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from cli.exits import Exit
from cli.paint import Line
from cli.session import Session
from order_engine.clock import SystemClock
from order_engine.errors import NotFound

LOOK_MS = 200
TAIL_BYTES = 4 * 1_024 * 1_024


def logs(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, help="The last N lines.")] = 50,
) -> Exit:
    """Show the daemon's log.

    \b
      oee daemon logs
      oee daemon logs -f
      oee daemon logs -n 1000 --json | jq 'select(.level=="error")'
    """
    session = Session.of(context)
    output = session.output
    path = session.home.log_file
    if not path.exists():
        raise NotFound(f"There is no log at {path}: no daemon has run in this home yet.")
    output.live = follow
    for line in _lines(path, lines, follow):
        if output.json:
            output.line(line)
        else:
            output.show([_readable(line)])
    return Exit.OK


def _lines(path: Path, count: int, follow: bool) -> Iterator[str]:
    """The last lines of a file, then those that are added, also after the daemon has begun a new file under this name."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TAIL_BYTES, 0))
        whole, _, rest = file.read().rpartition(b"\n")
    if count and whole:
        yield from _texts(whole)[-count:]
    place = path.stat().st_size - len(rest)
    while follow:
        with path.open("rb") as file:
            file.seek(place)
            yield from _added(path, file)
        place = 0


def _added(path: Path, file: BinaryIO) -> Iterator[str]:
    """Whole lines as they are written, until another file has the name of this one."""
    rest = b""
    while True:
        whole, newline, rest = (rest + file.read()).rpartition(b"\n")
        if newline:
            yield from _texts(whole)
        elif _rotated(path, file.fileno()):
            return
        else:
            SystemClock().sleep_ms(LOOK_MS)


def _texts(lines: bytes) -> list[str]:
    return lines.decode("utf-8", "replace").splitlines()


def _rotated(path: Path, descriptor: int) -> bool:
    """True when the daemon has begun a new file under this name."""
    try:
        return path.stat().st_ino != os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _readable(line: str) -> Line:
    """A line of JSON for people; any other as it is."""
    try:
        record: dict[str, Any] = dict(json.loads(line))
    except (ValueError, TypeError):
        return [(line, "")]
    at, level, event = (str(record.pop(name, "")) for name in ("timestamp", "level", "event"))
    tone = {"error": "fail", "critical": "fail", "warning": "warn"}.get(level, "dim")
    facts = " ".join(f"{name}={value}" for name, value in record.items())
    return [(f"{at[11:23]}  ", "dim"), (f"{level:<8}", tone), (f"  {event}  ", ""), (facts, "dim")]
