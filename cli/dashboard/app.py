"""The app: it owns the desk, the link and the one timer that shows what changed. Everything else is a screen."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.notifications import Notify

from cli.dashboard import keymap, keys, layout
from cli.dashboard.desk import Desk
from cli.dashboard.link import Hands, Link
from cli.dashboard.painted import Painted
from cli.dashboard.themes import dress, symbols
from cli.dashboard.workspace import Workspace
from cli.times import now_ms
from order_engine.client import Client

TICKS_PER_SECOND = 4  # of all that is seen
BEATS_PER_SECOND = 10  # of the running order that somebody looks at


def _palette_entries() -> type:
    from cli.dashboard.commands import Everything

    return Everything


class Dashboard(App[None]):
    """The full-screen view. `run` returns when somebody leaves; `trouble` says why it ended by itself."""

    CSS = layout.CSS
    TITLE = "oee"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[Any]] = {_palette_entries}
    BINDINGS: ClassVar[list[BindingType]] = [
        *keymap.bindings(keys.named("quit", "palette"), priority=True),
        # These two act before the next key is looked at: a letter typed right after them must not be taken for a key.
        *keymap.bindings(keys.named("filter", "command"), priority=True, screen=True),
        *keymap.bindings(keys.named("hint"), screen=True),
    ]

    def __init__(
        self,
        client_for: Callable[[], Client],
        readonly: bool = False,
        theme: str | None = None,
        screen: str = keys.ORDERS,
        *,
        clock: Callable[[], int] = now_ms,
        link: Link | None = None,
        other_keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self._client_for = client_for
        self.desk = Desk()
        self.link = link or Link(client_for)
        self.hands = Hands(self.client_for, self.call_from_thread)
        self.trouble: Exception | None = None
        self._clock = clock
        self.paint = symbols()
        self.desk.now_ms = clock()
        self.theme = dress(self, self.paint, theme)
        self.set_keymap(dict(other_keys))
        self.keys = keys.rebound(keys.EVERY_KEY, other_keys)
        self.workspace = Workspace(self.desk, self.link, self.hands, self.paint, readonly=readonly, page=screen)

    def client_for(self) -> Client:
        """A client for another thread. Only the link starts a daemon, once: one that goes away later was stopped by somebody."""
        client = self._client_for()
        client.autostart = False
        return client

    def call_from_thread(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Has the app do this soon; does not wait for it. Nothing happens when the app is gone.

        Textual's own waits, and leaves a coroutine behind that nobody awaits when the app ends meanwhile.
        """
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(partial(self.call_later, callback, *args, **kwargs))

    def get_default_screen(self) -> Workspace:
        """The main screen."""
        return self.workspace

    def on_mount(self) -> None:
        """The frame is painted before anything is asked."""
        self.set_interval(1 / TICKS_PER_SECOND, self.tick)
        self.set_interval(1 / BEATS_PER_SECOND, self.beat)
        self.theme_changed_signal.subscribe(self, self._repaint)
        self.call_after_refresh(self.link.start)

    def tick(self) -> None:
        """Takes in what has arrived and shows it: many events, one repaint."""
        self.desk.now_ms = self._clock()
        self.link.deliver(self.desk)
        if self.link.trouble is not None:
            self.trouble = self.link.trouble
            self.exit()
            return
        self.workspace.tick()

    def beat(self) -> None:
        """Between two ticks: moves what runs and is looked at, and nothing else."""
        if self.workspace.is_current and self.workspace.looks_at_what_runs:
            self.desk.now_ms = self._clock()
            self.link.deliver(self.desk)
            self.workspace.beat()

    def _repaint(self, _: object) -> None:
        for painted in self.workspace.query(Painted):
            painted.repaint()

    def on_unmount(self) -> None:
        """Lets the threads go."""
        self.link.stop()
        self.hands.stop()

    def on_notify(self, event: Notify) -> None:
        """One toast that says the same makes room for the next: a key that is held down must not fill the screen."""
        self._take_back(lambda shown: shown == event.notification.message)

    def take_back(self, beginning: str) -> None:
        """Removes the toasts that begin so, because they are not true any more."""
        self._take_back(lambda shown: shown.startswith(beginning))

    def _take_back(self, untrue: Callable[[str], bool]) -> None:
        for notification in [each for each in self._notifications if untrue(each.message)]:
            self._unnotify(notification)
