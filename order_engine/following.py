"""Events as they happen, each once and in order: the WebSocket side of the Python client.

A connection may break and a daemon may restart; what was missed is in the log, and every event has its number. So a reader
keeps the number it has seen last, asks again from there, and drops what it has had. It stands apart from the client
because websockets costs 40 ms to import.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import ClientConnection, connect

from order_engine.clock import SystemClock
from order_engine.errors import Unreachable
from order_engine.orders import FINAL

if TYPE_CHECKING:
    from order_engine.client import Client, Record

EVERYTHING = "*"
BACK = "Connected again."  # what `tell` hears then
MANY = 64  # orders from which on the whole log is heard: a connection takes few messages a second
PATIENCE_MS = 60_000  # without a connection
PAUSE_MS, PAUSE_MS_MAX = 100, 2_000
LOOK_S = 0.25  # how often to ask whether to stop

_CLOCK = SystemClock()
_LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, Unreachable)


def follow(
    client: "Client",
    order_ids: Sequence[str] | None,
    since: int | None,
    timeout_s: float | None,
    tell: Callable[[str], None],
    stop: Callable[[], bool] = lambda: False,
) -> Iterator["Record"]:
    """The events after `since`, then those to come. Ends at the time-out, when every order named is final, or soon after
    `stop` says so.

    Raises Unreachable when there has been no connection for a minute.
    """
    deadline = None if timeout_s is None else _CLOCK.steady_ms() + timeout_s * 1_000
    seen = _Seen(client, order_ids, since)
    yield from seen.history
    lost_at: float | None = None
    pause_ms = PAUSE_MS
    start = True  # a daemon that goes away later was stopped by somebody: wait, do not start it again
    while not seen.complete:
        try:
            with _connection(client, start) as socket:
                start = False
                for name, seq in seen.subscriptions.items():
                    socket.send(json.dumps({"type": "subscribe", "orderId": name, "since": seq}))
                while not seen.complete:
                    text = _next(socket, deadline, stop)
                    if text is None:
                        return
                    message = json.loads(text)
                    if lost_at is not None:
                        tell(BACK)
                    lost_at, pause_ms = None, PAUSE_MS
                    yield from _news(client, message, seen)
        except _LOST as error:  # TimeoutError, from waiting for the next message, is an OSError
            now = _CLOCK.steady_ms()
            if stop() or (deadline is not None and now >= deadline):
                return
            if start and isinstance(error, Unreachable):
                raise
            if lost_at is None:
                lost_at = now
                tell("The connection to the daemon is lost; trying again.")
            if now - lost_at > PATIENCE_MS:
                raise Unreachable(
                    f"No connection to the daemon for {PATIENCE_MS // 1_000} s ({error}).",
                    hint="Look: oee daemon status",
                ) from error
            _CLOCK.sleep_ms(pause_ms if deadline is None else min(pause_ms, deadline - now))
            pause_ms = min(pause_ms * 2, PAUSE_MS_MAX)


class _Seen:
    """What was asked for and what was given out already: per order, and how far of each subscription."""

    def __init__(self, client: "Client", order_ids: Sequence[str] | None, since: int | None) -> None:
        self.history: list[Record] = []
        self._orders = None if order_ids is None else dict.fromkeys(order_ids, since or 0)
        if self._orders is not None and len(self._orders) <= MANY:
            self.subscriptions = self._orders  # the daemon sends their history itself
            return
        newest = int(client.status()["seq"]) if since is None or (self._orders and not since) else since
        self.subscriptions = {EVERYTHING: newest}
        if self._orders and not since:
            self.history = [event for order_id in list(self._orders) for event in client.order_events(order_id)]
            self.history = [event for event in self.history if self._is_new(event)]

    @property
    def complete(self) -> bool:
        """True when orders were named and all are final."""
        return self._orders is not None and not self._orders

    @property
    def position(self) -> int | None:
        """Up to where the whole log was given, if it is the whole log that is heard."""
        return self.subscriptions.get(EVERYTHING)

    def take(self, event: dict[str, Any]) -> bool:
        """Notes an event. True when it is one that was asked for and not given yet."""
        if self.position is not None:
            if event["seq"] <= self.position:
                return False
            self.subscriptions[EVERYTHING] = event["seq"]
        return self._is_new(event)

    def _is_new(self, event: dict[str, Any]) -> bool:
        if self._orders is None:
            return True
        order_id = event["orderId"]
        if event["seq"] <= self._orders.get(order_id, event["seq"]):
            return False
        self._orders[order_id] = event["seq"]
        if event["status"] in FINAL:
            del self._orders[order_id]
        return True


def _connection(client: "Client", start: bool) -> ClientConnection:
    daemon, headers = client.where(start=start)
    url = daemon.url.replace("http", "ws", 1) + "/ws"
    return connect(url, additional_headers=headers, proxy=None, compression=None, open_timeout=5, close_timeout=1)


def _next(socket: ClientConnection, deadline: float | None, stop: Callable[[], bool]) -> str | bytes | None:
    """The next message, or None when it is to stop. Raises TimeoutError at the deadline."""
    while not stop():
        left_s = _left_s(deadline)
        wait_s = LOOK_S if left_s is None else min(left_s, LOOK_S)
        try:
            return socket.recv(timeout=wait_s)
        except TimeoutError:
            if left_s is not None and left_s <= LOOK_S:
                raise
    return None


def _left_s(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - _CLOCK.steady_ms(), 0) / 1_000


def _news(client: "Client", message: dict[str, Any], seen: _Seen) -> Iterator["Record"]:
    """The event that a message is, if it was not given yet, after any that are missing before it.

    A `lag` message needs no answer: the daemon goes on from the log by itself, and of the whole log the numbers would
    tell if anything were left out.
    """
    if message.get("type") == "error":
        from order_engine.client import error_from  # noqa: PLC0415 - the client imports this module

        raise error_from(message, 400)
    if message.get("schema") != "oee.event/1":
        return
    if seen.position is not None and message["seq"] > seen.position + 1:
        missing = message["seq"] - seen.position - 1
        yield from (event for event in client.events(seen.position, limit=missing) if seen.take(event))
    if seen.take(message):
        yield message
