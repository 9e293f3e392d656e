"""The help: every key that counts on this page, the words of the command line, what the signs mean. Made from the tables."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from cli.dashboard import keys
from cli.dashboard.command_line import WORDS
from cli.dashboard.painted import Painted
from cli.paint import Line, Paint

_FILTERS = (
    ("status:failed", "by status; several: status:failed,unknown; status:open"),
    ("venue:ray  pair:SOL/USDC", "by venue, by pair in either direction"),
    ("id:c5x0r1  key:bot-  tx:4sG", "by the end of the id, the beginning of key or transaction"),
    (">30bps  <=5bps", "by slippage against the quote"),
    ("text  !text", "anything with, or without, this text; all words must hold"),
)


def lines(page: str, paint: Paint, *, every: bool = False) -> list[Line]:
    """The help for a page, or with `every` for all pages."""
    made: list[Line] = []
    shown = list(keys.KEYS) if every else keys.of_page(page)
    for section in (keys.ACT, keys.FIND, keys.MOVE, keys.COPY, keys.REST):
        of_section = [key for key in shown if key.section == section]
        if of_section:
            made += [[(section, "head")], *([(f"  {key.shown:<11}", "key"), (key.help, "")] for key in of_section), []]
    made += [[("Filter (/)", "head")], *([(f"  {word:<28}", "key"), (text, "")] for word, text in _FILTERS), []]
    made.append([("Command line (:)", "head")])
    made += [[(f"  {word.usage}", "key"), (f"  {word.help}", "dim")] for word in WORDS.values()]
    made += [[], [("Signs", "head")]]
    signs = ("pending", "routing", "building", "submitted", "confirmed", "failed", "unknown", "cancelled")
    made += [[("  ", ""), paint.state(state)] for state in signs]
    made.append([("  !  needs you: failed, or sent and no answer came", "")])
    made.append([("  *  marked", "")])
    return made


class _Help(Painted, can_focus=True):
    def on_resize(self) -> None:
        screen = self.screen
        assert isinstance(screen, HelpScreen)
        screen.action_scroll(0)


class HelpScreen(Screen[None]):
    """The help. Any key that leaves closes it. Nothing shines through it: that would cost another 60 ms."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss", "Close", show=False),
        Binding("j,down", "scroll(1)", "Down", show=False),
        Binding("k,up", "scroll(-1)", "Up", show=False),
        Binding("space,ctrl+d,pagedown", "scroll(10)", "Page", show=False),
        Binding("ctrl+u,pageup", "scroll(-10)", "Page up", show=False),
        Binding("g,home", "scroll(-1000)", "Top", show=False),
        Binding("G,end", "scroll(1000)", "End", show=False),
    ]

    def __init__(self, page: str, paint: Paint, *, halted: bool = False) -> None:
        super().__init__()
        self._title = "Help   HALTED" if halted else "Help"
        self._lines = lines(page, paint)
        self._offset = 0

    def compose(self) -> ComposeResult:
        """The card."""
        card = _Help(id="help-card")
        card.border_title = self._title
        card.border_subtitle = "j k scroll, esc close"
        yield card

    def action_scroll(self, by: int) -> None:
        """Scrolls."""
        card = self.query_one(_Help)
        height = max(card.size.height, 1)
        self._offset = max(min(self._offset + by, len(self._lines) - height), 0)
        card.put(self._lines[self._offset : self._offset + height])

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines on."""
        event.stop()
        self.action_scroll(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines back."""
        event.stop()
        self.action_scroll(-3)
