"""Acting: what is asked of the daemon for the orders that are meant, and what is told of it.

It decides nothing about orders: that is the daemon's. What may not be done is answered with why. It knows no screen.
"""

from collections.abc import Callable
from typing import Any, Protocol

from cli.dashboard import acts
from cli.dashboard.acts import Outcome
from cli.dashboard.desk import Desk, Reading
from cli.render import counted, request, short_id
from cli.story import Story
from order_engine.client import Client
from order_engine.errors import EngineError

HALTED_S = 12  # that the toast after halting stays on the screen


class Ask(Protocol):
    """Asks the daemon on another thread."""

    def __call__(self, what: Callable[[Client], Any], then: Callable[[Any], None], /) -> None:
        """`then` hears the answer; what went wrong is told."""


class Tell(Protocol):
    """Tells people what came of something."""

    def __call__(self, outcome: Outcome, timeout_s: float | None = None, /) -> None:
        """For so long, or as long as is usual."""


class Acting:
    """What people do to orders and to the engine. `acted` is called after orders were, `changed` after the engine was."""

    def __init__(
        self,
        desk: Desk,
        ask: Ask,
        tell: Tell,
        *,
        readonly: bool,
        read_now: Callable[[], None],
        acted: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._desk, self._ask, self._tell = desk, ask, tell
        self._readonly = readonly
        self._read_now, self._acted, self._changed = read_now, acted, changed

    def may(self) -> bool:
        """Whether anything may be done; tells why not."""
        if self._readonly:
            self._tell(Outcome(acts.READ_ONLY, "warning"))
        return not self._readonly

    # orders

    def place(self, order: dict[str, Any], key: str) -> None:
        """Places a new order."""
        self._ask(lambda client: client.place(order, key=key)[0], self.placed)

    def placed(self, order: dict[str, Any]) -> None:
        """Tells that an order was placed."""
        self._tell(Outcome(f"{short_id(order['orderId'])} placed: {request(order)}"))
        self._read_now()

    def cancel(self, stories: list[Story]) -> None:
        """Cancels these orders."""
        self._each(stories, acts.why_not_cancel, lambda client, order_id: client.cancel(order_id), acts.cancelled)

    def retry(self, stories: list[Story], slippage_bps: int | None = None) -> None:
        """Places these orders again."""

        def one(client: Client, order_id: str) -> Any:
            return client.retry(order_id, slippage_bps=slippage_bps)

        self._each(stories, acts.why_not_retry, one, acts.retried)

    def _each(
        self,
        stories: list[Story],
        why_not: Callable[[Story], str | None],
        do: Callable[[Client, str], Any],
        words: Callable[[list[acts.Result]], Outcome],
    ) -> None:
        """Does something to every order that it can be done to, and tells why not to the others."""
        if not self.may():
            return
        if not stories:
            self._tell(Outcome("There is no order here.", "warning"))
            return
        possible = [story for story in stories if why_not(story) is None]
        if not possible:
            reasons = dict.fromkeys(str(why_not(story)) for story in stories)
            self._tell(Outcome("\n".join(list(reasons)[:3]), "warning"))
            return
        ids = [story.order_id for story in possible]

        def work(client: Client) -> list[acts.Result]:
            results: list[acts.Result] = []
            for order_id in ids:
                try:
                    results.append((order_id, do(client, order_id)))
                except EngineError as error:
                    if error.code == "unreachable":  # so are all the others
                        raise
                    results.append((order_id, error))
            return results

        def done(results: list[acts.Result]) -> None:
            self._tell(words(results))
            self._acted()

        self._ask(work, done)

    # the engine

    def halt(self, *, cancel_open: bool) -> None:
        """No new orders."""

        def halted(status: dict[str, Any]) -> None:
            self._take_status(status)
            count = int(status.get("open", 0))
            going = f"{counted(count, 'open order')} {'goes' if count == 1 else 'go'} on"
            rest = f"{going}; :halt --cancel-open cancels {'it' if count == 1 else 'them'}. " if count else ""
            self._tell(Outcome(f"HALTED: no new orders are taken. {rest}Undo: :resume", "warning", "Resumed"), HALTED_S)

        self._ask(lambda client: client.halt(cancel_open=cancel_open), halted)

    def resume(self) -> None:
        """Takes orders again."""

        def resumed(status: dict[str, Any]) -> None:
            self._take_status(status)
            self._tell(Outcome("Resumed: orders are taken again.", instead_of="HALTED"))

        if self.may():
            self._ask(lambda client: client.resume(), resumed)

    def _take_status(self, status: dict[str, Any]) -> None:
        self._desk.refresh(Reading(self._desk.now_ms, status=status))
        self._changed()
