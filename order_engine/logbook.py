"""The engine's own log of what it did with each order: the routing decision in full, and how it ended.

A listener of the feed, so that the log never speaks of anything that is not on disk.
"""

import logging
from collections.abc import Sequence

from order_engine.events import Building, Event, Recorded, Unanswered
from order_engine.messages import event_record

_log = logging.getLogger(__name__)


def note(recorded: Sequence[Recorded]) -> None:
    """Writes one line for each decision and each end among these."""
    for each in recorded:
        if _worth_a_line(each.event, final=each.order.status.final):
            facts = event_record(each.seq, each.order.order_id, each.order.request, each.event)
            del facts["schema"], facts["timestamp"]
            _log.info("order %s", facts["status"], extra={"facts": facts})


def _worth_a_line(event: Event, *, final: bool) -> bool:
    return final or isinstance(event, Building | Unanswered)
