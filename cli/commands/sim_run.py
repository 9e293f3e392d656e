"""`oee sim run`: a million lives under faults, and the table of what was thrown at them and what held."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exits import Exit
from cli.paint import Line, clean
from cli.session import Session

if TYPE_CHECKING:
    from order_engine.simulation.run import Report


def run(
    context: typer.Context,
    orders: Annotated[int, typer.Option(help="How many orders to live.", min=1)] = 100_000,
    seed: Annotated[int, typer.Option(help="The first world's seed.", min=0)] = 1,
    replay: Annotated[int | None, typer.Option(help="Tell the life of this one world, step by step.", min=0)] = None,
) -> Exit:
    """Live many orders under seeded faults and check that nothing is lost or doubled.

    \b
      oee sim run
      oee sim run --orders 1000000
      oee sim run --replay 4711

    The engine's own code on a virtual clock; nothing of yours is touched. The same seed is the same history everywhere.
    Exits 1, and names the seed, when an invariant is broken or a long run did not meet a fault that it should have.
    """
    from order_engine.simulation import run as simulation

    output = Session.of(context).output
    if replay is not None:
        broken = simulation.replay(replay, min(orders, simulation.ORDERS_PER_WORLD), output.line)
        for words in broken:
            output.line(f"BROKEN  {words}")
        return Exit.BUG if broken else Exit.OK
    report = simulation.run(seed, orders, _progress(orders))
    record = {
        "schema": "oee.simulation/1",
        "firstSeed": report.first_seed,
        "worlds": report.worlds,
        "orders": report.lives,
        "digest": report.digest,
        "passed": report.passed,
        "counts": dict(sorted(report.counts.items())),
        "unseen": report.unseen,
        "violations": [{"seed": at, "message": words} for at, words in report.violations],
    }
    if not output.record(record, report.digest):
        output.show(_lines(report, simulation.INVARIANTS), cut=False)
    return Exit.OK if report.passed else Exit.BUG


def _progress(orders: int) -> Callable[[int], None] | None:
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task("Living orders", total=orders)
    progress.start()

    def tell(lives: int) -> None:
        progress.update(task, completed=lives)
        if lives >= orders:
            progress.stop()

    return tell


def _lines(report: "Report", invariants: Mapping[str, str]) -> list[Line]:
    lines: list[Line] = [[(f"{report.lives} orders in {report.worlds} worlds, seeds from {report.first_seed}", "")]]
    lines.append([("", "")])
    lines.append([("FAULTS AND BRANCHES MET", "dim")])
    lines += [[(f"  {name:<34}{count:>12}", "")] for name, count in sorted(report.counts.items())]
    lines += [[(f"  {name:<34}{'never':>12}", "failed")] for name in report.unseen]
    lines.append([("", "")])
    lines.append([("INVARIANTS", "dim")])
    for name, meaning in invariants.items():
        broken = report.broken(name)
        state = f"broken {broken}x" if broken else "held"
        lines.append([(f"  {name:<5}{state:<12}", "failed" if broken else "confirmed"), (meaning, "")])
    lines.append([("", "")])
    for seed, words in report.violations[:10]:
        lines.append([(clean(f"seed {seed}: {words}"), "failed")])
    if report.violations:
        lines.append([(f"See it: oee sim run --replay {report.violations[0][0]}", "")])
    lines.append([(f"digest {report.digest}: the same seeds give the same everywhere", "dim")])
    return lines
