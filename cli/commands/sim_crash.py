"""`oee sim crash`: processes killed at every named point and at random moments, and what became of every order."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exits import Exit
from cli.paint import Line, clean
from cli.session import Session
from order_engine.errors import Malformed

if TYPE_CHECKING:
    from order_engine.simulation.crash import Done, Report

STOPS = 10
SHOWN = 10


def crash(
    context: typer.Context,
    kills: Annotated[int, typer.Option(help="How many random kills.", min=0)] = 300,
    seed: Annotated[int, typer.Option(help="Of the orders and of the moments.", min=0)] = 1,
    point: Annotated[str | None, typer.Option(metavar="NAME", help="Only this row of the matrix.")] = None,
) -> Exit:
    """Kill real processes at every point and at random, and check that nothing is lost or doubled.

    \b
      oee sim crash
      oee sim crash --kills 3000
      oee sim crash --point mid-submit --seed 7

    Engines and daemons on scratch homes, ended by kill -9 once and twice in a row while what they sent lands, never lands or
    lands late; nothing of yours is touched. Exits 1 on a violation, says how to repeat it and keeps its home.
    """
    from tempfile import mkdtemp

    from order_engine.simulation import crash as proof

    output = Session.of(context).output
    if point is not None and point not in proof.POINTS:
        raise Malformed(f"{point[:40]!a} is no point.", field="--point", hint=f"One of: {', '.join(proof.POINTS)}")
    everything = [*proof.matrix(), *proof.random_kills(kills), *proof.random_stops(STOPS)]
    jobs = everything if point is None else proof.matrix([point])
    with _Progress(sum(map(_kills_of, jobs))) as progress:
        report = proof.run(seed, jobs, Path(mkdtemp(prefix="oee-crash-")), progress.tell)
    if not output.record(_record(report), seed):
        output.show(_lines(report, point), cut=False)
    return Exit.OK if report.passed else Exit.BUG


def _kills_of(job: object) -> int:
    return int(getattr(job, "times", 0) or getattr(job, "kills", 0) or getattr(job, "stops", 0))


class _Progress:
    """A bar on a terminal; nothing elsewhere. Its thread starts with the first news: before that, processes are forked."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._move: Callable[[int], None] | None = None
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def tell(self, done: "Done") -> None:
        if self._move is None and sys.stderr.isatty():
            self._begin()
        if self._move is not None:
            self._move(_kills_of(done.job))

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        task = bar.add_task("Killing", total=self._total)
        bar.start()
        self._move, self._stop = lambda steps: bar.advance(task, steps), bar.stop


def _totals(report: "Report") -> dict[str, int]:
    return {
        "kills": report.kills,
        "stops": report.stops,
        "slowestStopMs": report.slowest_stop_ms,
        "orders": report.total("orders"),
        "acked": report.total("promised"),
        "published": report.total("told"),
        "resumed": report.total("resumed"),
        "landed": report.total("landed"),
        "expired": report.total("expired"),
        "lost": report.count("lost"),
        "doubled": report.count("doubled"),
        "wrongOutcome": report.count("wrong"),
        "imbalance": report.count("imbalance"),
        "brokenLog": report.count("log"),
        "damaged": report.count("damaged"),
    }


def _record(report: "Report") -> dict[str, Any]:
    from order_engine.simulation.crash import POINTS
    from order_engine.simulation.crash_life import FATES

    rows = [(name, fate.name, report.cell(name, fate.name)) for name in POINTS for fate in FATES]
    return {
        "schema": "oee.crash/1",
        "seed": report.seed,
        "seconds": f"{report.seconds:.1f}",
        "passed": report.passed,
        **_totals(report),
        "matrix": [
            {
                "point": name,
                "fate": fate,
                "kills": sum(done.kills for done in cell),
                "orders": sum(done.findings.orders for done in cell),
                "acked": sum(done.findings.promised for done in cell),
                "resumed": sum(done.findings.resumed for done in cell),
                "violations": sum(len(done.findings.violations) for done in cell),
            }
            for name, fate, cell in rows
            if cell
        ],
        "unmet": report.unmet,
        "violations": [{"at": at, "message": words} for at, words in report.violations],
        "kept": report.kept or None,
    }


def _lines(report: "Report", point: str | None) -> list[Line]:
    from order_engine.simulation.crash import POINTS
    from order_engine.simulation.crash_life import FATES

    lines: list[Line] = [
        [(f"{'KILLED ONCE AND TWICE':<24}", "dim")] + [(f"{fate.name.upper():<26}", "dim") for fate in FATES]
    ]
    for name in POINTS:
        cells = [report.cell(name, fate.name) for fate in FATES]
        if any(cells):
            lines.append([(f"{name:<24}", ""), *map(_cell, cells)])
    lines += [[("", "")], [("TOTALS", "dim")]]
    for name, count in _totals(report).items():
        bad = name in ("lost", "doubled", "wrongOutcome", "imbalance", "brokenLog", "damaged")
        lines.append(
            [(f"  {_words(name):<18}", ""), (f"{count:>10}", ("failed" if count else "confirmed") if bad else "")]
        )
    lines.append([(f"  {'seconds':<18}{report.seconds:>10.1f}", "dim")])
    lines += [[(f"UNMET  {words}", "failed")] for words in report.unmet]
    lines += [[(clean(f"BROKEN  {at}: {words}"), "failed")] for at, words in report.violations[:SHOWN]]
    if report.violations:
        which = f" --point {point}" if point else f" --kills {report.planned_kills}"
        lines.append([(f"Again: oee sim crash --seed {report.seed}{which}    The homes: {report.kept}", "")])
    return lines


def _cell(cell: "list[Done]") -> tuple[str, str]:
    """`ok`, or how many violations, with orders, acked ones and resumed ones; a line where the fate never leads to the point."""
    if not cell:
        return f"{'─':<26}", "dim"
    broken = sum(len(done.findings.violations) for done in cell)
    orders, acked, resumed = (
        sum(getattr(d.findings, name) for d in cell) for name in ("orders", "promised", "resumed")
    )
    state = f"{broken} broken" if broken else "ok"
    return f"{f'{state}  {orders}/{acked}/{resumed}':<26}", "failed" if broken else "confirmed"


def _words(name: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)
