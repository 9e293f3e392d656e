"""Moving: to another page, pane, row or order. What a click opens is here too."""

from typing import Any

from cli.dashboard import keys, panes
from cli.dashboard.acts import Outcome
from cli.dashboard.log import LogPane
from cli.dashboard.orders import OrdersTable
from cli.dashboard.pages import Pages


class Moving(Pages):
    """The keys that move, for the main screen."""

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

    def action_leave(self) -> None:
        """Back, and from the orders out."""
        if self.page == keys.ORDERS:
            self.app.exit()
        elif self.page == keys.DETAIL:
            self.go(self._came_from)
        else:
            self.go(keys.ORDERS)

    def _mover(self) -> Any:
        focused = self.focused
        if focused is not None and hasattr(focused, "half"):
            return focused
        main = self.query(f"#{panes.FOCUS[self.page]}")
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
