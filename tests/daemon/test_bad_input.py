"""Bad input is answered with what is wrong and where, never with a 5xx, and never reaches the journal."""

import json
import socket
from hashlib import sha256
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conftest import AN_ORDER, Reply, RunningDaemon
from tests.waiting import until

NO_SUCH_ID = "01a1f8b2-7639-773c-b000-fb2bdb14d28a"


def _order(**changed: Any) -> dict[str, Any]:
    return AN_ORDER | changed


def _receive(receive: Any, **changed: Any) -> dict[str, Any]:
    return {"inputToken": "SOL", "outputToken": "USDC", "receive": receive} | changed


def _amount(written: str) -> bytes:
    return f'{{"inputToken": "SOL", "outputToken": "USDC", "amount": {written}}}'.encode()


# name -> body, code, field
BODIES: dict[str, tuple[object, str, str | None]] = {
    "unknown token": (_order(inputToken="BONKK"), "unknown_token", "inputToken"),
    "same token twice": (_order(outputToken="SOL"), "same_token", "outputToken"),
    "zero": (_amount("0"), "invalid_amount", "amount"),
    "negative": (_amount("-1"), "invalid_amount", "amount"),
    "negative as text": (_order(amount="-1"), "invalid_amount", "amount"),
    "too many decimals": (_order(amount="0.0000000001"), "invalid_amount", "amount"),
    "NaN": (_amount("NaN"), "invalid_request", "amount"),
    "NaN as text": (_order(amount="NaN"), "invalid_amount", "amount"),
    "Infinity": (_amount("Infinity"), "invalid_request", "amount"),
    "minus Infinity": (_amount("-Infinity"), "invalid_request", "amount"),
    "1e400": (_amount("1e400"), "invalid_amount", "amount"),
    "1e1000000": (_amount("1e1000000"), "invalid_amount", "amount"),
    "400 digits": (_amount("9" * 400), "invalid_amount", "amount"),
    "400 decimals": (_amount("0." + "1" * 400), "invalid_amount", "amount"),
    "more than 64 bits": (_amount("18446744073.709551616"), "invalid_amount", "amount"),
    "unicode digits": (_order(amount="１２"), "invalid_amount", "amount"),
    "arabic digits": (_order(amount="١٢"), "invalid_amount", "amount"),
    "spaces around": (_order(amount=" 1 "), "invalid_amount", "amount"),
    "underscores": (_order(amount="1_000"), "invalid_amount", "amount"),
    "amount true": (_order(amount=True), "invalid_amount", "amount"),
    "amount a list": (_order(amount=[1]), "invalid_amount", "amount"),
    "amount null": (_order(amount=None), "invalid_request", "amount"),
    "token a number": (_order(inputToken=1), "invalid_request", "inputToken"),
    "amount and receive": (_order(receive="1"), "invalid_request", "receive"),
    "neither amount nor receive": (_receive(None), "invalid_request", "amount"),
    "receive nothing": (_receive("0"), "invalid_amount", "receive"),
    "receive with too many decimals": (_receive("0.0000001"), "invalid_amount", "receive"),
    "receive more than 64 bits": (_receive("18446744073709.551616"), "invalid_amount", "receive"),
    "receive true": (_receive(True), "invalid_amount", "receive"),
    "a maximum beside amount": (_order(maxInput="1"), "invalid_request", "maxInput"),
    "a minimum beside receive": (_receive("1", minOutput="1"), "invalid_request", "minOutput"),
    "a maximum of nothing": (_receive("1", maxInput=0), "invalid_amount", "maxInput"),
    "a maximum finer than the token": (_receive("1", maxInput="0.0000000001"), "invalid_amount", "maxInput"),
    "another routing": (_order(routing="worst"), "invalid_request", "routing"),
    "a routing that is none": (_order(routing=[]), "invalid_request", "routing"),
    "slippage as text": (_order(slippageBps="50"), "invalid_amount", "slippageBps"),
    "slippage out of range": (_order(slippageBps=5001), "invalid_amount", "slippageBps"),
    "slippage in two ways": (_order(slippageBps=50, slippage=0.005), "invalid_request", "slippage"),
    "key with a space": (_order(clientOrderId="a b"), "invalid_request", "clientOrderId"),
    "another type": (_order(type="limit"), "invalid_request", "type"),
    "two spellings": (_order(tokenIn="SOL"), "invalid_request", "tokenIn"),
    "unknown field": (_order(slipage=1), "invalid_request", "slipage"),
    "duplicate key": (b'{"amount": 1, "amount": 2}', "invalid_request", "amount"),
    "nothing in it": (b"{}", "invalid_request", "inputToken"),
    "a list": (b"[]", "invalid_request", None),
    "a number": (b"1", "invalid_request", None),
    "cut off": (b'{"inputToken": "SOL", ', "invalid_request", None),
    "deep nesting": (b"[" * 60_000, "invalid_request", None),
    "deep nesting of objects": (b'{"a":' * 10_000, "invalid_request", None),
    "bad UTF-8": (b'{"inputToken": "\xff"}', "invalid_request", None),
    "a byte order mark": (b"\xef\xbb\xbf{}", "invalid_request", None),
    "UTF-16": ("{}".encode("utf-16"), "invalid_request", None),
    "empty": (b"", "invalid_request", None),
    "blank": (b" \n ", "invalid_request", None),
    "an escape sequence": (_order(inputToken="\x1b[2J"), "unknown_token", "inputToken"),
    "half a surrogate": (
        b'{"inputToken": "\\ud800", "outputToken": "SOL", "amount": 1}',
        "unknown_token",
        "inputToken",
    ),
    "half a surrogate for a name": (b'{"\\ud800": 1}', "invalid_request", "\\ud800"),
}


