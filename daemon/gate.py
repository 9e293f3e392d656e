"""The gate: what may come in at all, asked before any routing, of HTTP and WebSocket alike.

Loopback keeps other machines out; it keeps out neither web pages (which reach localhost through the browser) nor other
users. So a request needs a Host that no rebound name can have, no trace of a browser, and the token; then a body that is
what it says it is. It knows nothing of orders. Everything here is a few microseconds, in the order of what it protects.
"""

import asyncio
import hmac
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils.path import normalize_path

from daemon.answers import Answer
from daemon.metrics import Counts
from daemon.problems import internal_problem, problem
from order_engine.clock import Clock
from order_engine.failpoints import failpoint
from order_engine.server_proof import NONCE_CHARACTERS, NONCE_HEADER, PROOF_HEADER, proof, secret_of

BODY_BYTES = 64 * 1024
BATCH_BYTES = 16 * 1024 * 1024
BODY_S = 5.0
BODIES_BYTES = 64 * 1024 * 1024  # of all requests that are being worked on: four of the largest
IN_FLIGHT_MAX = 512
SOCKETS_MAX = 2_048
WRONG_TOKENS_MAX = 10  # per second

ARRIVED = "oee.arrived"  # where the scope has a body that came together with its head
BODY = "oee.body"  # where it has the body that was read
_WEIGHT = "oee.weight"  # and how many bytes were set aside for it

_ORDER_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_BATCH_TYPES = _ORDER_TYPES | {b"application/x-ndjson", b"application/x-ndjson; charset=utf-8"}
_BATCH = "/api/orders/batch"
_ORDER_PATHS = frozenset({"/api/orders", "/api/orders/execute", "/orders/execute"})
_FAULTS = "/api/sim/faults"
_POOLS = "/api/sim/pools"
_MAY_HAVE_BODY = re.compile(r"/api/orders/[^/]+/retry|/api/halt")
_NONCE, _PROOF = NONCE_HEADER.lower().encode(), PROOF_HEADER.lower().encode()
_NONCES = re.compile(rb"[0-9a-f]{%d}" % NONCE_CHARACTERS)
_SOCKET_PATH = re.compile(r"/ws|/orders/execute|/api/orders/[^/]+")


def body_of(scope: Mapping[str, Any]) -> bytes:
    """The body that the gate has read; empty for a call that takes none."""
    return cast(bytes, scope.get(BODY, b""))


