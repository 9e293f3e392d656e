"""How a daemon starts, tells where it is, and ends."""

import json
import os
import resource
import signal
import socket
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from order_engine.clock import SystemClock
from tests.conftest import AN_ORDER, RunningDaemon, run_daemon
from tests.waiting import until

Start = Callable[..., RunningDaemon]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_daemon_tells_where_it_is_and_keeps_it_to_itself(start_daemon: Start) -> None:
    daemon = start_daemon()
    home = daemon.home
    record = json.loads(home.daemon_file.read_text())
    assert record == daemon.get("/api/daemon")
    assert record["pid"] == daemon.process.pid
    assert record["tokenFile"] == str(home.token_file)
    assert record["home"] == home.name
    assert home.auth_header_file.read_text() == f"Authorization: Bearer {daemon.token}\n"
    assert len(daemon.token) == 43
    for folder in (home.config_dir, home.data_dir, home.runtime_dir, home.log_dir):
        assert _mode(folder) == 0o700
        for file in folder.iterdir():
            assert _mode(file) == 0o600, file
    assert daemon.stop() == 0
    assert list(home.runtime_dir.iterdir()) == []


def test_every_start_has_its_own_token(start_daemon: Start, tmp_path: Path) -> None:
    first = start_daemon(tmp_path)
    first.stop()
    second = start_daemon(tmp_path)
    assert second.token != first.token
    assert second.call("GET", "/api/status", headers=first.headers).status == 401


def test_it_listens_on_loopback_only(start_daemon: Start) -> None:
    daemon = start_daemon()
    listening = [
        line.split()[1]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{daemon.pid}/net/{name}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == daemon.port
    ]
    assert listening == [f"0100007F:{daemon.port:04X}"]


def test_a_home_has_one_daemon(daemon: RunningDaemon) -> None:
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: run_daemon(daemon.root), range(4)))
    for other in others:
        assert other.returncode == 75
        assert f"already running (pid {daemon.pid}, {daemon.url})" in other.stderr
    assert daemon.call("GET", "/api/status").status == 200


def test_what_a_killed_daemon_left_behind_does_no_harm(start_daemon: Start, tmp_path: Path) -> None:
    first = start_daemon(tmp_path)
    order_id = first.submit()
    first.stop(signal.SIGKILL)
    assert first.home.daemon_file.exists()
    second = start_daemon(tmp_path)
    second.settle()
    assert second.get(f"/api/orders/{order_id}")["status"] == "confirmed"


def test_a_port_that_is_taken_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = run_daemon(tmp_path, OEE_PORT=str(port))
    assert ended.returncode == 75
    assert f"Port {port} is taken by pid {os.getpid()}" in ended.stderr


@pytest.mark.parametrize("config", ["porf = 1", "port = 'x'", "port = 70000", "not toml"])
def test_a_configuration_that_cannot_be_used_ends_with_2(tmp_path: Path, config: str) -> None:
    (tmp_path / "config").mkdir(mode=0o700)
    (tmp_path / "config" / "config.toml").write_text(config)
    ended = run_daemon(tmp_path, OEE_PORT="")
    assert ended.returncode == 2
    assert "config.toml" in ended.stderr


def test_a_home_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    ended = run_daemon(tmp_path)
    assert ended.returncode == 2
    assert "chmod 700" in ended.stderr


def test_a_journal_that_is_none_is_left_alone_and_ends_with_70(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    journal = tmp_path / "data" / "journal.db"
    journal.write_bytes(b"something else" * 1_000)
    ended = run_daemon(tmp_path)
    assert ended.returncode == 70
    assert str(journal) in ended.stderr
    assert journal.read_bytes() == b"something else" * 1_000


def test_a_commit_that_fails_ends_the_daemon_with_70_and_nothing_is_said(start_daemon: Start, tmp_path: Path) -> None:
    daemon = start_daemon(tmp_path)
    placed = daemon.submit()
    daemon.settle()
    with daemon.socket("/ws") as reader:
        reader.send('{"type": "subscribe", "orderId": "*"}')
        assert json.loads(reader.recv(10))["type"] == "subscribed"
        written = (daemon.home.data_dir / "journal.db-wal").stat().st_size
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (written, written))
        with pytest.raises((ConnectionError, OSError)):
            daemon.call("POST", "/api/orders", AN_ORDER | {"clientOrderId": "lost"})
        assert daemon.process.wait(20) == 70
        with pytest.raises(ConnectionClosed):
            reader.recv(10)
    again = start_daemon(tmp_path)
    assert again.get(f"/api/orders/{placed}")["status"] == "confirmed"
    assert again.call("POST", "/api/orders", AN_ORDER | {"clientOrderId": "lost"}).status in (200, 202)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_quick_and_clean_with_open_connections(start_daemon: Start, number: int) -> None:
    daemon = start_daemon()
    with daemon.socket("/ws") as one, daemon.socket("/orders/execute") as two, daemon.socket("/ws") as three:
        three.send('{"type": "subscribe", "orderId": "*", "since": 0}')
        begun = SystemClock().steady_ms()
        assert daemon.stop(number) == 0
        assert SystemClock().steady_ms() - begun < 6_000
        for reader in (one, two):
            with pytest.raises(ConnectionClosed):
                reader.recv(10)
            assert reader.close_code == 1012
    assert "rror" not in daemon.output


