"""Orders over HTTP: submit, batch, list, show, cancel, retry."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from typing import Any

from litestar import Request, delete, get, post
from litestar.response.base import ASGIResponse
from litestar.types import HTTPScope

from daemon.answers import Answer, Headers, Lines, encode, listing, record
from daemon.gate import body_of
from daemon.openapi import IDEMPOTENCY_KEY, JSON_BODY, LINES_BODY, RETRY_BODY, answers, described
from daemon.problems import internal_problem, record_of
from daemon.query import KEY, PAIR, SINCE, STATUS, matching, number, read_query
from daemon.routes.ids import read_id
from daemon.schemas import Accepted, Events, Order, Orders, Receipt
from daemon.service import Service, service_of
from order_engine.engine import Engine, OrderQuery, Submission
from order_engine.errors import EngineError, Malformed
from order_engine.failpoints import failpoint
from order_engine.messages import Record, event_record, order_record
from order_engine.requests import read_json, read_key, read_order, read_retry
from order_engine.routing.receipts import receipt_record

AHEAD = 1_000  # lines of a batch that are submitted before the answer to the first has been sent
CHUNK_BYTES = 32 * 1024
HISTORY_MAX = 1_000  # events of one order; three attempts make about twenty
TURN = 64  # lines read before others get their turn

SUBMIT = ["/api/orders", "/api/orders/execute", "/orders/execute"]

_KEY = "Idempotency-Key"
_LIST = {
    "status": STATUS,
    "pair": PAIR,
    "dex": matching(r"[a-z0-9_-]{1,32}", "the name of a venue", "The venue that the order was routed to."),
    "since": SINCE,
    "key": KEY,
    "suffix": matching(r"[0-9a-f-]{4,36}", "4 or more characters of an id", "The end of the order id."),
    "limit": number(1, 500, "At most so many.", 50),
    "cursor": number(0, 10**15, "`next` of the page before."),
}
_ACCEPTED = {202: (Accepted, "Committed to disk."), 200: (Accepted, "The same order, accepted before under this key.")}
_BODY_PROBLEMS = (408, 409, 411, 413, 415, 422)


@post(
    SUBMIT,
    status_code=202,
    summary="Submit an order",
    operation_class=described(body=JSON_BODY, headers=(IDEMPOTENCY_KEY,)),
    responses=answers(_ACCEPTED, *_BODY_PROBLEMS),
)
async def submit(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Answers once the order is on disk. `/api/orders/execute` and `/orders/execute` are the same call."""
    return await submitted(service_of(request.scope), request.scope)


async def submitted(service: Service, scope: HTTPScope) -> Answer:
    """The answer to a submit, once the order is on disk."""
    engine = service.engine
    read_query(scope["query_string"], {})
    fields = read_json(body_of(scope))
    key = _key_of(scope)
    if key is not None and fields.setdefault("clientOrderId", key) != key:
        raise Malformed(f"{_KEY} and clientOrderId are different keys. Give one of them.", field=_KEY)
    submission = await service.committed(await service.submit(read_order(fields, engine.settings)))
    failpoint("before-202")
    return _accepted(submission)


@post(
    "/api/orders/batch",
    status_code=200,
    summary="Submit many orders",
    operation_class=described(body=LINES_BODY),
    responses=answers(
        {200: (str, "One order or one error per line.")}, *_BODY_PROBLEMS, media_type="application/x-ndjson"
    ),
)
async def batch(request: Request[Any, Any, Any]) -> ASGIResponse:
    """One order per line in; one order, or one `oee.error/1` with its line, per line out, in the same order."""
    read_query(request.scope["query_string"], {})
    body = body_of(request.scope)
    if not body.strip():
        raise Malformed("Empty. Send one JSON object per line.")
    return Lines(_in_chunks(_results(service_of(request.scope), body)))


