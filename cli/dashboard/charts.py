"""Block charts for terminals: sparklines, areas and bars as text, with ASCII twins. Pure functions of numbers.

A height or a width is a picture and may be a float; the amounts that stand beside it never come from here. No braille: many
fonts have none.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

Number = Decimal | int | float
Values = Sequence[Number | None]  # None: nothing is known there, which is drawn as nothing

EIGHTHS = "▁▂▃▄▅▆▇█"
RAMP = ".:-=+*#@"  # the same heights where there are only letters
FULL, STUB = "█", "▇"


def sparkline(values: Values, *, ascii_only: bool = False, floor: Number | None = None) -> str:
    """One character per value, from the lowest to the highest. `floor` is what the lowest mark stands for, if not the minimum."""
    marks = RAMP if ascii_only else EIGHTHS
    low, high = _bounds(values, floor)
    top = len(marks) - 1
    return "".join(" " if value is None else marks[round(_share(value, low, high) * top)] for value in values)


def area(values: Values, height: int, *, ascii_only: bool = False, floor: Number | None = None) -> list[str]:
    """The values as columns over `height` rows, top row first. Without a `floor` the lowest value still has a mark."""
    low, high = _bounds(values, floor)
    steps, least = 1 if ascii_only else len(EIGHTHS), 1 if floor is None else 0
    levels = [None if v is None else least + round(_share(v, low, high) * (height * steps - least)) for v in values]
    rows = []
    for row in range(height - 1, -1, -1):
        filled = [0 if level is None else min(max(level - row * steps, 0), steps) for level in levels]
        rows.append("".join(" " if f == 0 else "#" if ascii_only else EIGHTHS[f - 1] for f in filled))
    return rows


def bar(share: Number, width: int, *, ascii_only: bool = False) -> str:
    """A bar of at most `width` characters for a share of one. Anything above zero is at least one of them."""
    if share <= 0 or width <= 0:
        return ""
    return ("#" if ascii_only else STUB) * min(max(round(float(share) * width), 1), width)


def columns(points: Iterable[tuple[int, Number]], begin: int, end: int, count: int) -> list[Number | None]:
    """`count` equal spans of the time from `begin` to `end`, each with the last value that was known in it or before it.

    Nothing is known before the first point. Points must be in the order of their times.
    """
    found: list[Number | None] = [None] * count
    if count <= 0 or end <= begin:
        return found
    latest: Number | None = None
    for at, value in points:
        if at > end:
            break
        if at < begin:
            latest = value
            continue
        found[min((at - begin) * count // (end - begin), count - 1)] = value
    for number, value_there in enumerate(found):
        latest = latest if value_there is None else value_there
        found[number] = latest
    return found


def span(points: Sequence[tuple[int, Number]]) -> tuple[int, int]:
    """From the first point to the end of the last one, which lasts as long as the others do. Needs two points or more."""
    begin, last = points[0][0], points[-1][0]
    return begin, last + max((last - begin) // (len(points) - 1), 1)


def counts(times: Iterable[int], begin: int, end: int, count: int) -> list[int]:
    """How many of the times lie in each of `count` equal spans from `begin` (in it) to `end` (not in it)."""
    found = [0] * count
    for at in times:
        if begin <= at < end:
            found[(at - begin) * count // (end - begin)] += 1
    return found


def _bounds(values: Values, floor: Number | None) -> tuple[float, float]:
    known = [float(value) for value in values if value is not None]
    if not known:
        return 0.0, 0.0
    return min(known) if floor is None else float(floor), max(known)


def _share(value: Number, low: float, high: float) -> float:
    """Where the value lies between the bounds, from 0 to 1. The bottom, where they are the same."""
    return min(max((float(value) - low) / (high - low), 0.0), 1.0) if high > low else 0.0