def _slow(start_daemon: Start, root: Path, **extra: str) -> RunningDaemon:
    """A daemon whose orders take so long that they are still open when the test is done."""
    (root / "config").mkdir(mode=0o700)
    (root / "config" / "config.toml").write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    return start_daemon(root, OEE_SIM_SPEED="paper", **extra)


def test_a_daemon_that_stops_refuses_orders_and_answers_the_rest(start_daemon: Start, tmp_path: Path) -> None:
    daemon = _slow(start_daemon, tmp_path)
    order_id = daemon.submit()
    until(lambda: daemon.get(f"/api/orders/{order_id}")["status"] == "routing", "routing")
    begun = SystemClock().steady_ms()
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.get("/api/status")["status"] == "draining", "draining")
    refused = daemon.call("POST", "/api/orders", AN_ORDER)
    assert (refused.status, refused.record["code"]) == (503, "draining")
    assert daemon.get(f"/api/orders/{order_id}")["status"] == "routing"
    assert daemon.process.wait(20) == 0
    assert SystemClock().steady_ms() - begun < 6_000  # four of them for the open order
    log = [json.loads(line) for line in daemon.home.log_file.read_text().splitlines()]
    assert log[-1].items() >= {"event": "daemon stopped", "left_open": 1}.items()


def test_a_second_signal_ends_it_at_once(start_daemon: Start, tmp_path: Path) -> None:
    daemon = _slow(start_daemon, tmp_path)
    daemon.submit()
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.get("/api/status")["status"] == "draining", "draining")
    begun = SystemClock().steady_ms()
    assert daemon.stop() == 128 + signal.SIGTERM
    assert SystemClock().steady_ms() - begun < 1_000
    assert list(daemon.home.runtime_dir.iterdir()) == []


def test_the_token_is_never_written_down_elsewhere(start_daemon: Start) -> None:
    daemon = start_daemon()
    canary = "canary-" + "x" * 36
    daemon.submit()
    for headers in ({}, {"Authorization": f"Bearer {canary}"}, {"Authorization": canary}):
        daemon.call("GET", f"/api/orders?key={canary}", headers=headers)
        daemon.call("POST", "/api/orders", f'{{"inputToken": "{canary}"}}'.encode(), headers)
        daemon.call("POST", "/api/orders", f"{canary}".encode(), headers)
    daemon.settle()
    daemon.stop()
    written = daemon.output + daemon.home.log_file.read_text()
    assert daemon.token not in written
    assert canary not in written


def test_it_is_ready_within_a_second(start_daemon: Start) -> None:
    begun = SystemClock().steady_ms()
    start_daemon()
    assert (
        SystemClock().steady_ms() - begun < 2_000
    )  # a second, and as much again for a machine that is busy with tests


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system lets nobody choose a core")
def test_asked_by_a_signal_it_writes_down_what_it_is_doing_and_goes_on(start_daemon: Start) -> None:
    daemon = start_daemon()
    order_id = daemon.submit()
    daemon.settle()
    with daemon.socket("/ws") as socket:
        socket.send(json.dumps({"type": "subscribe", "orderId": "*"}))
        socket.recv(10)
        socket.send(json.dumps({"type": "ping"}))
        assert json.loads(socket.recv(10)) == {"type": "pong"}
        until(lambda: bool(daemon.standing()["readers"]), "a reader that hears of events")
        told = daemon.standing()
        assert told["readers"] == [f"* live at {told['seq']}; queue 0, behind 0, dropped None"]
        assert [task for task in told["tasks"] if "Reader.run" in task and "Event.wait" in task]
        for thread in ("settlement.py", "journal.py", "chain.py"):
            assert thread in told["threads"]
        assert order_id not in json.dumps(told)
        assert daemon.token not in json.dumps(told)
        daemon.submit()
        assert json.loads(socket.recv(10))["status"] == "pending"


def test_every_thread_of_a_daemon_stays_on_the_same_core(daemon: RunningDaemon) -> None:
    threads = [int(entry.name) for entry in Path(f"/proc/{daemon.pid}/task").iterdir()]
    cores = {frozenset(os.sched_getaffinity(thread)) for thread in threads}
    assert len(threads) > 10
    assert [len(core) for core in cores] == [1]
