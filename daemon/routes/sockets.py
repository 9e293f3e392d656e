"""WebSocket: follow orders, or send one and follow it. Section 4 of the contract.

Each connection has two ends: what comes in is handled as it comes, what goes out is a Reader's business. Whatever ends first
ends the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.openapi.spec import Schema
from uvicorn.protocols.utils import ClientDisconnected

from daemon.answers import encode
from daemon.frames import FRAMES
from daemon.live import EVERYTHING, Reader, Send
from daemon.problems import internal_problem, record_of
from daemon.query import SEQ_MAX, Parameter, read_query
from daemon.routes.ids import read_id
from daemon.service import Service, service_of
from order_engine.clock import Clock, SystemClock
from order_engine.errors import EngineError, Malformed, NotFound
from order_engine.requests import Fields, read_json, read_order, refuse_unknown, whole_number

Socket = WebSocket[Any, Any, Any]

NORMAL, POLICY, NO_SUCH_ORDER, BUG = 1000, 1008, 4404, 1011
FIRST_MESSAGE_S = 60.0
SUBSCRIPTIONS_MAX = 1_024
BURST, PER_SECOND = 200, 50  # messages that may come in


class TooFast(Exception):
    """More messages came in than anybody has use for."""


class Pace:
    """Lets BURST messages through at once and PER_SECOND in the long run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._at = clock.steady_ms()

    def one_more(self) -> None:
        """Counts a message. Raises TooFast."""
        now = self._clock.steady_ms()
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND / 1_000) - 1
        self._at = now
        if self._left < 0:
            raise TooFast


@websocket("/ws")
async def follow(socket: Socket) -> None:
    """Subscribe, unsubscribe, ping; events of everything subscribed."""
    service = service_of(socket.scope)
    await socket.accept()
    reader = Reader(service.hub, _sending_to(socket))
    talk = _Talk(service, socket, reader)
    await _both(socket, reader, reader.run(), talk.listen(talk.answer))


@websocket("/api/orders/{orderId:str}")
async def follow_order(socket: Socket) -> None:
    """One order: its history, then live, then 1000."""
    service = service_of(socket.scope)
    await socket.accept()
    await _stream(service, socket, socket.path_params["orderId"])


@websocket(["/api/orders/execute", "/orders/execute"])
async def execute(socket: Socket) -> None:
    """Send an order as the first message and follow it; or follow the one that `?orderId=` names."""
    service = service_of(socket.scope)
    await socket.accept()
    try:
        order_id = read_query(socket.scope["query_string"], _EXISTING).get("orderId")
        if order_id is None:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                text = await _text(socket)
            order_id = await _submit(service, text)
    except TimeoutError:
        await _refuse(socket, Malformed(f"No order came within {FIRST_MESSAGE_S:g} s."))
    except EngineError as error:
        await _refuse(socket, error)
    except (WebSocketDisconnect, ClientDisconnected):
        return
    except Exception as error:
        internal_problem(error)
        await _end(socket, BUG)
    else:
        await _stream(service, socket, order_id)


_EXISTING = {"orderId": Parameter(lambda text, _: read_id(text), Schema(), "Follow this order; send none.")}


async def _submit(service: Service, text: str) -> str:
    request = read_order(read_json(text), service.engine.settings)
    return (await service.committed(await service.submit(request))).order.order_id


async def _stream(service: Service, socket: Socket, order_id: str) -> None:
    try:
        found = await service.in_thread(service.engine.order, read_id(order_id))
    except EngineError as error:
        await _refuse(socket, error)
        return
    reader = Reader(service.hub, _sending_to(socket))
    reader.subscribe(found.order_id, 0)
    talk = _Talk(service, socket, reader)
    await _both(socket, reader, reader.run(until_final=True), talk.listen(talk.answer_ping))


