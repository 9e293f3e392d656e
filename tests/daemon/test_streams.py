"""WebSocket: history first, then live; no gap, no duplicate, nobody slowed down by anybody."""

import json
import socket as sockets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.conftest import AN_ORDER, RunningDaemon
from tests.lives import is_confirmed_life
from tests.waiting import until

FINAL = ("confirmed", "failed", "cancelled", "expired")


def _place(daemon: RunningDaemon, count: int) -> None:
    """So many orders in one go, all of them over when this returns."""
    reply = daemon.call("POST", "/api/orders/batch", "\n".join([json.dumps(AN_ORDER)] * count).encode())
    assert [record["schema"] for record in reply.records] == ["oee.order/1"] * count
    daemon.settle()


def _subscribe(socket: ClientConnection, key: str, since: int | None = None) -> dict[str, Any]:
    """Subscribes and returns the answer, which must be the next message."""
    more = {} if since is None else {"since": since}
    socket.send(json.dumps({"type": "subscribe", "orderId": key} | more))
    answer: dict[str, Any] = json.loads(socket.recv(10))
    assert (answer["type"], answer["orderId"]) == ("subscribed", key)
    return answer


def _until_seq(socket: ClientConnection, last: int) -> list[dict[str, Any]]:
    """Every message up to the event of this number."""
    messages = []
    while True:
        messages.append(json.loads(socket.recv(20)))
        if messages[-1].get("seq") == last:
            return messages


