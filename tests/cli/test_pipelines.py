"""The pipelines of `oee help pipelines`, each run exactly as it is printed there: with bash, jq, xargs, curl, column and awk.

Programs that a machine may not have (duckdb, a notifier, somebody's bot) are played by small scripts on PATH.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from cli.topics import PIPELINES
from tests.cli.conftest import Done, Oee, configured, until_status
from tests.cli.test_following import receiver
from tests.cli.test_terminal import Terminal, terminal
from tests.conftest import RunningDaemon
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("jq", "column", "curl")), reason="jq, column or curl is not installed"
)

ORDER = '{"in":"SOL","out":"USDC","amount":"0.01"}'

STAND_INS = {
    "sleep": "#!/bin/sh\n",
    "notify-send": '#!/bin/sh\necho "$1: $2" >> notified\n',
    "price-feed": "#!/bin/sh\nprintf '150\\n131\\n119\\n'\n",
    "pytest": "#!/bin/sh\noee submit SOL RAY 0.1 --route single --wait --field attempts\n",
    "bot.py": f"for _ in range(3):\n    print('{ORDER}', flush=True)\n",
}


DUCKDB = """
import csv, sqlite3, sys
head, *rows = csv.reader(sys.stdin, strict=True)
db = sqlite3.connect(":memory:")
db.execute("create table stdin (%s)" % ",".join(head))
db.executemany("insert into stdin values (%s)" % ",".join("?" * len(head)), rows)
for row in db.execute(sys.argv[2].replace("read_csv('/dev/stdin')", "stdin")):
    print(*row, sep="\\t")
