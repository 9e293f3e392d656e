"""Bytes that a disk gives back changed: `python -m tests.proofs.power.damage --flips N --seed S`.

A journal is damaged in one random page of its file, or one random frame of its log, and opened. Either it is refused, with the
steps to restore it and not a byte changed; or everything that can be read from it is what it was, because what was hit is not
in use: free space in a page, a page of which the log has a newer version, what is left of an older log. Anything else is a
silent acceptance.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any, NamedTuple

from order_engine.database import DatabaseUnusable
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.journal import Journal
from tests.order_engine.given import rows
from tests.proofs.power.campaign import PROCESSES, ROOT, scratch_parent

PAGE, LOG_HEADER, FRAME_HEADER = 4_096, 32, 24
STEPS = "put a backup of both in their place"
FILES = ("journal.db", "journal.db-wal")


class Task(NamedTuple):
    """Some flips in a copy of a home's journal."""

    original: Path
    scratch: Path
    numbers: range
    seed: int
    last_commit: range  # where the log has its last commit


def a_journal(folder: Path, *, stopped: bool) -> Path:
    """The data folder of an engine that traded, and was stopped or killed."""
    ending = "close" if stopped else "kill"
    subprocess.run(
        [sys.executable, "-m", "tests.proofs.power.damage", "--live", str(folder), ending],
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    return Home.at(folder).data_dir


def _live(folder: Path, ending: str) -> None:
    from order_engine import journal  # noqa: PLC0415 - only in the process that trades
    from tests.order_engine.given import a_request, an_engine  # noqa: PLC0415

    journal.CHECKPOINT_COMMITS = 60
    with an_engine(folder, workers=2) as engine:
        for number in range(60):
            engine.submit(a_request(amount_in=(number + 1) * 10**7, client_order_id=f"key-{number}")).result(20)
        if ending == "kill":
            # In the journal's own thread: so never while it takes the log in, when the file alone cannot be read at all.
            engine.feed.subscribe(lambda _: os._exit(0))
            engine.submit(a_request(amount_in=10**7)).result(20)
        engine.drain(20_000)


def contents(path: Path) -> list[Any]:
    """Everything that anybody reads from a journal; not the epochs, which are written and compared with later ones only."""
    orders = (
        "SELECT n, id, client_order_id, status, version, dex, input_token, output_token, created_at, state FROM orders"
    )
    events = "SELECT seq, order_id, version, at, facts, sum FROM events"
    return [rows(path, sql) for sql in (orders, events, "SELECT sql FROM sqlite_schema", "PRAGMA integrity_check")]


def flip(folder: Path, dice: Random, last_commit: range) -> str:
    """Changes one to eight bytes of one page. Says where."""
    path = folder / dice.choice([name for name in FILES if (folder / name).exists()])
    content = bytearray(path.read_bytes())
    log = path.name.endswith("-wal")
    header, page = (LOG_HEADER, PAGE + FRAME_HEADER) if log else (0, PAGE)
    start = header + dice.randrange((len(content) - header) // page) * page
    for _ in range(dice.randrange(1, 9)):
        content[start + dice.randrange(page)] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    if not log:
        return "file"
    return "log, last commit" if start in last_commit else "log, left over" if start >= last_commit.stop else "log"


def last_commit_of(log: Path) -> range:
    """Where the last commit of a log is: damaged, it looks the same as one that was never finished."""
    if not log.exists():
        return range(0)
    content, size = log.read_bytes(), FRAME_HEADER + PAGE
    starts = [at for at in range(LOG_HEADER, len(content), size) if content[at + 8 : at + 16] == content[16:24]]
    *_, before, last = (at + size for at in starts if any(content[at + 4 : at + 8]))
    return range(before, last)


def _try(task: Task) -> Counter[tuple[str, str]]:
    """Per place and outcome, how many."""
    found: Counter[tuple[str, str]] = Counter()
    whole: list[Any] | None = None
    for number in (None, *task.numbers):  # the first time nothing is damaged: the checker's known good
        shutil.rmtree(task.scratch, ignore_errors=True)
        task.scratch.mkdir()
        for name in FILES:
            if (task.original / name).exists():
                shutil.copyfile(task.original / name, task.scratch / name)
        where = "nowhere" if number is None else flip(task.scratch, Random(f"{task.seed}/{number}"), task.last_commit)
        before = [(task.scratch / name).read_bytes() for name in FILES if (task.scratch / name).exists()]
        path = task.scratch / "journal.db"
        try:
            Journal(path, Feed(), _fatal).close()
        except DatabaseUnusable as error:
            after = [(task.scratch / name).read_bytes() for name in FILES if (task.scratch / name).exists()]
            outcome = "refused" if STEPS in str(error) and after[: len(before)] == before else f"badly refused: {error}"
        else:
            now = contents(path)
            whole = now if whole is None else whole
            outcome = _difference(whole, now)
        found[where, outcome] += 1
    return found


def _difference(whole: list[Any], now: list[Any]) -> str:
    """How the contents differ. A letter's case, or a remark, in the text of the schema is told apart and listed by itself:
    SQLite reads the same schema from it. Nothing but that counts as harmless."""
    if now == whole:
        return "as it was"
    *rest, schema, check = now
    *rest_before, schema_before, check_before = whole
    if (rest, check) == (rest_before, check_before) and _meaning(schema) == _meaning(schema_before):
        return "schema's wording only"
    return "silently accepted"


def _meaning(schema: list[Any]) -> list[str]:
    """Each statement without remarks, letter case and spaces; text within quotes stays as it is."""
    statements = []
    for (sql,) in schema:
        parts = re.split(r"('[^']*')", re.sub(r"--[^\n]*", "", sql or ""))
        statements.append("".join(part if part.startswith("'") else "".join(part.lower().split()) for part in parts))
    return statements


def _fatal(reason: str) -> None:
    raise AssertionError(reason)


def run(flips: int, seed: int) -> Counter[tuple[str, str]]:
    """Damages a stopped journal and a killed one, half of the flips each."""
    parent = Path(tempfile.mkdtemp(prefix="oee-damage-", dir=scratch_parent()))
    try:
        tasks = []
        for half, stopped in enumerate((True, False)):
            original = a_journal(parent / f"home{half}", stopped=stopped)
            bounds = [flips * (half * PROCESSES + part) // (2 * PROCESSES) for part in range(PROCESSES + 1)]
            last = last_commit_of(original / "journal.db-wal")
            for part in range(PROCESSES):
                numbers = range(bounds[part], bounds[part + 1])
                tasks.append(Task(original, parent / f"copy{half}.{part}", numbers, seed, last))
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            return sum(pool.map(_try, tasks, chunksize=1), Counter())
    finally:
        shutil.rmtree(parent)


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.proofs.power.damage", description=__doc__.split("\n")[0])
    arguments.add_argument("--flips", type=int, default=500)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    found = run(given.flips, given.seed)
    for (where, outcome), count in sorted(found.items()):
        print(f"{where:<20}{outcome:<24}{count:>6}")
    return int(
        any("accepted" in outcome or "badly" in outcome for where, outcome in found if where != "log, last commit")
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--live"]:
        _live(Path(sys.argv[2]), sys.argv[3])
        sys.exit(0)
    sys.exit(main())
