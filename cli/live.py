"""The live view: orders redrawn in place while they run, on the lines where they stand; the last frame stays.

Not the alternate screen, so that what happened can be scrolled back to. This is the only file of the commands that imports
Rich, and only when somebody watches on a terminal.
"""

import atexit
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live as RichLive
from rich.text import Text

from cli import cards
from cli.output import Output, Record
from cli.paint import Line, Paint, clean
from cli.story import Story
from cli.times import now_ms

FRAMES_PER_SECOND = 8


class Live:
    """A view of some orders on a terminal, until `close`."""

    def __init__(self, output: Output, orders: Sequence[Record], stream: TextIO) -> None:
        self._paint = Paint(stream, output.color)
        self._stories = {str(order["orderId"]): Story.of(order) for order in orders}  # the first frame is right already
        self._console = Console(
            file=stream,
            force_terminal=True,
            no_color=not self._paint.depth,
            color_system={0: None, 16: "standard", 256: "256"}.get(self._paint.depth, "truecolor"),
            highlight=False,
            emoji=False,
            markup=False,
        )
        self._live = RichLive(
            get_renderable=self._frame,
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        atexit.register(
            self.close
        )  # a signal may come before anybody could ask for it, and the cursor is hidden by then
        self._live.start(refresh=True)

    def event(self, event: Record) -> None:
        """Takes in what happened; the next frame shows it."""
        self._stories[event["orderId"]].add(event)

    def ended(self, order: Record) -> None:
        """Takes in the record of an order that is over."""
        self._stories[order["orderId"]].order = order

    def close(self) -> None:
        """Draws the last frame, which stays. Harmless when it was closed before."""
        self._live.stop()

    def _frame(self) -> RenderableType:
        size = self._console.size
        lines = frame(list(self._stories.values()), self._paint, size.width, size.height, now_ms())
        return Text("\n", no_wrap=True, overflow="crop", end="").join(self._text(line) for line in lines)

    def _text(self, line: Line) -> Text:
        text = Text(no_wrap=True, overflow="crop", end="")
        for part, tone in line:
            text.append(self._paint.plain(clean(part)), self._paint.style(tone))
        return text


def frame(stories: Sequence[Story], paint: Paint, width: int, height: int, now_ms: int) -> list[Line]:
    """The cards of all orders if they fit, else a line for each, else as many as fit: first what needs to be seen."""
    drawn = [cards.card(story, paint, width, now_ms) for story in stories]
    if sum(map(len, drawn)) + len(drawn) <= height - 1 or len(drawn) == 1:
        return _apart(drawn)[: height - 1]
    room = height - 2
    if len(stories) <= room:
        return [cards.row(story, paint, now_ms) for story in stories]
    by_need = sorted(stories, key=lambda story: (story.final, story.state == "confirmed"))
    counts = Counter(story.state for story in by_need)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    return [
        *(cards.row(story, paint, now_ms) for story in by_need[:room]),
        [(f"and {len(stories) - room} more; of all {len(stories)}: {summary}", "dim")],
    ]


def _apart(drawn: Iterable[list[Line]]) -> list[Line]:
    lines: list[Line] = []
    for card in drawn:
        lines += [[], *card] if lines else card
    return lines
