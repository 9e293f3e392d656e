"""`oee sim mutants`: the engine made wrong on purpose, to see that the simulation notices."""

import typer

from cli.exits import Exit
from cli.session import Session


def mutants(context: typer.Context) -> Exit:
    """Make the engine wrong in each of its rules and see that it is noticed.

    \b
      oee sim mutants
      oee sim mutants --json | jq 'select(.caughtBy == null)'

    Each mistake runs in a process of its own until an invariant breaks. Exits 1 when one survives.
    """
    from order_engine.simulation.mutants import LIVES, try_all

    output = Session.of(context).output
    survived = False
    for verdict in try_all(LIVES):
        survived = survived or verdict.caught_by is None
        record = {
            "schema": "oee.mutant/1",
            "mutant": verdict.mutant.name,
            "caughtBy": verdict.caught_by,
            "seconds": f"{verdict.seconds:.1f}",
        }
        if not output.record(record, verdict.mutant.name):
            outcome = verdict.caught_by or "SURVIVED"
            state = "confirmed" if verdict.caught_by else "failed"
            output.show(
                [[(f"{verdict.seconds:6.1f} s  ", "dim"), (f"{verdict.mutant.name:<64}", ""), (outcome, state)]]
            )
    return Exit.BUG if survived else Exit.OK
