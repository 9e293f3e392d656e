"""Which orders are shown, in which order, which one is meant: the state of the table without the table. Pure.

The cursor holds on to its order while others come and go; only on the first row it stays with what is newest. Frozen,
the list is a still picture: the orders in it change, but none comes, goes or moves.
"""

from collections.abc import Sequence

from cli.dashboard import filters
from cli.dashboard.desk import STORIES, Desk
from cli.story import Story


class Listing:
    """The orders on show."""

    def __init__(self) -> None:
        self.rows: list[Story] = []
        self.filter_text = ""
        self.sort = "age"
        self.reversed = False
        self.frozen = False
        self.marks: set[str] = set()
        self.cursor = 0
        self.top = 0  # the row that the window begins with
        self._test: filters.Test | None = None
        self._anchor: str | None = None  # where a range of marks begins
        self._selected_id: str | None = None
        self._made_of: tuple[object, ...] = ()

    @property
    def selected(self) -> Story | None:
        """The order under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    def filter(self, text: str) -> None:
        """Shows only what the text means. Raises Malformed, and changes nothing, when it is not understood."""
        self._test = filters.parse(text)
        self.filter_text = text.strip()
        self.top = 0

    def update(self, desk: Desk) -> None:
        """Takes in what changed on the desk."""
        made_of = (desk.version, self.filter_text, self.sort, self.reversed, self.frozen)
        if made_of == self._made_of:
            return
        self._made_of = made_of
        if self.frozen:  # the same orders, as they are by now
            self.rows = [desk.stories.get(story.order_id, story) for story in self.rows]
            return
        rows = [story for story in reversed(desk.stories.values()) if self._test is None or self._test(story)]
        if self.sort != "age" or self.reversed:
            rows.sort(key=filters.SORTS[self.sort], reverse=not self.reversed)
        self.rows = rows[:STORIES]
        self.marks &= desk.stories.keys()
        self._hold_on()

    def _hold_on(self) -> None:
        was_first = self.cursor == 0
        before = self.cursor
        if not was_first and self._selected_id is not None:
            found = next((n for n, story in enumerate(self.rows) if story.order_id == self._selected_id), None)
            self.cursor = found if found is not None else min(self.cursor, max(len(self.rows) - 1, 0))
            self.top = max(self.top + self.cursor - before, 0)  # it stays on the same line of the screen
        self._note()

    def _note(self) -> None:
        self.cursor = min(max(self.cursor, 0), max(len(self.rows) - 1, 0))
        self._selected_id = self.selected.order_id if self.selected else None

    def window(self, height: int) -> Sequence[Story]:
        """The rows that are seen in this many lines, the cursor among them."""
        height = max(height, 1)
        self.top = min(max(self.top, self.cursor - height + 1), self.cursor)
        self.top = max(min(self.top, len(self.rows) - height), 0)
        return self.rows[self.top : self.top + height]

    # what people do

    def move(self, by: int) -> None:
        """The cursor up or down."""
        self.cursor += by
        self._note()

    def go(self, row: int) -> None:
        """The cursor to a row, counted from 0; negative from the end."""
        self.cursor = row if row >= 0 else len(self.rows) + row
        self._note()

    def select(self, order_id: str) -> bool:
        """The cursor to an order. False when it is not in the list."""
        for number, story in enumerate(self.rows):
            if story.order_id == order_id:
                self.go(number)
                return True
        return False

    def scroll(self, by: int, height: int) -> None:
        """The window up or down, and the cursor with it where it has to."""
        self.top = max(min(self.top + by, len(self.rows) - height), 0)
        self.cursor = min(max(self.cursor, self.top), self.top + height - 1)
        self._note()

    def sort_by(self, name: str) -> None:
        """Sorts by this; by it already: the other way round."""
        if name == self.sort:
            self.reversed = not self.reversed
        else:
            self.sort, self.reversed = name, False

    def next_sort(self, by: int = 1) -> None:
        """Sorts by the next column."""
        names = list(filters.SORTS)
        self.sort, self.reversed = names[(names.index(self.sort) + by) % len(names)], False

    def mark(self) -> None:
        """Marks the order under the cursor or takes its mark away, and goes on to the next."""
        if self.selected is None:
            return
        self.marks ^= {self.selected.order_id}
        self._anchor = self.selected.order_id
        self.move(1)

    def mark_range(self) -> None:
        """Marks everything from the last mark to the cursor."""
        if self.selected is None:
            return
        ids = [story.order_id for story in self.rows]
        begin = ids.index(self._anchor) if self._anchor in ids else self.cursor
        first, last = sorted((begin, self.cursor))
        self.marks |= set(ids[first : last + 1])
        self._anchor = ids[self.cursor]

    def unmark(self) -> None:
        """Takes all marks away."""
        self.marks.clear()
        self._anchor = None

    def meant(self) -> list[Story]:
        """The orders that a key acts on: those marked that are on show, else the one under the cursor."""
        if self.marks:
            return [story for story in self.rows if story.order_id in self.marks]
        return [self.selected] if self.selected else []
