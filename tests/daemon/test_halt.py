"""The kill switch and the limits of a home, over HTTP."""

from collections.abc import Callable
from pathlib import Path

import pytest

from order_engine.client import Client
from order_engine.errors import Unreachable
from order_engine.home import Home
from tests.conftest import AN_ORDER, RunningDaemon

Start = Callable[..., RunningDaemon]


def test_a_halt_refuses_orders_and_holds_over_a_restart(start_daemon: Start, tmp_path: Path) -> None:
    daemon = start_daemon(tmp_path)
    halted = daemon.call("POST", "/api/halt")
    assert (halted.status, halted.record["status"], halted.record["halted"]) == (200, "halted", True)
    refused = daemon.call("POST", "/api/orders", AN_ORDER)
    assert (refused.status, refused.record["code"]) == (422, "halted")
    assert "Nothing was stored" in refused.record["message"]
    daemon.stop()
    daemon = start_daemon(tmp_path)
    status = daemon.get("/api/status")
    assert (status["status"], status["haltedAt"]) == ("halted", halted.record["haltedAt"])
    assert daemon.call("POST", "/api/orders", AN_ORDER).status == 422
    resumed = daemon.call("POST", "/api/resume")
    assert (resumed.status, resumed.record["status"], resumed.record["haltedAt"]) == (200, "ok", None)
    daemon.submit()


def test_a_halt_can_cancel_what_was_not_sent(start_daemon: Start, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    home.config_file.write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    daemon = start_daemon(tmp_path)
    ids = [daemon.submit() for _ in range(3)]
    assert daemon.call("POST", "/api/halt", {"cancelOpen": False}).record["open"] == 3
    assert daemon.call("POST", "/api/halt", {"cancelOpen": True}).record["open"] == 0
    assert {daemon.get(f"/api/orders/{order_id}")["status"] for order_id in ids} == {"cancelled"}


def test_a_halt_that_is_not_understood_halts_nothing(daemon: RunningDaemon) -> None:
    bodies: tuple[object, ...] = ({"cancelOpen": "yes"}, {"cancel": True}, [], 1)
    for body in bodies:
        reply = daemon.call("POST", "/api/halt", body)
        assert (reply.status, reply.record["code"]) == (400, "invalid_request"), body
    assert daemon.get("/api/status")["halted"] is False


def test_a_daemon_that_is_started_to_be_halted_starts_halted(tmp_path: Path, start_daemon: Start) -> None:
    home = Home.at(tmp_path)
    home.make()
    home.config_file.write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    daemon = start_daemon(tmp_path)
    order_id = daemon.submit()
    daemon.stop(9)
    with Client(home, autostart=False) as client, pytest.raises(Unreachable):
        client.halt()
    daemon = start_daemon(tmp_path)
    assert daemon.get("/api/status")["halted"] is True
    assert daemon.get(f"/api/orders/{order_id}")["status"] in ("pending", "routing")


def test_the_limits_of_a_home_refuse_with_the_values(start_daemon: Start, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    home.config_file.write_text("max_order_usd = 100\nmax_orders_per_minute = 2\n")
    daemon = start_daemon(tmp_path)
    large = daemon.call("POST", "/api/orders", AN_ORDER | {"amount": "0.7"})
    assert (large.status, large.record["code"]) == (422, "order_too_large")
    assert "0.7 SOL are worth about 115 USD, the limit for one order is 100" in large.record["message"]
    daemon.submit()
    daemon.submit()
    many = daemon.call("POST", "/api/orders", AN_ORDER)
    assert (many.status, many.record["code"]) == (429, "too_many_orders")
    assert 1 <= int(many.headers["retry-after"]) <= 60
    daemon.stop()
    again = start_daemon(tmp_path).call("POST", "/api/orders", AN_ORDER)
    assert (again.status, again.record["code"]) == (429, "too_many_orders"), "a restart gives nobody a new minute"