def _encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


ENCODED = {name: (_encoded(body), code, field) for name, (body, code, field) in BODIES.items()}
LINES = {name: case for name, case in ENCODED.items() if case[0].strip()}  # blank lines are none
TEXTS = {  # what one text message can carry: UTF-8, at most 4 KiB
    name: case for name, case in ENCODED.items() if name not in ("bad UTF-8", "UTF-16") and len(case[0]) <= 4_096
}


def _refused(daemon: RunningDaemon, reply: Reply, status: int, code: str, field: str | None = None) -> None:
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.record
    assert (problem["code"], problem.get("field"), problem["status"]) == (code, field, status)
    assert problem["message"] == problem["detail"]
    assert "\x1b" not in problem["message"]


@pytest.fixture(autouse=True)
def _nothing_is_stored(daemon: RunningDaemon) -> Any:
    daemon.settle()
    before = daemon.quiet_seq()
    yield
    assert daemon.seq() == before


@pytest.mark.parametrize(("body", "code", "field"), BODIES.values(), ids=BODIES.keys())
def test_a_bad_order_over_http(daemon: RunningDaemon, body: object, code: str, field: str | None) -> None:
    _refused(daemon, daemon.call("POST", "/api/orders", body), 400, code, field)


@pytest.mark.parametrize(("line", "code", "field"), LINES.values(), ids=LINES.keys())
def test_a_bad_line_of_a_batch(daemon: RunningDaemon, line: bytes, code: str, field: str | None) -> None:
    reply = daemon.call("POST", "/api/orders/batch", b"\n" + line, {"Content-Type": "application/x-ndjson"})
    assert reply.status == 200
    (error,) = reply.records
    assert (error["schema"], error["code"], error.get("field"), error["line"]) == ("oee.error/1", code, field, 2)


@pytest.mark.parametrize(("text", "code", "field"), TEXTS.values(), ids=TEXTS.keys())
def test_a_bad_order_over_websocket(daemon: RunningDaemon, text: bytes, code: str, field: str | None) -> None:
    with daemon.socket("/orders/execute") as ws:
        ws.send(text.decode())
        error = json.loads(ws.recv(10))
        assert (error["type"], error["schema"], error["code"], error.get("field")) == (
            "error",
            "oee.error/1",
            code,
            field,
        )
        with pytest.raises(ConnectionClosed):
            ws.recv(10)
    assert ws.close_code == 1008


