"""Killed at every named point and at random moments, no order is lost, doubled, misreported, and no value appears or vanishes."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from order_engine import journal
from order_engine.clock import SystemClock
from order_engine.database import open_writer
from order_engine.failpoints import MARK, failpoint
from order_engine.simulation.crash import POINTS
from order_engine.simulation.crash_check import KINDS, Findings, examine
from order_engine.simulation.crash_life import FATES, MIXED, SETTLED, Scratch, ended, finishes, fork
from order_engine.simulation.dice import Dice
from tests.conftest import AN_ORDER, ROOT, RunningDaemon
from tests.proofs.breaking import BREAKABLE

KILLS = 300
FIGURES = ("lost", "doubled", "wrongOutcome", "imbalance", "brokenLog", "damaged")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What `oee sim crash` says at the end of a run."""
    words = [sys.executable, "-m", "cli", "sim", "crash", "--kills", str(KILLS), "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    print({name: value for name, value in report.items() if not isinstance(value, list)})
    return report


def test_killed_at_every_point_and_at_random_no_order_is_lost_doubled_or_misreported(report: dict[str, Any]) -> None:
    assert report["violations"] == []
    assert {name: report[name] for name in FIGURES} == dict.fromkeys(FIGURES, 0)
    assert (report["passed"], report["unmet"], report["kept"]) == (True, [], None)
    assert report["kills"] >= KILLS + 3 * sum(len(point.fates) for point in POINTS.values())
    assert report["acked"] > 1_000
    assert report["published"] > 5_000
    assert report["resumed"] > 1_000


def test_every_point_was_reached_once_and_twice_in_a_row_under_every_fate_that_leads_there(
    report: dict[str, Any],
) -> None:
    killed = {(row["point"], row["fate"]): row["kills"] for row in report["matrix"]}
    extra = {"in-recovery": 2}  # each of its cells needs a crash before, so that there is something to recover
    wanted = {(name, fate): 3 + extra.get(name, 0) for name, point in POINTS.items() for fate in point.fates}
    assert killed == wanted
    assert len(POINTS) >= 18
    assert all(row["acked"] > 0 for row in report["matrix"])


def test_a_daemon_that_is_told_to_stop_at_any_moment_loses_nothing_and_is_gone_within_six_seconds(
    report: dict[str, Any],
) -> None:
    assert report["stops"] >= 10
    assert 0 < report["slowestStopMs"] <= 6_000


# the points


def test_every_point_of_the_table_is_in_the_product_and_every_one_of_the_product_is_in_the_table() -> None:
    calls = {
        place
        for package in ("order_engine", "daemon")
        for file in (ROOT / package).rglob("*.py")
        for place in re.findall(r'\bfailpoint\("([^"]+)"', file.read_text())
    }
    assert calls == {name.partition("/")[0] for name in POINTS}


def test_a_point_that_is_not_armed_costs_nothing() -> None:
    clock = SystemClock()
    best = min(_nanoseconds(clock, lambda: failpoint("mid-submit")) for _ in range(5))
    assert best < 1_000


def _nanoseconds(clock: SystemClock, call: Callable[[], None], times: int = 100_000) -> float:
    began = clock.steady_ms()
    for _ in range(times):
        call()
    return (clock.steady_ms() - began) * 1e6 / times


@pytest.mark.parametrize(
    ("marked", "variables", "dies"),
    [
        (True, {"OEE_FAILPOINT": "after-answer/202", "OEE_SIM_CRASH": "1"}, True),
        (True, {"OEE_FAILPOINT": "after-answer/202"}, False),
        (False, {"OEE_FAILPOINT": "after-answer/202", "OEE_SIM_CRASH": "1"}, False),
    ],
)
def test_only_a_daemon_on_a_scratch_home_can_be_armed(
    start_daemon: Callable[..., RunningDaemon], tmp_path: Path, marked: bool, variables: dict[str, str], dies: bool
) -> None:
    if marked:
        (tmp_path / MARK).touch()
    daemon = start_daemon(tmp_path, **variables)
    answer = daemon.call("POST", "/api/orders", AN_ORDER)
    assert answer.status == 202  # it had left before the crash
    if dies:
        assert daemon.process.wait(20) == -signal.SIGKILL
    else:
        daemon.settle()
        assert daemon.stop() == 0


_MIGRATES = """
import sys
from pathlib import Path
from order_engine import journal
from order_engine.database import open_writer
open_writer(Path(sys.argv[1]), journal.MIGRATIONS, journal.APPLICATION_ID).close()
"""


def test_killed_while_an_old_journal_is_migrated_it_is_the_old_one_and_the_next_start_migrates_it(
    tmp_path: Path,
) -> None:
    steps = sorted(journal.MIGRATIONS.glob("*.sql"))
    old, new, path = tmp_path / "old", tmp_path / "new", tmp_path / "journal.db"
    for folder in (old, new):
        folder.mkdir()
        for step in steps:
            shutil.copy(step, folder)
    (new / f"{len(steps) + 1:03}_next.sql").write_text("CREATE TABLE next (n INTEGER) STRICT; DELETE FROM events;")
    with closing(open_writer(path, old, journal.APPLICATION_ID)) as writer:
        writer.execute("INSERT INTO events (seq, order_id, version, at, facts) VALUES (1, 'a', 1, 0, '{}')")
    (tmp_path / MARK).touch()
    armed = {"OEE_HOME": str(tmp_path), "OEE_SIM_CRASH": "1", "OEE_FAILPOINT": "in-migration"}
    script = _MIGRATES.replace("journal.MIGRATIONS", f"Path({str(new)!r})")
    words = [sys.executable, "-c", script, str(path)]
    for _ in range(2):
        assert subprocess.run(words, cwd=ROOT, env=armed, check=False).returncode == -signal.SIGKILL
        assert _facts(path) == (len(steps), 1)
    assert subprocess.run(words, cwd=ROOT, env={}, check=False).returncode == 0
    assert _facts(path) == (len(steps) + 1, 0)


def _facts(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
        version = reader.execute("PRAGMA user_version").fetchone()[0]
        return version, reader.execute("SELECT count(*) FROM events").fetchone()[0]


# the proof has teeth


@pytest.mark.parametrize(
    ("mistake", "how", "kind"),
    [
        ("no write-ahead", "before-commit/submitted", "doubled"),
        (
            "signed again before expiry",
            "60",
            ("doubled", "wrong"),
        ),  # wrong, where the order ends before the second one lands
        ("routed anew after a crash", "mid-submit", "doubled"),
        ("no recovery of what was sent", "mid-submit", "lost"),
        ("told before the commit", "before-commit/pending", "lost"),
        ("promised before the commit", "before-commit/pending", "lost"),
    ],
)
def test_an_engine_made_wrong_on_purpose_is_found_out(mistake: str, how: str, kind: str | tuple[str, ...]) -> None:
    assert mistake in BREAKABLE
    words = [sys.executable, "-m", "tests.proofs.breaking", mistake, how]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(mistake, found["kills"], found["at"])
    assert found["kills"], found  # found by a kill, and not because it breaks without one
    assert [said for said in found["words"] if said.startswith(kind)], found


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scratch home with a few orders that have come to their end, and nothing wrong."""
    root = tmp_path_factory.mktemp("crash") / "settled"
    words = [sys.executable, "-m", "tests.proofs.test_crash_matrix", str(root)]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == SETTLED
    return root


@pytest.fixture
def scratch(settled: Path, tmp_path: Path) -> Scratch:
    """A copy of it that may be damaged."""
    shutil.copytree(settled, tmp_path / "copy")
    return Scratch(tmp_path / "copy", MIXED)


def _edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        for statement in statements:
            for word, meaning in _WORDS.items():
                statement = statement.replace(word, meaning)
            assert writer.execute(statement).rowcount > 0, statement


def test_the_checker_finds_nothing_in_a_good_home(scratch: Scratch) -> None:
    found = examine(scratch)
    assert found.violations == []
    assert (found.orders, found.promised) == (5, 5)
    assert found.told > 15
    assert found.landed >= 1


_WORDS = {
    "CONFIRMED": "(SELECT id FROM orders WHERE status = 'confirmed' LIMIT 1)",
    "LANDED": "(SELECT signature FROM ledger WHERE error_code IS NULL LIMIT 1)",
    "IS_NOW": "state = replace(state, '\"confirmed\"', ",
}
_AGAIN = """INSERT INTO ledger SELECT 'again', height, nonce, pool, token_in, token_out, amount_in, amount_out, fee, fee_token,
            network_fee, error_code, error, fills FROM ledger WHERE signature = LANDED"""


@pytest.mark.parametrize(
    ("file", "kind", "statements"),
    [
        (
            "journal",
            "lost",
            ["DELETE FROM events WHERE order_id = CONFIRMED", "DELETE FROM orders WHERE id = CONFIRMED"],
        ),
        ("journal", "lost", ["UPDATE orders SET IS_NOW '\"submitted\"') WHERE id = CONFIRMED"]),
        ("journal", "lost", ["UPDATE events SET order_id = 'nobody' WHERE order_id = CONFIRMED"]),
        ("journal", "wrong", ["UPDATE orders SET IS_NOW '\"failed\"') WHERE id = CONFIRMED"]),
        ("journal", "log", ["DELETE FROM events WHERE seq = 3"]),
        ("journal", "log", ["DELETE FROM orders WHERE id = CONFIRMED"]),
        ("chain", "doubled", [_AGAIN]),
        ("chain", "wrong", ["DELETE FROM ledger WHERE signature = LANDED"]),
        ("chain", "wrong", ["UPDATE ledger SET amount_out = amount_out + 1 WHERE signature = LANDED"]),
        ("chain", "wrong", ["UPDATE ledger SET height = height + 1 WHERE signature = LANDED"]),
        ("chain", "wrong", [_AGAIN, "UPDATE ledger SET nonce = 'nobody/1' WHERE signature = 'again'"]),
        ("chain", "imbalance", ["UPDATE balances SET units = units + 1 WHERE account = 'wallet' AND token = 'SOL'"]),
        ("chain", "imbalance", ["DELETE FROM balances WHERE account = 'wallet' AND token = 'SOL'"]),
    ],
)
def test_the_checker_finds_each_kind_of_wrong(scratch: Scratch, file: str, kind: str, statements: list[str]) -> None:
    _edit(getattr(scratch.home, file), *statements)
    _has(examine(scratch), kind)


def test_the_checker_finds_what_the_notes_know_better(scratch: Scratch) -> None:
    (key, order_id), *_ = scratch.lines("promised")
    scratch.note("promised")(f"{key} {order_id[:-1]}x\n")
    _has(examine(scratch), "doubled")
    _has(examine(scratch), "lost")
    scratch.note("told")(f"9999 {order_id} 9 cancelled\n")
    _has(examine(scratch), "wrong")


def test_the_checker_finds_a_damaged_file(scratch: Scratch) -> None:
    content = bytearray(scratch.home.journal.read_bytes())
    content[4_096:8_192] = b"\xff" * 4_096
    scratch.home.journal.write_bytes(content)
    _has(examine(scratch), "damaged")


def _has(found: Findings, kind: str) -> None:
    assert kind in KINDS
    assert [said for said in found.violations if said.startswith(f"{kind}:")], found.violations


if __name__ == "__main__":  # a home for the checker, made where no other thread runs
    home = Scratch(Path(sys.argv[1]), FATES[0])
    sys.exit(ended(fork(lambda: finishes(home, Dice(1)), home.root / "output"), 30_000))
