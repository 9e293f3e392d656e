"""Copying: the id, the transaction or the record of an order, to the clipboard."""

from collections.abc import Callable

from cli.dashboard.acting import Ask, Tell
from cli.dashboard.acts import Outcome
from cli.render import short_id
from cli.story import Story


class Copying:
    """Copies what belongs to an order, and tells what was copied."""

    def __init__(self, ask: Ask, tell: Tell, clipboard: Callable[[str], None]) -> None:
        self._ask, self._tell, self._clipboard = ask, tell, clipboard

    def copy(self, what: str, story: Story | None) -> None:
        """Copies an order's "id", "tx" or "json"."""
        if story is None:
            self._tell(Outcome("There is no order here.", "warning"))
        elif what == "id":
            self._copied(story.order_id, f"the id of {short_id(story.order_id)}")
        elif what == "tx" and story.tx_hash is None:
            self._tell(Outcome("Cannot copy the transaction: nothing was sent.", "warning"))
        elif what == "tx":
            self._copied(str(story.tx_hash), f"the transaction of {short_id(story.order_id)}")
        else:
            from cli.output import to_json

            order_id = story.order_id
            self._ask(
                lambda client: client.order(order_id),
                lambda order: self._copied(to_json(order), f"the JSON of {short_id(order_id)}"),
            )

    def _copied(self, text: str, what: str) -> None:
        self._clipboard(text)
        self._tell(Outcome(f"Copied {what}."))
