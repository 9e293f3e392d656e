"""The daemon as the command line starts, stops and finds it; the settings; the doctor; and what happens when we are wrong."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from order_engine import __version__
from order_engine.client import find_daemon
from tests.cli.conftest import COMMAND, Oee
from tests.cli.peer import Asked, misbehaving
from tests.conftest import ROOT, RunningDaemon
from tests.waiting import until

# All that a submit may load. Whatever joins it has to be worth its milliseconds at every single order.
SUBMIT_LOADS = {
    "cli", "cli.asking", "cli.bps", "cli.commands", "cli.commands.submit", "cli.durations", "cli.exits", "cli.flags", "cli.lazy",
    "cli.main", "cli.output", "cli.paint", "cli.registry", "cli.session",
    "order_engine", "order_engine.client", "order_engine.errors", "order_engine.home", "order_engine.server_proof",
}  # fmt: skip
SUBMIT_LOADS_OF_OTHERS = {"typer", "annotated_doc", "shellingham"}
PUT_THERE_BY_THE_ENVIRONMENT = {"__main__", "_distutils_hack", "sitecustomize", "usercustomize", "coverage"}
NEVER_OF_THE_STANDARD_LIBRARY = {
    "argparse", "asyncio", "concurrent", "dataclasses", "decimal", "importlib.metadata", "importlib.resources", "logging",
    "multiprocessing", "sqlite3", "tomllib", "unittest", "urllib.request", "xml",
}  # fmt: skip

HEAVY = (
    "rich",
    "httpx",
    "textual",
    "websockets",
    "asyncio",
    "litestar",
    "huey",
    "pydantic",
    "msgspec",
    "importlib.metadata",
)


def pid_of(oee: Oee) -> int:
    found = find_daemon(oee.home)
    assert found is not None
    return found.pid


# starting


def test_the_first_command_starts_a_daemon_and_says_so_only_to_a_terminal(fresh: Oee) -> None:
    done = fresh("submit", "SOL", "USDC", "0.01", "--wait", "-q")
    assert (done.code, done.err) == (0, "")
    pid = pid_of(fresh)
    assert fresh("list", "-q").out == done.out
    assert pid_of(fresh) == pid
    assert fresh.home.token_file.stat().st_mode & 0o777 == 0o600


def test_many_first_commands_at_once_start_one_daemon(fresh: Oee) -> None:
    words = [*COMMAND, "submit", "SOL", "USDC", "0.01", "-q"]
    running = [subprocess.Popen(words, cwd=ROOT, env=fresh.env, stdout=subprocess.PIPE) for _ in range(8)]
    ids = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8
    assert len(set(ids)) == 8
    assert len(fresh("list", "-q").out.split()) == 8


def test_a_daemon_that_crashed_is_started_again_and_goes_on(fresh: Oee) -> None:
    first = fresh("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    crashed = pid_of(fresh)
    os.kill(crashed, 9)
    done = fresh("wait", first)
    assert done.code == 0
    assert pid_of(fresh) != crashed


def test_nothing_starts_where_that_is_turned_off(fresh: Oee) -> None:
    done = fresh("submit", "SOL", "USDC", "1", "--json", OEE_AUTOSTART="0")
    assert (done.code, done.out, done.error["code"]) == (9, "", "unreachable")
    assert done.error["hint"] == "Start it: oee daemon start"
    assert fresh("daemon", "status").code == 9
    assert find_daemon(fresh.home) is None


def test_a_daemon_that_cannot_start_shows_why(fresh: Oee) -> None:
    fresh.home.make()
    fresh.home.journal.write_bytes(b"this is no database, whatever its name says" * 100)
    done = fresh("submit", "SOL", "USDC", "1")
    assert (done.code, done.out) == (9, "")
    assert "The daemon ended at once with code 70." in done.err
    assert str(fresh.home.journal) in done.err


def test_a_configuration_that_cannot_be_used_exits_2(fresh: Oee) -> None:
    fresh.home.make()
    fresh.home.config_file.write_text("spede = 'instant'\n")
    done = fresh("submit", "SOL", "USDC", "1")
    assert (done.code, done.out) == (2, "")
    assert "spede: unknown key. Did you mean speed?" in done.err


def test_a_home_named_relatively_is_the_same_home_for_the_daemon(fresh: Oee, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        env = fresh.env | {"OEE_HOME": "home", "PYTHONPATH": str(ROOT)}
        return subprocess.run([*COMMAND, *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    placed = run("submit", "SOL", "USDC", "0.01", "-q")
    assert placed.returncode == 0, placed.stderr
    assert run("list", "-q").stdout == placed.stdout
    assert json.loads(run("daemon", "status", "--json").stdout)["home"] == str(tmp_path / "home" / "data")


def test_a_folder_of_the_callers_is_never_run_as_the_daemon(fresh: Oee, tmp_path: Path) -> None:
    trap = tmp_path / "daemon"
    trap.mkdir()
    (trap / "__main__.py").write_text("raise SystemExit('the wrong daemon')")
    env = fresh.env | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*COMMAND, "daemon", "start"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_starting_and_stopping_by_hand(fresh: Oee) -> None:
    assert fresh("daemon", "stop").err == "No daemon runs.\n"
    started = fresh("daemon", "start", "--json")
    assert (started.code, started.record["schema"]) == (0, "oee.daemon/1")
    again = fresh("daemon", "start")
    assert "running already" in again.err
    assert again.out.strip() == started.record["url"]
    assert fresh("daemon", "status", "--field", "pid").out.strip() == str(started.record["pid"])
    assert str(started.record["pid"]) in fresh("daemon", "status").out
    restarted = fresh("daemon", "restart", "--json")
    assert restarted.code == 0
    assert restarted.record["pid"] != started.record["pid"]
    stopped = fresh("daemon", "stop")
    assert (stopped.code, stopped.err) == (0, f"Stopped the daemon (pid {restarted.record['pid']}).\n")
    assert find_daemon(fresh.home) is None
    assert "daemon ready" in [record["event"] for record in fresh("daemon", "logs", "--json").records]
    assert "daemon ready" in fresh("daemon", "logs", "-n", "100").out


def test_a_daemon_with_open_orders_stops_only_when_told_so_and_loses_nothing(fresh: Oee) -> None:
    fresh.home.make()
    fresh.home.config_file.write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    order_id = fresh("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    refused = fresh("daemon", "stop", "--drain", "0")
    assert refused.code == 8
    assert f"{order_id[-6:]}  " in refused.err
    assert "the daemon goes on" in refused.err
    assert fresh("daemon", "restart", "--drain", "50ms").code == 8
    stopped = fresh("daemon", "stop", "--now")
    assert stopped.code == 0
    assert "Nothing is lost: what is open (1 order) resumes at the next start." in stopped.err
    fresh.home.config_file.unlink()
    assert fresh("wait", order_id).code == 0


def test_the_daemon_in_the_foreground_ends_with_a_signal(fresh: Oee) -> None:
    running = subprocess.Popen([*COMMAND, "daemon", "run"], cwd=ROOT, env=fresh.env, stderr=subprocess.PIPE)
    until(lambda: find_daemon(fresh.home) is not None, "the daemon")
    assert pid_of(fresh) == running.pid
    running.terminate()
    _, said = running.communicate(timeout=20)
    assert running.returncode == 0
    assert b"daemon ready" in said


# another version


def pretend_to_be(oee: Oee, version: str) -> None:
    """The running daemon's file, as a daemon of that version would have written it."""
    record = json.loads(oee.home.daemon_file.read_text()) | {"version": version}
    oee.home.daemon_file.write_text(json.dumps(record))


