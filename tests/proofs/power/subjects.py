"""What is put to the proof, and what is known to be bad: `python -m tests.proofs.power.subjects NAME FOLDER SEED`.

Each subject trades, or writes, on a scratch home in FOLDER, and notes what it told anybody in one file, each line as soon as it
was told and not before. The bad ones are the same program with one promise taken out. If the checker does not catch those, it
proves nothing about the good one.
"""

import contextlib
import os
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import Any

import msgspec

from order_engine import assembly, journal
from order_engine.engine import Submission
from order_engine.errors import Refused
from order_engine.events import Recorded
from order_engine.feed import Feed
from order_engine.home import Home
from order_engine.journal import Journal
from order_engine.venues.simulated import ledger
from order_engine.venues.simulated.ledger import Block, Ledger
from tests.order_engine.given import SOL, USDC, a_request, settings
from tests.proofs.power.disk import ACKS

LIVES = 2
ORDERS = 30  # in each life
AT_ONCE = 6
ROWS = 300

_encode = msgspec.json.Encoder().encode


class Acks:
    """What was told. One write each, so that it has its place among the changes of the disk."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / ACKS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def tell(self, **what: Any) -> None:
        os.write(self._file, _encode(what) + b"\n")

    def published(self, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            self.tell(seq=each.seq, order=each.order.order_id, event=_encode(each.event).decode())


# the engine, whole and with parts missing


class CarelessJournal(Journal):
    """Commits as the SQLite setting of its class says."""

    synchronous = "FULL"

    def __init__(self, path: Path, feed: Feed, on_fatal: Callable[[str], None]) -> None:
        super().__init__(path, feed, on_fatal)
        self._db.execute(f"PRAGMA synchronous = {self.synchronous}")


class OffJournal(CarelessJournal):
    synchronous = "OFF"


class NormalJournal(CarelessJournal):
    synchronous = "NORMAL"


class HastyJournal(Journal):
    """Tells first and commits then."""

    acks: Acks

    def _write(self, write: Any, seq: int, changes: Any) -> Recorded | Exception:
        answer = super()._write(write, seq, changes)
        if isinstance(answer, Recorded):
            self.acks.published([answer])
        return answer


class _NeverFull:
    """A connection that thinks NORMAL will do."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return self._db.execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class UnsyncedLedger(Ledger):
    """Never syncs a block, not even one in which something of ours landed."""

    def write_block(self, block: Block, now_ms: int) -> None:
        if not isinstance(self._db, _NeverFull):
            self._db = _NeverFull(self._db)  # type: ignore[assignment]
        super().write_block(block, now_ms)


def trade(folder: Path, seed: int) -> None:
    """Two lives of an engine, both with every kind of ending: transactions that expire, that slip, that are too large."""
    dice = Random(seed)
    home = Home.at(folder)
    home.make()
    acks = Acks(home.data_dir)
    HastyJournal.acks = acks
    for _ in range(LIVES):
        engine = assembly.assemble(home, settings(home, landing_slots_max=4, valid_slots=3, workers=4), _fatal)
        engine.feed.subscribe(acks.published)
        engine.start()
        answers: deque[Future[Submission]] = deque()
        for _ in range(ORDERS):
            amount = dice.randrange(1, 50)
            request = dice.choice((
                a_request(amount_in=amount * SOL // 100),
                a_request(amount_in=amount * SOL // 100, slippage_bps=0),
                a_request(input_token="USDC", output_token="JUP", amount_in=amount * USDC),
                a_request(amount_in=amount * SOL, max_impact_bps=0),
            ))  # fmt: skip
            with contextlib.suppress(Refused):
                answers.append(engine.submit(request))
            if len(answers) == AT_ONCE:
                acks.tell(accepted=answers.popleft().result().order.order_id)
        for answer in answers:
            acks.tell(accepted=answer.result().order.order_id)
        engine.drain(20_000)
        engine.close()


def _fatal(reason: str) -> None:
    os.write(2, f"the storage broke: {reason}\n".encode())
    os._exit(70)


# plain SQLite, to check the checker: with FULL it keeps its word, and the replay must not say otherwise


def rows(folder: Path, seed: int, synchronous: str) -> None:
    """Rows in a plain database, each told after its commit."""
    dice = Random(seed)
    home = Home.at(folder)
    home.make()
    acks = Acks(home.data_dir)
    for _ in range(LIVES):
        db = sqlite3.connect(home.data_dir / "plain.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA wal_autocheckpoint = 40")
        db.execute("CREATE TABLE IF NOT EXISTS said (n INTEGER PRIMARY KEY, words TEXT)")
        for _ in range(ROWS // LIVES):
            words = f"{dice.random()} " * dice.randrange(1, 200)
            n = db.execute("INSERT INTO said (words) VALUES (?) RETURNING n", (words,)).fetchone()[0]
            acks.tell(row=n, words=words)
        db.close()


SUBJECTS: dict[str, Callable[[Path, int], None]] = {
    "engine": trade,
    "plain sqlite, FULL": lambda folder, seed: rows(folder, seed, "FULL"),
    "plain sqlite, OFF": lambda folder, seed: rows(folder, seed, "OFF"),
    "journal OFF": trade,
    "journal NORMAL": trade,
    "published before the commit": trade,
    "chain's blocks unsynced": trade,
}
KNOWN_GOOD = ("plain sqlite, FULL",)
KNOWN_BAD = tuple(name for name in SUBJECTS if name != "engine" and name not in KNOWN_GOOD)


def main(name: str, folder: Path, seed: int) -> None:
    journal.CHECKPOINT_COMMITS = ledger.CHECKPOINT_BLOCKS = 40  # so that a short trace has many
    assembly.Journal = {  # type: ignore[attr-defined]
        "journal OFF": OffJournal,
        "journal NORMAL": NormalJournal,
        "published before the commit": HastyJournal,
    }.get(name, Journal)
    assembly.Ledger = UnsyncedLedger if name == "chain's blocks unsynced" else Ledger  # type: ignore[attr-defined]
    SUBJECTS[name](folder, seed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
