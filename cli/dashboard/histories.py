"""Asks for all that happened to an order, once: its record alone does not know the steps."""

from collections.abc import Callable
from typing import Any

from cli.dashboard.desk import Desk
from cli.dashboard.link import Hands


class Histories:
    """What was asked for already; `told` is called when the desk knows more."""

    def __init__(self, desk: Desk, hands: Hands, told: Callable[[], None]) -> None:
        self._desk, self._hands, self._told = desk, hands, told
        self._asked: set[str] = set()

    def ask(self, order_id: str) -> None:
        """Asks for an order's history, unless it is known, on its way, or nobody is there to ask."""
        if order_id in self._asked or self._desk.knows_all(order_id) or self._desk.link.stale:
            return
        self._asked.add(order_id)
        self._hands.ask(
            lambda client: client.order_events(order_id),
            lambda history: self._take(order_id, history),
            lambda _: self._asked.discard(order_id),
        )

    def _take(self, order_id: str, history: list[dict[str, Any]]) -> None:
        self._desk.retell(order_id, history)
        self._told()
