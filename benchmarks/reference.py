"""What the machine itself can do: raw SQLite commits, an empty Litestar route, `python -c pass`.

Measured on the same disk and with the same load generator as our figures. Benchmarks call these in their own runs, one after
the other with what they measure, since a shared machine is not the same machine a minute later.
"""

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.daemon import CLOCK, Failed
from benchmarks.load import Load, drive, request
from benchmarks.report import ROOT, Figure, Findings, Plan, percentile

ABOUT = "what the machine itself can do"
ROW = "x" * 400  # an event of ours is about so long
BATCH = 64
SECONDS = 1.0  # of raw commits


def run(plan: Plan) -> Findings:
    """Every reference, in turn, `runs` times."""
    requests = plan.size(5_000, 500)
    single, batched, served, pause, started = ([] for _ in range(5))
    with empty_route() as port:
        route(port, requests)
        for _ in range(plan.runs):
            single.append(commits(plan.folder, 1, plan.size(1_000, 200) / 1_000))
            batched.append(commits(plan.folder, BATCH, plan.size(1_000, 200) / 1_000))
            load = route(port, requests)
            served.append(load.per_second)
            pause.append(load.own_cpu_us)
            started.append(bare_python())
    return Findings(
        f"WAL, synchronous=FULL, rows of {len(ROW)} bytes; {requests:,} requests over 64 keep-alive connections",
        [
            Figure("SQLite, one row per commit", "rows/s", single),
            Figure(f"SQLite, {BATCH} rows per commit", "rows/s", batched),
            Figure("empty Litestar route", "requests/s", served),
            Figure("load generator, its own CPU", "µs/request", pause, at_most=100),
            Figure("python -c pass", "ms", started),
        ],
    )


def commits(folder: Path, per_commit: int, seconds: float = SECONDS) -> float:
    """Rows per second that SQLite takes, every commit synced, so many rows in each."""
    took = commits_ms(folder, per_commit, seconds)
    return len(took) * per_commit / sum(took) * 1_000


def commit_ms(folder: Path, seconds: float = SECONDS) -> float:
    """The median time of a commit of one row."""
    return percentile(commits_ms(folder, 1, seconds), 50)


def commits_ms(folder: Path, per_commit: int, seconds: float) -> list[float]:
    """The time of each commit."""
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="raw-", dir=folder) as place:
        db = sqlite3.connect(Path(place) / "raw.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, facts TEXT NOT NULL) STRICT")
        end = CLOCK.steady_ms() + seconds * 1_000
        while (begun := CLOCK.steady_ms()) < end:
            db.execute("BEGIN IMMEDIATE")
            for _ in range(per_commit):
                db.execute("INSERT INTO events (facts) VALUES (?)", (ROW,))
            db.execute("COMMIT")
            took.append(CLOCK.steady_ms() - begun)
        db.close()
    return took


@contextlib.contextmanager
def empty_route() -> Iterator[int]:
    """The port of an empty Litestar route, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty_route"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if not (port := process.stdout.readline()):
                raise Failed("The empty route did not come up")
            yield int(port)
        finally:
            process.terminate()


def route(port: int, count: int, connections: int = 64) -> Load:
    """What so many posts to the empty route meet."""
    return drive(port, [request("POST", "/", b'{"inputToken":"SOL"}')] * count, connections)


def bare_python() -> float:
    """The milliseconds of `python -c pass`."""
    begun = CLOCK.steady_ms()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return CLOCK.steady_ms() - begun
