"""The pools pane: every pool with its price, fee and depth; of the one under the cursor the price over the session and what
orders of several sizes would do to it.

The lines are pure functions; the widget keeps the cursor and asks for the impacts, in a thread of its own.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from textual import events

from cli import render
from cli.dashboard import cells, charts, grid, impact
from cli.dashboard.desk import Desk, Record
from cli.dashboard.grid import Column
from cli.dashboard.impact import Impacts
from cli.dashboard.link import Hands
from cli.dashboard.prices import Point, worth
from cli.dashboard.scrolled import Scrolled
from cli.dashboard.themes import symbols
from cli.paint import Line, Paint, Span
from order_engine.client import Client
from order_engine.clock import timestamp

ASK_EVERY_MS = 10_000
DEEPEN_EVERY_MS = 60_000
CHART_MIN, CHART_MAX = 3, 12  # rows
AXIS = 11  # cells of a price beside the chart
SPARK_MIN, SPARK_MAX = 8, 40
HOUR_MS = 3_600_000
DEPTH = 12  # cells of the size that moves the price by so much

PAIR, VENUE, POOL = Column("PAIR", 12), Column("VENUE", 8), Column("POOL", 11)
PRICE, FEE = Column("PRICE", 10, ">"), Column("FEE bps", 7, ">")
CHANGE = 7  # cells at least; its heading says over how long, for prices are known only since the dashboard was opened
WORTH = Column("USDC", 6, ">")  # both sides of it


class View(NamedTuple):
    """What of the pools is looked at: the cursor, the first row that is shown, the impacts and when nobody gave them."""

    cursor: int = 0
    top: int = 0
    impacts: Impacts | None = None
    trouble: str | None = None


def in_order(pools: Sequence[Record]) -> list[Record]:
    """The pools of a pair together, pairs and pools as they come: an order that prices do not change."""
    pairs: dict[tuple[str, str], list[Record]] = {}
    for pool in pools:
        pairs.setdefault((str(pool["tokenA"]), str(pool["tokenB"])), []).append(pool)
    return [pool for together in pairs.values() for pool in together]


def lines(desk: Desk, view: View, width: int, height: int, paint: Paint) -> tuple[list[Line], int | None]:
    """The pane in so many lines, and on which of them the cursor is. What does not fit goes: the impacts, then the chart."""
    pools = in_order(desk.pools)
    if not pools:
        return [[(" " * grid.MARGIN + "nothing heard of the pools yet", "dim")]], None
    rooms = share(height, len(pools), _venues(pools))
    pool = pools[min(view.cursor, len(pools) - 1)]
    above: list[Line] = []
    if rooms.chart:
        above += _chart(desk, pool, width, rooms.chart, paint)
        above.append([])
    if rooms.impacts:
        above += _impacts(desk, pool, view, width, rooms.impacts)
        above.append([])
    if above and rooms.rows < len(pools):
        first = first_row(view, rooms.rows)
        above[-1] = [(f"{first + 1}-{first + rooms.rows} of {len(pools)} ".rjust(width), "dim")]
    table, cursor = _table(desk, pools, view, width, rooms.rows, paint)
    return above + table, len(above) + cursor


class Rooms(NamedTuple):
    """How many lines each part gets: rows of the table, rows of bars in the chart, lines of the impacts."""

    rows: int
    chart: int
    impacts: int


def share(height: int, pools: int, venues: int = 2) -> Rooms:
    """The height shared out between the parts; where it is too little for all, the impacts go first, then the chart."""
    for chart, impacts in ((CHART_MIN, venues + 1), (CHART_MIN, 0)):
        # Without what each part needs besides: headings, a title, an axis, a line between.
        left = height - 1 - 3 - (impacts + 1 if impacts else 0)
        if left >= chart + min(pools, CHART_MIN):
            chart = min(max(left // 2, left - pools), CHART_MAX)
            return Rooms(min(pools, left - chart), chart, impacts)
    return Rooms(min(pools, max(height - 1, 1)), 0, 0)


def _venues(pools: Sequence[Record]) -> int:
    """How many venues these pools are at: each has a line of impacts."""
    return len({pool["dex"] for pool in pools})


def first_row(view: View, rows: int) -> int:
    """The first pool that is shown, so that the cursor is among those that are."""
    return min(max(view.top, view.cursor - rows + 1), view.cursor)


def _chart(desk: Desk, pool: Record, width: int, height: int, paint: Paint) -> list[Line]:
    """The price of a pool since the dashboard was opened: a title, so many rows of bars, the times below."""
    points = desk.prices.series(str(pool["pool"]))
    title: Line = [
        (f"   {pool['tokenA']}/{pool['tokenB']}", "strong"),
        (f"  {pool['dex']} {render.short_hash(str(pool['pool']))}  " if width >= 60 else "  ", "dim"),
        (cells.price(str(pool["price"]), 10).strip(), "strong"),
    ]
    if len(points) < 2:
        return [title, [("   The chart begins with the next prices.", "dim")], *([[]] * height)]
    title += [(f"  {cells.age(points[-1][0] - points[0][0])} ", "dim"), change(points)]
    room = max(width - AXIS - grid.MARGIN - 1, 1)
    begin, end = charts.span(points)
    rows = charts.area(charts.columns(points, begin, end, room), height, ascii_only=paint.ascii)
    low, high = min(price for _, price in points), max(price for _, price in points)
    drawn = [title]
    for number, bars in enumerate(rows):
        label = low if number == len(rows) - 1 else high if number == 0 and high > low else None
        text = cells.price(str(label), AXIS - 1) if label is not None else ""
        drawn.append([(f"{text:>{AXIS}} {'┤' if text else '│'}", "dim"), (bars, "routing")])
    return [*drawn, [(" " * (AXIS + 2) + _times(begin, end, room), "dim")]]


def change(points: Sequence[Point]) -> Span:
    """By how much the price is another than at the beginning."""
    if not points or not points[0][1]:
        return "-", "dim"
    percent = (points[-1][1] / points[0][1] - 1) * 100
    text = f"{percent:+.2f}%"
    if text[1:] == "0.00%":
        return "0.00%", "dim"
    return text, "confirmed" if percent > 0 else "failed"


def _times(begin: int, end: int, width: int) -> str:
    """The times of day below a chart: at its beginning, its end, and where there is room in the middle."""
    shown = slice(11, 16) if end - begin >= HOUR_MS / 6 else slice(11, 19)
    first, middle, last = (timestamp(at)[shown] for at in (begin, (begin + end) // 2, end))
    if width < 2 * len(first) + 1:
        return first[:width]
    between = width - len(first) - len(last)
    return first + (middle.center(between) if between > len(middle) + 4 else " " * between) + last


def _impacts(desk: Desk, pool: Record, view: View, width: int, height: int) -> list[Line]:
    """Sizes and, for each venue, by how many bps its best pool would be moved."""
    pair = (str(pool["tokenA"]), str(pool["tokenB"]))
    found = view.impacts if view.impacts is not None and view.impacts.pair == pair else None
    amounts = found.sizes if found else impact.sizes(desk.pools, pair[0])
    label, wide = (30, 8) if width >= 3 + 30 + 8 * len(amounts) else (max(width - 3 - 6 * len(amounts), 0), 6)
    depth_wide = DEPTH if width >= 3 + label + wide * len(amounts) + DEPTH else 0
    title = f"IMPACT bps of selling {pair[0]}" if label >= 30 else "IMPACT bps"
    heading: Line = [(f"   {cells.fit(title, label)}", "head")]
    heading += [(f"{size(amount):>{wide}}", "head") for amount in amounts]
    heading += [(f"{f'{impact.LIMIT_BPS} bps at':>{depth_wide}}", "head")] if depth_wide else []
    drawn: list[Line] = [heading]
    if found is None:
        drawn.append([(f"   {view.trouble or 'asking the venues'}", "dim")])
    else:
        for dex, row in sorted(found.bps.items()):
            line: Line = [(f"   {cells.fit(dex, label)}", "")]
            line += [(f"{'-' if bps is None else bps:>{wide}}", "dim" if bps is None else "") for bps in row]
            if depth_wide:
                sign, amount = found.depth[dex] if found.depth is not None and dex in found.depth else ("", "…")
                line.append((f"{f'{sign} {size(amount)}':>{depth_wide}}", "" if sign else "dim"))
            drawn.append(line)
    return (drawn + [[]] * height)[:height]


def _columns(width: int, moved: Column) -> tuple[list[Column], Column | None]:
    """The columns that have room, and the one with the sparklines that takes what is left."""
    few, some = [PAIR, VENUE, PRICE], [PAIR, VENUE, PRICE, moved]
    all_ = [PAIR, VENUE, POOL, FEE, WORTH, PRICE, moved]
    shown = next((columns for columns in (all_, some) if grid.width_of(columns) <= width), few)
    left = min(width - grid.width_of(shown) - grid.GAP - 1, SPARK_MAX)
    if left < SPARK_MIN or shown is few:
        return shown, None
    spark = Column("SESSION", left)
    return [*shown, spark], spark


def _table(desk: Desk, pools: list[Record], view: View, width: int, rows: int, paint: Paint) -> tuple[list[Line], int]:
    over = f"IN {desk.prices.span(desk.now_ms)}"
    moved = Column(over, max(len(over), CHANGE), ">")
    shown, spark = _columns(width, moved)
    cursor = min(view.cursor, len(pools) - 1)
    top = first_row(view, rows)
    drawn = [grid.heading(shown)]
    fees = render.on_the_point([str(pool["feeBps"]) for pool in pools])
    for number, pool in enumerate(pools[top : top + rows], top):
        points = desk.prices.series(str(pool["pool"]))
        spans: dict[str, Span] = {
            PAIR.heading: (f"{pool['tokenA']}/{pool['tokenB']}", ""),
            VENUE.heading: (str(pool["dex"]), ""),
            POOL.heading: (render.short_hash(str(pool["pool"])), "dim"),
            FEE.heading: (fees[number], ""),
            WORTH.heading: (depth(desk.pools, pool), ""),
            PRICE.heading: (cells.price(str(pool["price"]), PRICE.width), ""),
            moved.heading: change(desk.prices.day(str(pool["pool"]))),
        }
        if spark is not None:
            marks = ""
            if len(points) > 1:
                values = charts.columns(points, *charts.span(points), spark.width)
                marks = charts.sparkline(values, ascii_only=paint.ascii)
            spans[spark.heading] = (marks, "routing")
        drawn.append(grid.row(shown, spans, here=number == cursor))
    return drawn, 1 + cursor - top


def depth(pools: Sequence[Record], pool: Record) -> str:
    """What both sides of a pool are worth in USDC, in short: 41.2M, 812k."""
    price = worth(pools, str(pool["tokenB"]))
    if price is None:
        return "-"
    return short((Decimal(pool["reserveA"]) * Decimal(pool["price"]) + Decimal(pool["reserveB"])) * price)


def short(value: Decimal) -> str:
    """A large number with three digits that mean something: 41.2M, 812k."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= unit:
            scaled = value / unit
            return f"{scaled:.{max(2 - scaled.adjusted(), 0)}f}{name}"
    return f"{value:.0f}"


