"""Spans of time as people write them on a command line: 500ms, 2s, 2m, 1h, 7d; and as they read them."""

import re

from order_engine.errors import Malformed

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SPAN = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)", re.ASCII)


def read(text: str, option: str) -> int:
    """The milliseconds that `text` stands for; "0" needs no unit. Raises Malformed, naming the option."""
    if text == "0":
        return 0
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Malformed(f"{option} {text[:40]!a} is not a span of time such as 500ms, 30s, 2m or 1h.", field=option)
    return int(match[1]) * _UNIT_MS[match[2]]


def short(ms: float) -> str:
    """A span as people read it: 12ms, 1.9s, 41s, 3m, 3h12m, 5d."""
    if ms < 1_000:
        return f"{max(ms, 0):.0f}ms"
    if ms < 10_000:
        return f"{int(ms / 100) / 10:.1f}s"
    seconds = int(ms / 1_000)
    if seconds < 60:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"
    return f"{hours // 24}d"
