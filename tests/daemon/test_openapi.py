"""The OpenAPI document says what is so: every call is in it, and what comes back is what it says."""

import json
import re
from typing import Any

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from daemon import schemas
from daemon.app import ROUTES
from daemon.problems import STATUS
from order_engine.errors import ERROR_CODES
from tests.conftest import AN_ORDER, RunningDaemon


@pytest.fixture(scope="module")
def document(daemon: RunningDaemon) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(daemon.call("GET", "/schema/openapi.json", headers={"Authorization": None}).body)
    return found


def test_every_call_is_described(document: dict[str, Any]) -> None:
    served = {
        (re.sub(r":str}", "}", path), str(method).lower())
        for handler in ROUTES
        if isinstance(handler, HTTPRouteHandler)
        for path in handler.paths
        for method in handler.http_methods
    }
    described = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert described == served


def test_every_call_says_what_it_takes(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"]
            named = set(re.findall(r"{(\w+)}", path))
            parameters = operation.get("parameters", [])
            assert {p["name"] for p in parameters if p["in"] == "path"} == named
            assert all(p["description"] and p["schema"] for p in parameters)
            assert ("requestBody" in operation) == (method == "post" and path != "/api/resume")
            for status, response in operation["responses"].items():
                kinds = set(response["content"])
                assert kinds == {"application/problem+json"} if int(status) >= 400 else kinds


def test_every_error_code_has_a_status() -> None:
    assert set(STATUS) == set(ERROR_CODES)


def test_the_page_needs_nothing_from_elsewhere(daemon: RunningDaemon, document: dict[str, Any]) -> None:
    page = daemon.call("GET", "/schema", headers={"Authorization": None})
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in text
    assert "://" not in text
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", text) == ["/schema/openapi.json"]
    for path in document["paths"]:
        assert f"<code>{path}</code>" in text


def _holds(shape: type[Any], record: Any) -> None:
    """Fails unless the record is of this shape, with no field more and none less."""
    msgspec.convert(record, shape, strict=True)


def test_what_is_answered_is_what_is_described(daemon: RunningDaemon) -> None:
    confirmed = daemon.call(
        "POST", "/api/orders", AN_ORDER | {"clientOrderId": "test-openapi-1", "minOutput": "0.000001"}
    )
    failed = daemon.submit(AN_ORDER | {"minOutput": "1000000"})
    bought = daemon.submit({"inputToken": "WIF", "outputToken": "BONK", "receive": "1000", "maxInput": "1"})
    daemon.settle()
    _holds(schemas.Accepted, confirmed.record)
    _holds(schemas.Order, daemon.get(f"/api/orders/{failed}"))
    _holds(schemas.Orders, daemon.get("/api/orders"))
    _holds(schemas.Receipt, daemon.get(f"/api/orders/{bought}/receipt"))
    for order_id in (failed, bought, confirmed.record["orderId"]):
        _holds(schemas.Events, daemon.get(f"/api/orders/{order_id}/events"))
    _holds(schemas.Events, daemon.get("/api/events?limit=1000"))
    _holds(schemas.Quote, daemon.get("/api/quote?inputToken=SOL&outputToken=USDC&amount=1.5"))
    for more in (
        "receive=100",
        "amount=500&explain=true&receipt=true",
        "amount=1&routing=single&explain=true&receipt=true",
    ):
        _holds(schemas.Quote, daemon.get(f"/api/quote?inputToken=SOL&outputToken=USDC&{more}"))
    _holds(schemas.Quote, daemon.get("/api/quote?inputToken=RAY&outputToken=BONK&amount=1.5"))
    _holds(schemas.Venues, daemon.get("/api/venues"))
    _holds(schemas.Pools, daemon.get("/api/pools"))
    _holds(schemas.Tokens, daemon.get("/api/tokens"))
    _holds(schemas.Balances, daemon.get("/api/balances"))
    _holds(schemas.EngineStatus, daemon.get("/api/status"))
    _holds(schemas.Daemon, daemon.get("/api/daemon"))
    _holds(schemas.Service, daemon.get("/"))
    for refused in (daemon.call("GET", "/api/orders?limit=0"), daemon.call("GET", "/nowhere")):
        _holds(schemas.Problem, refused.record)
