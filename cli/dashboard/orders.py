"""The table of orders: one line each, with what a trader looks for first. The lines are pure; the widget shows and scrolls them."""

from typing import NamedTuple

from textual import events
from textual.message import Message

from cli.dashboard import cells
from cli.dashboard.desk import Desk
from cli.dashboard.listing import Listing
from cli.dashboard.painted import link
from cli.dashboard.scrolled import ROWS_PER_TURN, Scrolled
from cli.paint import Line, Paint
from cli.render import short_id
from cli.story import Story


class Column(NamedTuple):
    """A column: heading, width, side, and what a click on its heading sorts by."""

    name: str
    width: int
    align: str = "<"
    sort: str = ""


ID, PAIR, SELL = Column("ID", 6), Column("PAIR", 9, "<", "pair"), Column("SELL", 10, ">", "sell")
STATUS, LIFE, VENUE = Column("STATUS", 11, "<", "status"), Column("LIFECYCLE", 9), Column("VENUE", 8, "<", "venue")
PRICE, SLIP, FEE = Column("PRICE", 11, ">"), Column("SLIP bps", 8, ">", "slip"), Column("FEE", 14, ">")
AGE = Column("AGE", 5, ">", "age")
GOT = Column("GOT", 16, ">")

LEAD = 3  # the cursor, whether it needs somebody, whether it is marked


def columns(width: int) -> tuple[Column, ...]:
    """The columns that have room, the most needed first."""
    if width < 78:
        return (ID, PAIR, STATUS, AGE)
    if width < 96:
        return (ID, PAIR, SELL, STATUS, VENUE, PRICE, SLIP, AGE)
    if width < 112:
        return (ID, PAIR, SELL, STATUS, LIFE, VENUE, PRICE, SLIP, AGE)
    if width < 136:
        return (ID, PAIR, SELL, STATUS, LIFE, VENUE, PRICE, SLIP, FEE, AGE)
    return (ID, PAIR, SELL, STATUS, LIFE, VENUE, GOT, PRICE, SLIP, FEE, AGE)


def gap_of(width: int, shown: tuple[Column, ...]) -> str:
    """The space between columns: two where there is room."""
    return "  " if LEAD + sum(column.width for column in shown) + 2 * len(shown) <= width else " "


def heading(width: int, listing: Listing) -> Line:
    """The headings; a click sorts."""
    shown = columns(width)
    line: Line = [(" " * LEAD, "")]
    for column in shown:
        sign = ("↑" if listing.reversed else "↓") if column.sort and column.sort == listing.sort else ""
        text = cells.fit(column.name + sign, column.width, column.align)
        line.append((text, link("head", f"screen.sort_by('{column.sort}')") if column.sort else "head"))
        line.append((gap_of(width, shown), ""))
    return line


def row(story: Story, desk: Desk, paint: Paint, width: int, *, here: bool, marked: bool) -> Line:
    """One order on one line."""
    shown = columns(width)
    gap = gap_of(width, shown)
    line: Line = [("▌" if here else " ", "key"), ("!" if desk.needs(story) else " ", "warn")]
    line.append(("*" if marked else " ", "mark"))
    skip = False
    for column in shown:
        if skip:
            skip = False
            continue
        if column is PRICE and SLIP in shown and (told := _instead_of_price(story, desk)):
            line += [(cells.fit(told[0], PRICE.width + len(gap) + SLIP.width, ">"), told[1]), (gap, "")]
            skip = True
            continue
        line += [*_cell(column, story, desk, paint), (gap, "")]
    return line


def _cell(column: Column, story: Story, desk: Desk, paint: Paint) -> Line:
    asked = story.request
    match column.name:
        case "ID":
            return [(cells.fit(short_id(story.order_id), column.width), "")]
        case "PAIR":
            pair = f"{asked['inputToken']}→{asked['outputToken']}" if asked else ""
            return [(cells.fit(pair, column.width), "")]
        case "SELL":
            return [_sold(story, column.width)]
        case "STATUS":
            text, tone = paint.state(story.state)
            return [(cells.fit(text, column.width), tone)]
        case "LIFECYCLE":
            return cells.life(story, paint)
        case "VENUE":
            return [(cells.fit(_venue(story, column.width), column.width), "" if story.routed_dex else "dim")]
        case "GOT":
            return [(cells.number(story.amount_out, column.width), "" if story.amount_out else "dim")]
        case "PRICE":
            return [_price(story, column.width)]
        case "SLIP bps":
            return [_slip(story, column.width)]
        case "FEE":
            return [(cells.fit(_fee(story, column.width), column.width, ">"), "" if story.fees else "dim")]
        case _:
            return [(cells.fit(cells.age(desk.now_ms - story.started_at), column.width, ">"), "dim")]


def _sold(story: Story, width: int) -> tuple[str, str]:
    """What is sold; of an order that receives an amount that one, as =200, until it is known what was taken for it."""
    receive = story.request.get("receive")
    if receive and story.amount_in is None:
        return cells.fit(f"={cells.number(str(receive), width - 1).strip()}", width, ">"), ""
    return cells.number(story.amount_in if receive else story.request.get("amount"), width), ""


