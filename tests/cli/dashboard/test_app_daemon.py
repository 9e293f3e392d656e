"""The dashboard over real daemons: what it shows is what they say, and what it does they do."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cli.dashboard.app import Dashboard
from cli.dashboard.desk import CONNECTED, RECONNECTING
from cli.dashboard.workspace import Workspace
from order_engine.client import Client, find_daemon
from order_engine.errors import Unreachable
from order_engine.home import Home
from tests.cli.dashboard.scene import play, press, screen_text, settled, soon, toasts, type_in
from tests.conftest import AN_ORDER, RunningDaemon
from tests.waiting import until


def an_app(daemon: RunningDaemon) -> Dashboard:
    """A dashboard of this daemon's home, which it may not start."""
    return Dashboard(lambda: Client(daemon.home, autostart=False, tell=lambda _: None), theme="oee-dark")


def the(pilot: Pilot[None]) -> Workspace:
    app = pilot.app
    assert isinstance(app, Dashboard)
    return app.workspace


def state_of(pilot: Pilot[None], order_id: str) -> str:
    story = the(pilot).desk.stories.get(order_id)
    return story.state if story else "unseen"


@pytest.fixture(scope="module")
def quick(start_daemon: Callable[..., RunningDaemon]) -> RunningDaemon:
    """A daemon whose orders end at once."""
    return start_daemon()


@pytest.fixture(scope="module")
def slow(start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory) -> RunningDaemon:
    """A daemon whose venues take a minute to quote: orders can be cancelled."""
    root = tmp_path_factory.mktemp("slow")
    home = Home.at(root)
    home.make()
    home.config_file.write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    return start_daemon(root)


def test_orders_of_before_and_those_that_come_are_shown(quick: RunningDaemon) -> None:
    before = quick.submit()
    quick.settle()

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: state_of(pilot, before) == "confirmed", "the order of before")
        after = quick.submit()
        await soon(pilot, lambda: state_of(pilot, after) == "confirmed", "the new order")
        await soon(pilot, lambda: after[-6:] in screen_text(pilot), "its line")
        assert the(pilot).listing.rows[0].order_id == after
        await soon(pilot, lambda: the(pilot).desk.balances, "the balances")
        assert "daemon 0." in screen_text(pilot)

    play(an_app(quick), script)


def test_an_order_of_long_ago_gets_its_steps_when_the_cursor_rests_on_it(quick: RunningDaemon) -> None:
    order_id = quick.submit()
    quick.settle()
    for _ in range(120):  # more events than the log begins with
        quick.submit()
    quick.settle()

    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        await soon(pilot, lambda: order_id in workspace.desk.stories, "the order")
        assert len(workspace.desk.stories[order_id].steps) == 2
        workspace.open_order(order_id)
        await soon(pilot, lambda: len(workspace.desk.stories[order_id].steps) == 5, "its history")
        await soon(pilot, lambda: "try 1: the venues are asked" in screen_text(pilot), "its steps")

    play(an_app(quick), script)


def test_an_order_is_placed_from_the_command_line(quick: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: the(pilot).desk.loaded, "the orders")
        await press(pilot, "colon")
        await type_in(pilot, "submit SOL USDC 0.0321 --key from-the-dashboard")
        await soon(pilot, lambda: "placed: Sell 0.0321 SOL for USDC" in toasts(pilot), "the answer")
        found = quick.get("/api/orders?key=from-the-dashboard")["items"]
        assert [order["amount"] for order in found] == ["0.0321"]
        await press(pilot, "colon")
        await type_in(pilot, "submit SOL USDC 99999999")
        await soon(pilot, lambda: "SOL free" in toasts(pilot), "the refusal with its values")
        await press(pilot, "colon")
        await type_in(pilot, "quote SOL USDC 1")
        await soon(pilot, lambda: "◂ best" in toasts(pilot), "the quote")

    play(an_app(quick), script)


def test_y_copies_the_record_as_the_daemon_has_it(quick: RunningDaemon) -> None:
    order_id = quick.submit()
    quick.settle()

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: state_of(pilot, order_id) == "confirmed", "the order")
        await press(pilot, "g", "y")
        await soon(pilot, lambda: "Copied the JSON" in toasts(pilot), "the copy")
        assert json.loads(pilot.app.clipboard) == quick.get(f"/api/orders/{order_id}")

    play(an_app(quick), script)


