"""Nothing but a local program with the token gets in: each hostile variant on the wire, and what it is answered."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon.gate import IN_FLIGHT_MAX
from order_engine.clock import SystemClock
from tests.conftest import AN_ORDER, RunningDaemon
from tests.daemon.raw import Wire, answer, exchange
from tests.waiting import until

BODY = json.dumps(AN_ORDER).encode()
KEY = "dGhlIHNhbXBsZSBub25jZQ=="

# name -> header lines that replace (or, for None, remove) those of a good POST; what must come back
HOSTILE: list[tuple[str, dict[str, str | list[str] | None], int, str]] = [
    ("no host", {"Host": None}, 403, "forbidden"),
    ("two hosts", {"Host": ["127.0.0.1", "127.0.0.1"]}, 403, "forbidden"),
    ("a rebound name", {"Host": "evil.example"}, 403, "forbidden"),
    ("a rebound name with our port", {"Host": "evil.example:PORT"}, 403, "forbidden"),
    ("a name that ends like ours", {"Host": "evil-localhost:PORT"}, 403, "forbidden"),
    ("a name that begins like ours", {"Host": "localhost.evil.example:PORT"}, 403, "forbidden"),
    ("another port", {"Host": "127.0.0.1:1"}, 403, "forbidden"),
    ("all interfaces", {"Host": "0.0.0.0:PORT"}, 403, "forbidden"),
    ("credentials in the host", {"Host": "127.0.0.1@evil.example"}, 403, "forbidden"),
    ("an origin", {"Origin": "http://evil.example"}, 403, "forbidden"),
    ("our own origin", {"Origin": "http://127.0.0.1:PORT"}, 403, "forbidden"),
    ("origin null", {"Origin": "null"}, 403, "forbidden"),
    ("cross-site fetch", {"Sec-Fetch-Site": "cross-site"}, 403, "forbidden"),
    ("same-origin fetch", {"Sec-Fetch-Site": "same-origin"}, 403, "forbidden"),
    ("an origin and no token", {"Origin": "null", "Authorization": None}, 403, "forbidden"),
    ("no token", {"Authorization": None}, 401, "unauthorized"),
    ("another scheme", {"Authorization": "Basic TOKEN"}, 401, "unauthorized"),
    ("half a token", {"Authorization": "Bearer HALF"}, 401, "unauthorized"),
    ("a token with a space behind", {"Authorization": "Bearer  TOKEN"}, 401, "unauthorized"),
    ("two tokens", {"Authorization": ["Bearer TOKEN", "Bearer x"]}, 401, "unauthorized"),
    ("text/plain", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("a form", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    ("no content type", {"Content-Type": None}, 415, "unsupported_media_type"),
    ("another charset", {"Content-Type": "application/json; charset=utf-16"}, 415, "unsupported_media_type"),
    ("two content types", {"Content-Type": ["application/json", "text/plain"]}, 415, "unsupported_media_type"),
    ("lines for one order", {"Content-Type": "application/x-ndjson"}, 415, "unsupported_media_type"),
    ("no length", {"Content-Length": None}, 411, "length_required"),
    ("too large", {"Content-Length": str(64 * 1024 + 1)}, 413, "too_large"),
    ("absurdly large", {"Content-Length": "9" * 18}, 413, "too_large"),
]


def _request(
    daemon: RunningDaemon, method: str, path: str, headers: dict[str, str | list[str] | None], body: bytes
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1"]
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [] if values is None else [values]:
            value = value.replace("PORT", str(daemon.port)).replace("TOKEN", daemon.token)
            lines.append(f"{name}: {value.replace('HALF', daemon.token[:20])}")
    return "\r\n".join((*lines, "", "")).encode() + body


def _post(daemon: RunningDaemon, changed: dict[str, str | list[str] | None], path: str = "/api/orders") -> bytes:
    good: dict[str, str | list[str] | None] = {
        "Host": "127.0.0.1:PORT",
        "Authorization": "Bearer TOKEN",
        "Content-Type": "application/json",
        "Content-Length": str(len(BODY)),
    }
    return _request(daemon, "POST", path, good | changed, BODY)


def _upgrade(daemon: RunningDaemon, changed: dict[str, str | list[str] | None], path: str = "/ws") -> bytes:
    good: dict[str, str | list[str] | None] = {
        "Host": "127.0.0.1:PORT",
        "Authorization": "Bearer TOKEN",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    }
    return _request(daemon, "GET", path, good | changed, b"")


def _expect(got: Wire, status: int, code: str) -> None:
    assert got.status == status, got.text
    head, _, body = got.text.partition("\r\n\r\n")
    problem = json.loads(body)
    assert "content-type: application/problem+json" in head.lower()
    assert (problem["code"], problem["status"], problem["schema"]) == (code, status, "oee.error/1")
    if status == 401:
        assert "www-authenticate: Bearer" in head


@pytest.mark.parametrize(("changed", "status", "code"), [c[1:] for c in HOSTILE], ids=[c[0] for c in HOSTILE])
def test_a_hostile_request_is_refused_and_stores_nothing(
    daemon: RunningDaemon, changed: dict[str, str | list[str] | None], status: int, code: str
) -> None:
    daemon.settle()
    before = daemon.quiet_seq()
    _expect(exchange(daemon.port, _post(daemon, changed)), status, code)
    assert daemon.seq() == before


SOCKET_HOSTILE = [case for case in HOSTILE if case[2] in (401, 403)]


@pytest.mark.parametrize(
    ("changed", "status", "code"), [c[1:] for c in SOCKET_HOSTILE], ids=[c[0] for c in SOCKET_HOSTILE]
)
def test_a_hostile_websocket_is_refused_before_the_handshake(
    daemon: RunningDaemon, changed: dict[str, str | list[str] | None], status: int, code: str
) -> None:
    _expect(exchange(daemon.port, _upgrade(daemon, changed)), status, code)


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "[::1]:PORT", "127.0.0.1", "localhost", "[::1]"])
def test_our_own_names_are_let_in(daemon: RunningDaemon, host: str) -> None:
    assert exchange(daemon.port, _post(daemon, {"Host": host})).status == 202
    assert exchange(daemon.port, _upgrade(daemon, {"Host": host})).status == 101


def test_a_browser_that_was_given_the_address_by_hand_gets_no_further_than_the_token(daemon: RunningDaemon) -> None:
    assert exchange(daemon.port, _post(daemon, {"Sec-Fetch-Site": "none"})).status == 202
    assert daemon.call("GET", "/schema", headers={"Authorization": None, "Sec-Fetch-Site": "none"}).status == 200


@pytest.mark.parametrize("path", ["/", "/schema", "/schema/openapi.json"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_tells_nothing_needs_no_token(daemon: RunningDaemon, method: str, path: str) -> None:
    reply = daemon.call(method, path, headers={"Authorization": None})
    assert reply.status == 200
    assert (reply.body == b"") == (method == "HEAD")


@pytest.mark.parametrize(
    "path", ["/api/status", "/api/orders", "/metrics", "/schemas", "//", "/%2e", "/schema%2f..%2fapi/status"]
)
def test_everything_else_needs_the_token(daemon: RunningDaemon, path: str) -> None:
    reply = exchange(daemon.port, _request(daemon, "GET", path, {"Host": "127.0.0.1"}, b""))
    assert reply.status == (404 if path.startswith("/schema%2f") else 401), reply.text


def test_guessing_tokens_gets_slow_and_the_right_one_stays_welcome(daemon: RunningDaemon) -> None:
    answers = [daemon.call("GET", "/api/status", headers={"Authorization": f"Bearer {n}"}) for n in range(40)]
    assert {answer.status for answer in answers} == {401, 429}
    assert next(a for a in answers if a.status == 429).headers["retry-after"] == "1"
    assert daemon.call("GET", "/api/status").status == 200


SMUGGLED = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
    "a signed length": b"Content-Length: +5\r\n\r\n{}{}{}",
    "a length in hexadecimal": b"Content-Length: 0x5\r\n\r\n{}{}{}",
    "a space before the colon": b"Content-Length : 5\r\n\r\n{}{}{}",
    "a folded header": b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a bare line feed": b"Content-Length: 2\n\n{}",
    "a nul": b"X: \x00\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("tail", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_no_body_is_smuggled(daemon: RunningDaemon, tail: bytes) -> None:
    before = daemon.quiet_seq()
    head = f"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n"
    got = exchange(daemon.port, head.encode() + b"Content-Type: application/json\r\n" + tail)
    assert got.status in (400, 411), got.text
    assert '"schema":"oee.error/1"' in got.text
    assert daemon.seq() == before


def test_a_chunked_request_is_refused_everywhere(daemon: RunningDaemon) -> None:
    chunked = {"Host": "127.0.0.1", "Authorization": "Bearer TOKEN", "Transfer-Encoding": "chunked"}
    for path in ("/api/status", "/", f"/api/orders/{KEY}"):
        _expect(exchange(daemon.port, _request(daemon, "GET", path, {**chunked}, b"0\r\n\r\n")), 411, "length_required")


NOT_HTTP = {
    "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls?",
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "a path that is no path": b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "HTTP/2 in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "an upgrade by POST": b"POST /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "an upgrade without a key": b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "an upgrade to something else": b"GET / HTTP/1.1\r\nHost: evil\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP.keys())
def test_noise_is_answered_or_cut_off_and_breaks_nothing(daemon: RunningDaemon, sent: bytes) -> None:
    got = exchange(daemon.port, sent)
    assert got.status is None or 400 <= got.status < 500, got.text
    assert daemon.call("GET", "/").status == 200


@pytest.mark.parametrize(
    "padding",
    [b"X: " + b"a" * 20_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(200))],
    ids=["long", "many"],
)
def test_a_head_that_is_too_large_is_refused(daemon: RunningDaemon, padding: bytes) -> None:
    got = exchange(daemon.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + padding + b"\r\n")
    assert got.status == 431
    assert '"code":"too_large"' in got.text


def test_a_large_body_is_refused_with_an_answer_and_the_connection_goes_on(daemon: RunningDaemon) -> None:
    large = b"[" * 1024 * 1024
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as wire:
        wire.sendall(_post(daemon, {"Content-Length": str(len(large))})[: -len(BODY)] + large)
        _expect(answer(wire), 413, "too_large")
        wire.sendall(_post(daemon, {}))
        assert answer(wire).status == 202


def test_clients_that_stop_are_cut_off_and_a_body_that_does_not_come_is_answered(daemon: RunningDaemon) -> None:
    begun = {  # all at once: each has a deadline of 5 s
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        "an empty line": b"\r\n",
        "half a body of a request that was refused": _post(daemon, {"Host": "evil", "Content-Length": "60000"}),
    }
    with ThreadPoolExecutor(len(begun) + 1) as clients:
        half_a_body = _post(daemon, {"Content-Length": str(len(BODY) + 1)})
        answered = clients.submit(exchange, daemon.port, half_a_body, timeout_s=9)
        ends = {name: clients.submit(_until_the_end, daemon, sent) for name, sent in begun.items()}
        for name, end in ends.items():
            assert end.result(), name
        _expect(answered.result(), 408, "too_slow")


def _until_the_end(daemon: RunningDaemon, sent: bytes) -> bool:
    """Sends so much and no more, and reads until the daemon ends the connection; False when it does not."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=9) as wire:
        wire.sendall(sent)
        try:
            while wire.recv(65_536):
                pass  # the answer to what there was, if it was enough for one; then the end
        except TimeoutError:
            return False
    return True


