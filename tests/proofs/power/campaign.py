"""Many power cuts: subjects are traced, the traces are cut at random moments, and each remaining disk is looked at.

4,000 states of the engine = a few traces, cut some hundred times each. The states lie on a RAM disk where there is one.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import NamedTuple

from order_engine.home import Home
from tests.proofs.power import checker, shims
from tests.proofs.power.disk import Disk, notes

ROOT = Path(__file__).resolve().parents[3]
RAM = Path("/dev/shm")
PROCESSES = 2
RESTARTS = 100  # every so many-th state is also started from, and worked on to its end


class Task(NamedTuple):
    """Some cuts of one trace: at which change, and with which dice."""

    subject: str
    trace: Path
    scratch: Path
    cuts: tuple[tuple[int, int], ...]
    lying: bool
    restarts: int


class Found(NamedTuple):
    """One state, and what was wrong with it."""

    number: int
    findings: list[str]
    told: int
    restarted: bool


class Result(NamedTuple):
    """What became of one subject."""

    subject: str
    states: int
    lost: int
    corrupt: int
    first: int | None  # the number of the first state that was caught
    example: str
    restarted: int
    promises: int  # things told, summed over all states


def scratch_parent() -> Path | None:
    """Where states are written: a RAM disk, since what is proved there needs no disk."""
    return RAM if os.access(RAM, os.W_OK) else None


def traced(subject: str, seed: int, folder: Path, shim: Path) -> Path:
    """The trace of one run of a subject. The replay of all of it must be what the run left: that checks the tracer."""
    home = Home.at(folder)
    home.make()
    trace = folder / "trace"
    subprocess.run(
        [sys.executable, "-m", "tests.proofs.power.subjects", subject, str(folder), str(seed)],
        cwd=ROOT,
        env=shims.environment(shim, OEE_TRACE=str(trace), OEE_TRACE_FOLDER=str(home.data_dir)),
        check=True,
        timeout=120,
    )
    disk = Disk()
    for note in notes(trace):
        disk.apply(note)
    for name, content in disk.as_seen().items():
        assert (home.data_dir / name).read_bytes() == content, f"the tracer missed a change of {name}"
    return trace


def _examine(task: Task) -> list[Found]:
    """Replays a trace once, stopping at each cut."""
    look = checker.look_at_plain if task.subject.startswith("plain") else checker.look_at_engine
    home = Home.at(task.scratch)
    home.make()
    disk, changes, done = Disk(lying=task.lying), notes(task.trace), 0
    results: list[Found] = []
    for moment, number in task.cuts:
        for note in changes:
            disk.apply(note)
            done += 1
            if done >= moment:
                break
        _write(home, disk.after_cut(Random(number)))
        restarted = look is checker.look_at_engine and number % task.restarts == 0
        findings = look(home, disk.told)
        if restarted and not findings:
            findings = checker.go_on(home, disk.told)
        results.append(Found(number, findings, len(disk.told), restarted))
    return results


def _write(home: Home, found: dict[str, bytearray]) -> None:
    for old in home.data_dir.iterdir():
        old.unlink()
    for name, content in found.items():
        (home.data_dir / name).write_bytes(content)


def run(
    subject: str, states: int, seed: int, *, traces: int = 4, lying: bool = False, restarts: int = RESTARTS
) -> Result:
    """Cuts the power `states` times and looks each time. Same seed, same cuts."""
    parent = Path(tempfile.mkdtemp(prefix="oee-power-", dir=scratch_parent()))
    try:
        shim = shims.compiled("trace", parent)
        tasks: list[Task] = []
        for number in range(traces):
            trace = traced(subject, seed * 1_000 + number, parent / f"trace{number}", shim)
            share = states // traces + (number < states % traces)
            dice = Random(f"{seed}/{number}")
            length = sum(1 for _ in notes(trace))
            cuts = sorted((dice.randrange(1, length + 1), cut * traces + number) for cut in range(share))
            for part, some in enumerate(_halves(cuts)):
                tasks.append(Task(subject, trace, parent / f"state{number}.{part}", some, lying, restarts))
        found = [each for batch in _all(tasks) for each in batch]
    finally:
        shutil.rmtree(parent)
    bad = sorted((each for each in found if each.findings), key=lambda each: each.number)
    corrupt = sum(any(line.startswith("corrupt") for line in each.findings) for each in bad)
    return Result(
        subject,
        len(found),
        len(bad) - corrupt,
        corrupt,
        bad[0].number + 1 if bad else None,
        bad[0].findings[0] if bad else "",
        sum(each.restarted for each in found),
        sum(each.told for each in found),
    )


def _halves(cuts: list[tuple[int, int]]) -> Iterable[tuple[tuple[int, int], ...]]:
    bounds = [len(cuts) * part // PROCESSES for part in range(PROCESSES + 1)]
    return (tuple(cuts[start:end]) for start, end in pairwise(bounds))


def _all(tasks: list[Task]) -> Iterator[list[Found]]:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        yield from pool.imap_unordered(_examine, tasks)
