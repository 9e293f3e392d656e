"""Finding: which orders and events are on show, in which order, and which of them are marked."""

from cli.dashboard import keys
from cli.dashboard.acts import Outcome
from cli.dashboard.pages import Pages
from cli.dashboard.prompt import FILTER
from cli.render import counted, short_id
from order_engine.errors import Malformed


class Finding(Pages):
    """The keys that find, for the main screen."""

    def action_filter(self) -> None:
        """The line for a filter."""
        if self.page == keys.LOG:
            self.prompt.open(FILTER, self.whole_log.filter_text)
            return
        if self.page != keys.ORDERS:
            self.go(keys.ORDERS)
        self.prompt.open(FILTER, self.listing.filter_text)

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

    # sorting

    def action_sort(self, by: int) -> None:
        """By the next column."""
        self.listing.next_sort(by)
        self._sorted()

    def action_sort_by(self, name: str) -> None:
        """By this column, or the other way round."""
        self.listing.sort_by(name)
        self._sorted()

    def sort_so(self, name: str) -> None:
        """By this column, and never the other way round."""
        self.listing.sort, self.listing.reversed = name, False
        self._sorted()

    def action_reverse(self) -> None:
        """The other way round."""
        self.listing.reversed = not self.listing.reversed
        self._sorted()

    def _sorted(self) -> None:
        self.listing.frozen = False
        self._show_selected()

    def _show_selected(self) -> None:
        self.table.show(self.desk)
        self._look_at_selected()
        self._headlines()

    # what is on show

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
        self._show_selected()

    def action_seen(self) -> None:
        """Notes that somebody has seen what failed. An order that may still land goes on needing somebody."""
        stories = self.meant()
        for story in stories:
            self.desk.saw(story.order_id)
        still = sum(self.desk.needs(story) for story in stories)
        if not stories:
            self.tell(Outcome("There is no order here.", "warning"))
        elif still:
            self.tell(
                Outcome(f"{counted(still, 'order')} may still land: look again when the daemon knows.", "warning")
            )
        self.listing.unmark()
        self._show_selected()

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
        self._show_selected()

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

    # which keys there are

    def action_hint(self) -> None:
        """Says how to leave: in a terminal this key means something else everywhere."""
        self.tell(Outcome("q or ctrl+q leaves the dashboard; the orders go on. x cancels an order."))

    def action_help(self) -> None:
        """The keys and words."""
        from cli.dashboard.help_screen import HelpScreen

        self.app.push_screen(HelpScreen(self.page, self.paint, self.dashboard.keys, halted=self.desk.halted))
