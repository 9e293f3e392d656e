"""What is seen: the pages, how they are laid out, and the tick that shows what changed.

It holds no facts: those are on the desk. What the keys do is added in `moving`, `finding` and `workspace`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from cli.dashboard import acts, header, keys, layout, panes
from cli.dashboard.acts import Outcome
from cli.dashboard.desk import Desk
from cli.dashboard.detail import DetailPane
from cli.dashboard.header import Header, KeyBar
from cli.dashboard.histories import Histories
from cli.dashboard.link import Hands
from cli.dashboard.listing import Listing
from cli.dashboard.log import LogPane
from cli.dashboard.orders import OrdersTable
from cli.dashboard.painted import Painted
from cli.dashboard.prompt import Prompt
from cli.paint import Line, Paint
from cli.story import Story
from order_engine.client import Client

if TYPE_CHECKING:
    from cli.dashboard.app import Dashboard


class Shown(NamedTuple):
    """Which page is on show, and all that it can be made of."""

    page: str
    desk: Desk
    orders: Sequence[Story]
    log: Sequence[dict[str, Any]]
    order_id: str | None


class Pages(Screen[None]):
    """The pages, one of them on show, between the two lines on top and the key bar."""

    def __init__(self, desk: Desk, hands: Hands, paint: Paint, *, readonly: bool, page: str) -> None:
        super().__init__()
        self.desk, self.hands, self.paint = desk, hands, paint
        self.readonly = readonly
        self.page = page
        self.listing = Listing()
        self._histories = Histories(desk, hands, self.tick)
        self._detail_of: str | None = None
        self._came_from = keys.ORDERS
        self._rested: str | None = None  # the order that the cursor was on at the last tick
        self._was_stale = False

    def compose(self) -> ComposeResult:
        """The pages that are needed at once; the others come when somebody goes there."""
        yield Header(id="header")
        with Container(id="orders-page", classes="page"):
            with Container(id="upper"):
                yield OrdersTable(self.desk, self.listing, self.paint)
                with Container(id="side"):
                    yield DetailPane(self.desk, self.paint, id="panel")
            yield LogPane(self.desk, self.paint, id="tail")
            yield Painted(id="small-hint")
        with Container(id="detail-page", classes="page"):
            yield DetailPane(self.desk, self.paint, id="detail")
        with Container(id="log-page", classes="page"):
            yield LogPane(self.desk, self.paint, id="log")
        yield Prompt()
        yield KeyBar(id="bar")

    def on_mount(self) -> None:
        """Opens the page that was asked for."""
        self.query_one("#small-hint", Painted).put([[(" 80x24 shows more", "dim")]])
        self._lay_out()
        self.go(self.page)

    @property
    def dashboard(self) -> "Dashboard":
        """The app, as what it is."""
        from cli.dashboard.app import Dashboard

        app = self.app
        assert isinstance(app, Dashboard)
        return app

    @property
    def table(self) -> OrdersTable:
        """The table of orders."""
        return self.query_one(OrdersTable)

    @property
    def whole_log(self) -> LogPane:
        """The log page's pane."""
        return self.query_one("#log", LogPane)

    @property
    def prompt(self) -> Prompt:
        """The line to type in."""
        return self.query_one(Prompt)

    # the tick

    def tick(self) -> None:
        """Shows what has changed since the last time."""
        if not self.query("#header"):  # at the end the panes go before the timer does
            return
        self._dim(self.desk.link.stale)
        for pane in self._live():
            pane.show(self.desk)
        if self.page == keys.ORDERS:
            self._look_at_selected()
        elif self.page == keys.DETAIL and self._detail_of is not None:
            self._histories.ask(self._detail_of)
        self._headlines()

    @property
    def looks_at_what_runs(self) -> bool:
        """True when the order in a pane of its own, or one that is marked, is not over."""
        stories = self.desk.stories
        seen = {pane.order_id for pane in self.query(DetailPane) if pane.is_on_screen}
        marked = self.listing.marks if self.page == keys.ORDERS else set()
        return any(order_id in stories and not stories[order_id].final for order_id in seen | marked)

    def beat(self) -> None:
        """Shows how far those have come. The rest waits for the tick: a repaint of everything costs five times as much."""
        for pane in self.query(DetailPane):
            if pane.is_on_screen:
                pane.show(self.desk)
        if self.listing.marks and self.page == keys.ORDERS:
            self.table.show(self.desk)

    def _live(self) -> Iterator[Any]:
        for widget in self.query(panes.EVERY):
            if widget.is_on_screen:
                yield widget

    def _look_at_selected(self) -> None:
        story = self.listing.selected
        order_id = story.order_id if story else None
        panel = self.query_one("#panel", DetailPane)
        if panel.order_id != order_id:
            panel.look_at(order_id)
        if order_id is not None and order_id == self._rested:
            self._histories.ask(order_id)
        self._rested = order_id

    def _headlines(self) -> None:
        width = self.size.width
        first = header.first_line(self.desk, self.paint, width, readonly=self.readonly)
        second = header.second_line(self.page, self._beside_tabs(), width, self._detail_of)
        self.query_one("#header", Header).put([first, second])
        self.query_one("#bar", KeyBar).put(
            [header.key_bar(self.page, width, self.dashboard.keys, readonly=self.readonly)]
        )

    def _beside_tabs(self) -> Line:
        if self.page == keys.ORDERS:
            return header.beside_orders(self.listing, len(self.desk.stories), self.size.width)
        if self.page == keys.LOG:
            log = self.whole_log
            return header.beside_log(log.position, log.filter_text, self.size.width, follow=log.follow)
        if self.page == keys.DETAIL and self._detail_of in self.desk.stories:
            return [self.paint.state(self.desk.stories[self._detail_of].state)]
        return []

    def _dim(self, stale: bool) -> None:
        if stale != self._was_stale:
            self._was_stale = stale
            for pane in self.query(panes.EVERY):
                pane.set_class(stale, "stale")

    # the layout

    def on_resize(self, _: events.Resize) -> None:
        """Another size, another layout."""
        self._lay_out()

    def _lay_out(self) -> None:
        wanted = layout.layout_for(self.app.size.width, self.app.size.height)
        for name in layout.LAYOUTS:
            self.set_class(name == wanted, name)
        if wanted == layout.FULL and not self.query("#venues-beside"):
            self.query_one("#side").mount(*panes.beside(self.dashboard.client_for))
        self.call_after_refresh(self.tick)

    # going from page to page

    def go(self, page: str) -> None:
        """Shows a page."""
        self.prompt.close()
        self.page = page
        if not self.query(f"#{page}-page"):
            shown = panes.of_page(page, self.dashboard.client_for)
            self.mount(Container(*shown, id=f"{page}-page", classes="page"), before="#bar")
        for each in self.query(".page"):
            each.set_class(each.id == f"{page}-page", "on")
        if focus := self.query(f"#{panes.FOCUS[page]}"):
            self.set_focus(focus.first(Widget))
        self.call_after_refresh(self.tick)

    def open_order(self, order_id: str) -> None:
        """Shows all there is to know of an order."""
        if self.page != keys.DETAIL:
            self._came_from = self.page
        self._detail_of = order_id
        self.desk.saw(order_id)
        self.query_one("#detail", DetailPane).look_at(order_id)
        self.go(keys.DETAIL)

    # which orders are meant

    def _one(self) -> Story | None:
        """The order that a key means on this page."""
        if self.page == keys.DETAIL:
            return self.desk.stories.get(self._detail_of or "")
        pane = self.focused if isinstance(self.focused, LogPane) else None
        if self.page == keys.LOG:
            pane = self.whole_log
        if pane is not None:
            return self.desk.stories.get(str(pane.selected["orderId"])) if pane.selected else None
        return self.listing.selected if self.page == keys.ORDERS else None

    def meant(self) -> list[Story]:
        """The orders that a key acts on: on their page those marked or the one under the cursor, elsewhere the one there is."""
        if self.page == keys.ORDERS and not isinstance(self.focused, LogPane):
            return self.listing.meant()
        one = self._one()
        return [one] if one is not None else []

    # asking and telling

    def ask(self, what: Callable[[Client], Any], then: Callable[[Any], None]) -> None:
        """Asks the daemon; `then` hears the answer, a toast tells what went wrong."""
        self.hands.ask(what, then, lambda error: self.tell(acts.trouble(error)))

    def tell(self, outcome: Outcome, timeout_s: float | None = None) -> None:
        """A toast."""
        if outcome.instead_of is not None:
            self.dashboard.take_back(outcome.instead_of)
        self.app.notify(outcome.text, severity=outcome.severity, timeout=timeout_s, markup=False)
