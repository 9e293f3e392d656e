"""Times of records: RFC 3339 text to milliseconds, and how long ago that was. Apart, because submit needs none of it."""

from datetime import datetime

from cli import durations
from order_engine.clock import SystemClock


def ms_of(timestamp: str) -> int:
    """Unix milliseconds of a record's time."""
    return round(datetime.fromisoformat(timestamp).timestamp() * 1_000)


def moment(text: str, option: str) -> int:
    """The unix milliseconds of a time, or of a span back from now. Raises Malformed, naming the option."""
    try:
        return ms_of(text)
    except ValueError:
        return now_ms() - durations.read(text, option)


def now_ms() -> int:
    """The wall clock."""
    return SystemClock().now_ms()


def age(timestamp: str) -> str:
    """How long ago a record's time is, in short."""
    return durations.short(now_ms() - ms_of(timestamp))


def clock_time(timestamp: str) -> str:
    """The time of day of a record's time, with milliseconds: 09:41:03.120."""
    return timestamp[11:23]
