"""The kill switch over HTTP: stop trading at once, let it go on."""

from typing import Any

from litestar import Request, post
from litestar.openapi.spec import OpenAPIMediaType, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response.base import ASGIResponse

from daemon.answers import record
from daemon.gate import body_of
from daemon.openapi import answers, described
from daemon.query import read_query
from daemon.schemas import EngineStatus
from daemon.service import service_of
from order_engine.requests import read_halt, read_json

_HALT = Schema(
    type=OpenAPIType.OBJECT,
    additional_properties=False,
    properties={
        "cancelOpen": Schema(
            type=[OpenAPIType.BOOLEAN, OpenAPIType.NULL], description="Also cancel every order that was not sent yet."
        )
    },
)


@post(
    "/api/halt",
    status_code=200,
    summary="Halt trading",
    operation_class=described(
        body={"application/json": OpenAPIMediaType(schema=_HALT)},
        body_required=False,
    ),
    responses=answers({200: (EngineStatus, "Halted: nothing is accepted or sent.")}, 408, 411, 413, 415, 503),
)
async def halt(request: Request[Any, Any, Any]) -> ASGIResponse:
    """At once, and for every start to come. What was sent before is watched to its end."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    body = body_of(request.scope)
    cancel_open = read_halt(read_json(body)) if body else False
    await service.in_thread(service.engine.halt)
    if cancel_open:
        await service.in_thread(service.engine.cancel_open)
    return record(await service.in_thread(service.engine.status))


@post(
    "/api/resume",
    status_code=200,
    summary="Resume trading",
    operation_class=described(),
    responses=answers({200: (EngineStatus, "Orders are accepted and sent again.")}, 503),
)
async def resume(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The orders that waited go on with fresh quotes."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    await service.in_thread(service.engine.resume)
    return record(await service.in_thread(service.engine.status))


ROUTES = (halt, resume)
