"""The wallet pane: what there is of each token and what it is worth, what today's orders came to, fills per hour.

Values are at the pools' marginal prices and for orientation; amounts are written as the records have them.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from cli import render
from cli.dashboard import cells, charts, grid
from cli.dashboard.desk import Desk, Record
from cli.dashboard.grid import Column
from cli.dashboard.painted import Painted
from cli.dashboard.prices import VALUED_IN, worth
from cli.dashboard.themes import symbols
from cli.paint import Line, Paint, Span
from cli.story import Story
from order_engine.clock import timestamp

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
RECKON_EVERY_MS = 1_000  # the day's figures, which need every order
CENT = Decimal("0.01")
BAR, BAR_MIN, BAR_MAX = "", 5, 30  # heading and width of the column with the bars
AXIS = 8  # cells of a number beside the chart
CHART_MIN, CHART_MAX = 3, 12  # rows
NOTHING = "-"


class Holding(NamedTuple):
    """One token: the record, and what all of it is worth now and was at the beginning of the session, if that is known."""

    balance: Record
    value: Decimal | None
    value_before: Decimal | None


def holdings(desk: Desk) -> list[Holding]:
    """All tokens, the most valuable first."""
    before = desk.prices.opening(desk.pools)
    found = []
    for balance in desk.balances:
        token, total = str(balance["token"]), Decimal(balance["total"])
        now, then = worth(desk.pools, token), worth(before, token)
        found.append(Holding(balance, None if now is None else total * now, None if then is None else total * then))
    return sorted(found, key=lambda holding: (-(holding.value or 0), str(holding.balance["token"])))


class Day(NamedTuple):
    """What the orders of a day (UTC) came to, as far as the desk still has them."""

    fills: int = 0
    volume: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    slippage: Decimal | None = None  # average, in bps
    unvalued: int = 0  # fills of tokens that no pool prices
    saved: Decimal | None = None  # by taking the chosen offers and not the next best; None where no offers are known
    per_hour: tuple[int, ...] = (0,) * 24


def day(stories: Iterable[Story], pools: Sequence[Record], now_ms: int) -> Day:
    """Reckons the fills since midnight, and those of the last 24 hours by the hour."""
    midnight = now_ms - now_ms % DAY_MS
    rates: dict[str, Decimal | None] = {}

    def value(amount: str | None, token: str | None) -> Decimal | None:
        if amount is None or token is None:
            return None
        if token not in rates:
            rates[token] = worth(pools, token)
        rate = rates[token]
        return None if rate is None else Decimal(amount) * rate

    filled = [story for story in stories if story.state == "confirmed"]
    today = [story for story in filled if story.updated_at >= midnight]
    volumes = [value(story.amount_out, story.request.get("outputToken")) for story in today]
    slips = [slip for story in today if (slip := cells.slippage(story)) is not None]
    savings = [
        worth_of
        for story in today
        if (better := _better(story)) is not None and (worth_of := value(format(better[0], "f"), better[1])) is not None
    ]
    hours_end = now_ms - now_ms % HOUR_MS + HOUR_MS
    return Day(
        fills=len(today),
        volume=sum((volume for volume in volumes if volume is not None), Decimal(0)),
        fees=sum(
            (value(fee["amount"], fee["token"]) or Decimal(0) for story in today for fee in story.fees), Decimal(0)
        ),
        slippage=sum(slips, Decimal(0)) / len(slips) if slips else None,
        unvalued=sum(volume is None for volume in volumes),
        saved=sum(savings, Decimal(0)) if savings else None,
        per_hour=tuple(charts.counts((story.updated_at for story in filled), hours_end - DAY_MS, hours_end, 24)),
    )


def _better(story: Story) -> tuple[Decimal, str] | None:
    """How much more was chosen than the best of the other offers, and in which token.

    Of one venue's offer, fees included; of a route over several pools against every venue's own offer. What an order that
    receives an amount saves is what it gives less.
    """
    receives = bool(story.request.get("receive"))
    several = len(story.route or ()) > 1
    name = "amountIn" if receives else "amountOut" if several else "netOutput"
    found = {str(quote["dex"]): Decimal(quote[name]) for quote in story.quotes if name in quote}
    chosen: Decimal | str | None = found.pop(story.routed_dex or "", None)
    if several:
        chosen = story.quoted_input if receives else story.quoted_output
        found = {str(quote["dex"]): Decimal(quote[name]) for quote in story.quotes if name in quote}
    if chosen is None or not found:
        return None
    if receives:
        return min(found.values()) - Decimal(chosen), str(story.request["inputToken"])
    return Decimal(chosen) - max(found.values()), str(story.request["outputToken"])


def lines(desk: Desk, reckoned: Day, width: int, height: int, paint: Paint) -> list[Line]:
    """The pane in so many lines. What does not fit goes: the fills per hour, then tokens of the least value."""
    held = holdings(desk)
    if not held:
        return [[(" " * grid.MARGIN + "nothing heard of the wallet yet", "dim")]]
    today = _today(desk, reckoned, width)
    while len(today) > 1 and height - 3 - len(today) < min(4, len(held)):  # three tokens, and how many are left
        today.pop()
    room = height - 3 - len(today)  # without the total, the headings and a line between
    below = [[], *today]
    if (spare := room - len(held) - 1) > 0:
        below += [[], *_hours(desk, reckoned, width, spare, paint)]
    elif room < min(3, len(held)):
        below, room = [], height - 2
    table = _table(held, desk, width, paint)
    if len(table) - 1 > room:
        left = len(table) - room
        table = [*table[:room], [(f"   and {left} tokens of less value", "dim")]]
    return [_total(held, desk, width), *table, *below]


def _total(held: Sequence[Holding], desk: Desk, width: int) -> Line:
    """All that is held, in USDC, and how it moved with the prices of this session."""
    value = sum((holding.value for holding in held if holding.value is not None), Decimal(0))
    before = sum(
        (holding.value_before for holding in held if holding.value is not None and holding.value_before), Decimal(0)
    )
    span = desk.prices.span(desk.now_ms)
    total = f"total {money(value)} {VALUED_IN}"
    moved = f"  prices of {span} " if span != NOTHING and len(total) + 28 <= width else ""
    percent = _percent(value, before) if moved else ("", "")
    pad = max(width - len(total) - len(moved) - len(percent[0]) - 1, grid.MARGIN)
    return [(" " * pad, ""), (total, "strong"), (moved, "dim"), percent]


def _table(held: Sequence[Holding], desk: Desk, width: int, paint: Paint) -> list[Line]:
    """One line for each token."""
    moved = f"IN {desk.prices.span(desk.now_ms)}"
    free = render.on_the_point([str(holding.balance["free"]) for holding in held])
    reserved = render.on_the_point([str(holding.balance["reserved"]) for holding in held])
    values = [NOTHING if holding.value is None else money(holding.value) for holding in held]
    columns = [
        Column("TOKEN", 8),
        Column("FREE", max(map(len, [*free, "FREE"])), ">"),
        Column("IN ORDERS", max(map(len, [*reserved, "IN ORDERS"])), ">", 2),
        Column(f"VALUE {VALUED_IN}", max(map(len, [*values, f"VALUE {VALUED_IN}"])), ">", 1),
        Column(moved, max(len(moved), 7), ">", 3),
        Column("SHARE", 5, ">", 4),
    ]
    shown = grid.fitting(columns, width)
    left = min(width - grid.width_of(shown) - grid.GAP - 1, BAR_MAX)
    if left >= BAR_MIN and len(shown) == len(columns):
        shown.append(Column(BAR, left))
    known = [holding.value for holding in held if holding.value is not None]
    total, largest = sum(known, Decimal(0)), max(known, default=Decimal(0))
    drawn = [grid.heading(shown)]
    for holding, free_text, reserved_text, value in zip(held, free, reserved, values, strict=True):
        spans: dict[str, Span] = {
            "TOKEN": (str(holding.balance["token"]), "strong"),
            "FREE": (free_text, ""),
            "IN ORDERS": (reserved_text, "" if Decimal(holding.balance["reserved"]) else "dim"),
            f"VALUE {VALUED_IN}": (value, ""),
            moved: _percent(holding.value, holding.value_before),
            "SHARE": (NOTHING if holding.value is None or not total else f"{100 * holding.value / total:.0f}%", ""),
            BAR: (charts.bar((holding.value or 0) / (largest or 1), left, ascii_only=paint.ascii), "routing"),
        }
        drawn.append(grid.row(shown, spans))
    return drawn


def _percent(now: Decimal | None, before: Decimal | None) -> Span:
    """How the same holding changed in value."""
    if now is None or not before:
        return NOTHING, "dim"
    text = f"{(now / before - 1) * 100:+.2f}%"
    if text[1:] == "0.00%":
        return "0.00%", "dim"
    return text, "confirmed" if now > before else "failed"


def _today(desk: Desk, reckoned: Day, width: int) -> list[Line]:
    """Outcomes, volume, fees and slippage since midnight UTC."""
    ended = desk.status.get("today", {})
    # Those that ended after the status was read are here already; the status knows also those that the desk let go.
    filled = max(desk.filled_today, reckoned.fills)
    outcomes: list[Span] = [(f"filled {filled}", "")]
    for word, tone in (("failed", "failed"), ("cancelled", ""), ("expired", "")):
        count = int(ended.get(word, 0))
        if count or word != "expired":
            outcomes.append((f"{word} {count}", tone if count else "dim"))
    outcomes.append((f"open {desk.open_count}", ""))
    unknown = int(desk.status.get("unknown", 0))
    if unknown:
        outcomes.append((f"unknown {unknown}", "unknown"))
    slip = NOTHING if reckoned.slippage is None else f"{cells.bps(reckoned.slippage)} bps"
    figures = [
        (f"volume {money(reckoned.volume)} {VALUED_IN}", ""),
        (f"fees {money(reckoned.fees)} {VALUED_IN}", ""),
        (f"average slippage {slip}", ""),
    ]
    if reckoned.saved is not None:
        figures.append((f"saved by routing {money(reckoned.saved)} {VALUED_IN}", ""))
    drawn = [*_flow(outcomes, width), *_flow(figures, width)]
    drawn[0][0] = ("   TODAY   ", "head")
    if reckoned.fills < filled:
        drawn += _flow([(f"of the newest {reckoned.fills} fills", "dim"), ("see all: oee list", "dim")], width)
    elif reckoned.unvalued:
        drawn += _flow([(f"without {reckoned.unvalued} fills that no pool prices", "dim")], width)
    return drawn


def _flow(parts: Sequence[Span], width: int) -> list[Line]:
    """The parts side by side, on as many lines as that takes; none is broken."""
    drawn: list[Line] = []
    used = width
    for text, tone in parts:
        if used + 3 + len(text) > width:
            drawn.append([(" " * 11, ""), (text, tone)])
            used = 11 + len(text)
        else:
            drawn[-1] += [("   ", ""), (text, tone)]
            used += 3 + len(text)
    return drawn


def _hours(desk: Desk, reckoned: Day, width: int, height: int, paint: Paint) -> list[Line]:
    """Fills per hour, the current one last: a chart where there is room, else one line."""
    most = max(reckoned.per_hour)
    title: Line = [("   FILLED PER HOUR  ", "head")]
    tone = "confirmed" if most else "dim"
    each = min((width - AXIS - 4) // 24, 4)
    rows = min(height - 2, CHART_MAX)
    if rows < CHART_MIN or each < 1:
        marks = charts.sparkline(reckoned.per_hour, ascii_only=paint.ascii, floor=0)
        if width < 60:
            return [[("   FILLED  ", "head"), (marks, tone)]]
        return [[*title, (marks, tone), (f"  24h, most {most}", "dim")]]
    values = [count for count in reckoned.per_hour for _ in range(each)]
    drawn = [title]
    for number, bars in enumerate(charts.area(values, rows, ascii_only=paint.ascii, floor=0)):
        text = str(most) if number == 0 and most else "0" if number == rows - 1 else ""
        drawn.append([(f"{text:>{AXIS}} {'┤' if text else '│'}", "dim"), (bars, tone)])
    end = desk.now_ms - desk.now_ms % HOUR_MS
    hours = "".join(
        timestamp(end - (23 - 3 * n) * HOUR_MS)[11:16].ljust(3 * each) for n in range(8) if each > 1 or n % 4 == 0
    )
    return [*drawn, [(" " * (AXIS + 2) + hours, "dim")]]


def money(value: Decimal) -> str:
    """A value for orientation, with two decimals."""
    return str(value.quantize(CENT))


class WalletPane(Painted):
    """What there is, and what today came to. `show` is called by the app's tick."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._paint = symbols()
        self._day = Day()
        self._reckoned_ms: int | None = None

    def show(self, desk: Desk) -> None:
        """Takes over what is known now."""
        if self._reckoned_ms is None or abs(desk.now_ms - self._reckoned_ms) >= RECKON_EVERY_MS:
            self._day = day(desk.stories.values(), desk.pools, desk.now_ms)
            self._reckoned_ms = desk.now_ms
        self.put(lines(desk, self._day, self.size.width, self.size.height, self._paint))