@get(
    "/api/orders",
    summary="List orders",
    operation_class=described(query=_LIST),
    responses=answers({200: (Orders, "A page, newest last. `next` leads to older ones.")}),
)
async def orders(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The newest orders that match all filters."""
    service = service_of(request.scope)
    given = read_query(request.scope["query_string"], _LIST)
    page = await service.in_thread(service.engine.orders, _order_query(given))
    return listing([order_record(order) for order in page.items], page.next)


@get(
    "/api/orders/{orderId:str}",
    summary="Show an order",
    operation_class=described(),
    responses=answers({200: (Order, "The order as it is on disk.")}, 404),
)
async def order(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Everything known of it."""
    service, order_id = _named(request)
    return record(order_record(await service.in_thread(service.engine.order, order_id)))


@get(
    "/api/orders/{orderId:str}/events",
    summary="Show what happened to an order",
    operation_class=described(),
    responses=answers({200: (Events, "The whole history, oldest first.")}, 404),
)
async def history(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Every event of it."""
    service, order_id = _named(request)
    return listing(await service.in_thread(_history, service.engine, order_id))


@get(
    "/api/orders/{orderId:str}/receipt",
    summary="Prove how good an order's route is",
    operation_class=described(),
    responses=answers({200: (Receipt, "The plan, its proof, and all pools: `oee route verify` checks it.")}, 404),
)
async def receipt(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Everything that is needed to check, without this daemon, that no route could have paid more."""
    service, order_id = _named(request)
    return record(receipt_record(await service.in_thread(service.engine.receipt, order_id)))


@delete(
    "/api/orders/{orderId:str}",
    status_code=200,
    summary="Cancel an order",
    operation_class=described(),
    responses=answers({200: (Order, "Cancelled: it was not and will not be executed.")}, 404, 409),
)
async def cancel(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Only possible before it was sent."""
    service, order_id = _named(request)
    return record(order_record(await service.in_thread(service.engine.cancel, order_id)))


@post(
    "/api/orders/{orderId:str}/retry",
    status_code=202,
    summary="Retry an order",
    operation_class=described(body=RETRY_BODY, body_required=False, headers=(IDEMPOTENCY_KEY,)),
    responses=answers(_ACCEPTED, 404, *_BODY_PROBLEMS),
)
async def retry(request: Request[Any, Any, Any]) -> ASGIResponse:
    """A new order like one that definitely was not executed, linked to it by `retryOf`."""
    service, order_id = _named(request)
    body = body_of(request.scope)
    slippage_bps = read_retry(read_json(body)) if body else None
    submitted = await service.in_thread(service.engine.retry, order_id, slippage_bps, _key_of(request.scope))
    return _accepted(await service.committed(submitted))


def _named(request: Request[Any, Any, Any]) -> tuple[Service, str]:
    """The service, and the order that the path names. These calls take no query."""
    read_query(request.scope["query_string"], {})
    return service_of(request.scope), read_id(request.path_params["orderId"])


def _key_of(scope: HTTPScope) -> str | None:
    keys = [value for name, value in scope["headers"] if name == b"idempotency-key"]
    if not keys:
        return None
    if len(keys) > 1:
        raise Malformed(f"{_KEY} is given twice.", field=_KEY)
    return read_key(keys[0].decode("latin-1"), _KEY)


def _accepted(submission: Submission) -> Answer:
    order, created = submission
    place = b"/api/orders/" + order.order_id.encode()
    headers: Headers = [(b"location", place)] if created else [(b"location", place), (b"idempotent-replayed", b"true")]
    return record(order_record(order) | {"message": "Order received"}, 202 if created else 200, headers)


def _order_query(given: dict[str, Any]) -> OrderQuery:
    return OrderQuery(
        statuses=given.get("status"),
        pair=given.get("pair"),
        dex=given.get("dex"),
        since_ms=given.get("since"),
        key=given.get("key"),
        suffix=given.get("suffix"),
        limit=given.get("limit", 50),
        cursor=given.get("cursor"),
    )


def _history(engine: Engine, order_id: str) -> list[Record]:
    engine.order(order_id)  # raises NotFound
    entries = engine.events(0, HISTORY_MAX, order_id)
    return [event_record(entry.seq, entry.order_id, entry.request, entry.event) for entry in entries]


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line that is not blank, without a second copy of the whole."""
    start, count, end = 0, 0, len(body)
    while start < end:
        stop = body.find(b"\n", start)
        stop = end if stop < 0 else stop
        count += 1
        if line := body[start:stop].strip():
            yield count, line
        start = stop + 1


async def _results(service: Service, body: bytes) -> AsyncIterator[bytes]:
    """The answer to each line, in order. Up to AHEAD lines are submitted before the first is answered: they share commits."""
    waiting: deque[tuple[int, Future[Submission] | EngineError]] = deque()
    for count, (line_number, line) in enumerate(_lines(body)):
        waiting.append((line_number, await _submitted(service, line)))
        if len(waiting) > AHEAD:
            yield await _result(service, *waiting.popleft())
        if count % TURN == 0:
            await asyncio.sleep(0)
    while waiting:
        yield await _result(service, *waiting.popleft())


async def _submitted(service: Service, line: bytes) -> "Future[Submission] | EngineError":
    try:
        return await service.submit(read_order(read_json(line), service.engine.settings))
    except EngineError as error:
        return error


async def _result(service: Service, line: int, submitted: "Future[Submission] | EngineError") -> bytes:
    try:
        if isinstance(submitted, EngineError):
            raise submitted
        submission = await service.committed(submitted)
        return encode(order_record(submission.order)) + b"\n"
    except EngineError as error:
        return encode(record_of(error, line=line)) + b"\n"
    except Exception as error:
        internal_problem(error)
        bug = EngineError("Unexpected error.", code="internal", hint="See the daemon's log: oee daemon logs")
        return encode(record_of(bug, line=line)) + b"\n"


async def _in_chunks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    chunk = bytearray()
    async for line in lines:
        chunk += line
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
