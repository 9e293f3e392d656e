"""The help: every key that counts on this page, the words of the command line, what the signs mean. Made from the tables."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from cli.dashboard import keys
from cli.dashboard.command_line import WORDS
from cli.dashboard.keymap import bindings
from cli.dashboard.keys import Key
from cli.dashboard.scrolled import Scrolled
from cli.paint import Line, Paint

_FILTERS = (
    ("status:failed", "by status; several: status:failed,unknown; status:open"),
    ("venue:ray  pair:SOL/USDC", "by venue, by pair in either direction"),
    ("id:c5a0f1  key:bot-  tx:4sG", "by the end of the id, the beginning of key or transaction"),
    (">30bps  <=5bps", "by slippage against the quote"),
    ("text  !text", "anything with, or without, this text; all words must hold"),
)

_AMOUNTS: Sequence[Line] = (
    [("  1.5        ", "key"), ("as the amount: sell exactly that", "")],
    [("  =200       ", "key"), ("as the amount: get exactly that, and give what it takes", "")],
)


def lines(page: str, paint: Paint, known: Sequence[Key] = keys.EVERY_KEY) -> list[Line]:
    """The help for a page."""
    made: list[Line] = []
    shown = [key for key in known if key.pages & {page, keys.CARD}]
    for section in (keys.ACT, keys.FIND, keys.MOVE, keys.COPY, keys.REST, keys.CARD_SECTION):
        of_section = [key for key in shown if key.section == section]
        if of_section:
            drawn: list[Line] = [[(f"  {key.shown:<11}", "key"), (key.help, "")] for key in of_section]
            made += [[(section, "head")], *drawn, *(_AMOUNTS if section == keys.CARD_SECTION else ()), []]
    made += [[("Filter (/)", "head")], *([(f"  {word:<28}", "key"), (text, "")] for word, text in _FILTERS), []]
    made.append([("Command line (:)", "head")])
    made += [[(f"  {word.usage}", "key"), (f"  {word.help}", "dim")] for word in WORDS.values()]
    made += [[], [("Signs", "head")]]
    signs = ("pending", "routing", "building", "submitted", "confirmed", "failed", "unknown", "cancelled")
    made += [[("  ", ""), paint.state(state)] for state in signs]
    made.append([("  !  needs you: failed, or sent and no answer came", "")])
    made.append([("  *  marked", "")])
    return made


class _Help(Scrolled):
    """The lines, as many as fit."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__(id="help-card")
        self._whole = lines
        self._offset = 0

    def move(self, by: int) -> None:
        """Scrolls."""
        self._offset += by
        self.again()

    def again(self) -> None:
        """Draws what fits by now."""
        self._offset = max(min(self._offset, len(self._whole) - self.page_rows), 0)
        self.put(self._whole[self._offset : self._offset + self.page_rows])


class HelpScreen(Screen[None]):
    """The help. Any key that leaves closes it. Nothing shines through it: that would cost another 60 ms."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(keys.of_page(keys.HELP, keys.ON_TOP))

    def __init__(self, page: str, paint: Paint, known: Sequence[Key] = keys.EVERY_KEY, *, halted: bool = False) -> None:
        super().__init__()
        self._title = "Help   HALTED" if halted else "Help"
        self._lines = lines(page, paint, known)
        down, up, close = (key.shown.split()[0] for key in known if key.name in ("help-down", "help-up", "help-close"))
        self._how = f"{down} {up} scroll, {close} close"

    def compose(self) -> ComposeResult:
        """The card."""
        card = _Help(self._lines)
        card.border_title = self._title
        card.border_subtitle = self._how
        yield card

    def action_scroll(self, by: int) -> None:
        """Scrolls."""
        self.query_one(_Help).move(by)
