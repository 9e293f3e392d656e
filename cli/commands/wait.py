"""`oee wait`: nothing but the outcome."""

from typing import Annotated

import typer

from cli import choices, durations, identify, render
from cli.exits import Exit, of_order, worst
from cli.output import ORDER_FIELDS, Output, Record
from cli.session import Session
from cli.story import FINAL
from cli.waiting import DEFAULT_TIMEOUT, explain_open
from cli.waiting import wait as wait_for

GOALS = {"final": FINAL, "confirmed": FINAL, "submitted": FINAL | {"submitted"}}
REACHED = {"final": FINAL, "confirmed": {"confirmed"}, "submitted": {"submitted", "confirmed"}}


def wait(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ends of order ids, or - to read them.")],
    goal: Annotated[
        str, typer.Option("--for", metavar="STATE", help="final, confirmed (a final state ends it too) or submitted.")
    ] = "final",
    any_: Annotated[bool, typer.Option("--any", help="Until one of them is there, not all.")] = False,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="How long at most: 30s, 2m; 0 looks once.")
    ] = DEFAULT_TIMEOUT,
) -> Exit:
    """Wait until orders are over.

    \b
      oee wait c5a0f1
      oee batch orders.csv -q | oee wait - --timeout 5m
      oee wait c5a0f1 --timeout 0        # look once

    Exits by the outcome (oee help exit-codes); of several orders, by the worst.
    """
    session = Session.of(context)
    output = session.output
    output.check(ORDER_FIELDS)
    choices.one_of(goal, GOALS, "--for")
    timeout_ms = durations.read(timeout, "--timeout")
    orders = identify.find_all(session, ids)
    output.live = True
    view = _Ended(output, goal)
    waited = wait_for(session, orders, view, timeout_ms=timeout_ms, done=GOALS[goal], first_only=any_)
    if waited.detached:
        return Exit.INTERRUPTED
    if any_ and view.exits:
        return worst(view.exits)
    left = [order for order in waited.orders if order["status"] not in GOALS[goal]]
    explain_open(session, left, timeout_ms)
    return worst([*view.exits, *map(of_order, left)])


class _Ended:
    """One line, record or id for each order that got there."""

    def __init__(self, output: Output, goal: str) -> None:
        self._output = output
        self._goal = goal
        self.exits: list[Exit] = []

    def event(self, event: Record) -> None:
        """Only ends are told."""

    def ended(self, order: Record) -> None:
        """Tells that this order is there, or over."""
        reached = order["status"] in REACHED[self._goal]
        self.exits.append(Exit.OK if reached and self._goal == "submitted" else of_order(order))
        output = self._output
        if output.quiet and not reached:
            return
        if not output.record(order, order["orderId"]):
            output.show([render.outcome_line(order, output.out)], cut=False)

    def close(self) -> None:
        """Everything is told already."""
