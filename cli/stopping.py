"""Stopping a daemon the way it wants to be stopped: with a signal it understands, when its orders are over."""

import os
import signal

from cli import durations, render
from cli.exits import Exit
from cli.output import Record
from cli.paint import state_of
from cli.session import Session
from order_engine.autostart import stopped
from order_engine.client import Client, find_daemon
from order_engine.clock import SystemClock
from order_engine.errors import Unreachable

LOOK_MS = 100
SHOWN = 10
PATIENCE_MS = 500
GONE_MS = 30_000  # a daemon that was told to stop finishes what it is doing first


def stop_daemon(session: Session, drain_ms: int, *, now: bool) -> Exit:
    """Stops the daemon of this home and waits until it is gone. PENDING, and nothing done, when orders stay open."""
    output = session.output
    if find_daemon(session.home) is None:
        output.say("No daemon runs.")
        return Exit.OK
    client = session.client_for(autostart=False)
    pid = int(client.daemon()["pid"])  # from the daemon itself: a file may be old and its pid somebody else's by now
    still_open = int(client.status()["open"]) if now else _wait_for_orders(client, drain_ms)
    if still_open and not now:
        _tell_open(session, client, still_open, drain_ms)
        return Exit.PENDING
    os.kill(pid, signal.SIGTERM)
    if now and not stopped(pid, PATIENCE_MS):
        os.kill(pid, signal.SIGTERM)  # the second one: no drain; its journal is made for that
    if not stopped(pid, GONE_MS):
        raise Unreachable(
            f"The daemon (pid {pid}) was told to stop and still runs after {durations.short(GONE_MS)}.",
            hint="See what it does: oee daemon logs",
        )
    output.say(f"Stopped the daemon (pid {pid}).")
    if still_open:
        output.say(f"Nothing is lost: what is open ({render.counted(still_open, 'order')}) resumes at the next start.")
    return Exit.OK


def _wait_for_orders(client: Client, drain_ms: int) -> int:
    """How many orders are open, as soon as none is or when the time is up."""
    clock = SystemClock()
    deadline = clock.steady_ms() + drain_ms
    while (still_open := _moving(client.status())) and clock.steady_ms() < deadline:
        clock.sleep_ms(LOOK_MS)
    return still_open


def _moving(status: Record) -> int:
    """How many orders may still change by themselves: while trading is halted only those that were sent."""
    return int(status["inFlight"] if status.get("halted") else status["open"])


def _tell_open(session: Session, client: Client, count: int, drain_ms: int) -> None:
    output = session.output
    output.say(f"{render.counted(count, 'order')} still open after {durations.short(drain_ms)}; the daemon goes on:")
    for order in client.orders(status="open", limit=SHOWN):
        output.say(
            [
                (f"  {render.short_id(order['orderId'])}  ", ""),
                output.err.state(state_of(order)),
                (f"  {render.request(order)}", ""),
            ]
        )
    output.say("Wait longer with --drain 5m, or stop anyway with --now: unfinished orders resume at the next start.")