async def _both(socket: Socket, reader: Reader, sending: Awaitable[None], listening: Awaitable[None]) -> None:
    """Runs both ends of a connection until one of them ends, and closes it as that asks for."""
    tasks = [asyncio.ensure_future(sending), asyncio.ensure_future(listening)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
        await _end(socket, NORMAL)
    except (WebSocketDisconnect, ClientDisconnected):
        pass  # the other side has left
    except TooFast:
        await _refuse(socket, _too_fast())
    except Exception as error:
        internal_problem(error)
        await _end(socket, BUG)
    finally:
        reader.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Talk:
    """What a client says on a connection, and the answers."""

    def __init__(self, service: Service, socket: Socket, reader: Reader) -> None:
        self._service = service
        self._socket = socket
        self._reader = reader
        self._pace = Pace(SystemClock())

    async def listen(self, answer: Callable[[Fields], Awaitable[None]]) -> None:
        """Answers every message until the connection ends, which raises. A message that is no good changes nothing."""
        while True:
            try:
                text = await _text(self._socket)
                self._pace.one_more()
                await answer(read_json(text))
            except EngineError as error:
                await _say(self._socket, {"type": "error"} | record_of(error))

    async def answer(self, message: Fields) -> None:
        """Any message of `/ws`."""
        match message.get("type"):
            case "subscribe":
                await self._subscribe(message)
            case "unsubscribe":
                refuse_unknown(message, ("type", "orderId"))
                key = _key(message)
                self._reader.unsubscribe(key)
                await _say(self._socket, {"type": "unsubscribed", "orderId": key})
            case _:
                await self.answer_ping(message)

    async def answer_ping(self, message: Fields) -> None:
        """The one message that every connection understands."""
        if message.get("type") != "ping":
            raise Malformed("type must be subscribe, unsubscribe or ping.", field="type")
        refuse_unknown(message, ("type",))
        await _say(self._socket, {"type": "pong"})

    async def _subscribe(self, message: Fields) -> None:
        refuse_unknown(message, ("type", "orderId", "since"))
        engine = self._service.engine
        key = _key(message)
        if self._reader.subscriptions >= SUBSCRIPTIONS_MAX:
            raise Malformed(f"{SUBSCRIPTIONS_MAX} subscriptions are all that a connection has.", field="orderId")
        if key != EVERYTHING:
            await self._service.in_thread(engine.order, key)  # raises NotFound
        newest = engine.last_seq()
        since = whole_number(message, "since", 0, SEQ_MAX)
        if since is None:
            since = newest if key == EVERYTHING else 0
        elif since > newest:
            raise Malformed(f"since {since} is past the newest event, {newest}.", field="since")
        await _say(self._socket, {"type": "subscribed", "orderId": key, "since": since})
        self._reader.subscribe(key, since)


def _key(message: Fields) -> str:
    value = message.get("orderId")
    if value == EVERYTHING:
        return EVERYTHING
    if type(value) is not str:
        raise Malformed('orderId must be an order id, or "*" for all.', field="orderId")
    return read_id(value)


def _too_fast() -> EngineError:
    limit = f"More than {PER_SECOND} messages a second."
    return EngineError(limit, code="too_many_requests", hint="Connect again, more slowly.")


async def _text(socket: Socket) -> str:
    """The next message. Raises Malformed for a binary one."""
    message: Any = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(detail="the client has left", code=message.get("code", 1006))
    text = message.get("text")
    if text is None:
        raise Malformed("Binary messages are not taken. Send JSON as text.")
    return str(text)


def _sending_to(socket: Socket) -> Send:
    async def send(frames: Sequence[bytes]) -> None:
        message: Any = {"type": "websocket.send", FRAMES: frames}
        await socket.send(message)

    return send


async def _say(socket: Socket, message: dict[str, Any]) -> None:
    await socket.send_text(encode(message).decode())


async def _refuse(socket: Socket, error: EngineError) -> None:
    with suppress(WebSocketDisconnect, ClientDisconnected):
        await _say(socket, {"type": "error"} | record_of(error))
        await socket.close(NO_SUCH_ORDER if isinstance(error, NotFound) else POLICY, error.code)


async def _end(socket: Socket, code: int) -> None:
    with suppress(WebSocketDisconnect, ClientDisconnected):
        await socket.close(code)
