"""The main screen: every key, brought together with what it does.

What is seen is in `pages`, and the keys that move and find are in `moving` and `finding`. What is done to orders is in
`acting` and `copying`, and the command line's words are done in `obeying`: those are asked from here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import BindingType

from cli.dashboard import command_line, keymap, keys, panes
from cli.dashboard.acting import Acting
from cli.dashboard.acts import Outcome
from cli.dashboard.copying import Copying
from cli.dashboard.desk import Desk
from cli.dashboard.finding import Finding
from cli.dashboard.link import Hands, Link
from cli.dashboard.moving import Moving
from cli.dashboard.obeying import Obeying
from cli.dashboard.pages import Shown
from cli.dashboard.prompt import COMMAND, FILTER, Prompt
from cli.paint import Paint
from cli.render import counted
from order_engine.errors import Malformed


class Workspace(Moving, Finding):
    """Everything but the cards that lie on top."""

    BINDINGS: ClassVar[list[BindingType]] = keymap.bindings(
        key
        for key in keys.KEYS
        if key.name not in ("quit", "palette", "filter", "command", "hint")  # the app's: see there
    )
    AUTO_FOCUS = "#orders"
    ALLOW_SELECT = False

    def __init__(self, desk: Desk, link: Link, hands: Hands, paint: Paint, *, readonly: bool, page: str) -> None:
        super().__init__(desk, hands, paint, readonly=readonly, page=page)
        self._acting = Acting(
            desk,
            self.ask,
            self.tell,
            readonly=readonly,
            read_now=link.read_now,
            acted=self.action_unmark,
            changed=self._headlines,
        )
        self._copying = Copying(self.ask, self.tell, lambda text: self.app.copy_to_clipboard(text))
        self._obeying = Obeying(self, self._acting, self.export)

    # one step back

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

    # the line to type in

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """While somebody types, / and : are letters."""
        return not (action in ("filter", "command") and self.prompt.has_focus_within)

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
            self._obeying.obey(said)

    def _close_prompt(self) -> None:
        self.prompt.close()
        self.set_focus(self.query_one(f"#{panes.FOCUS[self.page]}"))

    # orders

    def action_cancel(self) -> None:
        """Cancels what is meant."""
        self._acting.cancel(self.meant())

    def action_retry(self) -> None:
        """Places what is meant again."""
        self._acting.retry(self.meant())

    def action_new_order(self) -> None:
        """The card for a new order."""
        if not self._acting.may():
            return
        from cli.dashboard.new_order import NewOrder

        def placed(order: dict[str, Any] | None) -> None:
            if order is not None:
                self._acting.placed(order)

        sell, buy = self._pair()
        card = NewOrder(self.desk, self.dashboard.client_for, self.dashboard.keys, sell=sell, buy=buy)
        self.app.push_screen(card, placed)

    def _pair(self) -> tuple[str, str]:
        """What the card begins with: the pair of the pool under the cursor, else what is traded most."""
        if self.page == keys.VENUES and (found := self.query("#pools")):
            pool = getattr(found.first(), "pool", None)
            if pool is not None:
                return str(pool["tokenA"]), str(pool["tokenB"])
        return "SOL", "USDC"

    def action_halt(self) -> None:
        """No new orders. Asks nothing: it is the safe direction, and `resume` undoes it."""
        if not self._acting.may():
            return
        if self.desk.halted:
            self.tell(Outcome("Halted already. Resume with  :resume"))
            return
        self._acting.halt(cancel_open=False)

    def action_resume(self) -> None:
        """Takes orders again."""
        self._acting.resume()

    def action_copy(self, what: str) -> None:
        """Copies the id, the transaction or the record of the order that is meant."""
        self._copying.copy(what, self._one())

    # files

    def action_export(self) -> None:
        """What is on show, as CSV in the folder where the dashboard was started."""
        self.export(None)

    def export(self, path: Path | None) -> None:
        """Writes what is on show to files, and tells their names."""
        from cli.dashboard import exporting

        written = []
        try:
            for sheet in exporting.sheets(self._shown()):
                if sheet.rows:
                    wanted = Path.cwd() / exporting.file_name(sheet, self.desk.now_ms) if path is None else path
                    written.append((exporting.write(sheet, wanted), len(sheet.rows)))
        except OSError as error:
            self.tell(Outcome(f"Cannot write {error.filename}: {error.strerror or error}.", "error"))
            return
        if not written:
            self.tell(Outcome("There is nothing here to export.", "warning"))
            return
        lines = [f"{counted(count, 'row')} to {name}" for name, count in written]
        self.tell(Outcome("Exported " + "\n".join(lines)))

    def _shown(self) -> Shown:
        return Shown(self.page, self.desk, self.listing.rows, self.whole_log.rows, self._detail_of)

    # the palette

    def doing(self, action: str) -> Callable[[], object]:
        """Something that does what a key does, for the palette."""

        async def do() -> None:
            await self.run_action(action if action in ("quit", "command_palette") else f"screen.{action}")

        return lambda: self.app.call_later(do)

    def opening(self, order_id: str) -> Callable[[], object]:
        """Something that opens an order, for the palette."""
        return lambda: self.open_order(order_id)

    def theming(self, name: str) -> Callable[[], object]:
        """Something that changes the theme, for the palette."""
        return lambda: self._obeying.theme(name)

    def theme_names(self) -> list[str]:
        """The themes there are, ours first."""
        return sorted(self.app.available_themes, key=lambda name: (not name.startswith("oee-"), name))
