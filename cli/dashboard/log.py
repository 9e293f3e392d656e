"""The log: what happened, newest last, of all orders or of one. It follows until somebody looks at a line further up."""

from typing import Any

from textual import events
from textual.message import Message

from cli import render, routes
from cli.dashboard import cells
from cli.dashboard.desk import Desk
from cli.dashboard.scrolled import Scrolled
from cli.paint import Line, Paint, state_of
from cli.times import clock_time

Record = dict[str, Any]


def level(event: Record) -> str:
    """How much an event matters: info, warn or error."""
    if event["status"] == "failed":
        return "error"
    if state_of(event) == "unknown" or event.get("previousErrorCode"):
        return "warn"
    return "info"


_TONES = {"info": "", "warn": "warn", "error": "fail"}


def line(event: Record, paint: Paint, width: int) -> Line:
    """One event on one line."""
    state, matters = state_of(event), level(event)
    symbol, tone = paint.state(state)
    said = cells.fit(f"{_said(event)}", max(width - 44, 10))
    return [
        (f" {clock_time(event['timestamp'])}  ", "dim"),
        (f"{matters:<5} ", _TONES[matters] or "dim"),
        (f"{render.short_id(event['orderId'])}  ", ""),
        (f"{symbol:<12} ", tone),
        (said, _TONES[matters] if matters == "error" else ""),
    ]


def _said(event: Record) -> str:
    if event["status"] == "submitted" and event.get("txHash"):
        return f"{event['routedDex']}, tx {render.short_hash(event['txHash'])}"
    if event["status"] == "confirmed":
        got = render.exchanged(event["amountOut"], event.get("amountIn"))
        return f"{got} on {routes.in_short(event.get('route'), event['routedDex'])} at {event['executedPrice']}"
    return render.detail(event)


def meant(event: Record, words: str) -> bool:
    """True when the event has all these words: in its order, its state, what it says."""
    text = f"{event['orderId']} {state_of(event)} {level(event)} {_said(event)}".lower()
    return all(_has(text, event, word) for word in words.lower().split())


def _has(text: str, event: Record, word: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return not _has(text, event, word[1:])
    name, colon, value = word.partition(":")
    match name if colon else "":
        case "order" | "id":
            return str(event["orderId"]).endswith(value)
        case "status":
            return state_of(event).startswith(value)
        case "level":
            return level(event) == value
        case _:
            return word in text


class LogPane(Scrolled):
    """The log on the screen: a tail of a few lines, or the page with a cursor."""

    class Opened(Message):
        """The order of a line is to be opened."""

        def __init__(self, order_id: str) -> None:
            super().__init__()
            self.order_id = order_id

    def __init__(self, desk: Desk, paint: Paint, id: str) -> None:
        super().__init__(id=id)
        self._desk, self._paint = desk, paint
        self.filter_text = ""
        self.follow = True
        self._rows: list[Record] = []
        self._cursor_seq = 0
        self._top = 0
        self._made_of: tuple[object, ...] = ()

    def filter(self, words: str) -> None:
        """Shows only events that have these words."""
        self.filter_text, self.follow = words.strip(), True
        self.show(self._desk)

    @property
    def selected(self) -> Record | None:
        """The event under the cursor."""
        return self._rows[self._cursor()] if self._rows else None

    @property
    def rows(self) -> list[Record]:
        """The events that the filter leaves."""
        return self._rows

    @property
    def position(self) -> str:
        """Which part of how much is seen."""
        return f"{self._cursor() + 1} of {len(self._rows)}" if self._rows else "nothing"

    def show(self, desk: Desk) -> None:
        """Draws what there is by now."""
        width, height = self.size
        if not width or not height:
            return
        newest = desk.log[-1]["seq"] if desk.log else 0
        made_of = (newest, len(desk.log), self.filter_text)
        if made_of != self._made_of:
            self._made_of = made_of
            words = self.filter_text
            self._rows = [event for event in desk.log if meant(event, words)] if words else list(desk.log)
        cursor = self._cursor()
        self._top = min(max(self._top, cursor - height + 1), cursor)
        self._top = max(min(self._top, len(self._rows) - height), 0)
        seen = self._rows[self._top : self._top + height]
        if not seen:
            why = (
                f" Nothing here is {self.filter_text}."
                if self.filter_text
                else " Nothing has happened since the start."
            )
            self.put([[(why, "dim")]])
            return
        ground = {cursor - self._top: "cursor"} if self.has_focus else {}
        self.put([line(event, self._paint, width) for event in seen], ground)

    def _cursor(self) -> int:
        last = len(self._rows) - 1
        if self.follow:
            return max(last, 0)
        from bisect import bisect_left

        at = bisect_left(self._rows, self._cursor_seq, key=lambda event: event["seq"])
        return min(max(at, 0), max(last, 0))

    def move(self, by: int) -> None:
        """The cursor up or down; at the end it follows again."""
        if not self._rows:
            return
        at = min(max(self._cursor() + by, 0), len(self._rows) - 1)
        self._cursor_seq = self._rows[at]["seq"]
        self.follow = at == len(self._rows) - 1
        self.show(self._desk)

    def top(self) -> None:
        """To the oldest event."""
        self.move(-len(self._rows))

    def bottom(self) -> None:
        """To the newest, and follows."""
        self.follow = True
        self.show(self._desk)

    def freeze(self) -> bool:
        """Follows, or stays where it is. True when it follows now."""
        if self.follow:
            self._cursor_seq = self._rows[-1]["seq"] if self._rows else 0
        self.follow = not self.follow
        self.show(self._desk)
        return self.follow

    def again(self) -> None:
        """With the cursor seen or not, with more lines or fewer."""
        self.show(self._desk)

    def on_click(self, event: events.Click) -> None:
        """A click selects, a second one opens the order."""
        clicked = event.get_content_offset(self)
        if clicked is None:
            return
        at = self._top + clicked.y
        if at < len(self._rows):
            self._cursor_seq, self.follow = self._rows[at]["seq"], False
            self.show(self._desk)
            if event.chain == 2:
                self.post_message(self.Opened(self._rows[at]["orderId"]))