def _many(daemon: RunningDaemon, count: int, sent: bytes) -> Iterator[socket.socket]:
    for _ in range(count):
        wire = socket.create_connection(("127.0.0.1", daemon.port), timeout=10)
        wire.sendall(sent)
        yield wire


def test_slow_clients_do_not_slow_anybody_else(daemon: RunningDaemon) -> None:
    slow = list(_many(daemon, 400, b"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "))
    try:
        begun = SystemClock().steady_ms()
        for _ in range(20):
            assert daemon.call("GET", "/").status == 200
        assert SystemClock().steady_ms() - begun < 2_000
    finally:
        for wire in slow:
            wire.close()


def test_more_requests_at_once_than_can_be_are_asked_to_wait(daemon: RunningDaemon) -> None:
    unfinished = _post(daemon, {"Content-Length": "60000"})
    held = list(_many(daemon, IN_FLIGHT_MAX, unfinished))
    try:
        until(lambda: daemon.call("GET", "/api/tokens").status == 429, "the limit", 4)
        assert daemon.call("GET", "/api/tokens").headers["retry-after"] == "1"
    finally:
        for wire in held:
            wire.close()
    until(lambda: daemon.call("GET", "/api/tokens").status == 200, "room again")


def test_unknown_addresses_and_methods_are_problems_too(daemon: RunningDaemon) -> None:
    assert daemon.call("GET", "/api/nothing").record["code"] == "not_found"
    assert daemon.call("GET", "/schema/nothing").record["code"] == "not_found"
    refused = daemon.call("PATCH", "/api/orders")
    assert (refused.status, refused.record["code"]) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    options = daemon.call("OPTIONS", "/api/orders")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    head = daemon.call("HEAD", "/api/tokens")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(daemon.call("GET", "/api/tokens").body)
    _expect(exchange(daemon.port, _upgrade(daemon, {}, "/api/nothing")), 404, "not_found")
