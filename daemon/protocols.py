"""The two ends of a connection, with the deadlines that uvicorn leaves out.

uvicorn waits for ever for a request head, for the rest of a body nobody reads, and for a peer that never takes its
answer. A subclass of each protocol closes such connections, and makes every refusal of the parser a problem document.
"""

import resource
import socket
from asyncio import BaseTransport, TimerHandle, Transport
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from daemon.answers import Answer
from daemon.frames import FRAMES
from daemon.gate import ARRIVED
from daemon.problems import problem

HEAD_S = 5.0  # for a request head to arrive
ANSWER_S = 60.0  # for a client to take an answer, once the buffers are full: it may be a pipe into a pager
SEND_S = 5.0  # the same for a WebSocket reader, who can come back and lose nothing
HEAD_BYTES = 16 * 1024
HEADERS = 100
SOCKET_BUFFER = 64 * 1024  # per WebSocket: a slow reader shall be noticed, not stored for
CONNECTIONS_MAX = 4_096
RESERVED_FILES = 256  # descriptors that connections may not take: the journal, the chain, the log


def raise_file_limit() -> int:
    """Raises the limit of open files as far as allowed and useful. Returns how many connections it leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(soft - RESERVED_FILES, soft // 8))  # few where few are allowed, but never none


class Together:
    """What an answer is written to: its head waits for the body that mostly follows at once, so that both are one packet.

    Two would be two calls of the system, and would wake the client twice.
    """

    __slots__ = ("_head", "_later", "_transport")

    def __init__(self, transport: Transport, later: Callable[[Callable[[], None]], object]) -> None:
        self._transport = transport
        self._later = later
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """The first goes out with the second, or when everybody else has had a turn."""
        if self._head == b"":
            self._head = data
            self._later(self._flush)
        else:
            head, self._head = self._head, None
            self._transport.write(head + data if head else data)

    def close(self) -> None:
        """Ends the connection when everything is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head:
            self._transport.write(head)


class HttpProtocol(HttpToolsProtocol):
    """An HTTP connection on which nothing may take for ever."""

    connections_max = CONNECTIONS_MAX

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_timer: TimerHandle | None = None
        self._send_timer: TimerHandle | None = None
        self._head_bytes = 0
        self._too_large = False
        self._in_message = False
        self._message_ended = False
        self._head_just_came = False  # in what is being read: nobody has seen the request yet
        self._upgraded = False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self.connections_max:
            self.transport.abort()
        else:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._send_timer is not None:
            self._send_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._message_ended = self._head_just_came = False
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            return  # a request is being worked on; the gate has its own deadline for the body
        if self._message_ended:  # the rest of a body that was answered without being read
            self._disarm()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        elif self._head_timer is None:
            self._arm()

    def on_message_begin(self) -> None:
        self._in_message = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._weigh(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._weigh(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._disarm()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self._head_just_came = True
            self.cycle.transport = Together(self.transport, self.loop.call_soon)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        self._in_message = False
        self._message_ended = True
        super().on_message_complete()
        if self._head_just_came and not self._upgraded:
            self.scope[ARRIVED] = bytes(self.cycle.body)  # type: ignore[literal-required]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and self._head_timer is None and not self.transport.is_closing():
            self._arm()  # the rest of a body that was answered without being read, or half a head behind it

    def _should_upgrade(self) -> bool:
        # What the WebSocket library would drop without an answer is answered here as the plain request it also is.
        return bool(super()._should_upgrade() and self.parser.get_method() == b"GET")

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        self._disarm()
        super().handle_websocket_upgrade()
        upgraded = self.transport.get_protocol()
        if isinstance(upgraded, SocketProtocol) and not upgraded.handshake_initiated:
            self.send_400_response("Invalid WebSocket handshake.")

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False  # in the middle of another answer there is no place for this one
            self.flow.pause_reading()
            return
        if self._too_large:
            limit = f"The request head is larger than {HEAD_BYTES} bytes or has more than {HEADERS} headers."
            answer = problem("too_large", limit, status=431)
        else:
            answer = problem("invalid_request", msg)
        self.transport.write(_on_the_wire(answer))
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(ANSWER_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _weigh(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES or len(self.headers) >= HEADERS:
            self._too_large = True
            raise ValueError("the request head is too large")  # stops the parser, which calls send_400_response

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket whose reader is cut off when it takes nothing for SEND_S."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._send_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=SOCKET_BUFFER)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent:  # over something that the parser refused; uvicorn would call it the application's mistake
            raise ClientDisconnected
        frames = message.get(FRAMES)
        if frames is None:
            await super().send(message)
        elif self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        else:
            self.transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:  # uvicorn fails over it instead of closing with 1007
                self.frames = []
                self.queue.put_nowait({"type": "websocket.disconnect", "code": 1007, "reason": "not UTF-8"})
                self.conn.fail(1007, "not UTF-8")
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.close_sent = True
                self.transport.close()
                return
        super().send_receive_event_to_app()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None


def _on_the_wire(answer: Answer) -> bytes:
    lines = [STATUS_LINE[answer.status_code]]
    lines += [b"%s: %s\r\n" % pair for pair in (*answer.head, (b"connection", b"close"))]
    return b"".join((*lines, b"\r\n", answer.body))