def _fee(story: Story, width: int) -> str:
    """The fee with its token; the first of several and a sign that there are more."""
    if not story.fees:
        return "-"
    amount, token = str(story.fees[0]["amount"]), str(story.fees[0]["token"])
    more = " +" if len(story.fees) > 1 else ""
    room = width - len(token) - len(more) - 1
    return f"{amount if len(amount) <= room else cells.number(amount, room).strip()} {token}{more}"


def _venue(story: Story, width: int) -> str:
    """The venue of the largest share; with how many swaps there are beside, as far as there is room."""
    if story.routed_dex:
        others = len(story.route or ()) - 1
        counted = f"{story.routed_dex}+{others}"
        return story.routed_dex if others < 1 else counted if len(counted) <= width else f"{story.routed_dex}+"
    return "asking" if story.state == "routing" else "-"


def _price(story: Story, width: int) -> tuple[str, str]:
    if story.executed_price is not None:
        return cells.price(story.executed_price, width), ""
    amount = story.request.get("amount") or story.quoted_input
    if story.quoted_output is not None and amount and not story.final:
        return cells.price(cells.quotient(story.quoted_output, str(amount)), width), "dim"
    return "-".rjust(width), "dim"


def _slip(story: Story, width: int) -> tuple[str, str]:
    slip = cells.slippage(story)
    return (cells.bps(slip).rjust(width), "") if slip is not None else ("-".rjust(width), "dim")


def _instead_of_price(story: Story, desk: Desk) -> tuple[str, str] | None:
    """What stands where a fill would have its price: why it failed, or how long it may still land."""
    if story.state == "failed":
        return (story.error_code or "failed").replace("_", " "), "fail"
    if story.state == "unknown":
        return may_land(story, desk), "unknown"
    return None


def may_land(story: Story, desk: Desk) -> str:
    """How long an order whose answer is lost may still land, as far as is known."""
    height, block_ms, last = desk.status.get("height"), desk.status.get("blockMs"), story.last_valid_height
    if height is None or block_ms is None or last is None:
        return "may still land"
    left_ms = (int(last) - int(height)) * int(block_ms)
    return f"may land for {cells.age(left_ms)}" if left_ms > 0 else "is being looked up"


def table(desk: Desk, listing: Listing, paint: Paint, width: int, height: int) -> tuple[list[Line], int | None]:
    """The table in so many lines, and on which of them the cursor is."""
    lines = [heading(width, listing)]
    seen = listing.window(height - 1)
    for number, story in enumerate(seen, listing.top):
        marked = story.order_id in listing.marks
        lines.append(row(story, desk, paint, width, here=number == listing.cursor, marked=marked))
    if not seen:
        return [*lines, [], *_nothing(desk, listing)], None
    return lines, listing.cursor - listing.top + 1


def _nothing(desk: Desk, listing: Listing) -> list[Line]:
    if not desk.loaded:
        return [[("   Asking the daemon for its orders …", "dim")]]
    if listing.filter_text and desk.stories:
        return [[(f"   No order of {len(desk.stories)} is {listing.filter_text}. esc shows all.", "dim")]]
    return [
        [("   No orders yet.", "")],
        [("   n places one here; so does, in any shell: ", "dim"), ("oee submit SOL USDC 1.5", "")],
    ]


class OrdersTable(Scrolled):
    """The table on the screen."""

    class Opened(Message):
        """The order under the cursor is to be opened."""

    class Moved(Message):
        """Another order is under the cursor."""

    def __init__(self, desk: Desk, listing: Listing, paint: Paint) -> None:
        super().__init__(id="orders")
        self._desk, self.listing, self._paint = desk, listing, paint

    @property
    def page_rows(self) -> int:
        """How many orders fit below the headings."""
        return max(self.size.height - 1, 1)

    def show(self, desk: Desk) -> None:
        """Draws what there is by now."""
        self.listing.update(desk)
        lines, cursor = table(desk, self.listing, self._paint, self.size.width, self.size.height)
        ground = "cursor" if self.has_focus else "cursor-blurred"
        self.put(lines, {} if cursor is None else {cursor: ground})

    def move(self, by: int) -> None:
        """The cursor up or down."""
        self.listing.move(by)
        self._moved()

    def top(self) -> None:
        """To the first row."""
        self.listing.go(0)
        self._moved()

    def bottom(self) -> None:
        """To the last row."""
        self.listing.go(-1)
        self._moved()

    def _moved(self) -> None:
        self.show(self._desk)
        self.post_message(self.Moved())

    def again(self) -> None:
        """With the cursor's other ground, with other columns."""
        self.show(self._desk)

    def turn(self, by: int) -> None:
        """The wheel moves the window, and the cursor only where it has to."""
        self.listing.scroll(by * ROWS_PER_TURN, self.page_rows)
        self._moved()

    def on_click(self, event: events.Click) -> None:
        """A click selects, a second one opens; in the first columns it marks."""
        at = event.get_content_offset(self)  # event.y counts the line above the headings
        if at is None or at.y == 0:
            return
        row = self.listing.top + at.y - 1
        if row >= len(self.listing.rows):
            return
        self.listing.go(row)
        if at.x < LEAD:
            self.listing.mark()
        self._moved()
        if event.chain == 2:
            self.post_message(self.Opened())
