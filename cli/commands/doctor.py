"""`oee doctor`: every check with a word about the cure."""

import typer

from cli.checkup import CHECKS, Check
from cli.exits import Exit
from cli.paint import Line, Paint
from cli.session import Session


def doctor(context: typer.Context) -> Exit:
    """Check that everything is in order.

    \b
      oee doctor
      oee doctor --json | jq 'select(.state != "ok")'

    Starts no daemon and changes nothing. Exits 1 when a check fails; -q prints the names of those.
    """
    session = Session.of(context)
    output = session.output
    failed = False
    for look in CHECKS:
        check = look(session.home)
        failed = failed or check.state == "fail"
        if output.quiet:
            if check.state == "fail":
                output.line(check.name)
        elif not output.record(check.record(), check.name):
            output.show(_lines(check, output.out))
    return Exit.BUG if failed else Exit.OK


def _lines(check: Check, paint: Paint) -> list[Line]:
    symbol = paint.symbol(check.state)
    lines: list[Line] = [[(f"{symbol} {check.state:<4}", check.state), (f"  {check.name:<10}  {check.message}", "")]]
    if check.hint:
        lines.append([(f"{'':<20}{check.hint}", "dim")])
    return lines
