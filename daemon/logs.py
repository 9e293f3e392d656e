"""The daemon's log: one JSON object per line, 0600, rotated. Facts are keys, and control characters are escaped.

The engine logs through the standard library with `extra={"facts": {...}}`; structlog turns its records, and everybody
else's, into lines. Lines are written by a thread of their own, because the journal's thread logs between two commits. What
is never here: tokens, headers, bodies, query strings. The access log is off for that reason.
"""

import json
import logging
import os
from collections.abc import Callable, MutableMapping
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

import structlog

from order_engine.clock import timestamp

BYTES_MAX = 10 * 1024 * 1024
FILES = 5

_OWN = ("timestamp", "level", "logger", "event")


def configure(path: Path, level: str, text_to: TextIO | None = None) -> Callable[[], None]:
    """Logs to this file from now on, and as plain text to `text_to` where one is given. Returns what ends it, all written."""
    handlers: list[logging.Handler] = [_PrivateFile(path, maxBytes=BYTES_MAX, backupCount=FILES - 1, encoding="utf-8")]
    handlers[0].setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.processors.format_exc_info,
                _line,
                structlog.processors.JSONRenderer(serializer=json.dumps, default=str),
            ]
        )
    )
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


def _line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What is known of every line first, then the facts; a fact may not pass for one of the former."""
    record: logging.LogRecord = event["_record"]
    line: dict[str, Any] = {
        "timestamp": timestamp(int(record.created * 1_000)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": event["event"],
    }
    facts = getattr(record, "facts", None) or {}
    line |= {f"fact_{name}" if name in _OWN else name: value for name, value in facts.items()}
    if "exception" in event:
        line["exception"] = event["exception"]
    return line


class _Text(logging.Formatter):
    """A line of text for people, its facts behind it, and nothing in it that could move a cursor."""

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None) or {}
        line = " ".join((super().format(record), *(f"{name}={value}" for name, value in facts.items())))
        return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in line)
