"""Which orders are meant: the ends of ids on the command line, or `-` for standard input (ids, or order records of --json)."""

import json
import sys
from collections.abc import Iterator, Sequence

from cli.session import Session
from order_engine.errors import EngineError, Malformed

STDIN = "-"


def order_ids(session: Session, given: Sequence[str]) -> list[str]:
    """The full id of each order that is named, each once, in the order named. Raises NotFound for the first that is not."""
    return [order_id for order_id, error in lookups(session, given) if not _raise(error)]


def lookups(session: Session, given: Sequence[str]) -> Iterator[tuple[str, EngineError | None]]:
    """Each order that is named: its full id, or the text as it was given and why it names no order."""
    seen: set[str] = set()
    for text in _texts(session, given):
        try:
            order_id = text if len(text) == 36 else str(session.client.find(text)["orderId"])
        except EngineError as error:
            if error.code not in ("not_found", "ambiguous_id"):
                raise
            yield text, error
            continue
        if order_id not in seen:
            seen.add(order_id)
            yield order_id, None


def _texts(session: Session, given: Sequence[str]) -> Iterator[str]:
    for text in given:
        if text == STDIN:
            yield from _from_stdin(session)
        else:
            yield text.strip().lower()


def _from_stdin(session: Session) -> Iterator[str]:
    if session.stdin_is_terminal:
        if session.no_input:
            raise Malformed("Standard input is a terminal, and --no-input is set.", hint="Pipe the ids in, or name them.")
        session.output.say("Reading order ids from standard input; end with Ctrl-D.")
    for number, line in enumerate(sys.stdin, 1):
        text = line.strip()
        if text:
            yield _id_of(text, number).lower()


def _id_of(text: str, number: int) -> str:
    """The id in a line: the line itself, or `orderId` of the record that it is."""
    if not text.startswith("{"):
        return text.split()[0]
    try:
        order_id = json.loads(text)["orderId"]
    except (ValueError, KeyError):
        order_id = None
    if isinstance(order_id, str):
        return order_id
    raise Malformed(f"Line {number} of standard input is a record without orderId: {ascii(text[:60])}")


def _raise(error: EngineError | None) -> bool:
    if error is not None:
        raise error
    return False