QUERIES: dict[str, tuple[str, str, str | None]] = {
    "unknown parameter": ("/api/orders?statsu=open", "invalid_request", "statsu"),
    "repeated parameter": ("/api/orders?limit=1&limit=2", "invalid_request", "limit"),
    "empty parameter": ("/api/orders?status=", "invalid_request", "status"),
    "unknown status": ("/api/orders?status=open,done", "invalid_request", "status"),
    "limit zero": ("/api/orders?limit=0", "invalid_request", "limit"),
    "limit too large": ("/api/orders?limit=501", "invalid_request", "limit"),
    "limit of 400 digits": (f"/api/orders?limit={'9' * 400}", "invalid_request", "limit"),
    "limit in unicode digits": ("/api/orders?limit=%EF%BC%91", "invalid_request", "limit"),
    "a cursor that is none": ("/api/orders?cursor=x", "invalid_request", "cursor"),
    "half a pair": ("/api/orders?pair=SOL", "invalid_request", "pair"),
    "a pair of one": ("/api/pools?pair=SOL/SOL", "same_token", "pair"),
    "an unknown pair": ("/api/pools?pair=SOL/NOPE", "unknown_token", "pair"),
    "no time": ("/api/orders?since=yesterday", "invalid_request", "since"),
    "a day that was not": ("/api/orders?since=2026-02-30T00:00:00Z", "invalid_request", "since"),
    "a duration of 400 digits": (f"/api/orders?since={'9' * 400}h", "invalid_request", "since"),
    "a short suffix": ("/api/orders?suffix=abc", "invalid_request", "suffix"),
    "a suffix with a wildcard": ("/api/orders?suffix=%25%25%25%25", "invalid_request", "suffix"),
    "injected": ("/api/orders?dex=x'%20OR%201=1--", "invalid_request", "dex"),
    "a key with a space": ("/api/orders?key=a%20b", "invalid_request", "key"),
    "bad UTF-8": ("/api/orders?dex=%ff", "invalid_request", None),
    "too many parameters": ("/api/orders?" + "&".join(f"a{n}=1" for n in range(40)), "invalid_request", None),
    "a negative place in the log": ("/api/events?since=-1", "invalid_request", "since"),
    "a place beyond all": (f"/api/events?since={'9' * 18}", "invalid_request", "since"),
    "too many events": ("/api/events?limit=1001", "invalid_request", "limit"),
    "a quote of nothing": ("/api/quote", "invalid_request", "inputToken"),
    "a quote for zero": ("/api/quote?inputToken=SOL&outputToken=USDC&amount=0", "invalid_amount", "amount"),
    "a quote both ways": (
        "/api/quote?inputToken=SOL&outputToken=USDC&amount=1&receive=1",
        "invalid_request",
        "receive",
    ),
    "a quote neither way": ("/api/quote?inputToken=SOL&outputToken=USDC", "invalid_request", "amount"),
    "a quote to receive nothing": ("/api/quote?inputToken=SOL&outputToken=USDC&receive=0", "invalid_amount", "receive"),
    "a quote with a maximum": (
        "/api/quote?inputToken=SOL&outputToken=USDC&receive=1&maxInput=1",
        "invalid_request",
        "maxInput",
    ),
    "a quote by another routing": (
        "/api/quote?inputToken=SOL&outputToken=USDC&amount=1&routing=fast",
        "invalid_request",
        "routing",
    ),
    "a quote explained perhaps": (
        "/api/quote?inputToken=SOL&outputToken=USDC&amount=1&explain=perhaps",
        "invalid_request",
        "explain",
    ),
    "a quote with a receipt perhaps": (
        "/api/quote?inputToken=SOL&outputToken=USDC&amount=1&receipt=1",
        "invalid_request",
        "receipt",
    ),
    "a quote with an exponent": ("/api/quote?inputToken=SOL&outputToken=USDC&amount=1e2", "invalid_amount", "amount"),
    "a quote of a pair of one": ("/api/quote?inputToken=SOL&outputToken=SOL&amount=1", "same_token", "outputToken"),
    "a quote with slippage": (
        "/api/quote?inputToken=SOL&outputToken=USDC&amount=1&slippageBps=1",
        "invalid_request",
        "slippageBps",
    ),
    "parameters where none are": ("/api/status?verbose=1", "invalid_request", "verbose"),
    "parameters of the root": ("/?x=1", "invalid_request", "x"),
    "parameters of an order": (f"/api/orders/{NO_SUCH_ID}?x=1", "invalid_request", "x"),
}


