"""The main screen: the pages, what every key does, and the tick that shows what changed.

It holds no facts: those are on the desk. It decides nothing about orders: that is the daemon's. What a key may not do is
answered with a toast that says why.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from cli.dashboard import acts, command_line, header, keys, layout
from cli.dashboard.acts import Outcome
from cli.dashboard.desk import Desk
from cli.dashboard.detail import DetailPane
from cli.dashboard.header import Header, KeyBar
from cli.dashboard.link import Hands, Link
from cli.dashboard.listing import Listing
from cli.dashboard.log import LogPane
from cli.dashboard.orders import OrdersTable
from cli.dashboard.painted import Painted
from cli.dashboard.prompt import COMMAND, FILTER, Prompt
from cli.paint import Line, Paint
from cli.render import request, short_id
from cli.story import Story
from order_engine.client import Client, new_key
from order_engine.errors import EngineError, Malformed

if TYPE_CHECKING:
    from cli.dashboard.app import Dashboard

QUOTE_S = 12  # that a quote stays on the screen
HALTED_S = 12


class Workspace(Screen[None]):
    """Everything but the cards that lie on top."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, key.action, key.help, show=False)
        for key in keys.KEYS
        if key.action not in ("quit", "palette", "filter", "command")  # which are the app's: see there
    ]
    AUTO_FOCUS = "#orders"
    ALLOW_SELECT = False

    def __init__(self, desk: Desk, link: Link, hands: Hands, paint: Paint, *, readonly: bool, page: str) -> None:
        super().__init__()
        self.desk, self.link, self.hands, self.paint = desk, link, hands, paint
        self.readonly = readonly
        self.page = page
        self.listing = Listing()
        self._detail_of: str | None = None
        self._came_from = keys.ORDERS
        self._asked: set[str] = set()  # orders whose history was asked for
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

    # what is seen

    @property
    def table(self) -> OrdersTable:
        """The table of orders."""
        return self.query_one(OrdersTable)

    @property
    def whole_log(self) -> LogPane:
        """The log page's pane."""
        return self.query_one("#log", LogPane)

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
            self._ask_history(self._detail_of)
        self._headlines()

    def _live(self) -> Iterator[Any]:
        for widget in self.query(".live, OrdersTable, DetailPane, LogPane"):
            if widget.is_on_screen:
                yield widget

    def _look_at_selected(self) -> None:
        story = self.listing.selected
        order_id = story.order_id if story else None
        panel = self.query_one("#panel", DetailPane)
        if panel.order_id != order_id:
            panel.look_at(order_id)
        if order_id is not None and order_id == self._rested:
            self._ask_history(order_id)
        self._rested = order_id

    def _ask_history(self, order_id: str) -> None:
        """Asks for all that happened to an order, once: its record alone does not know the steps."""
        if order_id in self._asked or self.desk.knows_all(order_id) or self.desk.link.stale:
            return
        self._asked.add(order_id)
        self.hands.ask(
            lambda client: client.order_events(order_id),
            lambda history: self._told(order_id, history),
            lambda _: self._asked.discard(order_id),
        )

    def _told(self, order_id: str, history: list[dict[str, Any]]) -> None:
        self.desk.retell(order_id, history)
        self.tick()

    def _headlines(self) -> None:
        width = self.size.width
        first = header.first_line(self.desk, self.paint, width, readonly=self.readonly)
        second = header.second_line(self.page, self._beside_tabs(), width, self._detail_of)
        self.query_one("#header", Header).put([first, second])
        self.query_one("#bar", KeyBar).put([header.key_bar(self.page, width, readonly=self.readonly)])

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
            for pane in self.query(".live, OrdersTable, DetailPane, LogPane"):
                pane.set_class(stale, "stale")

    def on_resize(self, _: events.Resize) -> None:
        """Another size, another layout."""
        self._lay_out()

    def _lay_out(self) -> None:
        wanted = layout.layout_for(self.app.size.width, self.app.size.height)
        for name in layout.LAYOUTS:
            self.set_class(name == wanted, name)
        if wanted == layout.FULL and not self.query("#venues-beside"):
            self._mount_beside()
        self.call_after_refresh(self.tick)

    def _mount_beside(self) -> None:
        from cli.dashboard.pools import PoolsPane
        from cli.dashboard.venues import VenuesPane
        from cli.dashboard.wallet import WalletPane

        side = self.query_one("#side")
        side.mount(
            VenuesPane(id="venues-beside", classes="beside live"),
            PoolsPane(self.dashboard.client_for, id="pools-beside", classes="beside live"),
            WalletPane(id="wallet-beside", classes="beside live"),
        )

    # pages

    def go(self, page: str) -> None:
        """Shows a page."""
        self.prompt.close()
        self.page = page
        self._mount_page(page)
        for each in self.query(".page"):
            each.set_class(each.id == f"{page}-page", "on")
        if focus := self.query(f"#{_FOCUS[page]}"):
            self.set_focus(focus.first(Widget))
        self.call_after_refresh(self.tick)

    def _mount_page(self, page: str) -> None:
        if self.query(f"#{page}-page"):
            return
        if page == keys.VENUES:
            from cli.dashboard.pools import PoolsPane
            from cli.dashboard.venues import VenuesPane

            panes: tuple[Widget, ...] = (
                VenuesPane(id="venues", classes="live"),
                PoolsPane(self.dashboard.client_for, id="pools", classes="live"),
            )
        else:
            from cli.dashboard.wallet import WalletPane

            panes = (WalletPane(id="wallet", classes="live"),)
        self.mount(Container(*panes, id=f"{page}-page", classes="page"), before="#bar")

    def open_order(self, order_id: str) -> None:
        """Shows all there is to know of an order."""
        if self.page != keys.DETAIL:
            self._came_from = self.page
        self._detail_of = order_id
        self.desk.saw(order_id)
        self.query_one("#detail", DetailPane).look_at(order_id)
        self.go(keys.DETAIL)

    def on_orders_table_opened(self, _: OrdersTable.Opened) -> None:
        """An order was double-clicked."""
        self.action_open()

    def on_orders_table_moved(self, _: OrdersTable.Moved) -> None:
        """The cursor is on another order."""
        self.call_next(self.tick)

    def on_log_pane_opened(self, event: LogPane.Opened) -> None:
        """An event was double-clicked."""
        self.open_order(event.order_id)

    def action_page(self, page: str) -> None:
        """Goes to a page by its number."""
        self.go(page)

    def action_next_pane(self, by: int) -> None:
        """To the next pane, or the one before."""
        if by > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_open(self) -> None:
        """Opens the order that is meant."""
        if self.page == keys.LOG or (self.focused is not None and self.focused.id == "tail"):
            pane = self.focused if isinstance(self.focused, LogPane) else self.whole_log
            if pane.selected is not None:
                self.open_order(str(pane.selected["orderId"]))
        elif self.page == keys.ORDERS:
            if self.listing.selected is not None:
                self.open_order(self.listing.selected.order_id)
            else:
                self.tell(Outcome("There is no order to open."))

    def action_back(self) -> None:
        """One step back: out of the prompt, the page, the filter, the marks."""
        if self.prompt.is_open:
            if self.prompt.sign == FILTER:
                self._filter("")
            self._close_prompt()
        elif self.page == keys.DETAIL:
            self.go(self._came_from)
        elif self.page == keys.LOG and self.whole_log.filter_text:
            self.whole_log.filter("")
            self._headlines()
        elif self.page != keys.ORDERS:
            self.go(keys.ORDERS)
        elif self.listing.filter_text:
            self._filter("")
        else:
            self.action_unmark()

    def action_leave(self) -> None:
        """Back, and from the orders out."""
        if self.page == keys.ORDERS:
            self.app.exit()
        elif self.page == keys.DETAIL:
            self.go(self._came_from)
        else:
            self.go(keys.ORDERS)

    def action_hint(self) -> None:
        """Says how to leave: in a terminal this key means something else everywhere."""
        self.tell(Outcome("q or ctrl+q leaves the dashboard; the orders go on. x cancels an order."))

    def action_help(self) -> None:
        """The keys and words."""
        from cli.dashboard.help_screen import HelpScreen

        self.app.push_screen(HelpScreen(self.page, self.paint, halted=self.desk.halted))

    # moving

    def _mover(self) -> Any:
        focused = self.focused
        if focused is not None and hasattr(focused, "half"):
            return focused
        main = self.query(f"#{_FOCUS[self.page]}")
        return main.first() if main and hasattr(main.first(), "half") else None

    def action_move(self, by: int) -> None:
        """Up or down in the pane that has the focus."""
        if pane := self._mover():
            pane.move(by)
            self._headlines()

    def action_half(self, by: int) -> None:
        """Half a page."""
        if pane := self._mover():
            pane.half(by)
            self._headlines()

    def action_top(self) -> None:
        """To the top."""
        if pane := self._mover():
            pane.top()
            self._headlines()

    def action_bottom(self) -> None:
        """To the bottom."""
        if pane := self._mover():
            pane.bottom()
            self._headlines()

    # finding

    @property
    def prompt(self) -> Prompt:
        """The line to type in."""
        return self.query_one(Prompt)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """While somebody types, / and : are letters."""
        return not (action in ("filter", "command") and self.prompt.has_focus_within)

    def _close_prompt(self) -> None:
        self.prompt.close()
        self.set_focus(self.query_one(f"#{_FOCUS[self.page]}"))

    def action_filter(self) -> None:
        """The line for a filter."""
        if self.page == keys.LOG:
            self.prompt.open(FILTER, self.whole_log.filter_text)
            return
        if self.page != keys.ORDERS:
            self.go(keys.ORDERS)
        self.prompt.open(FILTER, self.listing.filter_text)

    def action_command(self) -> None:
        """The line for a command."""
        self.prompt.open(COMMAND)

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """A filter is obeyed while it is typed; a command waits for enter."""
        if event.sign == FILTER:
            self._filter(event.text)

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        """Enter: the filter stays, the command is done."""
        if event.sign == FILTER:
            if self._filter(event.text):
                self._close_prompt()
            return
        try:
            said = command_line.read(event.text)
        except Malformed as error:
            self.prompt.hint(error.message)
            return
        self._close_prompt()
        if said is not None:
            self._obey(said)

    def _filter(self, text: str) -> bool:
        """Filters the page; False, with a hint, where the words are not understood."""
        if self.page == keys.LOG:
            self.whole_log.filter(text)
        else:
            try:
                self.listing.filter(text)
            except Malformed as error:
                self.prompt.hint(error.message)
                return False
            self.table.show(self.desk)
            self._look_at_selected()
        self.prompt.hint("")
        self._headlines()
        return True

    def action_sort(self, by: int) -> None:
        """By the next column."""
        self.listing.next_sort(by)
        self._sorted()

    def action_sort_by(self, name: str) -> None:
        """By this column, or the other way round."""
        self.listing.sort_by(name)
        self._sorted()

    def action_reverse(self) -> None:
        """The other way round."""
        self.listing.reversed = not self.listing.reversed
        self._sorted()

    def _sorted(self) -> None:
        self.listing.frozen = False
        self.table.show(self.desk)
        self._look_at_selected()
        self._headlines()

    def action_freeze(self) -> None:
        """A still picture, or what comes."""
        if self.page == keys.LOG:
            self.whole_log.freeze()
        else:
            self.listing.frozen = not self.listing.frozen
            self.table.show(self.desk)
        self._headlines()

    def action_next_need(self) -> None:
        """To the next order that needs somebody."""
        needs = self.desk.needs_you()
        if not needs:
            self.tell(Outcome("No order needs you."))
            return
        ids = [story.order_id for story in needs]
        here = self.listing.selected.order_id if self.listing.selected else None
        wanted = ids[(ids.index(here) + 1) % len(ids)] if here in ids and self.page == keys.ORDERS else ids[0]
        if self.page != keys.ORDERS:
            self.go(keys.ORDERS)
        if not self.listing.select(wanted):
            self.listing.frozen = False
            self.listing.filter("")
            self.listing.update(self.desk)
            self.listing.select(wanted)
        self.table.show(self.desk)
        self._look_at_selected()
        self._headlines()

    def action_log_of_order(self) -> None:
        """The log of the order that is meant; from there, the whole log."""
        log = self.whole_log
        if self.page == keys.LOG:
            event = log.selected
            log.filter("" if log.filter_text or event is None else f"order:{short_id(event['orderId'])}")
            self._headlines()
            return
        story = self._one()
        if story is None:
            self.tell(Outcome("There is no order here."))
            return
        log.filter(f"order:{short_id(story.order_id)}")
        self.go(keys.LOG)

    # marks

    def action_mark(self) -> None:
        """Marks, or takes the mark away."""
        self.listing.mark()
        self.table.show(self.desk)
        self._look_at_selected()
        self._headlines()

    def action_mark_range(self) -> None:
        """Marks up to here."""
        self.listing.mark_range()
        self.table.show(self.desk)
        self._headlines()

    def action_unmark(self) -> None:
        """Takes all marks away."""
        self.listing.unmark()
        self.table.show(self.desk)
        self._headlines()

    # orders

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

    def _meant(self) -> list[Story]:
        if self.page == keys.ORDERS and not isinstance(self.focused, LogPane):
            return self.listing.meant()
        one = self._one()
        return [one] if one is not None else []

    def _may_act(self) -> bool:
        if self.readonly:
            self.tell(Outcome(acts.READ_ONLY, "warning"))
        return not self.readonly

    def action_cancel(self) -> None:
        """Cancels what is meant."""
        self._cancel(self._meant())

    def action_retry(self) -> None:
        """Places what is meant again."""
        self._retry(self._meant(), None)

    def _cancel(self, stories: list[Story]) -> None:
        self._each(stories, acts.why_not_cancel, lambda client, order_id: client.cancel(order_id), acts.cancelled)

    def _retry(self, stories: list[Story], slippage_bps: int | None) -> None:
        def one(client: Client, order_id: str) -> Any:
            return client.retry(order_id, slippage_bps=slippage_bps)

        self._each(stories, acts.why_not_retry, one, acts.retried)

    def _each(
        self,
        stories: list[Story],
        why_not: Callable[[Story], str | None],
        do: Callable[[Client, str], Any],
        words: Callable[[list[acts.Result]], Outcome],
    ) -> None:
        """Does something to every order that it can be done to, and tells why not to the others."""
        if not self._may_act():
            return
        if not stories:
            self.tell(Outcome("There is no order here.", "warning"))
            return
        possible = [story for story in stories if why_not(story) is None]
        if not possible:
            reasons = dict.fromkeys(str(why_not(story)) for story in stories)
            self.tell(Outcome("\n".join(list(reasons)[:3]), "warning"))
            return
        ids = [story.order_id for story in possible]

        def work(client: Client) -> list[acts.Result]:
            results: list[acts.Result] = []
            for order_id in ids:
                try:
                    results.append((order_id, do(client, order_id)))
                except EngineError as error:
                    if error.code == "unreachable":  # so are all the others
                        raise
                    results.append((order_id, error))
            return results

        def done(results: list[acts.Result]) -> None:
            self.tell(words(results))
            self.action_unmark()

        self._ask(work, done)

    def action_new_order(self) -> None:
        """The card for a new order."""
        if not self._may_act():
            return
        from cli.dashboard.new_order import NewOrder

        def placed(order: dict[str, Any] | None) -> None:
            if order is not None:
                self._placed(order)

        self.app.push_screen(NewOrder(self.desk, self.dashboard.client_for), placed)

    def _placed(self, order: dict[str, Any]) -> None:
        self.tell(Outcome(f"{short_id(order['orderId'])} placed: {request(order)}"))
        self.link.read_now()

    def action_halt(self) -> None:
        """No new orders. Asks nothing: it is the safe direction, and `resume` undoes it."""
        if not self._may_act():
            return
        if self.desk.halted:
            self.tell(Outcome("Halted already. Resume with  :resume"))
            return
        self._halt(cancel_open=False)

    def _halt(self, *, cancel_open: bool) -> None:
        def halted(status: dict[str, Any]) -> None:
            self._take_status(status)
            rest = (
                f"{status['open']} open orders go on; :halt --cancel-open cancels them. " if status.get("open") else ""
            )
            self.tell(Outcome(f"HALTED: no new orders are taken. {rest}Undo: :resume", "warning"), HALTED_S)

        self._ask(lambda client: client.halt(cancel_open=cancel_open), halted)

    def action_resume(self) -> None:
        """Takes orders again."""

        def resumed(status: dict[str, Any]) -> None:
            self._take_status(status)
            self.tell(Outcome("Resumed: orders are taken again."))

        if self._may_act():
            self._ask(lambda client: client.resume(), resumed)

    def _take_status(self, status: dict[str, Any]) -> None:
        from cli.dashboard.desk import Reading

        self.desk.refresh(Reading(self.desk.now_ms, status=status))
        self._headlines()

    def _ask(self, what: Callable[[Client], Any], then: Callable[[Any], None]) -> None:
        self.hands.ask(what, then, lambda error: self.tell(acts.trouble(error)))

    # copying

    def action_copy(self, what: str) -> None:
        """Copies the id, the transaction or the record of the order that is meant."""
        story = self._one()
        if story is None:
            self.tell(Outcome("There is no order here.", "warning"))
        elif what == "id":
            self._copied(story.order_id, f"the id of {short_id(story.order_id)}")
        elif what == "tx" and story.tx_hash is None:
            self.tell(Outcome("Cannot copy the transaction: nothing was sent.", "warning"))
        elif what == "tx":
            self._copied(str(story.tx_hash), f"the transaction of {short_id(story.order_id)}")
        else:
            from cli.output import to_json

            order_id = story.order_id
            self._ask(
                lambda client: client.order(order_id),
                lambda order: self._copied(to_json(order), f"the JSON of {short_id(order_id)}"),
            )

    def _copied(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.tell(Outcome(f"Copied {what}."))

    # the command line and the palette

    def doing(self, action: str) -> Callable[[], object]:
        """Something that does what a key does, for the palette."""

        async def do() -> None:
            await self.run_action(action if action in ("quit", "palette") else f"screen.{action}")

        return lambda: self.app.call_later(do)

    def opening(self, order_id: str) -> Callable[[], object]:
        """Something that opens an order, for the palette."""
        return lambda: self.open_order(order_id)

    def theming(self, name: str) -> Callable[[], object]:
        """Something that changes the theme, for the palette."""
        return lambda: self._theme(name)

    def theme_names(self) -> list[str]:
        """The themes there are, ours first."""
        return sorted(self.app.available_themes, key=lambda name: (not name.startswith("oee-"), name))

    def _theme(self, name: str) -> None:
        if name not in self.app.available_themes:
            self.tell(Outcome(f"No theme {name[:30]}. ctrl+p lists them.", "warning"))
            return
        self.app.theme = name

    def _obey(self, said: command_line.Said) -> None:
        """Does what was said."""
        if page := command_line.page_of(said.name):
            if page == keys.LOG:
                self.whole_log.filter(" ".join(said.words))
            self.go(page)
            return
        match said.name:
            case "q" | "quit":
                self.app.exit()
            case "help":
                self.action_help()
            case "theme":
                self._theme(said.words[0])
            case "filter" | "list":
                self._obey_filter(" ".join(said.words))
            case "sort":
                self._obey_sort(said.words[0])
            case "show":
                self._found(said.words, lambda stories: self.open_order(stories[0].order_id))
            case "status":
                self.tell(Outcome(_status_words(self.desk)))
            case "quote":
                self._ask(lambda client: client.quote(*said.words), lambda quote: self.tell(_quoted(quote), QUOTE_S))
            case _ if self._may_act():
                self._obey_acting(said)

    def _obey_acting(self, said: command_line.Said) -> None:
        match said.name:
            case "submit":
                order = dict(said.order or {})
                key = str(order.pop("clientOrderId", None) or new_key())
                self._ask(lambda client: client.place(order, key=key)[0], self._placed)
            case "cancel":
                self._found(said.words, self._cancel)
            case "retry":
                self._found(said.words, lambda stories: self._retry(stories, said.slippage_bps))
            case "halt":
                self._halt(cancel_open="--cancel-open" in said.words)
            case "resume":
                self.action_resume()

    def _obey_filter(self, text: str) -> None:
        try:
            self.listing.filter(text)
        except Malformed as error:
            self.tell(Outcome(error.message, "warning"))
            return
        self.go(keys.ORDERS)

    def _obey_sort(self, name: str) -> None:
        from cli.dashboard.filters import SORTS

        if name not in SORTS:
            self.tell(Outcome(f"Cannot sort by {name[:20]}. Known: {', '.join(SORTS)}", "warning"))
            return
        self.listing.sort, self.listing.reversed = name, False
        self._sorted()

    def _found(self, ends: tuple[str, ...], then: Callable[[list[Story]], None]) -> None:
        """The orders whose ids end so, asking the daemon for those that are not here; none named: those that are meant."""
        if not ends:
            then(self._meant())
            return
        here = [self._ending(end) for end in ends]
        if all(story is not None for story in here):
            then([story for story in here if story is not None])
            return

        def take(orders: list[dict[str, Any]]) -> None:
            stories = []
            for order in orders:
                story = self.desk.stories.get(str(order["orderId"])) or Story.of(order)
                self.desk.stories.setdefault(story.order_id, story)
                stories.append(story)
            then(stories)

        self._ask(lambda client: [client.find(end) for end in ends], take)

    def _ending(self, end: str) -> Story | None:
        found = [story for story in self.desk.stories.values() if story.order_id.endswith(end.lower())]
        return found[0] if len(found) == 1 and len(end) >= 4 else None

    def tell(self, outcome: Outcome, timeout_s: float | None = None) -> None:
        """A toast."""
        self.app.notify(outcome.text, severity=outcome.severity, timeout=timeout_s, markup=False)


_FOCUS = {
    keys.ORDERS: "orders", keys.VENUES: "pools", keys.WALLET: "wallet", keys.LOG: "log", keys.DETAIL: "detail",
}  # fmt: skip


def _quoted(quote: dict[str, Any]) -> Outcome:
    lines = [f"{quote['amount']} {quote['inputToken']} → {quote['outputToken']}"]
    for offer in quote["quotes"]:
        if "amountOut" in offer:
            best = "  ◂ best" if offer["dex"] == quote["best"] else ""
            lines.append(f"{offer['dex']:<9}{offer['amountOut']}  impact {offer['priceImpactBps']} bps{best}")
        else:
            lines.append(f"{offer['dex']:<9}no quote: {offer['reason']}")
    return Outcome("\n".join(lines))


def _status_words(desk: Desk) -> str:
    status = desk.status
    today = ", ".join(f"{count} {name}" for name, count in status.get("today", {}).items())
    return (
        f"daemon {status.get('version')} {status.get('status')}, {status.get('speed')} market\n"
        f"open {desk.open_count}, queue {status.get('queue')}\ntoday {today}\nlog {status.get('seq')} events"
    )
