"""Waiting for outcomes: what `submit --wait`, `watch`, `wait` and `batch --wait` have in common.

It follows some orders to their ends and hands what happens to a view. How the view draws is not known here.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from cli import durations, render
from cli.cards import route
from cli.exits import Exit, of_order, worst
from cli.output import Record
from cli.paint import Line, state_of
from cli.session import DETACHED, Session
from cli.story import FINAL, Story
from cli.views import Silent, View, live

DEFAULT_TIMEOUT = "2m"


class Waited(NamedTuple):
    """How the orders stand after the waiting; `detached` when Ctrl-C ended it."""

    orders: list[Record]
    detached: bool

    @property
    def exit(self) -> Exit:
        """The exit code of a command that waited for all of them."""
        return Exit.INTERRUPTED if self.detached else worst(of_order(order) for order in self.orders)


def wait(
    session: Session,
    orders: Sequence[Record],
    view: View,
    *,
    timeout_ms: int | None,
    done: Collection[str] = FINAL,
    first_only: bool = False,
    history: bool = False,
) -> Waited:
    """Waits until the status of every order is among `done` (of one, with `first_only`), or the time is up.

    With `history` the view gets every event from the first, otherwise those that follow the given records. With a
    time-out of 0 this looks once.
    """
    known = {str(order["orderId"]): order for order in orders}
    try:
        for order in _ends(session, known, view.event, timeout_ms, done, history):
            known[str(order["orderId"])] = order
            view.ended(order)
            if first_only:
                break
        for order_id, order in known.items():
            if order["status"] not in done:
                known[order_id] = session.client.order(order_id)
    except KeyboardInterrupt:
        view.close()
        _detached(session, list(known))
        return Waited(list(known.values()), True)
    finally:
        view.close()
    return Waited(list(known.values()), False)


def _ends(
    session: Session,
    known: dict[str, Record],
    tell: Callable[[Record], None],
    timeout_ms: int | None,
    done: Collection[str],
    history: bool,
) -> Iterator[Record]:
    """Each order's record, as its status gets to be among `done`."""
    left = dict(known)
    if not history:
        for order_id, order in known.items():
            if order["status"] in done:
                del left[order_id]
                yield order
    if not left or timeout_ms == 0:
        return
    since = 0 if history else min(order["seq"] for order in left.values())
    timeout_s = None if timeout_ms is None else timeout_ms / 1_000
    for event in session.client.follow(list(left), since, timeout_s=timeout_s):
        tell(event)
        if event["orderId"] in left and event["status"] in done:
            del left[event["orderId"]]
            yield session.client.order(event["orderId"])
            if not left:
                return


def explain_open(session: Session, orders: Sequence[Record], timeout_ms: int | None) -> None:
    """Says of each order that is not final what that means and what to do."""
    left = [order for order in orders if order["status"] not in FINAL]
    status = session.client.status() if any(state_of(order) == "unknown" for order in left) else None
    for order in left:
        session.output.say(render.still_open(order, durations.short(timeout_ms or 0), status))


def wait_for_submitted(session: Session, order: Record, timeout_ms: int) -> Exit:
    """What `--wait` does after placing an order: its id at once, the live view while it runs, what came of it."""
    try:
        return _wait_for_submitted(session, order, timeout_ms)
    except KeyboardInterrupt:  # before the waiting began or after it
        _detached(session, [str(order["orderId"])])
        return Exit.INTERRUPTED


def _wait_for_submitted(session: Session, order: Record, timeout_ms: int) -> Exit:
    output = session.output
    output.live = True
    draw = output.err.terminal and not output.err.dumb and not (output.json or output.quiet) and timeout_ms != 0
    if output.quiet or output.human:
        output.line(order["orderId"])
    if not draw:
        output.say(render.request(order))
    view: View = live(output, [order], sys.stderr) if draw else Silent()
    waited = wait(session, [order], view, timeout_ms=timeout_ms, history=draw)
    (order,) = waited.orders
    if output.json or output.field:
        output.record(order)
    if waited.detached:
        return waited.exit
    if order["status"] not in FINAL:
        explain_open(session, [order], timeout_ms)
    elif not draw:
        output.say(*render.outcome(order, output.err), *_route(session, order))
    return waited.exit


def _route(session: Session, order: Record) -> list[Line]:
    """What the venues offered, and who was chosen; nothing where only data was asked for."""
    if not session.output.human:
        return []
    story = Story(str(order["orderId"]), order)
    for event in session.client.order_events(str(order["orderId"])):
        story.add(event)
    return route(story)


def _detached(session: Session, order_ids: Sequence[str]) -> None:
    if len(order_ids) == 1:
        session.output.say(f"Detached. The order goes on. Reattach: oee watch {render.short_id(order_ids[0])}")
    else:
        session.output.say(DETACHED)
