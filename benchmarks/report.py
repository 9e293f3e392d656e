"""What a benchmark found, for people and for programs: medians with their spread, and the machine that they are true of.

A figure without its machine, its number of runs and its spread is worth nothing, so they are printed together.
"""

import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent


class Plan(msgspec.Struct, frozen=True):
    """How to measure. `folder` is for scratch homes, on the disk that is measured; `quick`: small sizes, to see that it runs."""

    folder: Path
    runs: int
    quick: bool = False

    def size(self, full: int, quick: int) -> int:
        """The one that is asked for."""
        return quick if self.quick else full


class Figure(msgspec.Struct, frozen=True):
    """One thing that was measured, once per run (or once at all). A target is what the median should reach."""

    name: str
    unit: str
    values: list[float]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def target(self) -> str:
        """The target in words; empty without one."""
        if self.at_least is not None:
            return f"≥ {amount(self.at_least)}"
        return "" if self.at_most is None else f"≤ {amount(self.at_most)}"

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without one."""
        if self.at_least is not None:
            return self.median >= self.at_least
        return None if self.at_most is None else self.median <= self.at_most


class Findings(msgspec.Struct, frozen=True):
    """All that one benchmark says: what it did, in a few words, and its figures."""

    settings: str
    figures: list[Figure]


def ratio(name: str, ours: Figure, reference: Figure, **target: float) -> Figure:
    """How often the reference goes into ours, run by run: both were measured in the same run, one after the other."""
    pairs = zip(ours.values, reference.values, strict=True)
    return Figure(name, "x", [mine / theirs for mine, theirs in pairs], **target)


def percentile(values: Iterable[float], percent: float) -> float:
    """The least of the values that `percent` per cent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(min(-int(-len(ordered) * percent // 100), len(ordered)) - 1, 0)]


def machine(folder: Path) -> dict[str, str]:
    """What the figures depend on, as it is before a benchmark."""
    one, five, fifteen = os.getloadavg()
    return {
        "cores": str(os.cpu_count()),
        "cpu": _cpu(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "disk": f"{_filesystem(folder)} at {folder.parent}",
        "load before": f"{one:.2f} {five:.2f} {fifteen:.2f}",
        "commit": _commit(),
    }


def table(name: str, told: str, found: Findings, where: dict[str, str], plan: Plan) -> str:
    """The figures as text, under what they are figures of."""
    head = ("figure", "median", "min to max", "runs", "target")
    rows = [head, *(_row(figure, plan) for figure in found.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"{name}: {told}"]
    lines += [f"  {', '.join(f'{what} {value}' for what, value in where.items())}", f"  {found.settings}"]
    if plan.quick:
        lines.append("  --quick: small sizes, to see that it runs; these figures say nothing about the targets")
    for number, row in enumerate(rows):
        first, *others, last = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append(f"    {first}  {'  '.join(text.strip().rjust(len(text)) for text in others)}  {last}".rstrip())
        if number == 0:
            lines.append("    " + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def as_record(name: str, told: str, found: Findings, where: dict[str, str], plan: Plan) -> dict[str, Any]:
    """The same for programs."""
    return {
        "benchmark": name,
        "about": told,
        "machine": where,
        "settings": found.settings,
        "quick": plan.quick,
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "median": figure.median,
                "min": min(figure.values),
                "max": max(figure.values),
                "runs": len(figure.values),
                "values": figure.values,
                "target": figure.target or None,
                "met": None if plan.quick else figure.met,
            }
            for figure in found.figures
        ],
    }


def amount(value: float) -> str:
    """A number with the three digits that mean something."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _row(figure: Figure, plan: Plan) -> Sequence[str]:
    unit = f" {figure.unit}"
    low, high = amount(min(figure.values)), amount(max(figure.values))
    target = figure.target
    if target and not plan.quick:
        target += "  met" if figure.met else "  missed"
    return (figure.name, amount(figure.median) + unit, f"{low} to {high}", str(len(figure.values)), target)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(folder: Path) -> str:
    """Of what kind the disk under this folder is: on a tmpfs a sync costs nothing, and a figure is worth as much."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    except OSError:
        return "a disk"
    over = [mount for mount in mounts if folder.is_relative_to(mount[1])]
    return max(over, key=lambda mount: len(mount[1]))[2] if over else "a disk"


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # only looks
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + (" and changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"
