"""The engine's own log of what it did with each order: the routing decision in full, and how it ended.

A listener of the feed, so that the log never speaks of anything that is not on disk. It stands between two commits, so it hands
over what happened as it is, once per commit; the thread that writes the log makes words of it.
"""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from order_engine.events import Building, Event, Recorded, Unanswered
from order_engine.messages import event_record

_log = logging.getLogger(__name__)


def note(recorded: Sequence[Recorded]) -> None:
    """Writes one line for each decision and each end among these."""
    worth_a_line = [each for each in recorded if _is_worth_a_line(each.event, final=each.order.status.final)]
    if worth_a_line:
        _log.info("%d orders", len(worth_a_line), extra={"lines": partial(_lines, worth_a_line)})


def _lines(recorded: Sequence[Recorded]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in recorded:
        facts = event_record(each.seq, each.order.order_id, each.order.request, each.event)
        del facts["schema"], facts["timestamp"]
        yield f"order {facts['status']}", facts


def _is_worth_a_line(event: Event, *, final: bool) -> bool:
    return final or isinstance(event, Building | Unanswered)
