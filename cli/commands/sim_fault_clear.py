"""`oee sim fault clear`: all goes well again."""

from typing import Annotated

import typer

from cli.exits import Exit, of_code, worst
from cli.faults import FIELDS, what
from cli.session import Session
from order_engine.errors import Malformed, NotFound


def clear(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Ids of faults, such as f1.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every fault.")] = False,
) -> Exit:
    """Clear faults.

    \b
      oee sim fault clear f1
      oee sim fault clear --all

    A transaction that a fault swallowed lands with its next sending, while it is valid.
    """
    session = Session.of(context)
    session.output.check(FIELDS)
    if all_ == bool(ids):
        raise Malformed("Name the faults, or give --all." if not ids else "Give faults or --all, not both.")
    if all_:
        cleared = session.client.clear_faults()
        if not cleared:
            session.output.say("No fault is set.")
        for fault in cleared:
            _tell(session, fault)
        return Exit.OK
    return worst(_clear(session, fault_id) for fault_id in ids or [])


def _clear(session: Session, fault_id: str) -> Exit:
    try:
        _tell(session, session.client.clear_fault(fault_id))
    except NotFound as error:
        session.output.error(error)
        return of_code(error.code)
    return Exit.OK


def _tell(session: Session, fault: dict[str, object]) -> None:
    if not session.output.record(fault, fault["faultId"]):
        session.output.line(f"{fault['faultId']} {what(fault)} cleared (struck: {fault['struck']})")