def test_an_idle_daemon_of_another_version_is_replaced(fresh: Oee) -> None:
    fresh("daemon", "start")
    old = pid_of(fresh)
    pretend_to_be(fresh, "0.0.1")
    assert fresh("list").code == 0
    assert pid_of(fresh) != old


def test_a_busy_daemon_of_another_version_is_left_alone(fresh: Oee) -> None:
    fresh.home.make()
    fresh.home.config_file.write_text("quote_ms = 60000\nquote_deadline_ms = 120000\n")
    fresh("submit", "SOL", "USDC", "0.01")
    old = pid_of(fresh)
    pretend_to_be(fresh, "0.0.1")
    done = fresh("list")
    assert (done.code, done.out) == (9, "")
    assert f"The running daemon is 0.0.1 and has 1 open order; this oee is {__version__}." in done.err
    assert "oee daemon restart" in done.err
    assert pid_of(fresh) == old


# access


def test_a_token_that_is_refused_exits_4(daemon: RunningDaemon, tmp_path: Path) -> None:
    oee = Oee({**daemon.env, "OEE_HOME": str(tmp_path)})
    oee.home.make()
    oee.home.daemon_file.write_bytes(daemon.home.daemon_file.read_bytes())
    oee.home.token_file.write_text("x" * 43)
    oee.home.token_file.chmod(0o600)
    done = oee("list", "--json")
    assert (done.code, done.error["code"], done.out) == (4, "unauthorized", "")
    assert done.error["hint"] == "Run: oee doctor"


