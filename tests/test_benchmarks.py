"""The benchmarks run: each prints its table or its JSON. What they measure is judged by people, not here."""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.__main__ import FIRST, measure_of, names
from benchmarks.homes import write_history
from benchmarks.report import Figure, percentile, ratio
from order_engine import database, integrity
from order_engine.home import Home
from tests.conftest import ROOT


def benchmarks(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--folder", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_run_prints_a_table_for_each(tmp_path: Path) -> None:
    done = benchmarks("submit", "latency", "quote", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    blocks = done.stdout.strip().split("\n\n")
    assert [block.partition(":")[0] for block in blocks] == ["submit", "latency", "quote"]
    for block in blocks:
        assert "cores" in block
        assert "sqlite" in block
        assert "min to max" in block
        assert len(block.splitlines()) > 7, "a head and some figures"
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_json_is_one_object_per_benchmark_and_line(tmp_path: Path) -> None:
    done = benchmarks("--json", "--runs", "2", "reference", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (record,) = map(json.loads, done.stdout.splitlines())
    assert (record["benchmark"], record["quick"]) == ("reference", True)
    assert {"cores", "python", "sqlite", "disk", "load before", "commit"} <= set(record["machine"])
    for figure in record["figures"]:
        assert figure["min"] <= figure["median"] <= figure["max"]
        assert (figure["runs"], len(figure["values"]), figure["met"]) == (2, 2, None)


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path) -> None:
    done = benchmarks("submitt", folder=tmp_path)
    assert done.returncode == 2
    assert "no such benchmark: submitt. There are: reference, submit," in done.stderr


@pytest.mark.parametrize("name", FIRST)
def test_every_row_of_the_table_has_its_file(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert name in names()
    assert measure_of(module) is not None
    assert len((module.__doc__ or "").strip().splitlines()) > 1, "it says what is measured, and how"


def test_a_made_history_is_a_valid_one(tmp_path: Path) -> None:
    write_history(tmp_path / "home", 40)
    with closing(database.open_reader(Home.at(tmp_path / "home").journal)) as journal:
        assert integrity.find_damage(journal, everything=True) is None
        assert journal.execute("SELECT status, count(*) FROM orders GROUP BY status").fetchall() == [("confirmed", 40)]
        assert journal.execute("SELECT count(DISTINCT id) FROM orders").fetchone() == (40,)


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [([5.0], 99, 5), ([1.0, 2.0, 3.0, 4.0], 50, 2), ([3.0, 1.0, 2.0], 100, 3), (list(range(1, 101)), 99, 99)],
)
def test_a_percentile_is_the_least_that_so_many_do_not_exceed(
    values: Sequence[float], percent: float, found: float
) -> None:
    assert percentile(values, percent) == found


def test_a_ratio_is_taken_run_by_run() -> None:
    ours, theirs = Figure("ours", "/s", [10, 30, 20]), Figure("theirs", "/s", [5, 5, 5])
    found = ratio("times", ours, theirs, at_least=4)
    assert (found.values, found.median, found.target, found.met) == ([2, 6, 4], 4, "≥ 4", True)
