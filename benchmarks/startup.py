"""How soon the command line answers: `python -m benchmarks.startup [--runs N] [--json]`, or as one of `python -m benchmarks`.

Whole processes, from their start to their end or to their first frame on a pseudo-terminal, each against `python -c pass` in the
same run: what travels between machines is the ratio and the difference, not the milliseconds. The cases take turns, so that a busy
moment meets all of them, and the bytecode is compiled before, as pip compiles what it installs.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.report import ROOT, Figure, Findings, Plan, as_record, machine
from cli.registry import COMMANDS
from order_engine.clock import SystemClock

ABOUT = "how soon the command line answers"
RUNS = 15
ENOUGH_S = 30.0
BARE = "python -c pass"

_CLOCK = SystemClock()
_STYLES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")

SUBMIT = ("submit", "SOL", "USDC", "0.001")


class Case(NamedTuple):
    """One thing that is timed. The targets are milliseconds: in all, or above bare Python."""

    name: str
    once: Callable[[], float]
    above: float | None = None
    total: float | None = None


def run(plan: Plan) -> Findings:
    """Everything, in turns."""
    with tempfile.TemporaryDirectory(prefix="startup-", dir=plan.folder) as folder, cases(Path(folder)) as found:
        times = measured(found, plan.runs if plan.quick else max(plan.runs, RUNS))
    return Findings(f"{command()[-1]}, bytecode compiled; above: of bare Python in the same run", figures(found, times))


def figures(found: list[Case], times: Mapping[str, list[float]]) -> list[Figure]:
    """For each case what it took, how much of that is above bare Python, and how often bare Python goes into it."""
    bare = times[BARE]
    told = [Figure(BARE, "ms", bare)]
    for case in found:
        took = times.get(case.name)
        if took is None or case.name == BARE:
            continue
        told.append(Figure(case.name, "ms", took, at_most=case.total))
        above = [mine - theirs for mine, theirs in zip(took, bare, strict=True)]
        told.append(Figure(f"{case.name}, above", "ms", above, at_most=case.above))
        told.append(
            Figure(f"{case.name}, ratio", "x", [mine / theirs for mine, theirs in zip(took, bare, strict=True)])
        )
    return told


def measured(found: list[Case], runs: int) -> dict[str, list[float]]:
    """The milliseconds of each case in each run; the first round, which warms the disk's cache, is not counted."""
    times: dict[str, list[float]] = {case.name: [] for case in found}
    for number in range(runs + 1):
        for case in found:
            took = case.once()
            if number:
                times[case.name].append(took)
    return times


@contextmanager
def cases(folder: Path) -> Iterator[list[Case]]:
    """What is timed, on scratch homes whose daemons end with it."""
    compile_all()
    warm, cold, slow = (environment(folder / name) for name in ("warm", "cold", "slow"))
    (folder / "slow" / "config").mkdir(parents=True)
    (folder / "slow" / "config" / "config.toml").write_text(
        "slot_ms = 1000\nlanding_slots_min = 100\nlanding_slots_max = 100\nquote_ms = 0\n", "utf-8"
    )  # an order that is still under way however long this takes
    homes = (warm, cold, slow)
    try:
        run_quietly(["daemon", "start"], warm)
        order_id = run_quietly([*SUBMIT, "-q"], slow).strip()
        run_quietly(["wait", order_id, "--for", "submitted"], slow)
        found = [
            Case(BARE, lambda: ended([sys.executable, "-c", "pass"], warm)),
            Case("oee --help", lambda: ended([*command(), "--help"], warm), above=70),
            Case("warm submit, with its answer", lambda: ended([*command(), *SUBMIT], warm), above=100),
            Case("cold submit, which starts the daemon", lambda: started(cold), total=1_000),
            Case("first frame of watch", lambda: drawn(["watch", order_id], slow, b"submitted"), above=170),
        ]
        if "dashboard" in COMMANDS:
            found.append(Case("first paint of dashboard", lambda: drawn(["dashboard"], warm, b"PAPER"), above=450))
        yield found
    finally:
        for env in homes:
            subprocess.run([*command(), "daemon", "stop", "--now"], env=env, capture_output=True, check=False)


