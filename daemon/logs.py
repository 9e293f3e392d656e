"""The daemon's log: one JSON object per line, 0600, rotated. Facts are keys, and control characters are escaped.

The engine logs through the standard library with `extra={"facts": {...}}`, or `extra={"lines": ...}` for many lines at once, given
as a call that makes them. Lines are made and written by a thread of their own, because the journal's thread logs between two
commits. What is never here: tokens, headers, bodies, query strings. The access log is off for that reason.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable
from copy import copy
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import msgspec

from order_engine.clock import timestamp

BYTES_MAX = 10 * 1024 * 1024
FILES = 5

_encode = msgspec.json.Encoder(enc_hook=str).encode

_OWN = ("timestamp", "level", "logger", "event")


def configure(path: Path, level: str, text_to: TextIO | None = None) -> Callable[[], None]:
    """Logs to this file from now on, and as plain text to `text_to` where one is given. Returns what ends it, all written."""
    handlers: list[logging.Handler] = [_PrivateFile(path, maxBytes=BYTES_MAX, backupCount=FILES - 1, encoding="utf-8")]
    handlers[0].setFormatter(_Json())
    if text_to is not None:
        handlers.append(logging.StreamHandler(text_to))
        handlers[1].setFormatter(_Text("%(asctime)s %(levelname)-8s %(name)s  %(message)s"))
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    writer = QueueListener(lines, *handlers)
    logging.basicConfig(level=level.upper(), handlers=[_Hand(lines)], force=True)
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi", "huey", "websockets", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)  # below that they talk of single requests
    writer.start()

    def stop() -> None:
        writer.stop()
        handlers[0].close()

    return stop


class _Hand(QueueHandler):
    """Hands records over as they are: they stay in the process, so nothing has to be made ready for a journey."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class _PrivateFile(RotatingFileHandler):
    """A rotating file that only its owner can read, whatever the umask. Formats each record once, not twice."""

    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=_private)

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the size so far is near enough
        return bool(self.stream and self.stream.tell() >= self.maxBytes)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lines(record: logging.LogRecord) -> Iterable[tuple[str, dict[str, Any]]]:
    """What a record says: one event with its facts, or many."""
    lines = getattr(record, "lines", None)
    return [(record.getMessage(), getattr(record, "facts", None) or {})] if lines is None else lines()


class _Json(logging.Formatter):
    """What is known of every line first, then the facts; a fact may not pass for one of the former."""

    def format(self, record: logging.LogRecord) -> str:
        known: dict[str, Any] = {
            "timestamp": timestamp(int(record.created * 1_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        broke = {"exception": self.formatException(record.exc_info)} if record.exc_info else {}
        head = _encode(known)[:-1].decode()
        return "\n".join(f"{head},{_rest(event, facts, broke)}" for event, facts in _lines(record))


def _rest(event: str, facts: dict[str, Any], broke: dict[str, str]) -> str:
    """A line after what is known of every line: ASCII, whatever the facts are."""
    if not facts.keys().isdisjoint(_OWN):
        facts = {f"fact_{name}" if name in _OWN else name: value for name, value in facts.items()}
    line = {"event": event, **facts, **broke}
    text = _encode(line).decode()
    return (text if text.isascii() else json.dumps(line, default=str))[1:]  # which escapes the rest


class _Text(logging.Formatter):
    """Lines of text for people, the facts behind each, and nothing in them that could move a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(self._line(record, event, facts) for event, facts in _lines(record))

    def _line(self, record: logging.LogRecord, event: str, facts: dict[str, Any]) -> str:
        said = copy(record)
        said.msg, said.args = event, ()
        line = " ".join((super().format(said), *(f"{name}={value}" for name, value in facts.items())))
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in line)
