"""Errors to problem documents (RFC 9457): one table from error code to HTTP status, and what Litestar raises by itself.

Every answer that is not a success comes from here, whoever says it: the gate, a route, Litestar or a bug.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from litestar import Request, Response
from litestar.exceptions import HTTPException

from daemon.answers import PROBLEM, Answer, Headers, encode
from order_engine.errors import Busy, EngineError
from order_engine.messages import Record, error_record

log = logging.getLogger("daemon.problems")

# code -> HTTP status. A test holds it against ERROR_CODES, so that no code is without a status.
STATUS: Mapping[str, int] = {
    "invalid_request": 400,
    "invalid_amount": 400,
    "unknown_token": 400,
    "same_token": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "duplicate_client_order_id": 409,
    "too_late_to_cancel": 409,
    "ambiguous_id": 409,
    "length_required": 411,
    "too_large": 413,
    "unsupported_media_type": 415,
    "insufficient_balance": 422,
    "no_route": 422,
    "price_impact_too_high": 422,
    "not_retryable": 422,
    "halted": 422,
    "order_too_large": 422,
    "too_many_orders": 429,
    "slippage_exceeded": 422,
    "transaction_expired": 422,
    "transaction_rejected": 422,
    "attempts_exhausted": 422,
    "over_capacity": 429,
    "too_many_requests": 429,
    "internal": 500,
    "venue_unavailable": 503,
    "draining": 503,
    "storage_unavailable": 503,
    "unreachable": 503,
    "outcome_unknown": 503,
}

_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def record_of(error: EngineError, **more: Any) -> Record:
    """`oee.error/1` of an error. `more`: a line number, a type."""
    return error_record(error.code, error.message, hint=error.hint, field=error.field, **more)


def problem(
    code: str,
    message: str,
    *,
    hint: str | None = None,
    field: str | None = None,
    status: int | None = None,
    headers: Headers = (),
) -> Answer:
    """The problem document for this code, with the status of the table unless another is given."""
    number = status or STATUS[code]
    document = {"type": "about:blank", "title": HTTPStatus(number).phrase, "status": number, "detail": message}
    return Answer(number, encode(document | error_record(code, message, hint=hint, field=field)), PROBLEM, headers)


def problem_of(error: EngineError) -> Answer:
    """The problem document for an expected error."""
    headers = [(b"retry-after", b"%d" % error.retry_after_s)] if isinstance(error, Busy) else []
    return problem(error.code, error.message, hint=error.hint, field=error.field, headers=headers)


def internal_problem(error: BaseException) -> Answer:
    """The answer to a bug, which is logged with its traceback: the client learns where to look, and nothing else."""
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return problem("internal", "Unexpected error.", hint="See the daemon's log: oee daemon logs")


def allow(methods: set[str]) -> tuple[bytes, bytes]:
    """The Allow header for these methods and the two that come with them."""
    also = {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
    return b"allow", ", ".join(sorted(methods | also)).encode()


def _allowed(error: HTTPException) -> Headers:
    """The Allow header of a 405. Litestar lists WebSocket routes among the methods; they are none."""
    methods = {*(error.headers or {}).get("allow", "").split(", ")} - {"", "websocket"}
    return [allow(methods)]


def _framework_problem(error: HTTPException) -> Answer:
    code = _OF_STATUS.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
    match code:
        case "not_found":
            return problem(code, "There is nothing at this address.", hint="All calls: GET /schema")
        case "method_not_allowed":
            return problem(code, "This address does not take this method.", headers=_allowed(error))
        case "internal":
            return internal_problem(error)
        case _:
            return problem(code, error.detail)


def answer_of(error: Exception) -> Answer:
    """What a client is told of an exception."""
    match error:
        case EngineError():
            return problem_of(error)
        case HTTPException():
            return _framework_problem(error)
        case _:
            return internal_problem(error)


def answer_to(_: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The same for Litestar. It wants a Response, and only ever asks it for `to_asgi_response`."""
    return cast(Response[Any], answer_of(error))
