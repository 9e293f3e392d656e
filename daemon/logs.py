"""The daemon's log: one JSON object per line, 0600, rotated. Facts are keys, and control characters are escaped.

The engine logs through the standard library with `extra={"facts": {...}}`, or `extra={"lines": ...}` for many lines at once, given
as a call that makes them. Lines are made and written by a thread of their own, because the journal's thread logs between two
commits. What is never here: tokens, headers, bodies, query strings. The access log is off for that reason.
"""

import json
import logging
import os
from collections.abc import Callable
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
    writer = _Writer(lines, *handlers)
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


class _Writer(QueueListener):
    """Writes records in a thread of its own; of one that is many lines, each as a record."""

    def handle(self, record: logging.LogRecord) -> None:
        lines = getattr(record, "lines", None)
        if lines is None:
            super().handle(record)
            return
        for event, facts in lines():
            line = copy(record)
            line.msg, line.args, line.facts = event, (), facts
            super().handle(line)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "facts", None) or {}


class _Json(logging.Formatter):
    """What is known of every line first, then the facts; a fact may not pass for one of the former."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": timestamp(int(record.created * 1_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {f"fact_{name}" if name in _OWN else name: value for name, value in _facts(record).items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = _encode(line).decode()
        return text if text.isascii() else json.dumps(line, default=str)  # which escapes the rest


class _Text(logging.Formatter):
    """A line of text for people, its facts behind it, and nothing in it that could move a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join((super().format(record), *(f"{name}={value}" for name, value in _facts(record).items())))
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in line)
