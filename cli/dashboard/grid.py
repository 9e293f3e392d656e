"""Tables of fixed widths: columns do not move when what is in them changes, and go as a whole where there is no room."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cli.dashboard import cells
from cli.paint import Line, Span

MARGIN, GAP = 3, 2  # before the first column, where a cursor has its place; between columns


class Column(NamedTuple):
    """A column, named by its heading. `rank`: those with the highest go first where there is little room."""

    heading: str
    width: int
    align: str = "<"
    rank: int = 0


def width_of(columns: Sequence[Column]) -> int:
    """The cells that these columns take together."""
    return MARGIN + sum(column.width + GAP for column in columns) - GAP


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Those that have room, in their order: all of a rank or none. Those of rank 0 in any case."""
    for rank in range(max(column.rank for column in columns), 0, -1):
        shown = [column for column in columns if column.rank <= rank]
        if width_of(shown) <= width:
            return shown
    return [column for column in columns if column.rank == 0]


def heading(columns: Sequence[Column]) -> Line:
    """The line of headings."""
    return row(columns, {column.heading: (column.heading, "head") for column in columns})


def row(columns: Sequence[Column], spans: Mapping[str, Span], *, here: bool = False) -> Line:
    """One line of cells, by heading. `here`: the cursor is on it."""
    line: Line = [("▌".ljust(MARGIN) if here else " " * MARGIN, "key" if here else "")]
    for column in columns:
        text, tone = spans[column.heading]
        line += [(cells.fit(text, column.width, column.align), tone), (" " * GAP, "")]
    return line[:-1]
