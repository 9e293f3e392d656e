"""The venues pane: whether each venue answers, how fast, how often it is chosen, how often that came to nothing.

All of it is since the daemon started, as its records say; nothing is measured here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cli.dashboard import cells, grid
from cli.dashboard.desk import Desk, Record
from cli.dashboard.grid import Column
from cli.dashboard.painted import Painted
from cli.dashboard.themes import symbols
from cli.paint import Line, Paint, Span
from cli.times import ms_of

SLOW_MS = 1_000  # half of the time that a venue is given unless settings say otherwise
NOTHING = "-"
ROWS_MIN = 4  # so that the pools below do not jump when a venue that is down says why


class Health(NamedTuple):
    """How a venue is, in a word, with the look that goes with it."""

    word: str
    look: str


OK, SLOW, DOWN, IDLE = Health("ok", "ok"), Health("slow", "warn"), Health("down", "fail"), Health("idle", "pending")


def health(venue: Record) -> Health:
    """Down when it gave no answer the last time, slow when half of its answers take long, idle when nobody asked it."""
    answering = venue.get("answering")
    if answering is None:
        return IDLE
    if not answering:
        return DOWN
    return SLOW if (venue.get("quoteMsP50") or 0) >= SLOW_MS else OK


COLUMNS = (
    Column("VENUE", 8, "<", 0),
    Column("STATE", 6, "<", 0),
    Column("p50", 6, ">", 1),
    Column("p99", 6, ">", 2),
    Column("CHOSEN", 6, ">", 1),
    Column("FAILED", 6, ">", 1),
    Column("LAST QUOTE", 20, ">", 3),
    Column("AGE", 4, ">", 3),
    Column("QUOTED", 7, ">", 4),
    Column("DECLINED", 8, ">", 4),
    Column("FILLED", 7, ">", 4),
    Column("POOLS", 5, ">", 4),
)


def lines(venues: Sequence[Record], width: int, now_ms: int, paint: Paint) -> list[Line]:
    """The table, and below it what is wrong with those that are down."""
    shown = grid.fitting(COLUMNS, width)
    total = sum(int(venue["chosen"]) for venue in venues)
    drawn = [grid.heading(shown), *(grid.row(shown, _cells(venue, total, now_ms, paint)) for venue in venues)]
    if not venues:
        drawn.append([(" " * grid.MARGIN + "nothing heard of the venues yet", "dim")])
    return drawn + [_trouble(venue, now_ms, paint) for venue in venues if health(venue) is DOWN]


def _cells(venue: Record, total: int, now_ms: int, paint: Paint) -> dict[str, Span]:
    state = health(venue)
    chosen, failed = int(venue["chosen"]), venue.get("failed")
    over = int(venue["confirmed"]) + int(failed or 0)
    quoted_at = venue.get("lastQuotedAt")
    price = f"{cells.price(venue['lastPrice'], 10).strip()} {venue['lastPair']}" if venue.get("lastPrice") else NOTHING
    return {
        "VENUE": (venue["dex"], "strong"),
        "STATE": (f"{paint.symbol(state.look)} {state.word}", state.look),
        "p50": (_ms(venue.get("quoteMsP50")), ""),
        "p99": (_ms(venue.get("quoteMsP99")), ""),
        "CHOSEN": (f"{100 * chosen / total:.0f}%" if total else NOTHING, ""),
        "FAILED": (_failed(failed, over), "failed" if failed else ""),
        "LAST QUOTE": (price, ""),
        "AGE": (cells.age(now_ms - ms_of(quoted_at)) if quoted_at else NOTHING, "dim"),
        "QUOTED": (str(venue["quoted"]), ""),
        "DECLINED": (str(venue["declined"]), ""),
        "FILLED": (str(venue["confirmed"]), ""),
        "POOLS": (str(venue["pools"]), ""),
    }


def _failed(failed: int | None, over: int) -> str:
    """The share of its finished attempts that came to nothing. A little is never shown as none."""
    if failed is None or not over:
        return NOTHING
    share = 100 * failed / over
    return "<0.1%" if 0 < share < 0.05 else f"{share:.1f}%"


def _ms(ms: int | None) -> str:
    if ms is None:
        return NOTHING
    return f"{ms}ms" if ms < 10_000 else f"{ms // 1_000}s"


def _trouble(venue: Record, now_ms: int, paint: Paint) -> Line:
    ago = cells.age(now_ms - ms_of(venue["lastTroubleAt"]))
    return [
        (f"{' ' * grid.MARGIN}{paint.symbol('fail')} {venue['dex']}: ", "fail"),
        (f"{venue['lastTrouble']}, {ago} ago", ""),
    ]


class VenuesPane(Painted):
    """How the venues serve. `show` is called by the app's tick."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._paint = symbols()

    def show(self, desk: Desk) -> None:
        """Takes over what is known now."""
        drawn = lines(desk.venues, self.size.width, desk.now_ms, self._paint)
        height = max(len(drawn), ROWS_MIN) + 1  # and the line above
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
        self.put(drawn)