def _until_closed(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    try:
        while True:
            messages.append(json.loads(socket.recv(20)))
    except ConnectionClosed:
        return messages


def _seqs(messages: Iterable[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages if "seq" in message]


def test_history_and_live_meet_without_gap_or_duplicate_under_load(daemon: RunningDaemon) -> None:
    _place(daemon, 150)  # more than a page of the log

    last = "test-streams-last"

    def read(_: int) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        marked = None
        with daemon.socket("/ws") as socket:
            _subscribe(socket, "*", 0)
            while not messages or (messages[-1]["orderId"], messages[-1]["status"]) != (marked, "confirmed"):
                message = json.loads(socket.recv(20))
                if message.get("type") == "lag":  # we were slow: the log fills in what was left out
                    continue
                messages.append(message)
                if message.get("clientOrderId") == last:
                    marked = message["orderId"]
        return messages

    with ThreadPoolExecutor(8) as pool:
        reading = [pool.submit(read, n) for n in range(8)]
        _place(daemon, 200)
        daemon.submit(AN_ORDER | {"clientOrderId": last})
        streams = [each.result() for each in reading]
    for messages in streams:
        seqs = _seqs(messages)
        assert seqs == list(range(1, len(seqs) + 1))
        assert {message.get("schema") for message in messages} == {"oee.event/1"}


def test_a_stream_says_the_same_as_the_log(daemon: RunningDaemon) -> None:
    before = daemon.seq()
    with daemon.socket("/ws") as socket:
        assert _subscribe(socket, "*")["since"] == before
        _place(daemon, 5)
        last = daemon.seq()
        live = _until_seq(socket, last)
        _subscribe(socket, "*", before)
        replayed = _until_seq(socket, last)
    log = daemon.get(f"/api/events?since={before}&limit=1000")["items"]
    assert live == replayed == log


def test_an_order_subscribed_right_after_it_was_placed_is_seen_whole(daemon: RunningDaemon) -> None:
    with daemon.socket("/ws") as socket:
        for _ in range(100):
            order_id = daemon.submit()
            assert _subscribe(socket, order_id)["since"] == 0
            events: list[dict[str, Any]] = []
            while not events or events[-1]["status"] not in FINAL:
                events.append(json.loads(socket.recv(10)))
            assert events == daemon.get(f"/api/orders/{order_id}/events")["items"]


def test_what_two_subscriptions_share_comes_once(daemon: RunningDaemon) -> None:
    early = daemon.submit()
    daemon.settle()
    before = daemon.seq()
    with daemon.socket("/ws") as socket:
        _subscribe(socket, "*", before)
        late = daemon.submit()
        daemon.settle()
        _until_seq(socket, daemon.seq())
        _subscribe(socket, late, 0)  # all of it came on account of everything
        _subscribe(socket, early, 0)
        history = daemon.get(f"/api/orders/{early}/events")["items"]
        assert _until_seq(socket, history[-1]["seq"]) == history
        daemon.submit()
        daemon.settle()
        last = daemon.seq()
        seqs = _seqs(_until_seq(socket, last))
        assert seqs == sorted(set(seqs))
        assert len(seqs) == len(daemon.get(f"/api/events?since={seqs[0] - 1}")["items"])


def test_since_gives_only_what_came_after(daemon: RunningDaemon) -> None:
    order_id = daemon.submit()
    daemon.settle()
    history = daemon.get(f"/api/orders/{order_id}/events")["items"]
    with daemon.socket("/ws") as socket:
        _subscribe(socket, order_id, history[2]["seq"])
        assert _until_seq(socket, history[-1]["seq"]) == history[3:]


def test_after_unsubscribing_nothing_comes(daemon: RunningDaemon) -> None:
    with daemon.socket("/ws") as socket:
        _subscribe(socket, "*")
        socket.send('{"type": "unsubscribe", "orderId": "*"}')
        assert json.loads(socket.recv(10)) == {"type": "unsubscribed", "orderId": "*"}
        _place(daemon, 3)
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(10)) == {"type": "pong"}


def test_an_orders_own_socket_closes_after_the_end(daemon: RunningDaemon) -> None:
    order_id = daemon.submit()
    for _ in range(2):  # while it lives, or just after; and when it is long over
        with daemon.socket(f"/api/orders/{order_id}") as socket:
            events = _until_closed(socket)
        assert socket.close_code == 1000
        assert is_confirmed_life(event["status"] for event in events), events
        daemon.settle()
    assert events == daemon.get(f"/api/orders/{order_id}/events")["items"]


@pytest.mark.parametrize("path", ["/orders/execute", "/api/orders/execute"])
def test_an_order_is_placed_and_followed_on_one_connection(daemon: RunningDaemon, path: str) -> None:
    with daemon.socket(path) as socket:
        socket.send(json.dumps({"tokenIn": "SOL", "tokenOut": "USDC", "amount": 0.01}))
        events = _until_closed(socket)
    assert socket.close_code == 1000
    assert is_confirmed_life(event["status"] for event in events), events
    with daemon.socket(f"{path}?orderId={events[0]['orderId']}") as socket:
        assert _until_closed(socket) == events


def test_an_order_that_a_check_refuses_closes_the_connection(daemon: RunningDaemon) -> None:
    with daemon.socket("/orders/execute") as socket:
        socket.send(json.dumps(AN_ORDER | {"amount": "1000000"}))
        (error,) = _until_closed(socket)
    assert (error["type"], error["code"], socket.close_code) == ("error", "insufficient_balance", 1008)


def test_a_repeated_key_follows_the_order_that_has_it(daemon: RunningDaemon) -> None:
    order = AN_ORDER | {"clientOrderId": "test-streams-1"}
    order_id = daemon.submit(order)
    with daemon.socket("/orders/execute") as socket:
        socket.send(json.dumps(order))
        assert {event["orderId"] for event in _until_closed(socket)} == {order_id}


def _narrow(daemon: RunningDaemon) -> sockets.socket:
    """A connection whose reader has hardly any room: what it does not read stays with the daemon."""
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    narrow.connect(("127.0.0.1", daemon.port))
    return narrow


def _until_ended(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Every message until so many orders have ended."""
    messages: list[dict[str, Any]] = []
    while count:
        messages.append(json.loads(socket.recv(20)))
        count -= messages[-1].get("status") in FINAL
    return messages


def test_a_slow_reader_is_told_and_misses_nothing_and_slows_nobody(daemon: RunningDaemon) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        daemon.socket("/ws", sock=_narrow(daemon), max_queue=1) as slow,
        daemon.socket("/ws", max_queue=None) as quick,
    ):
        since = _subscribe(slow, "*")["since"]
        _subscribe(quick, "*")
        _place(daemon, 300)  # while `slow` reads nothing
        missed = daemon.seq()
        assert _seqs(_until_seq(quick, missed)) == list(range(since + 1, missed + 1))
        more = pool.submit(_place, daemon, 200)  # while it reads what it has missed
        messages = _until_ended(slow, 500)
        more.result()
        assert _seqs(messages) == list(range(since + 1, daemon.seq() + 1))
        lags = [message for message in messages if message.get("type") == "lag"]
        assert lags
        for lag in lags:
            assert since < lag["from"] <= lag["to"] <= daemon.seq()
    assert "oee_lag_events_total 0.0" not in daemon.call("GET", "/metrics").body.decode()


def test_a_reader_that_takes_nothing_is_cut_off(daemon: RunningDaemon) -> None:
    def readers() -> bytes:
        return daemon.call("GET", "/metrics").body

    with daemon.socket("/ws", sock=_narrow(daemon), max_queue=1, close_timeout=0.1) as dead:
        _subscribe(dead, "*", 0)
        until(lambda: b"oee_websocket_readers 1.0" in readers(), "the reader")
        _place(daemon, 300)
        until(lambda: b"oee_websocket_readers 0.0" in readers(), "its end")


def test_readers_that_leave_in_the_middle_leave_nothing_behind(daemon: RunningDaemon) -> None:
    for _ in range(20):
        with daemon.socket("/ws") as socket:
            _subscribe(socket, "*", 0)
            socket.recv(10)
            socket.socket.shutdown(sockets.SHUT_RDWR)
    until(lambda: b"oee_websocket_readers 0.0" in daemon.call("GET", "/metrics").body, "their end")
    assert "rror" not in daemon.output