# settings


def test_settings_are_checked_before_they_are_written(fresh: Oee) -> None:
    for words, says in (
        (("spede", "instant"), "Did you mean speed?"),
        (("speed", "fast"), "'fast' cannot be used"),
        (("port", "99999"), "99999 cannot be used"),
        (("workers", "many"), "'many' cannot be used"),
        (("landing_slots_min", "99"), "landing_slots_max is below"),
    ):
        done = fresh("config", "set", *words)
        assert (done.code, done.out) == (2, "")
        assert says in done.err
        assert f"{fresh.home.config_file}:" in done.err
        assert "Nothing was changed." in done.err
    assert list(fresh.home.config_dir.iterdir()) == []
    assert fresh("config", "set", "speed").code == 2


def test_setting_keeps_comments_and_says_when_it_holds(fresh: Oee) -> None:
    fresh.home.make()
    fresh.home.config_file.write_text("# mine\nslippage_bps = 30  # careful\n")
    done = fresh("config", "set", "slippage_bps", "80", "--json")
    assert done.record == {
        "schema": "oee.setting/1",
        "key": "slippage_bps",
        "value": 80,
        "origin": str(fresh.home.config_file),
    }
    assert fresh.home.config_file.read_text() == "# mine\nslippage_bps = 80  # careful\n"
    assert "OEE_SIM_SPEED holds now" in fresh("config", "set", "speed", "paper").err
    fresh("daemon", "start")
    assert "oee daemon restart" in fresh("config", "set", "workers", "3").err
    assert fresh("submit", "SOL", "USDC", "0.01", "--json").record["slippageBps"] == 80


def test_settings_are_shown_with_their_origin(fresh: Oee) -> None:
    fresh("config", "set", "workers", "3")
    shown = {record["key"]: (record["value"], record["origin"]) for record in fresh("config", "show", "--json").records}
    assert shown["workers"] == (3, str(fresh.home.config_file))
    assert shown["speed"] == ("instant", "OEE_SIM_SPEED")
    assert shown["attempts"] == (3, "built in")
    assert "OEE_SIM_SPEED" in fresh("config", "show", "--origin").out
    assert "OEE_SIM_SPEED" not in fresh("config", "show").out
    fresh.home.config_file.write_text("workers = [")
    assert fresh("config", "show").code == 2
    assert fresh("config", "set", "workers", "4").code == 2


def test_every_file_has_a_name(fresh: Oee) -> None:
    assert fresh("config", "path", "config").out.strip() == str(fresh.home.config_file)
    assert fresh("config", "path", "auth-header").out.strip() == str(fresh.home.auth_header_file)
    assert str(fresh.home.journal) in fresh("config", "path").out
    assert fresh("config", "path", "nope").code == 2
    assert fresh("daemon", "logs").code == 3


# the doctor


def test_the_doctor_finds_nothing_wrong_here(oee: Oee) -> None:
    done = oee("doctor", "--json")
    assert done.code == 0
    checks = {record["name"]: record["state"] for record in done.records}
    assert {name for name, state in checks.items() if state == "fail"} == set()
    names = {
        "python",
        "bytecode",
        "config",
        "folders",
        "modes",
        "disk",
        "sync",
        "clock",
        "journal",
        "outcomes",
        "value",
    }
    names |= {"token", "daemon", "version", "halted"}
    assert set(checks) == names
    assert len(oee("doctor").out.splitlines()) >= len(names)