def command() -> list[str]:
    """The installed `oee` beside this Python, or the module where it is not installed."""
    installed = Path(sys.executable).with_name("oee")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "cli"]


def environment(home: Path) -> dict[str, str]:
    """That of a user, but for a home of its own and a market that waits for nothing."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OEE_", "COV_", "PYTHON"))
        and name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    }
    mine = {"OEE_HOME": str(home), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0", "TERM": "xterm-256color"}
    return inherited | mine | ({} if command()[0] != sys.executable else {"PYTHONPATH": str(ROOT)})


def compile_all() -> None:
    """Bytecode for our own packages: a checkout may have none, or that of older sources."""
    packages = [str(ROOT / name) for name in ("cli", "order_engine", "daemon")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *packages], check=True)


def run_quietly(words: list[str], env: Mapping[str, str]) -> str:
    """The output of a command that has to work."""
    done = subprocess.run([*command(), *words], env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"oee {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def ended(words: list[str], env: Mapping[str, str]) -> float:
    """The milliseconds until this process has ended, which it has to do well."""
    begun = _CLOCK.steady_ms()
    done = subprocess.run(words, env=dict(env), capture_output=True, check=False)
    took = _CLOCK.steady_ms() - begun
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.decode()}")
    return took


def started(env: Mapping[str, str]) -> float:
    """The milliseconds of a submit that finds no daemon."""
    took = ended([*command(), *SUBMIT], env)
    run_quietly(["daemon", "stop", "--now"], env)
    return took


def drawn(words: list[str], env: Mapping[str, str], text: bytes) -> float:
    """The milliseconds until this text is on the terminal of a command, which is then ended."""
    begun = _CLOCK.steady_ms()
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execve(command()[0], [*command(), *words], dict(env))
    seen = b""
    try:
        while text not in _STYLES.sub(b"", seen):
            left = ENOUGH_S - (_CLOCK.steady_ms() - begun) / 1_000
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                raise RuntimeError(f"oee {' '.join(words)} did not show {text!r}: {seen[-500:]!r}")
            seen += os.read(terminal, 65_536)
        return _CLOCK.steady_ms() - begun
    finally:
        os.kill(pid, signal.SIGTERM)
        while _still_drawing(terminal):  # what it draws at last needs a reader
            continue
        os.waitpid(pid, 0)
        os.close(terminal)


def _still_drawing(terminal: int) -> bool:
    try:
        return bool(os.read(terminal, 65_536))
    except OSError:  # the other end is closed
        return False


def table(found: list[Case], times: Mapping[str, list[float]]) -> str:
    """One line per case: what it took, what of that is above bare Python, the ratio, and the target."""
    bare = statistics.median(times[BARE])
    head = ("", "median ms", "min to max", "above bare", "ratio", "target")
    rows = [head]
    for case in found:
        took = times[case.name]
        median = statistics.median(took)
        target = f"≤ {case.total:.0f} ms" if case.total else f"≤ +{case.above:.0f} ms" if case.above else ""
        spread = f"{min(took):.0f} to {max(took):.0f}"
        rows.append((case.name, f"{median:.0f}", spread, f"{median - bare:+.0f}", f"{median / bare:.1f}x", target))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def main() -> None:
    """Reads the options, measures, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=ABOUT)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true", help="one record instead of the table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="oee-bench-") as folder:
        where = machine(Path(folder))
        with cases(Path(folder)) as found:
            times = measured(found, max(given.runs, 1))
        if given.json:
            findings = Findings("bytecode compiled", figures(found, times))
            record = as_record("startup", ABOUT, findings, where, Plan(Path(folder), given.runs))
            print(msgspec.json.encode(record).decode())
            return
    print(table(found, times))
    if "dashboard" not in COMMANDS:
        print("first paint of dashboard: there is no such command yet")
    print(f"{given.runs} runs each, in turns; {', '.join(f'{name} {value}' for name, value in where.items())}")


if __name__ == "__main__":
    main()
