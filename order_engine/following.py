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

if TYPE_CHECKING:
    from order_engine.client import Client, Record

FINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})
EVERYTHING = "*"
PATIENCE_MS = 60_000  # without a connection
PAUSE_MS, PAUSE_MS_MAX = 100, 2_000

_CLOCK = SystemClock()
_LOST = (ConnectionClosed, InvalidHandshake, InvalidMessage, OSError, Unreachable)


def follow(
    client: "Client",
    order_ids: Sequence[str] | None,
    since: int | None,
    timeout_s: float | None,
    tell: Callable[[str], None],
) -> Iterator["Record"]:
    """The events after `since`, then those to come. Ends at the time-out, or when every order named is final.

    Raises Unreachable when there has been no connection for a minute.
    """
    if order_ids is None:
        seen = {EVERYTHING: since if since is not None else int(client.status()["seq"])}
    else:
        seen = dict.fromkeys(order_ids, since or 0)
    deadline = None if timeout_s is None else _CLOCK.steady_ms() + timeout_s * 1_000
    lost_at: float | None = None
    pause_ms = PAUSE_MS
    start = True  # a daemon that goes away later was stopped by somebody: wait, do not start it again
    while seen:
        try:
            with _connection(client, start) as socket:
                start = False
                for name, seq in seen.items():
                    socket.send(json.dumps({"type": "subscribe", "orderId": name, "since": seq}))
                while seen:
                    message = json.loads(socket.recv(timeout=_left_s(deadline)))
                    if lost_at is not None:
                        tell("Connected again.")
                    lost_at, pause_ms = None, PAUSE_MS
                    yield from _news(client, message, seen)
        except _LOST as error:  # TimeoutError, from waiting for the next message, is an OSError
            now = _CLOCK.steady_ms()
            if deadline is not None and now >= deadline:
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


def _connection(client: "Client", start: bool) -> ClientConnection:
    daemon, headers = client.where(start=start)
    url = daemon.url.replace("http", "ws", 1) + "/ws"
    return connect(url, additional_headers=headers, proxy=None, compression=None, open_timeout=5, close_timeout=1)


def _left_s(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - _CLOCK.steady_ms(), 0) / 1_000


def _news(client: "Client", message: dict[str, Any], seen: dict[str, int]) -> Iterator["Record"]:
    """What a message tells that was not known: the event, or all that a lag left out. Notes what was seen."""
    kind = message.get("type")
    if kind == "lag":
        yield from _from_log(client, int(message["from"]), int(message["to"]), seen)
    elif kind == "error" or message.get("schema") == "oee.error/1":
        from order_engine.client import error_from  # noqa: PLC0415 - the client imports this module

        raise error_from(message, 400)
    elif "seq" in message and "orderId" in message and kind is None:
        everything = seen.get(EVERYTHING)
        if everything is not None and message["seq"] > everything + 1:
            yield from _from_log(client, everything + 1, message["seq"] - 1, seen)
        if _is_new(message, seen):
            yield message


def _from_log(client: "Client", first: int, last: int, seen: dict[str, int]) -> Iterator["Record"]:
    for event in client.events(first - 1, limit=last - first + 1):
        if _is_new(event, seen):
            yield event


def _is_new(event: dict[str, Any], seen: dict[str, int]) -> bool:
    """True once for each event that is followed. An order that became final is followed no more."""
    name = EVERYTHING if EVERYTHING in seen else event["orderId"]
    if event["seq"] <= seen.get(name, event["seq"]):
        return False
    seen[name] = event["seq"]
    if name != EVERYTHING and event["status"] in FINAL:
        del seen[name]
    return True