@pytest.mark.parametrize(("path", "code", "field"), QUERIES.values(), ids=QUERIES.keys())
def test_a_bad_query(daemon: RunningDaemon, path: str, code: str, field: str | None) -> None:
    _refused(daemon, daemon.call("GET", path), 400, code, field)


MALFORMED_IDS = [
    "x",
    "0",
    NO_SUCH_ID[:-1],
    NO_SUCH_ID + "0",
    NO_SUCH_ID.replace("-", ""),
    "{" + NO_SUCH_ID[1:],
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%ff%fe",
    "%1b%5b2J",
    "'%20OR%201=1--",
    "a" * 5_000,
]


@pytest.mark.parametrize("order_id", [NO_SUCH_ID, NO_SUCH_ID.upper(), *MALFORMED_IDS])
def test_an_id_that_is_none_is_not_found(daemon: RunningDaemon, order_id: str) -> None:
    for method, path in [
        ("GET", f"/api/orders/{order_id}"),
        ("DELETE", f"/api/orders/{order_id}"),
        ("GET", f"/api/orders/{order_id}/events"),
        ("POST", f"/api/orders/{order_id}/retry"),
    ]:
        reply = daemon.call(method, path)
        assert reply.status == 404, (method, reply)
        assert reply.record["code"] == "not_found"


@pytest.mark.parametrize("order_id", [NO_SUCH_ID, "x", "%00"])
@pytest.mark.parametrize("path", ["/api/orders/{}", "/orders/execute?orderId={}", "/api/orders/execute?orderId={}"])
def test_following_an_order_that_is_none_ends_with_4404(daemon: RunningDaemon, path: str, order_id: str) -> None:
    with daemon.socket(path.format(order_id)) as ws:
        error = json.loads(ws.recv(10))
        assert (error["type"], error["schema"], error["code"]) == ("error", "oee.error/1", "not_found")
        with pytest.raises(ConnectionClosed):
            ws.recv(10)
    assert ws.close_code == 4404


def test_a_retry_body_is_as_strict(daemon: RunningDaemon) -> None:
    path = f"/api/orders/{NO_SUCH_ID}/retry"
    _refused(daemon, daemon.call("POST", path, {"slippage": 1}), 400, "invalid_request", "slippage")
    _refused(daemon, daemon.call("POST", path, {"slippageBps": "1"}), 400, "invalid_amount", "slippageBps")
    _refused(daemon, daemon.call("POST", path, b"{"), 400, "invalid_request")
    _refused(daemon, daemon.call("POST", path, b"{}", {"Content-Type": "text/plain"}), 415, "unsupported_media_type")


def test_two_different_keys_are_refused(daemon: RunningDaemon) -> None:
    reply = daemon.call("POST", "/api/orders", _order(clientOrderId="a"), {"Idempotency-Key": "b"})
    _refused(daemon, reply, 400, "invalid_request", "Idempotency-Key")
    reply = daemon.call("POST", "/api/orders", AN_ORDER, {"Idempotency-Key": "a b"})
    _refused(daemon, reply, 400, "invalid_request", "Idempotency-Key")


def test_an_empty_batch_is_malformed(daemon: RunningDaemon) -> None:
    for body in (b"", b"\n\n \n"):
        _refused(daemon, daemon.call("POST", "/api/orders/batch", body), 400, "invalid_request")


