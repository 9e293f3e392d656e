"""Runs benchmarks: `python -m benchmarks [NAME…]`, all of them without names.

A benchmark is a file here with `ABOUT`, what it measures in a few words, and `run(plan)`, which gives `report.Findings`. The
exit code judges nothing: it is 0 unless something could not be measured. A file that has a `main` of its own instead is run as
it is when it is named, and only mentioned otherwise.
"""

import argparse
import importlib
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import msgspec

import benchmarks
from benchmarks.report import ROOT, Findings, Plan, as_record, machine, table

FIRST = ("reference", "submit", "batch", "paper", "latency", "quote", "fanout", "memory", "history", "restart")
NO_BENCHMARKS = ("__main__", "daemon", "empty_route", "homes", "load", "report")  # but what they are made of


def names() -> list[str]:
    """Every file that may be a benchmark, those of the table first and in its order."""
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)} - set(NO_BENCHMARKS)
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


def measure_of(module: ModuleType) -> Callable[[Plan], Findings] | None:
    """Its `run`, or None for a file that goes its own way."""
    found = getattr(module, "run", None)
    return found if callable(found) and hasattr(module, "ABOUT") else None


def main() -> int:
    """Reads the options, measures, prints. Returns the exit code."""
    given = _options()
    failed = False
    with tempfile.TemporaryDirectory(prefix="oee-bench-", dir=given.folder) as folder:
        plan = Plan(Path(folder).resolve(), given.runs or (1 if given.quick else 5), given.quick)
        for name in given.names or names():
            failed |= not _ran(name, plan, as_json=given.json, asked_for=bool(given.names))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    known = names()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures the daemon and the machine that it runs on."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="one JSON object per benchmark and line")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--runs", type=int, help="runs of each, 5 if not said, with --quick 1")
    parser.add_argument("--folder", type=Path, help="for scratch homes: on the disk that is to be measured")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no such benchmark: {', '.join(unknown)}. There are: {', '.join(known)}")
    if given.runs is not None and given.runs < 1:
        parser.error("--runs must be at least 1")
    return given


def _ran(name: str, plan: Plan, *, as_json: bool, asked_for: bool) -> bool:
    """Measures and prints one. False when that could not be done, which is said."""
    where = machine(plan.folder)
    try:
        module = importlib.import_module(f"benchmarks.{name}")
        run = measure_of(module)
        if run is None:
            return _goes_its_own_way(name, as_json=as_json, asked_for=asked_for)
        found = run(plan)
    except Exception as error:  # the others can be measured all the same
        print(f"{name}: could not be measured: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    told = str(vars(module)["ABOUT"])
    if as_json:
        print(msgspec.json.encode(as_record(name, told, found, where, plan)).decode(), flush=True)
    else:
        print(table(name, told, found, where, plan), end="\n\n", flush=True)
    return True


def _goes_its_own_way(name: str, *, as_json: bool, asked_for: bool) -> bool:
    command = ["-m", f"benchmarks.{name}"]
    if not asked_for or as_json:
        print(f"{name}: has a command and a report of its own: python {' '.join(command)}", file=sys.stderr, flush=True)
        return True
    return subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
