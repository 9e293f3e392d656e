"""Engines on a disk that fails, with faults.c preloaded.

    python -m tests.proofs.power.failing sync|full FOLDER FIRST COUNT STRIDE
    python -m tests.proofs.power.failing room FOLDER

Imports everything once and starts no thread; each engine is a fork with one fault armed, that trades a little, in two lives,
until it is done or has to leave. Then another fork, on a disk that is well again, holds the files against what was told, and
goes on to the end of every order. One line of JSON for each.

`room` is one engine that lives through a disk without room, and says how it fared.
"""

import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from order_engine import journal
from order_engine.assembly import assemble
from order_engine.clock import SystemClock
from order_engine.database import DatabaseUnusable
from order_engine.errors import EngineError
from order_engine.home import Home
from order_engine.venues.simulated import ledger
from tests.order_engine.given import SOL, a_request, rows, settings
from tests.proofs.power import checker
from tests.proofs.power.disk import ACKS
from tests.proofs.power.subjects import Acks
from tests.waiting import until

LIVES = 2
ORDERS = 4  # in each life
DEADLINE_S = 60
STORAGE_BROKE = 70  # what the daemon answers to on_fatal and to DatabaseUnusable


class Outcome(NamedTuple):
    """How an engine on a failing disk fared."""

    at: int  # which sync failed, or from which write on the disk was full
    fired: bool  # it came so far
    code: int  # how it ended
    findings: list[str]  # contradictions between what was told and what is on disk
    told: int


class Faults:
    """The switches of faults.c in this process."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)

    def set(self, name: str, value: int) -> None:
        ctypes.c_long.in_dll(self._library, f"fault_{name}").value = value

    def get(self, name: str) -> int:
        return ctypes.c_long.in_dll(self._library, f"fault_{name}").value


def trade(home: Home, faults: Faults) -> None:
    """Two short lives. Tells what was answered, accepted or refused, by key."""
    home.make()
    acks = Acks(home.data_dir)

    def leave(reason: str) -> None:
        acks.tell(left=reason, fired=faults.get("fired"))
        os._exit(STORAGE_BROKE)

    for life in range(LIVES):
        try:
            engine = assemble(home, settings(home, workers=2), leave)
        except DatabaseUnusable as error:
            leave(str(error))
        engine.feed.subscribe(acks.published)
        engine.start()
        for number in range(ORDERS):
            key = f"{life}-{number}"
            try:
                order = engine.submit(a_request(client_order_id=key, amount_in=SOL // 10)).result(DEADLINE_S).order
            except EngineError as error:
                acks.tell(refused=key, code=error.code)
            else:
                acks.tell(accepted=order.order_id)
        engine.drain(DEADLINE_S * 1_000)
        engine.close()
    acks.tell(left="done", fired=faults.get("fired"))


def judge(home: Home, told: list[dict[str, Any]]) -> list[str]:
    """Contradictions, before and after a new start on a good disk."""
    promises = [each for each in told if "accepted" in each or "seq" in each]
    findings = checker.look_at_engine(home, promises)
    if not findings:
        keys = {key for (key,) in rows(home.journal, "SELECT client_order_id FROM orders")}
        findings += [
            f"lost: {each['refused']} was refused and is there" for each in told if each.get("refused") in keys
        ]
        findings += checker.go_on(home, promises)
    left = next((number for number, each in enumerate(told) if "left" in each), len(told))
    if "journal.db" in told[left]["left"]:  # the chain's thread may leave while the journal's is telling what is true
        later = [each for each in told[left + 1 :] if "left" not in each]  # that the chain leaves too promises nothing
        findings += [f"lost: told after the journal had failed: {each}" for each in later]
    return findings


def run(root: Path, at: int, fault: str, faults: Faults) -> Outcome:
    """One engine with one fault, and its judgement."""
    home = Home.at(root / f"{fault}{at}")

    def failing() -> None:
        for counter in ("syncs", "writes", "fired"):
            faults.set(counter, 0)
        faults.set(f"{fault}_at", at)
        trade(home, faults)

    code = _fork(failing)
    told = checker.told_in(home.data_dir / ACKS)
    if fault == "full":  # still full: a new start says so, or finds that it needs no room, and loses nothing either way
        code = code or _fork(failing)
        told += checker.told_in(home.data_dir / ACKS)[len(told) :]
    told = told if any("left" in each for each in told) else [*told, {"left": "in the middle", "fired": 1}]
    verdict = home.data_dir.parent / "verdict"
    ended = _fork(lambda: verdict.write_text(json.dumps(judge(home, told))))
    findings = json.loads(verdict.read_text()) if ended == 0 else [f"the judge ended with {ended}"]
    return Outcome(at, any(each.get("fired") for each in told), code, findings, len(told))


def live_without_room(home: Home, faults: Faults) -> dict[str, Any]:
    """An engine with orders under way, whose disk has no room for a while."""
    clock = SystemClock()
    slow = settings(home, slot_ms=20, landing_slots_min=30, landing_slots_max=40)
    engine = assemble(home, slow, lambda reason: os._exit(STORAGE_BROKE))
    engine.start()

    def submit() -> str | None:
        try:
            engine.submit(a_request(amount_in=SOL // 10)).result(DEADLINE_S)
        except EngineError as error:
            return error.code
        return None

    accepted = sum(submit() is None for _ in range(6))
    faults.set("no_room", 1)
    begun = clock.steady_ms()
    while (code := submit()) is None:
        accepted += 1
        clock.sleep_ms(20)
    noticed_ms = clock.steady_ms() - begun
    under_way = engine.status()["open"]
    refused = [code, *(submit() for _ in range(50))]
    until(lambda: engine.status()["open"] == 0, "the end of the orders under way")
    stored = rows(home.journal, "SELECT count(*) FROM orders")[0][0]
    faults.set("no_room", 0)
    begun = clock.steady_ms()
    until(lambda: submit() is None, "room")
    found = {
        "accepted": accepted,
        "stored": stored,
        "under_way": under_way,
        "refused": refused,
        "noticed_ms": noticed_ms,
        "resumed_ms": clock.steady_ms() - begun,
    }
    found["left"] = engine.drain(DEADLINE_S * 1_000)
    engine.close()
    return found


def _fork(child: Callable[[], object]) -> int:
    process = os.fork()
    if process == 0:
        code = 99
        try:
            signal.alarm(2 * DEADLINE_S)
            child()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(fault: str, root: Path, first: int, count: int, stride: int, faults: Faults) -> None:
    journal.CHECKPOINT_COMMITS = ledger.CHECKPOINT_BLOCKS = 5  # so that a short run has many
    gc.freeze()
    silent = 0  # runs in a row that were over before their fault came
    for at in range(first, first + count * stride, stride):
        found = run(root, at, fault, faults)
        print(json.dumps(found._asdict()), flush=True)
        silent = 0 if found.fired else silent + 1
        if silent == 3:
            return


if __name__ == "__main__":
    what, folder, *numbers = sys.argv[1:]
    if what == "room":
        print(json.dumps(live_without_room(Home.at(Path(folder)), Faults())))
    else:
        first, count, stride = map(int, numbers)
        main(what, Path(folder), first, count, stride, Faults())
