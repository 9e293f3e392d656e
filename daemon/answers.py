"""What goes back over HTTP: a status, a body that is already encoded, and few headers.

Stands alone because the gate answers before Litestar is reached, the routes answer through it, and both say it the same
way. Litestar's own Response costs as much as the rest of a request; this is two ASGI messages.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import msgspec
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

JSON = b"application/json"
PROBLEM = b"application/problem+json"
NDJSON = b"application/x-ndjson"

Headers = Iterable[tuple[bytes, bytes]]

encode = msgspec.json.Encoder().encode


class Answer(ASGIResponse):
    """One complete response. An ASGIResponse by name only, so that Litestar passes it on as it is."""

    __slots__ = ("head",)

    def __init__(self, status: int, body: bytes, media_type: bytes = JSON, headers: Headers = ()) -> None:
        self.status_code = status
        self.body = body
        described = [] if status == 204 else [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
        self.head = [*described, *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - named by Litestar
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.head})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def to_asgi_response(self, **_: Any) -> Self:
        """What Litestar asks of the result of an exception handler."""
        return self

    async def refuse_socket(self, send: Any) -> None:
        """The same answer to a WebSocket that was not accepted: plain HTTP instead of the handshake."""
        await send({"type": "websocket.http.response.start", "status": self.status_code, "headers": self.head})
        await send({"type": "websocket.http.response.body", "body": self.body, "more_body": False})


class Lines(ASGIResponse):
    """A response of NDJSON lines that are sent while they come. Given in chunks: a message each would cost too much."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self.chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - named by Litestar
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", NDJSON)]})
        async for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def record(value: dict[str, Any], status: int = 200, headers: Headers = ()) -> Answer:
    """A record of the contract as the answer."""
    return Answer(status, encode(value), JSON, headers)


def listing(items: list[dict[str, Any]], following: str | None = None) -> Answer:
    """A list of records as the answer. `following` is the cursor of the next page, or None."""
    return Answer(200, encode({"items": items, "next": following}))