def size(amount: str) -> str:
    """A round amount in short: 0.1, 100, 10k, 1M."""
    for noughts, name in ((9, "G"), (6, "M"), (3, "k")):
        if amount.endswith("0" * noughts):
            return amount[:-noughts] + name
    return amount


class PoolsPane(Scrolled):
    """The pools. `show` is called by the app's tick; `client_for` makes a client for the thread that asks for the impacts."""

    def __init__(
        self,
        client_for: Callable[[], Client] | None = None,
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._client_for = client_for
        self._paint = symbols()
        self._desk: Desk | None = None
        self._view = View()
        self._asked_ms: int | None = None
        self._deepened_ms = 0
        self._deepened_for: tuple[str, str] | None = None
        self._asked_for: tuple[str, str] | None = None
        self._first_line = 0  # on which line the cursor is, less its row
        self._drawn_from: tuple[object, object, object] | None = None
        self._hands: Hands | None = None

    def on_mount(self) -> None:
        """Gets a thread for the questions."""
        if self._client_for is not None:
            self._hands = Hands(self._client_for, self.app.call_from_thread)

    def on_unmount(self) -> None:
        """Lets the thread go, out of the middle of a search too."""
        self._asked_for = None
        if self._hands is not None:
            self._hands.stop()

    def show(self, desk: Desk) -> None:
        """Takes over what is known now, and asks for impacts when those here are old or of another pair."""
        self._desk = desk
        self._ask_when_due(desk)
        drawn = self._drawn_from
        if drawn is not None and drawn[0] is desk.pools and drawn[1:] == (self._view, self.size):
            return  # prices come every other second, ticks more often
        shown, cursor = lines(desk, self._view, self.size.width, self.size.height, self._paint)
        if cursor is None:
            self._drawn_from = None
            self.put(shown)
            return
        rows = share(self.size.height, len(desk.pools), _venues(desk.pools)).rows
        self._view = self._view._replace(top=first_row(self._view, rows))
        self._first_line = cursor - self._view.cursor
        self._drawn_from = (desk.pools, self._view, self.size)
        self.put(shown, {cursor: "cursor" if self.has_focus else "cursor-blurred"})

    @property
    def pool(self) -> Record | None:
        """The pool under the cursor."""
        pools = in_order(self._desk.pools) if self._desk else []
        return pools[self._view.cursor] if self._view.cursor < len(pools) else None

    def move(self, by: int) -> None:
        """The cursor up or down."""
        self._go(self._view.cursor + by)

    def top(self) -> None:
        """To the first pool."""
        self._go(0)

    def bottom(self) -> None:
        """To the last pool."""
        self._go(len(self._desk.pools) - 1 if self._desk else 0)

    @property
    def page_rows(self) -> int:
        """How many pools would fit, were there that many."""
        return share(self.size.height, 99).rows

    def turn(self, by: int) -> None:
        """The wheel goes from pool to pool."""
        self.move(by)

    def _go(self, row: int) -> None:
        if self._desk is None or not self._desk.pools:
            return
        self._view = self._view._replace(cursor=min(max(row, 0), len(self._desk.pools) - 1))
        self.show(self._desk)

    def _ask_when_due(self, desk: Desk) -> None:
        pool = self.pool
        if self._hands is None or pool is None or desk.link.stale:
            return
        if not share(self.size.height, len(desk.pools), _venues(desk.pools)).impacts:
            return
        pair = (str(pool["tokenA"]), str(pool["tokenB"]))
        old = self._asked_ms is None or desk.now_ms - self._asked_ms >= ASK_EVERY_MS
        if old or pair != self._asked_for:
            self._asked_ms, self._asked_for = desk.now_ms, pair
            self._ask(pair, impact.sizes(desk.pools, pair[0]))

    def _ask(self, pair: tuple[str, str], amounts: tuple[str, ...]) -> None:
        if self._hands is not None:
            self._hands.ask(
                lambda client: impact.ask(client, pair, amounts),
                lambda found: self._answered(pair, found),
                lambda error: self._answered(pair, error.message),
            )

    def _deepen(self, found: Impacts) -> None:
        """Asks for what takes longer: how much it takes to move the price by so much."""
        if self._hands is not None:
            self._hands.ask(
                lambda client: impact.deepened(client, found, lambda: self._asked_for != found.pair),
                lambda deeper: self._answered(found.pair, deeper),
                lambda error: self._answered(found.pair, error.message),
            )

    def _answered(self, pair: tuple[str, str], answer: Impacts | str) -> None:
        if pair != self._asked_for:  # the cursor is elsewhere by now
            return
        if isinstance(answer, Impacts):
            before = self._view.impacts
            if answer.depth is None and before is not None and before.pair == pair:
                answer = answer._replace(depth=before.depth)  # of a moment ago, until it is asked for again
            self._view = self._view._replace(impacts=answer, trouble=None)
            now_ms = self._desk.now_ms if self._desk is not None else 0
            if pair != self._deepened_for or now_ms - self._deepened_ms >= DEEPEN_EVERY_MS:
                self._deepened_for, self._deepened_ms = pair, now_ms
                self._deepen(answer)
        else:
            self._view = self._view._replace(trouble=answer)
        self.again()

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there."""
        at = event.get_content_offset(self)  # event.y counts the border
        if at is not None and at.y - self._first_line >= self._view.top:
            self._go(at.y - self._first_line)

    def again(self) -> None:
        """Draws everything, also when no price has changed."""
        self._drawn_from = None
        if self._desk is not None:
            self.show(self._desk)
