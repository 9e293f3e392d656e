"""A widget that shows lines of spans, the same that the commands print, and repaints only the lines that changed.

Textual's own tables and texts cost some 60 ms of a tick; a line here costs what it says. Every pane of the dashboard is a
pure function that makes lines, and one of these.
"""

from collections.abc import Callable, Mapping, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from cli.dashboard.themes import tones_of
from cli.paint import Line, clean

NO_GROUND: Mapping[int, str] = {}


def link(tone: str, action: str) -> str:
    """The tone of a span that does something when it is clicked, such as `app.page('log')`."""
    return f"{tone}@{action}"


class Painted(Widget):
    """Lines on the screen. `put` gives new ones; what is equal to before is not painted again."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Line] = ()
        self._grounds: Mapping[int, str] = NO_GROUND
        self._styles_of: Callable[[str], Style] | None = None

    def put(self, lines: Sequence[Line], grounds: Mapping[int, str] = NO_GROUND) -> None:
        """Shows these lines from now on. `grounds` names the tone that lies under a whole line."""
        before, before_grounds = self._lines, self._grounds
        self._lines, self._grounds = lines, grounds
        height = max(len(before), len(lines))
        changed = [
            y
            for y in range(height)
            if (before[y] if y < len(before) else None) != (lines[y] if y < len(lines) else None)
            or before_grounds.get(y) != grounds.get(y)
        ]
        if changed and self.is_mounted:
            width = self.size.width
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def repaint(self) -> None:
        """Paints everything again, because the theme is another."""
        self._styles_of = None
        self.refresh()

    @property
    def text(self) -> str:
        """What it says, without colours."""
        return "\n".join("".join(part for part, _ in line) for line in self._lines)

    def notify_style_update(self) -> None:
        """The theme or a class changed."""
        super().notify_style_update()
        self._styles_of = None

    def render_line(self, y: int) -> Strip:
        """One line, in the colours of the theme."""
        if self._styles_of is None:
            self._styles_of = tones_of(self.app, self.has_class("stale"))
        styles = self._styles_of
        base = self.visual_style.rich_style
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, base)
        ground = self._grounds.get(y)
        if ground is not None:
            base += styles(ground)
        segments = [Segment(clean(text), base + styles(tone)) for text, tone in self._lines[y] if text]
        return Strip(segments).adjust_cell_length(width, base)