def test_the_doctor_finds_what_is_wrong_and_names_the_cure(fresh: Oee) -> None:
    assert fresh("doctor", "-q").out == ""
    assert not fresh.home.data_dir.exists(), "a check changes nothing"
    fresh("daemon", "start")
    fresh.home.token_file.chmod(0o644)
    fresh.home.log_dir.chmod(0o777)
    fresh.home.config_file.write_text("nope = 1\n")
    done = fresh("doctor", "-q")
    assert (done.code, done.out.split()) == (1, ["config", "folders", "token"])
    shown = fresh("doctor").out
    assert f"chmod 700 {fresh.home.log_dir}" in shown
    assert f"chmod 600 {fresh.home.token_file}" in shown
    fresh.home.log_dir.chmod(0o700)
    fresh.home.config_file.unlink()


def test_the_doctor_reads_the_journal_when_nobody_else_has_it(fresh: Oee) -> None:
    fresh("submit", "SOL", "USDC", "0.01", "--wait")
    fresh("daemon", "stop")
    whole = next(record for record in fresh("doctor", "--json").records if record["name"] == "journal")
    assert whole["message"] == "whole, 5 events, each read and checked"
    damaged = bytearray(fresh.home.journal.read_bytes())
    damaged[4_096 : 4_096 + 2_000] = b"\xff" * 2_000
    fresh.home.journal.write_bytes(damaged)
    assert "journal" in fresh("doctor", "-q").out.split()


def test_the_doctor_reads_a_journal_that_is_being_written_and_finds_a_changed_word(fresh: Oee) -> None:
    fresh("submit", "SOL", "USDC", "0.01", "--wait")
    with closing(sqlite3.connect(fresh.home.journal)) as db:
        db.execute("UPDATE events SET facts = replace(facts, '10000000', '10000001') WHERE seq = 1")
        db.commit()
    done = fresh("doctor", "--json")
    found = {record["name"]: record for record in done.records}
    assert done.code == 1
    assert "event 1 is not what was written" in found["journal"]["message"]


def test_the_doctor_finds_value_that_appeared_and_an_order_done_twice(fresh: Oee) -> None:
    fresh("submit", "SOL", "USDC", "0.01", "--wait")
    fresh("daemon", "stop")
    with closing(sqlite3.connect(fresh.home.chain)) as db:
        columns = [name for _, name, *_ in db.execute("PRAGMA table_info(ledger)")][1:]
        db.execute(f"INSERT INTO ledger SELECT 'again', {', '.join(columns)} FROM ledger")  # noqa: S608 - its own columns
        db.execute("UPDATE balances SET units = units + 1 WHERE account = 'wallet' AND token = 'SOL'")
        db.commit()
    assert {"outcomes", "value"} <= set(fresh("doctor", "-q").out.split())


# the kill switch


def test_a_halt_without_a_daemon_starts_one_that_is_halted(fresh: Oee) -> None:
    done = fresh("halt")
    assert (done.code, done.out) == (0, "Halted. No order is open.\n")
    refused = fresh("submit", "SOL", "USDC", "0.01", "--json")
    assert (refused.code, refused.error["code"]) == (4, "halted")
    assert "halted" in fresh("status").out
    assert fresh("daemon", "stop").code == 0
    assert fresh("submit", "SOL", "USDC", "0.01").code == 4
    assert fresh("resume", "--field", "status").out == "ok\n"
    assert fresh("submit", "SOL", "USDC", "0.01", "--wait", "-q").code == 0


# when we are wrong


def test_a_bug_leaves_a_report_and_no_traceback(tmp_path: Path) -> None:
    with misbehaving(tmp_path, lambda _: (200, {})) as peer:
        oee = Oee(peer.env)
        done = oee("status")
        assert (done.code, done.out) == (1, "")
        said = re.fullmatch(r"Unexpected error \(KeyError in status\)\. Details: (.*)\n", done.err)
        assert said is not None
        assert "Traceback" in Path(said[1]).read_text()
        assert "oee 'status'" in Path(said[1]).read_text()
        assert Path(said[1]).stat().st_mode & 0o777 == 0o600
        assert oee("status", "--json", "--field", "x").code == 2
        assert oee("list", "--json").error["code"] == "internal"


