"""Waiting for outcomes: what `submit --wait`, `watch`, `wait` and `batch --wait` have in common.

It follows the events of some orders to their ends and hands what happens to a view. How the view draws is not known here.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from cli import durations, render
from cli.exits import Exit, of_order, worst
from cli.output import Record
from cli.session import Session

DEFAULT_TIMEOUT = "2m"
FINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})


class View(Protocol):
    """Whoever shows what happens."""

    def event(self, event: Record) -> None:
        """The next event of one of the orders."""

    def ended(self, order: Record) -> None:
        """The record of an order whose waiting is over."""

    def close(self) -> None:
        """Nothing more will come."""


class Silent:
    """A view for those who want nothing but the end."""

    def event(self, event: Record) -> None:
        """Nothing to show."""

    def ended(self, order: Record) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to end."""


def wait(
    session: Session,
    orders: Sequence[Record],
    view: View,
    *,
    timeout_ms: int | None,
    done: Callable[[str], bool] = FINAL.__contains__,
    first_only: bool = False,
    history: bool = False,
) -> tuple[list[Record], bool]:
    """The orders as they stand when each is `done` (by its status), or one with `first_only`, or when the time is up.

    With `history` the view gets every event from the beginning, otherwise those that follow the given records. The
    second value is False when Ctrl-C ended it: the orders go on.
    """
    known = {str(order["orderId"]): order for order in orders}
    try:
        for order_id in _ends(session, known, view, timeout_ms, done, history):
            view.ended(known[order_id])
            if first_only:
                break
        for order_id, order in known.items():
            if not done(order["status"]):
                known[order_id] = session.client.order(order_id)
        completed = True
    except KeyboardInterrupt:
        completed = False
    finally:
        view.close()
    if not completed:
        detached(session, list(known))
    return list(known.values()), completed


def _ends(
    session: Session,
    known: dict[str, Record],
    view: View,
    timeout_ms: int | None,
    done: Callable[[str], bool],
    history: bool,
) -> "list[str] | _Ends":
    return _Ends(session, known, view, timeout_ms, done, history)
