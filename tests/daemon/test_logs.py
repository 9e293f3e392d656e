"""The log: one JSON object per line, with the facts, private, rotated, and safe to print."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from daemon import logs


@pytest.fixture
def log_to(tmp_path: Path) -> Iterator[Callable[..., Callable[[], list[dict[str, Any]]]]]:
    """Starts logging to a file; what it returns ends that, and gives the lines."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    path = tmp_path / "daemon.log"

    def start(level: str = "info", text_to: StringIO | None = None) -> Callable[[], list[dict[str, Any]]]:
        stop = logs.configure(path, level, text_to)

        def end() -> list[dict[str, Any]]:
            stop()
            return [json.loads(line) for line in path.read_text().splitlines()]

        return end

    yield start
    root.handlers[:], root.level = before


def test_facts_become_keys(log_to: Callable[..., Any]) -> None:
    end = log_to()
    logging.getLogger("order_engine.journal").info("order %s", "confirmed", extra={"facts": {"orderId": "x", "seq": 5}})
    (line,) = end()
    assert list(line) == ["timestamp", "level", "logger", "event", "orderId", "seq"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["event"]) == ("info", "order_engine.journal", "order confirmed")


def test_a_fact_cannot_pass_for_the_level(log_to: Callable[..., Any]) -> None:
    end = log_to()
    logging.getLogger("x").warning("w", extra={"facts": {"level": "debug", "event": "e", "at": 1}})
    assert (
        end()[0].items()
        >= {"level": "warning", "event": "w", "fact_level": "debug", "fact_event": "e", "at": 1}.items()
    )


def test_what_could_move_a_cursor_is_escaped(log_to: Callable[..., Any], tmp_path: Path) -> None:
    text = StringIO()
    end = log_to(text_to=text)
    nasty = "\x1b[2J\r\n\x00\x9b\u202e\u2028end"
    logging.getLogger("x").error("%s", nasty, extra={"facts": {"name": nasty}})
    (line,) = end()
    assert line["event"] == line["name"] == nasty
    raw = (tmp_path / "daemon.log").read_text()
    assert raw.isascii()
    assert raw.replace("\n", "", 1).isprintable()
    assert all(c.isprintable() or c == "\n" for c in text.getvalue())


def test_a_traceback_is_one_line_and_shows_no_values(log_to: Callable[..., Any], tmp_path: Path) -> None:
    secret = "hush" * 3
    end = log_to()
    try:
        raise ValueError("it broke")
    except ValueError:
        logging.getLogger("x").exception("a bug")
    (line,) = end()
    assert "ValueError: it broke" in line["exception"]
    assert secret not in line["exception"]


def test_a_level_is_a_threshold_and_libraries_only_tell_of_errors(log_to: Callable[..., Any]) -> None:
    end = log_to("warning")
    logging.getLogger("order_engine").info("no")
    logging.getLogger("uvicorn.error").warning("no")
    logging.getLogger("uvicorn.error").error("yes")
    assert [line["event"] for line in end()] == ["yes"]


def test_it_is_rotated_and_stays_private(
    log_to: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BYTES_MAX", 2_000)
    end = log_to()
    for _ in range(200):
        logging.getLogger("x").info("y" * 100)
    end()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["daemon.log", *(f"daemon.log.{n}" for n in range(1, 5))]
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_size < 3_000


def test_what_cannot_be_said_in_json_is_said_anyway(log_to: Callable[..., Any]) -> None:
    end = log_to()
    logging.getLogger("x").info("y", extra={"facts": {"path": Path("/a"), "many": {1}, "module": sys}})
    assert end()[0]["path"] == "/a"
