"""The line at the bottom in which a filter or a command is typed. It is there from the
beginning and takes the focus at once, so that what is typed right after `:` is never taken for keys that act."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

FILTER, COMMAND = "/", ":"


class Prompt(Horizontal):
    """One line to type in. What was typed goes out as messages; the screen decides what it means."""

    class Changed(Message):
        """Something was typed."""

        def __init__(self, sign: str, text: str) -> None:
            super().__init__()
            self.sign, self.text = sign, text

    class Entered(Message):
        """Enter was pressed."""

        def __init__(self, sign: str, text: str) -> None:
            super().__init__()
            self.sign, self.text = sign, text

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.sign = FILTER
        self._past: list[str] = []  # commands of before, oldest first
        self._at = 0

    def compose(self) -> ComposeResult:
        """The sign, the field, what is wrong."""
        yield Static("", id="prompt-sign", markup=False)
        yield Input(id="prompt-input", compact=True, select_on_focus=False)
        yield Static("", id="prompt-hint", markup=False)

    @property
    def is_open(self) -> bool:
        """True while somebody types."""
        return self.has_class("on")

    def open(self, sign: str, text: str = "") -> None:
        """Shows the line with this text in it."""
        self.sign, self._at = sign, len(self._past)
        self.query_one("#prompt-sign", Static).update(sign)
        field = self.query_one(Input)
        with self.prevent(Input.Changed):
            field.value = text
        field.placeholder = (
            "status:failed venue:ray pair:SOL/USDC >30bps !text" if sign == FILTER else "submit SOL USDC 1"
        )
        field.cursor_position = len(text)
        self.hint("")
        self.add_class("on")
        self.screen.add_class("typing")
        self.screen.set_focus(field)  # not field.focus(), which waits for its turn while keys go on to the table

    def close(self) -> None:
        """Hides the line."""
        self.remove_class("on")
        self.screen.remove_class("typing")

    def hint(self, text: str) -> None:
        """Says what is wrong, or nothing."""
        self.query_one("#prompt-hint", Static).update(text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tells what is in the field."""
        event.stop()
        if self.is_open:
            self.post_message(self.Changed(self.sign, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tells what was entered, and remembers commands."""
        event.stop()
        if self.sign == COMMAND and event.value.strip():
            self._past.append(event.value)
        self.post_message(self.Entered(self.sign, event.value))

    def on_key(self, event: events.Key) -> None:
        """Up and down bring commands of before."""
        if self.sign != COMMAND or event.key not in ("up", "down") or not self._past:
            return
        event.stop()
        event.prevent_default()
        self._at = min(max(self._at + (-1 if event.key == "up" else 1), 0), len(self._past))
        field = self.query_one(Input)
        field.value = self._past[self._at] if self._at < len(self._past) else ""
        field.cursor_position = len(field.value)