"""

SQLITE_UTILS = """
import json, sqlite3, sys
_, insert, file, table, dash, nl, pk, key = sys.argv
rows = [json.loads(line) for line in sys.stdin]
rows = [{k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]
db = sqlite3.connect(file)
db.execute("create table %s (%s, primary key (%s))" % (table, ",".join(rows[0]), key))
db.executemany("insert into %s values (%s)" % (table, ",".join("?" * len(rows[0]))), map(list, map(dict.values, rows)))
db.commit()
"""

STAND_INS |= {
    name: f"#!{sys.executable}\n{text}" for name, text in (("duckdb", DUCKDB), ("sqlite-utils", SQLITE_UTILS))
}


class Desk:
    """Where somebody types: a folder, the daemon's `oee`, and the tools on PATH."""

    def __init__(self, oee: Oee, folder: Path) -> None:
        self.oee = oee
        self.folder = folder
        tools = folder / "tools"
        tools.mkdir()
        for name, text in STAND_INS.items():
            place = folder / name if name.endswith(".py") else tools / name
            place.write_text(text)
            place.chmod(0o755)
        self.env = {**oee.env, "PATH": f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"}
        self.env["OEE_AUTOSTART"] = "0"  # what outlives its test starts nothing

    def words(self, line: str) -> list[str]:
        return ["bash", "-o", "pipefail", "-c", line]

    def run(self, line: str) -> Done:
        """What the line comes to."""
        with subprocess.Popen(
            self.words(line), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                signal_group(process, signal.SIGKILL)
                raise
            return Done(process.returncode, out, err)

    @contextmanager
    def running(self, line: str) -> Iterator["subprocess.Popen[str]"]:
        """The line while it goes on by itself; Ctrl-C ends all of it."""
        out = (self.folder / "out").open("w+")
        with subprocess.Popen(
            self.words(line), cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=out, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                yield process
                signal_group(process, signal.SIGINT)
            except BaseException:
                signal_group(process, signal.SIGKILL)
                raise
            finally:
                out.close()

    def out(self) -> str:
        """What a running line has printed."""
        return (self.folder / "out").read_text()

    def place(self, *more: str) -> str:
        """The id of a new order."""
        done = self.oee("submit", "SOL", "USDC", "0.01", "-q", *more)
        assert done.code in (0, 6), done
        return done.out.strip()

    def fail(self) -> str:
        """The id of a new order that is not filled."""
        return self.place("--min-out", "9999", "--wait")


def signal_group(process: "subprocess.Popen[str]", number: int) -> None:
    os.killpg(process.pid, number)


Scene = Callable[[Desk, str], None]
SCENES: dict[str, tuple[Scene, str]] = {}


def runs(beginning: str, on: str = "trading") -> Callable[[Scene], Scene]:
    """Says which pipeline a scene is for, the one whose title begins so; and on whose daemon, the fixture of this name."""

    def note(scene: Scene) -> Scene:
        (title,) = [pipeline.title for pipeline in PIPELINES if pipeline.title.startswith(beginning)]
        assert title not in SCENES
        SCENES[title] = scene, on
        return scene

    return note


@pytest.fixture(scope="module")
def trading(start_daemon: Callable[..., RunningDaemon]) -> Oee:
    """`oee` with a daemon of its own, which can be halted and have its prices moved."""
    return Oee(start_daemon().env)


@pytest.fixture
def desk(trading: Oee, tmp_path: Path) -> Desk:
    return Desk(trading, tmp_path)


@pytest.mark.parametrize("title", [pipeline.title for pipeline in PIPELINES])
def test_a_pipeline_of_the_help_works_as_it_stands_there(
    title: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (line,) = [pipeline.line for pipeline in PIPELINES if pipeline.title == title]
    scene, on = SCENES[title]
    scene(Desk(request.getfixturevalue(on), tmp_path), line)


def test_the_help_prints_these_lines_and_no_others(trading: Oee) -> None:
    assert trading("help", "pipelines").out == "\n\n".join(f"# {title}\n{line}" for title, line in PIPELINES) + "\n"


@runs("from CSV")
def _(desk: Desk, line: str) -> None:
    rows = ["in,out,amount,slippage,key", "SOL,USDC,0.01,50bps,csv-a", "SOL,USDC,0.02,,csv-b", "SOL,NOPE,1,,csv-c"]
    (desk.folder / "orders.csv").write_text("\n".join(rows) + "\n")
    done = desk.run(line)
    assert done.code == 3, "the worst of all lines"
    results = [json.loads(text) for text in (desk.folder / "results.ndjson").read_text().splitlines()]
    assert sorted(result.get("status", result["schema"]) for result in results) == [
        "confirmed", "confirmed", "oee.error/1",
    ]  # fmt: skip


@runs("sell, then spend")
def _(desk: Desk, line: str) -> None:
    assert desk.run(line).code == 0
    bought, spent = desk.oee("list", "--limit", "2", "--json").records
    assert (spent["inputToken"], spent["amount"], spent["status"]) == ("USDC", bought["amountOut"], "confirmed")


@runs("every failure, live")
def _(desk: Desk, line: str) -> None:
    with desk.running(line):
        until(lambda: (desk.fail(), desk.out())[1], "a failure in the table")
    _, order_id, code, message = desk.out().splitlines()[0].split("\t")
    assert (len(order_id), code) == (36, "slippage_exceeded")
    assert "below the order's own minimum" in message


@runs("buy exactly 25 USDC")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert done.code == 0
    assert re.match(r"holds: takes 0\.\d+ SOL for 25 USDC, no route could take less than ", done.out)


@runs("send again, with more room")
def _(desk: Desk, line: str) -> None:
    desk.oee("retry", "--failed")
    desk.oee("wait", "-", stdin=desk.oee("list", "--status", "open", "-q").out)
    failed = desk.oee("list", "--status", "failed", "--json", "--limit", "500").records or [{"orderId": desk.fail()}]
    done = desk.run(line)
    assert (done.code, len(done.out.split())) == (0, len(failed))
    again = desk.oee("show", "-", "--json", stdin=done.out).records
    assert {order["slippageBps"] for order in again} == {80}
    assert {order["retryOf"] for order in again} == {order["orderId"] for order in failed}


@pytest.fixture(scope="module")
def landing_late(start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory) -> Oee:
    """`oee` with a daemon whose transactions land after a second: time for the price to move."""
    slots = {"slot_ms": 200, "landing_slots_min": 5, "landing_slots_max": 5}
    return configured(start_daemon, tmp_path_factory.mktemp("late"), **slots)


@runs("slippage alarm", on="landing_late")
def _(desk: Desk, line: str) -> None:
    notified = desk.folder / "notified"

    def slip() -> bool:
        order_id = desk.place("--slippage", "500bps")
        until_status(desk.oee, order_id, "submitted")
        desk.oee("sim", "fault", "add", "price-step", "--pair", "SOL/USDC", "--ppm", "-8000")
        desk.oee("wait", order_id)
        return notified.exists() and bool(notified.read_text())  # a shell makes the file before it writes

    with desk.running(line):
        until(slip, "an alarm")
    assert notified.read_text().startswith("oee slippage: ")
    assert int(notified.read_text().split()[-2]) > 30


@runs("hourly from cron")
def _(desk: Desk, line: str) -> None:
    first = desk.run(line)
    again = desk.run(line)
    assert (first.code, len(first.out), first.err) == (0, 37, "")
    assert first.out == again.out or first.out < again.out, "the same order, unless the hour has just turned"


@runs("ten slices")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert (done.code, len(done.out.split())) == (0, 10)
    desk.oee("sim", "fault", "add", "reject", "--code", "transaction_rejected", "--pattern", "exit-*-3")
    done = desk.run(line)
    assert len(done.out.split()) == 3, "stopped at the first that was not filled"
    desk.oee("sim", "fault", "clear", "--all")


@runs("decide by outcome")
def _(desk: Desk, line: str) -> None:
    assert desk.run(line).out.splitlines()[-1] == "filled"
    assert desk.run(line.replace("--wait", "--wait --min-out 9999")).out.splitlines()[-1] == "no fill"
    assert desk.run(line.replace("--wait", "--wait --timeout 0")).out.splitlines()[-1] in ("do NOT resend", "filled")
    assert desk.run(f"export OEE_AUTOSTART=0 OEE_HOME={desk.folder}/new; {line}").out.count("\n") > 5, (
        "the doctor speaks"
    )


@runs("compare venues")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert (done.code, [row.split()[0] for row in done.out.splitlines()]) == (0, ["raydium", "meteora", "orca"])


@runs("poor man's limit order")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert done.code == 0, done
    order = desk.oee("show", done.out.strip(), "--json").record
    assert (order["status"], order["minOutput"]) == ("confirmed", "1495")
    assert desk.run(line.replace("> 150", "> 150 and false").replace("--watch 2s", "--watch 0 --count 3")).code == 1


@runs("a bot in any language")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert (done.code, done.out) == (0, "3\n")
    assert len((desk.folder / "fills.ndjson").read_text().splitlines()) == 3


@runs("which venue serves me best")
def _(desk: Desk, line: str) -> None:
    desk.place("--wait")
    done = desk.run(line)
    assert done.code == 0, done
    assert {row["dex"] for row in json.loads(done.out)} <= {"raydium", "meteora", "orca"}
    assert sum(row["n"] for row in json.loads(done.out)) >= 1


@runs("ten at once")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert (done.code, done.out.count("● confirmed")) == (0, 10)


@runs("into DuckDB")
def _(desk: Desk, line: str) -> None:
    desk.place("--wait")
    done = desk.run(line)
    assert done.code == 0, done
    counts = [int(row.split("\t")[1]) for row in done.out.splitlines()]
    assert sum(counts) == len(desk.oee("list", "--limit", "100000", "-q").out.split())


@runs("into SQLite")
def _(desk: Desk, line: str) -> None:
    order_id = desk.place("--wait")
    assert desk.run(line).code == 0
    db = sqlite3.connect(desk.folder / "trades.db")
    assert db.execute("select status, amount from orders where orderId = ?", (order_id,)).fetchall() == [
        ("confirmed", "0.01")
    ]
    db.close()


@runs("webhooks")
def _(desk: Desk, line: str) -> None:
    with receiver() as (url, got), desk.running(line.replace("http://localhost:3000/hook", url)):
        until(lambda: (desk.place("--wait"), got)[1], "a call of the hook")
    assert json.loads(got[0].body)["schema"] == "oee.event/1"


@runs("a test in CI")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert done.code == 0
    _, attempts, cleared = done.out.splitlines()
    assert attempts == "3", "twice refused, and filled at the third attempt"
    assert cleared.endswith("cleared (struck: 2)")


@runs("flatten one pair", on="undecided")
def _(desk: Desk, line: str) -> None:
    mine = {desk.place(), desk.place()}
    for order_id in mine:
        until_status(desk.oee, order_id, "routing")
    other = desk.oee("submit", "SOL", "RAY", "0.01", "-q").out.strip()
    done = desk.run(line)
    assert done.code == 0
    assert {order_id[-6:] for order_id in mine} <= set(done.out.split())
    assert desk.oee("list", "--status", "open", "-q").out.split() == [other]
    desk.oee("cancel", other)


@runs("audit one order")
def _(desk: Desk, line: str) -> None:
    order_id = desk.place("--wait")
    done = desk.run(line.replace("c5a0f1", order_id[-6:]))
    assert (done.code, done.out.count('"status"')) == (0, 5)


@runs("kill switch")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert (done.code, done.out.split(".")[0]) == (0, "Halted")
    assert desk.oee("submit", "SOL", "USDC", "0.01").code == 4
    assert desk.oee("resume").code == 0
    fine = line.replace("price-feed", "echo 150")
    assert desk.run(fine).out == ""
    assert desk.oee("status", "--field", "halted").out == "false\n"


@runs("plain curl")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert done.code == 0
    assert set(json.loads(done.out)) == {"items", "next"}


@runs("the best venue for each")
def _(desk: Desk, line: str) -> None:
    done = desk.run(line)
    assert done.code == 0, done
    best = dict(row.split("\t") for row in done.out.splitlines())
    assert set(best) == {"BONK", "JitoSOL", "WIF"}


# the same on a terminal: Ctrl-C


@contextmanager
def typed(desk: Desk, line: str) -> Iterator[Terminal]:
    """The line on a terminal of its own."""
    env = {
        name: value for name, value in desk.env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    }
    words = desk.words(f"{line}; echo left with $?")
    child: pexpect.spawn[bytes] = pexpect.spawn(
        words[0],
        words[1:],
        cwd=str(desk.folder),
        env={**env, "TERM": "xterm-256color"},
        dimensions=(24, 240),
        encoding=None,
    )
    try:
        yield Terminal(child, 240, 24)
    finally:
        child.close(force=True)


def test_ctrl_c_ends_the_loop_of_slices_and_gives_the_cursor_back(unlanded: Oee, tmp_path: Path) -> None:
    (line,) = [line for title, line in PIPELINES if title.startswith("ten slices")]
    desk = Desk(unlanded, tmp_path)
    with typed(desk, line.replace("|| break", "|| { echo broken by $?; break; }")) as screen:
        screen.see("◕ submitted")
        assert b"\x1b[?25l" in screen.raw
        screen.child.sendintr()
        screen.end()
    assert "Detached. The order goes on. Reattach: oee watch " in screen.text
    assert "broken by 130" in screen.text
    assert screen.raw.count(b"\x1b[?25h") == screen.raw.count(b"\x1b[?25l") == 1
    assert screen.text.count("Sell 2 SOL") == 1


def test_ctrl_c_ends_a_follower_and_its_jq(desk: Desk) -> None:
    (line,) = [line for title, line in PIPELINES if title.startswith("every failure")]
    with typed(desk, line) as screen:
        until(lambda: (desk.fail(), screen.read(), "slippage_exceeded" in screen.text)[2], "a failure on the screen")
        screen.child.sendintr()
        screen.end()
    assert "Traceback" not in screen.text
    assert b"\x1b[?25l" not in screen.raw


def test_a_wait_in_the_middle_of_a_pipeline_detaches_too(unlanded: Oee, tmp_path: Path) -> None:
    (line,) = [line for title, line in PIPELINES if title.startswith("ten at once")]
    desk = Desk(unlanded, tmp_path)
    with typed(
        desk, line.replace("oee wait", "{ oee wait").replace("--timeout 2m", "--timeout 2m; echo waited $? >&2; }")
    ) as screen:
        until(lambda: len(unlanded("list", "--status", "submitted", "-q").out.split()) >= 10, "ten orders")
        until(lambda: waits_for_the_feed(screen), "the wait")
        screen.child.sendintr()
        screen.end()
    assert "Detached. The orders go on. Reattach: oee watch" in screen.text
    assert "waited 130" in screen.text


def waits_for_the_feed(screen: Terminal) -> bool:
    """True when the `oee wait` below this shell has its connection, which has a thread of its own."""
    group = subprocess.run(
        ["pgrep", "-f", "-g", str(screen.child.pid), "oee wait"], capture_output=True, text=True, check=False
    ).stdout.split()
    return any(len(list(Path(f"/proc/{pid}/task").iterdir())) > 1 for pid in group)


@pytest.mark.parametrize(
    "words", [("events", "-f"), ("quote", "SOL", "USDC", "1", "--watch", "50ms"), ("batch", "-", "--wait")]
)
def test_ctrl_c_ends_whatever_goes_on_with_130(trading: Oee, words: tuple[str, ...]) -> None:
    with terminal(trading, *words) as screen:
        if words[0] == "events":
            until(lambda: screen.threads > 1, "its connection, which has a thread of its own")
        else:
            screen.see("meteora|end with Ctrl-D")
        screen.child.sendintr()
        assert screen.end() == 130
    assert "Traceback" not in screen.text
