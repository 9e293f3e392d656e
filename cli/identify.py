"""Which orders are meant: the ends of ids on the command line, or `-` for standard input (ids, or order records of --json)."""

import json
from collections.abc import Iterator, Sequence

from cli.output import Record
from cli.session import Session
from order_engine.errors import EngineError, Malformed, NotFound

STDIN = "-"


def find_each(session: Session, given: Sequence[str]) -> Iterator[Record | EngineError]:
    """Each order that is named, once, in the order named; and for each text that names none, why."""
    seen: set[str] = set()
    for text in _texts(session, given):
        try:
            order = session.client.find(text)
        except NotFound as error:
            yield error
            continue
        if order["orderId"] not in seen:
            seen.add(order["orderId"])
            yield order


def find_all(session: Session, given: Sequence[str]) -> list[Record]:
    """The orders that are named. Raises NotFound for the first text that names none."""
    orders: list[Record] = []
    for found in find_each(session, given):
        if isinstance(found, EngineError):
            raise found
        orders.append(found)
    return orders


def _texts(session: Session, given: Sequence[str]) -> Iterator[str]:
    for text in given:
        if text == STDIN:
            yield from _from_stdin(session)
        else:
            yield text.strip().lower()


def _from_stdin(session: Session) -> Iterator[str]:
    for number, line in enumerate(session.stdin("order ids"), 1):
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
    raise Malformed(f"Line {number} of standard input is a record without orderId: {text[:60]!a}")