class Gate:
    """Lets a request through to the application, or answers it."""

    def __init__(self, app: ASGIApp, *, token: str, port: int, counts: Counts, clock: Clock) -> None:
        self._app = app
        self._digest = secret_of(token)
        self._port = port
        names = (b"127.0.0.1", b"localhost", b"[::1]")
        # Bare names too: existing clients send them, and no rebound name can spell one.
        self._hosts = frozenset((*names, *(b"%s:%d" % (name, port) for name in names)))
        self._counts = counts
        self._clock = clock
        self._in_flight = 0
        self._bodies_bytes = 0
        self._wrong_tokens = 0
        self._wrong_since = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._http(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    async def _http(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        status = 0
        proved = self._proof(scope) if scope["path"] == "/" else []

        async def counting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if proved:
                    message = {**message, "headers": [*message["headers"], *proved]}
            await send(message)

        method = scope["method"]
        inner = cast(HTTPScope, {**scope, "method": "GET"}) if method == "HEAD" else scope
        self._in_flight += 1
        try:
            refusal = self._refusal(inner)
            if refusal is None and method == "POST":
                refusal = await self._read_body(inner, receive)
            if refusal is not None:
                await refusal(scope, receive, counting)
            else:
                await self._app(inner, _no_body, counting)
                failpoint("after-answer", status)
        except Exception as error:  # nothing below lets one through, unless an answer broke half way
            if status:
                raise
            await internal_problem(error)(scope, receive, counting)
        finally:
            self._in_flight -= 1
            self._bodies_bytes -= cast(dict[str, Any], inner).get(_WEIGHT, 0)
            route = inner.get("path_template", "none")
            self._counts.requests[method, route, status] += 1

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is None and _SOCKET_PATH.fullmatch(normalize_path(scope["path"])) is None:
            refusal = problem("not_found", "No WebSocket is at this address.", hint="There is one at /ws")
        if refusal is None and self._counts.readers >= SOCKETS_MAX:
            refusal = _too_many(f"{SOCKETS_MAX} WebSocket connections are open.")
        if refusal is not None:
            await receive()  # websocket.connect
            await refusal.refuse_socket(send)
            return
        self._counts.readers += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._counts.readers -= 1

    def _refusal(self, scope: Scope) -> Answer | None:
        """Who asks, and from where: the answer to those who may not, or None."""
        host = token = None
        hosts = tokens = 0
        chunked = False
        for name, value in scope["headers"]:
            match name:
                case b"host":
                    host, hosts = value, hosts + 1
                case b"authorization":
                    token, tokens = value, tokens + 1
                case b"transfer-encoding":
                    chunked = True
                case b"origin":
                    return problem("forbidden", "Requests from web pages are not taken (the Origin header is set).")
                case b"sec-fetch-site" if value != b"none":
                    return problem("forbidden", "Requests from web pages are not taken (Sec-Fetch-Site is set).")
        if hosts != 1 or host not in self._hosts:
            return problem("forbidden", "The Host header must be 127.0.0.1, localhost or [::1], given once.")
        if self._in_flight > IN_FLIGHT_MAX:
            return _too_many(f"{IN_FLIGHT_MAX} requests are being worked on.")
        if not _open_to_all(scope):
            if token is None:
                return _unauthorized("This call needs the token of the daemon.")
            scheme, _, secret = token.partition(b" ")
            right = hmac.compare_digest(sha256(secret).digest(), self._digest)
            if not right or tokens > 1 or scheme.lower() != b"bearer":
                if self._guesses_too_fast():
                    return _too_many(f"More than {WRONG_TOKENS_MAX} wrong tokens within a second.")
                return _unauthorized("The token is wrong. A daemon that was started again has a new one.")
        if chunked:  # whatever stands in front of a body must say how long it is
            return problem("length_required", "A chunked body is not taken. Send it with its Content-Length.")
        return None

    def _proof(self, scope: HTTPScope) -> list[tuple[bytes, bytes]]:
        """The header that answers a client's nonce: it has to know us before it shows its token."""
        nonces = [value for name, value in scope["headers"] if name == _NONCE]
        if len(nonces) != 1 or _NONCES.fullmatch(nonces[0]) is None:
            return []
        return [(_PROOF, proof(self._digest, self._port, nonces[0].decode()).encode())]

    def _guesses_too_fast(self) -> bool:
        now = self._clock.steady_ms()
        if now - self._wrong_since >= 1_000:
            self._wrong_since, self._wrong_tokens = now, 0
        self._wrong_tokens += 1
        return self._wrong_tokens > WRONG_TOKENS_MAX

    async def _read_body(self, scope: HTTPScope, receive: Receive) -> Answer | None:
        """Reads the body of a call that takes one into the scope; the answer to one that is not as it must be."""
        path = scope["path"]
        if path not in _ORDER_PATHS:
            path = normalize_path(path)
        optional = False
        limit, types = BODY_BYTES, _ORDER_TYPES
        if path == _BATCH:
            limit, types = BATCH_BYTES, _BATCH_TYPES
        elif path == _POOLS:
            limit = BATCH_BYTES
        elif path not in _ORDER_PATHS and path != _FAULTS:
            if _MAY_HAVE_BODY.fullmatch(path) is None:
                return None  # takes no body; routing says what is wrong with the call
            optional = True
        lengths, media_types = [], []
        for name, value in scope["headers"]:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"content-type":
                media_types.append(value)
        if optional and lengths in ([], [b"0"]):
            return None
        if len(lengths) != 1 or not lengths[0].isdigit():
            return problem("length_required", "The request needs exactly one Content-Length.")
        if int(lengths[0][:12]) > limit or len(lengths[0]) > 12:
            return problem("too_large", f"The body has {lengths[0][:20].decode()} bytes, the limit is {limit}.")
        if len(media_types) != 1 or media_types[0].lower() not in types:
            return problem("unsupported_media_type", f"The body must be {_named(types)}, and its Content-Type say so.")
        weight = int(lengths[0])
        if self._bodies_bytes + weight > BODIES_BYTES:
            return _too_many(f"{self._bodies_bytes} bytes of other bodies are being worked on.")
        self._bodies_bytes += weight
        cast(dict[str, Any], scope)[_WEIGHT] = weight
        if ARRIVED not in scope:
            return await _receive_body(scope, receive)
        cast(dict[str, Any], scope)[BODY] = cast(dict[str, Any], scope)[ARRIVED]
        return None


async def _receive_body(scope: HTTPScope, receive: Receive) -> Answer | None:
    chunks = []
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = cast(dict[str, Any], await receive())
                if message["type"] == "http.disconnect":
                    return _gone()
                chunks.append(message["body"])
                if not message["more_body"]:
                    break
    except TimeoutError:
        late = f"The body did not arrive within {BODY_S:g} s."
        return problem("too_slow", late, headers=[(b"connection", b"close")])
    cast(dict[str, Any], scope)[BODY] = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return None


async def _no_body() -> Any:
    """What the application receives: the gate has read what there was to read."""
    return {"type": "http.request", "body": b"", "more_body": False}


def _open_to_all(scope: Scope) -> bool:
    """True for the calls that tell nothing about anybody: that the service is there, and how it is called."""
    if scope["type"] != ScopeType.HTTP or scope["method"] != "GET":
        return False
    path = scope["path"]
    return path == "/" or path == "/schema" or path.startswith("/schema/")


def _unauthorized(message: str) -> Answer:
    return problem(
        "unauthorized",
        message,
        hint="Send it as Authorization: Bearer …; `oee daemon status --field tokenFile` says where it is.",
        headers=[(b"www-authenticate", b"Bearer")],
    )


def _too_many(message: str) -> Answer:
    return problem("too_many_requests", message, headers=[(b"retry-after", b"1")])


def _gone() -> Answer:
    """For a client that left before its body was complete; nobody will read it, but it is counted."""
    return problem("too_slow", "The connection was closed before the body was complete.")


def _named(types: frozenset[bytes]) -> str:
    return " or ".join(sorted(name.decode() for name in types if b";" not in name))
