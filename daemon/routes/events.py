"""The log over HTTP: what happened in this home, from any place on."""

from typing import Any

from litestar import Request, get
from litestar.response.base import ASGIResponse

from daemon.answers import listing
from daemon.openapi import answers, described
from daemon.query import PLACE, Since, number, read_query
from daemon.schemas import Events
from daemon.service import service_of
from order_engine.engine import Engine
from order_engine.messages import Record, event_record

LIMIT = 100

_LOG = {"since": PLACE, "limit": number(1, 1_000, "At most so many.", LIMIT)}


@get(
    "/api/events",
    summary="Read the log",
    operation_class=described(query=_LOG),
    responses=answers({200: (Events, "A page, oldest first. `next` is the `since` of the page after it.")}),
)
async def events(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Every event of every order, in the order in which they happened."""
    service = service_of(request.scope)
    given = read_query(request.scope["query_string"], _LOG)
    since, limit = given.get("since", Since(seq=0)), given.get("limit", LIMIT)
    return listing(*await service.in_thread(_page, service.engine, since, limit))


def _page(engine: Engine, since: Since, limit: int) -> tuple[list[Record], str | None]:
    seq = since.seq if since.at_ms is None else engine.seq_before(since.at_ms)
    entries = engine.events(seq or 0, limit)
    more = len(entries) == limit and entries[-1].seq < engine.last_seq()
    records = [event_record(entry.seq, entry.order_id, entry.request, entry.event) for entry in entries]
    return records, str(entries[-1].seq) if more else None
