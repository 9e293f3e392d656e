"""The load: HTTP/1.1 over keep-alive connections and WebSocket readers, as lean as Python allows.

It shares two cores with what it measures, so it may cost a few microseconds per answer and no more: no coroutine and no future
per request, no parsing beyond status and length. A connection sends its next request from inside the arrival of an answer.
"""

import asyncio
import base64
import resource
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from order_engine.clock import SystemClock

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_steady_ms = SystemClock().steady_ms


class Load(msgspec.Struct):
    """What a load met: milliseconds per answer, how many of each status, and the time from the first to the last."""

    took_ms: "array[float]"
    statuses: Counter[int]
    seconds: float
    own_cpu_us: float  # of ours, per request

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.took_ms) / self.seconds


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Line(asyncio.Protocol):
    """A keep-alive connection. `answered` gets the status and the body of each answer; it may send the next request."""

    def __init__(self, answered: Callable[["Line", int, bytes], None], lost: Callable[[], None]) -> None:
        self._answered = answered
        self._lost = lost
        self._unread = b""
        self._transport: asyncio.Transport | None = None
        self.sent_ms = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, raw: bytes) -> None:
        """Puts a request on the wire. One at a time."""
        assert self._transport is not None
        self.sent_ms = _steady_ms()
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        unread = self._unread + data if self._unread else data
        head = unread.find(_HEAD_END)
        if head >= 0:
            at = unread.find(_LENGTH, 0, head)
            start = head + 4
            size = int(unread[at + len(_LENGTH) : unread.index(b"\r", at)]) if at >= 0 else 0
            if len(unread) >= start + size:
                self._unread = unread[start + size :]
                self._answered(self, int(unread[9:12]), unread[start : start + size])
                return
        self._unread = unread

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - named by asyncio
        """See asyncio."""
        self._lost()

    def close(self) -> None:
        """Hangs up."""
        assert self._transport is not None
        self._transport.close()


def drive(port: int, raws: Sequence[bytes], connections: int) -> Load:
    """Sends these requests over so many connections, each of which has one under way at a time."""
    return asyncio.run(_drive(port, raws, connections))


async def _drive(port: int, raws: Sequence[bytes], connections: int) -> Load:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    took_ms, statuses, left, due = array("d"), Counter[int](), iter(raws), len(raws)

    def answered(line: Line, status: int, _: bytes) -> None:
        nonlocal due
        took_ms.append(_steady_ms() - line.sent_ms)
        statuses[status] += 1
        due -= 1
        if (raw := next(left, None)) is not None:
            line.send(raw)
        elif due == 0:
            done.set_result(None)

    def lost() -> None:
        if not done.done():
            done.set_exception(ConnectionError("the server hung up"))

    opened = [await loop.create_connection(lambda: Line(answered, lost), "127.0.0.1", port) for _ in range(connections)]
    lines = [line for _, line in opened]
    begun, cpu = _steady_ms(), own_cpu_s()
    for line, raw in zip(lines, left, strict=False):
        line.send(raw)
    await done
    seconds, cpu = (_steady_ms() - begun) / 1_000, own_cpu_s() - cpu
    for line in lines:
        line.close()
    return Load(took_ms, statuses, seconds, cpu / len(raws) * 1e6)


class Exchange:
    """One request at a time on one connection, for callers that want each answer."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, port: int) -> "Exchange":
        """A connection of its own."""
        loop = asyncio.get_running_loop()

        def answered(_: Line, status: int, body: bytes) -> None:
            assert exchange._answer is not None
            exchange._answer.set_result((status, body))

        def lost() -> None:
            if exchange._answer is not None and not exchange._answer.done():
                exchange._answer.set_exception(ConnectionError("the server hung up"))

        _, line = await loop.create_connection(lambda: Line(answered, lost), "127.0.0.1", port)
        exchange = cls(line)
        return exchange

    def send(self, raw: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        """Status and body, when they come."""
        self._answer = asyncio.get_running_loop().create_future()
        self._line.send(raw)
        return self._answer

    def close(self) -> None:
        """Hangs up."""
        self._line.close()


class Listener(asyncio.Protocol):
    """A WebSocket that hears whole texts, and answers pings. `opened` is done with the handshake."""

    def __init__(self, path: str, authorization: str, heard: Callable[["Listener", bytes], None]) -> None:
        self._path = path
        self._authorization = authorization
        self._heard = heard
        self._unread = b""
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False
        self.seen = 0  # for whoever listens: what it has come to

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(b"sixteen bytes of").decode()
        headers = (
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        transport.write(request("GET", self._path, b"", self._authorization, *headers))

    def say(self, text: bytes, kind: int = 0x1) -> None:
        """Sends one short frame, masked with zeros."""
        assert self._transport is not None
        self._transport.write(bytes((0x80 | kind, 0x80 | len(text), 0, 0, 0, 0)) + text)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        unread = self._unread + data if self._unread else data
        at = 0
        if not self.opened.done():
            at = unread.find(_HEAD_END) + 4
            if at < 4:
                self._unread = unread
                return
            if not unread.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(str(unread[:300])))
                return
            self.opened.set_result(None)
        end = len(unread)
        while end - at >= 2:
            kind, size, start = unread[at] & 0xF, unread[at + 1], at + 2
            if size > 125:
                start += 2 if size == 126 else 8
                size = int.from_bytes(unread[at + 2 : start], "big")
            if start + size > end:
                break
            at = start + size
            if kind == 0x1:
                self._heard(self, unread[start:at])
            elif kind == 0x9:
                self.say(unread[start:at], 0xA)
        self._unread = unread[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the handshake was cut off"))

    def close(self) -> None:
        """Hangs up."""
        assert self._transport is not None
        self._transport.abort()


async def listen(
    port: int, authorization: str, heard: Callable[[Listener, bytes], None], path: str = "/ws"
) -> Listener:
    """An open WebSocket."""
    loop = asyncio.get_running_loop()
    _, listener = await loop.create_connection(lambda: Listener(path, authorization, heard), "127.0.0.1", port)
    await listener.opened
    return listener


def own_cpu_s() -> float:
    """The processor time that this process took until now."""
    used: Any = resource.getrusage(resource.RUSAGE_SELF)
    return float(used.ru_utime + used.ru_stime)
