"""The service itself over HTTP: that it is there, where it is, how it is doing."""

from typing import Any

from litestar import Request, get
from litestar.response.base import ASGIResponse

from daemon.answers import Answer, record
from daemon.metrics import text
from daemon.openapi import answers, described
from daemon.query import read_query
from daemon.schemas import Daemon, EngineStatus, Service
from daemon.service import service_of
from order_engine import __version__


@get(
    "/",
    summary="See that it is there",
    operation_class=described(),
    security=[{}],
    responses=answers({200: (Service, "It is.")}),
)
async def root(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Needs no token."""
    read_query(request.scope["query_string"], {})
    return record({"status": "ok", "service": "Order Execution Engine", "version": __version__})


@get(
    "/api/status",
    summary="Show how it is doing",
    operation_class=described(),
    responses=answers({200: (EngineStatus, "Open orders, today's outcomes, the newest event.")}),
)
async def status(request: Request[Any, Any, Any]) -> ASGIResponse:
    """The engine at a glance."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    return record(await service.in_thread(service.engine.status))


@get(
    "/api/daemon",
    summary="Show where it is",
    operation_class=described(),
    responses=answers({200: (Daemon, "Address, token file, process, version, home.")}),
)
async def daemon(request: Request[Any, Any, Any]) -> ASGIResponse:
    """All that a program in another language needs."""
    read_query(request.scope["query_string"], {})
    return record(service_of(request.scope).daemon)


@get(
    "/metrics",
    summary="Metrics for Prometheus",
    media_type="text/plain",
    operation_class=described(),
    responses=answers({200: (str, "Prometheus text.")}, media_type="text/plain"),
)
async def metrics(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Counters since the daemon started, and levels now."""
    service = service_of(request.scope)
    read_query(request.scope["query_string"], {})
    reading = await service.in_thread(lambda: text(service.counts, service.engine.metrics()))
    return Answer(200, reading, b"text/plain; version=0.0.4; charset=utf-8")