def test_what_a_daemon_says_cannot_move_the_cursor(tmp_path: Path) -> None:
    hostile = {"code": "no_route", "message": "a\x1b[2Jb\rc\x9b1m\u202e", "hint": "\x1b]0;title\x07"}
    with misbehaving(tmp_path, lambda _: (422, hostile)) as peer:
        done = Oee(peer.env)("submit", "SOL", "USDC", "1")
    assert done.code == 5
    assert done.err.replace("\n", "").isprintable()


def test_an_order_whose_answer_is_lost_exits_7_and_warns(tmp_path: Path) -> None:
    order_id = "01a1f8b6-27b6-7533-a321-c8a69f994627"
    lost = {
        "schema": "oee.order/1", "orderId": order_id, "status": "submitted", "settlement": "unknown", "seq": 5,
        "inputToken": "SOL", "outputToken": "USDC", "amount": "1", "slippageBps": 50, "routedDex": "orca", "txHash": "t" * 80,
        "lastValidHeight": 812, "createdAt": "2026-11-20T09:41:03.120Z",
    }  # fmt: skip

    def script(asked: Asked) -> tuple[int, object]:
        return 200, {"items": [lost], "next": None} if "?" in asked.path else lost

    with misbehaving(tmp_path, script) as peer:
        oee = Oee(peer.env)
        warning = "It may still land until height 812; do not resubmit; oee wait 994627"
        for words in (("wait", "994627", "--timeout", "0"), ("submit", "SOL", "USDC", "1", "--wait", "--timeout", "0")):
            done = oee(*words)
            assert done.code == 7
            assert warning in done.err
        done = oee("retry", "994627")
        assert (done.code, done.out) == (7, "")
        assert warning in done.err
    assert not [asked for asked in peer.asked if asked.path.endswith("/retry")]


def test_a_submit_that_is_never_answered_exits_7_and_names_its_key(tmp_path: Path) -> None:
    with misbehaving(tmp_path, lambda _: None) as peer:
        done = Oee(peer.env)("submit", "SOL", "USDC", "1", "--key", "mine")
    assert (done.code, done.out) == (7, "")
    assert "oee list --key mine" in done.err


# start-up


def test_a_submit_loads_what_it_needs_and_nothing_else(oee: Oee) -> None:
    code = "import sys; from cli.main import run; code = run(sys.argv[1:]); print(code, *sys.modules, file=sys.stderr)"
    words = [sys.executable, "-c", code, "submit", "SOL", "USDC", "0.01", "-q"]
    done = subprocess.run(words, cwd=ROOT, env=oee.env, capture_output=True, text=True, check=True)
    exit_code, *found = done.stderr.split()
    modules = set(found)
    ours = {name for name in modules if name.split(".")[0] in ("cli", "order_engine", "daemon")}
    others = {name.split(".")[0] for name in modules - ours} - sys.stdlib_module_names - PUT_THERE_BY_THE_ENVIRONMENT
    assert exit_code == "0"
    assert ours == SUBMIT_LOADS
    assert others == SUBMIT_LOADS_OF_OTHERS
    assert modules & NEVER_OF_THE_STANDARD_LIBRARY == set()


@pytest.mark.parametrize("words", [("--help",), ("version",), ("submit", "--help"), ("help", "exit-codes")])
def test_help_and_version_talk_to_nobody(fresh: Oee, words: tuple[str, ...]) -> None:
    code = "import sys; from cli.main import run; code = run(sys.argv[1:]); print(code, *sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, env=fresh.env, capture_output=True, text=True, check=True
    )
    exit_code, *modules = done.stderr.split()
    assert exit_code == "0"
    assert [name for name in (*HEAVY, "http.client", "order_engine.client") if name in modules] == []
    assert not fresh.home.data_dir.exists()
