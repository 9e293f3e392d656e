"""Panes that move: by keys, by half pages, by the wheel. What a row is, and what moving means, is the pane's own."""

from textual import events

from cli.dashboard.painted import Painted

ROWS_PER_TURN = 3  # of the wheel


class Wheel:
    """What the mouse wheel turns. Nothing behind it turns with it."""

    def turn(self, by: int) -> None:
        """The wheel was turned: 1 down, -1 up."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Down."""
        event.stop()
        self.turn(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Up."""
        event.stop()
        self.turn(-1)


class Scrolled(Wheel, Painted, can_focus=True):
    """A pane with a place in it, which keys and wheel move. It draws itself anew when its focus or its size is another."""

    def move(self, by: int) -> None:
        """So many rows down, or up with a minus."""
        raise NotImplementedError

    def again(self) -> None:
        """Draws what there is by now."""
        raise NotImplementedError

    @property
    def page_rows(self) -> int:
        """The rows that are seen at once."""
        return max(self.size.height, 1)

    def half(self, by: int) -> None:
        """Half a page down or up."""
        self.move(by * max(self.page_rows // 2, 1))

    def turn(self, by: int) -> None:
        """Some rows with each turn of the wheel."""
        self.move(by * ROWS_PER_TURN)

    def on_focus(self) -> None:
        """The cursor gets its strong ground."""
        self.again()

    def on_blur(self) -> None:
        """The cursor gets its weak ground, or none."""
        self.again()

    def on_resize(self) -> None:
        """Something else may have room now."""
        self.again()