MESSAGES: dict[str, tuple[str, str, str | None]] = {
    "empty": ("", "invalid_request", None),
    "no JSON": ("hello", "invalid_request", None),
    "a list": ("[]", "invalid_request", None),
    "deep nesting": ("[" * 4_000, "invalid_request", None),
    "no type": ("{}", "invalid_request", "type"),
    "unknown type": ('{"type": "subscribed"}', "invalid_request", "type"),
    "a type that is none": ('{"type": {"a": 1}}', "invalid_request", "type"),
    "no order": ('{"type": "subscribe"}', "invalid_request", "orderId"),
    "an order that is none": ('{"type": "subscribe", "orderId": 1}', "invalid_request", "orderId"),
    "a malformed id": ('{"type": "subscribe", "orderId": "x"}', "not_found", "orderId"),
    "an unknown id": (f'{{"type": "subscribe", "orderId": "{NO_SUCH_ID}"}}', "not_found", None),
    "a place before all": ('{"type": "subscribe", "orderId": "*", "since": -1}', "invalid_amount", "since"),
    "a place as text": ('{"type": "subscribe", "orderId": "*", "since": "1"}', "invalid_amount", "since"),
    "a place between": ('{"type": "subscribe", "orderId": "*", "since": 0.5}', "invalid_amount", "since"),
    "a place that is not yet": (
        '{"type": "subscribe", "orderId": "*", "since": 999999999}',
        "invalid_request",
        "since",
    ),
    "a place of 400 digits": (
        f'{{"type": "subscribe", "orderId": "*", "since": {"9" * 400}}}',
        "invalid_amount",
        "since",
    ),
    "an unknown field": ('{"type": "subscribe", "orderId": "*", "sinse": 1}', "invalid_request", "sinse"),
    "a field twice": ('{"type": "ping", "type": "ping"}', "invalid_request", "type"),
    "a ping with more": ('{"type": "ping", "id": 1}', "invalid_request", "id"),
    "an unsubscribe of nothing": ('{"type": "unsubscribe"}', "invalid_request", "orderId"),
}


def _pong(ws: ClientConnection) -> None:
    ws.send('{"type": "ping"}')
    assert json.loads(ws.recv(10)) == {"type": "pong"}


def test_a_bad_message_is_answered_and_the_connection_lives_on(daemon: RunningDaemon) -> None:
    with daemon.socket("/ws") as ws:
        for name, (text, code, field) in MESSAGES.items():
            ws.send(text)
            error = json.loads(ws.recv(10))
            assert (error["type"], error["schema"]) == ("error", "oee.error/1"), name
            assert (error["code"], error.get("field")) == (code, field), name
        ws.send(b"\x00\x01")
        assert json.loads(ws.recv(10))["code"] == "invalid_request"
        _pong(ws)


def test_a_message_that_is_too_large_ends_the_connection(daemon: RunningDaemon) -> None:
    with daemon.socket("/ws") as ws:
        ws.send('{"type": "ping"' + " " * 4_096 + "}")
        with pytest.raises(ConnectionClosed):
            ws.recv(10)
    assert ws.close_code == 1009


def test_noise_in_frames_is_nobodys_bug(daemon: RunningDaemon) -> None:
    handshake = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    good = b"\x81\xa2\x00\x00\x00\x00" + b'{"type":"subscribe","orderId":"*"}'
    for n in range(200):
        noise = sha256(b"%d" % n).digest()
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as wire:
            wire.sendall(handshake.encode() + good + noise[: n % 33] + good + noise)
    until(lambda: b"oee_websocket_readers 0.0" in daemon.call("GET", "/metrics").body, "the end of all")
    levels = {json.loads(line)["level"] for line in daemon.home.log_file.read_text().splitlines()}
    assert levels == {"info"}


def test_a_text_message_that_is_no_text_ends_the_connection(daemon: RunningDaemon) -> None:
    with daemon.socket("/ws") as ws:
        ws.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed):
            ws.recv(10)
    assert ws.close_code == 1007
    assert "Traceback" not in daemon.home.log_file.read_text()


def test_a_flood_of_messages_ends_the_connection(daemon: RunningDaemon) -> None:
    codes = set()
    with daemon.socket("/ws", max_queue=None) as ws:
        try:
            for _ in range(1_000):
                ws.send('{"type": "ping"}')
            while True:
                codes.add(json.loads(ws.recv(10)).get("code"))
        except ConnectionClosed:
            pass
    assert ws.close_code == 1008
    assert codes <= {None, "too_many_requests"}