def test_x_cancels_what_is_marked_and_r_places_it_again(slow: RunningDaemon) -> None:
    ids = [slow.submit() for _ in range(3)]

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: all(state_of(pilot, each) == "routing" for each in ids), "the orders")
        await press(pilot, "space", "space", "x")
        await soon(pilot, lambda: "2 orders cancelled." in toasts(pilot), "the answer")
        states = [slow.get(f"/api/orders/{each}")["status"] for each in ids]
        assert states == ["routing", "cancelled", "cancelled"]
        assert the(pilot).listing.marks == set()
        await soon(pilot, lambda: state_of(pilot, ids[2]) == "cancelled", "its event")
        await press(pilot, "g", "r")
        await soon(pilot, lambda: f"{ids[2][-6:]} → " in toasts(pilot), "the new order")
        new = slow.get("/api/orders?status=open")["items"][-1]
        assert new["retryOf"] == ids[2]
        await press(pilot, "colon")
        await type_in(pilot, f"cancel {new['orderId'][-6:]} {ids[0][-8:]}")
        await soon(pilot, lambda: not slow.get("/api/orders?status=open")["items"], "the end of all")

    play(an_app(slow), script)


def test_h_halts_and_resume_undoes_it(slow: RunningDaemon) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: the(pilot).desk.loaded, "the orders")
        await press(pilot, "H")
        await soon(pilot, lambda: " HALTED " in screen_text(pilot), "the word on the screen")
        assert "Undo: :resume" in toasts(pilot)
        assert slow.call("POST", "/api/orders", AN_ORDER).status in (403, 409, 422, 503)
        await press(pilot, "H")
        assert "Halted already" in toasts(pilot)
        await press(pilot, "colon")
        await type_in(pilot, "resume")
        await soon(pilot, lambda: " HALTED " not in screen_text(pilot), "the word gone")
        await soon(pilot, lambda: "HALTED:" not in toasts(pilot), "the toast that is not true any more gone")
        assert slow.get("/api/status")["halted"] is False

    play(an_app(slow), script)


def test_a_daemon_that_is_gone_and_back_loses_and_doubles_nothing(start_daemon: Callable[..., RunningDaemon]) -> None:
    first = start_daemon()
    order_id = first.submit()
    first.settle()

    async def script(pilot: Pilot[None]) -> None:
        workspace = the(pilot)
        await soon(pilot, lambda: state_of(pilot, order_id) == "confirmed", "the order")
        first.stop(signal.SIGKILL)
        await soon(pilot, lambda: "reconnecting" in screen_text(pilot), "the word")
        assert workspace.desk.link.phase == RECONNECTING
        assert order_id[-6:] in screen_text(pilot)
        await press(pilot, "colon")
        await type_in(pilot, "submit SOL USDC 1")
        await soon(pilot, lambda: "No daemon" in toasts(pilot) or "is not running" in toasts(pilot), "the reason")
        second = start_daemon(first.root)
        while_away = second.submit()
        await soon(pilot, lambda: state_of(pilot, while_away) == "confirmed", "what happened meanwhile")
        assert workspace.desk.link.phase == CONNECTED
        seqs = [event["seq"] for event in workspace.desk.log]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        await settled(pilot)
        assert "reconnecting" not in screen_text(pilot)

    play(an_app(first), script)


def test_a_daemon_that_somebody_stopped_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard starts one on its first connection only, and a child of its own that ended is seen as gone by all."""
    for name, value in (("OEE_HOME", str(tmp_path)), ("OEE_SIM_SPEED", "instant"), ("OEE_PORT", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OEE_AUTOSTART", raising=False)
    home = Home.at(tmp_path)
    app = Dashboard(lambda: Client(home, tell=lambda _: None), theme="oee-dark")

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: the(pilot).desk.daemon, "a daemon that was started")
        found = find_daemon(home)
        assert found is not None
        os.kill(found.pid, signal.SIGTERM)
        await soon(pilot, lambda: the(pilot).desk.link.phase == RECONNECTING, "the loss")
        await soon(pilot, lambda: find_daemon(home) is None, "the end of the process for everybody")
        await press(pilot, "2", "3", "1")
        assert find_daemon(home) is None

    play(app, script)


def test_without_any_daemon_it_ends_with_the_reason(tmp_path: Path) -> None:
    app = Dashboard(lambda: Client(Home.at(tmp_path), autostart=False, tell=lambda _: None), theme="oee-dark")

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: app.trouble, "the reason")

    play(app, script)
    assert isinstance(app.trouble, Unreachable)


def test_leaving_leaves_daemon_and_orders_running(slow: RunningDaemon) -> None:
    order_id = slow.submit()

    async def script(pilot: Pilot[None]) -> None:
        await soon(pilot, lambda: state_of(pilot, order_id) == "routing", "the order")
        await pilot.press("q")

    play(an_app(slow), script)
    assert slow.get(f"/api/orders/{order_id}")["status"] == "routing"
    slow.call("DELETE", f"/api/orders/{order_id}")
    until(lambda: slow.get("/api/status")["open"] == 0, "the end of the order")
