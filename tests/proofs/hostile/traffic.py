"""Sends mutated bodies over kept-alive HTTP and mutated messages over WebSocket, and accounts for everything that came of it."""

import http.client
import json
from collections import Counter
from random import Random  # noqa: TID251 - seeded
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from order_engine.clock import SystemClock
from tests.conftest import RunningDaemon
from tests.proofs.hostile.mutation import FAMILIES, message_pairs, misread, order_pairs
from tests.waiting import until

PER_CONNECTION = 150  # messages: a connection takes 200 at once
LINES = 10  # one body in so many goes as a line of a batch, between two good ones
WS_TEXT_BYTES = 4_096
TYPES = ("application/json", "application/x-ndjson")
INTACT = "intact"
KEYS = ("hostile", "whole")  # apart, or a flipped bit makes the key of a good order taken
CLOCK = SystemClock()


class Tally:
    """What was sent, what came back, and what should not have."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()  # by family
        self.answers: Counter[str] = Counter()
        self.violations: list[str] = []
        self.accepted: set[str] = set()
        self.connections = 0
        self.slowest_ms = 0.0
        self.slowest = ""

    def took(self, ms: float, what: str) -> None:
        """One more answer came, after so long."""
        if ms > self.slowest_ms:
            self.slowest_ms, self.slowest = ms, what

    def wrong(self, what: str, body: bytes) -> None:
        """Something happened that may not."""
        self.violations.append(f"{what}: {body[:200]!a}")


def bodies(daemon: RunningDaemon, count: int, seed: int) -> Tally:
    """So many mutated bodies on one connection, and the journal compared with what was accepted."""
    daemon.settle()
    before = daemon.seq()
    tally, random = Tally(), Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    for n in range(count):
        family = list(FAMILIES)[n % len(FAMILIES)]
        body = FAMILIES[family](random, order_pairs(random, f"{KEYS[family == INTACT]}-{seed}-{n}"))
        tally.sent[family] += 1
        if connection.sock is None:
            tally.connections += 1
        if n % LINES == LINES - 1:
            _as_line(daemon, connection, tally, body, f"{seed}-{n}", family)
        else:
            _as_body(daemon, connection, tally, body, ("/api/orders", "/orders/execute")[n % 2], family)
    connection.close()
    _account(daemon, tally, before)
    return tally


def _post(
    daemon: RunningDaemon, connection: http.client.HTTPConnection, tally: Tally, path: str, body: bytes, family: str
) -> tuple[int, bytes]:
    begun = CLOCK.steady_ms()
    headers = daemon.headers | {"Content-Type": TYPES[path.endswith("batch")]}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    tally.took(CLOCK.steady_ms() - begun, family)
    tally.answers[str(response.status)] += 1
    return response.status, answer


def _as_body(
    daemon: RunningDaemon, connection: http.client.HTTPConnection, tally: Tally, body: bytes, path: str, family: str
) -> None:
    status, answer = _post(daemon, connection, tally, path, body, family)
    record = json.loads(answer)
    if status in (200, 202):
        _accepted(tally, body, record, new=status == 202)
    elif not 400 <= status < 500 or record["schema"] != "oee.error/1":
        tally.wrong(f"answered {status} {answer[:200]!r}", body)
    if family == INTACT and status != 202:
        tally.wrong(f"a good order was answered {status}", body)


def _as_line(
    daemon: RunningDaemon, connection: http.client.HTTPConnection, tally: Tally, body: bytes, key: str, family: str
) -> None:
    """Between two good lines, which must not suffer."""
    line = body.replace(b"\n", b" ").strip()
    good = [
        json.dumps({"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01", "clientOrderId": f"{key}-{n}"}).encode()
        for n in range(2)
    ]
    sent = [good[0], line, good[1]] if line else good
    status, answer = _post(daemon, connection, tally, "/api/orders/batch", b"\n".join(sent), family)
    records = [json.loads(each) for each in answer.splitlines()]
    if status != 200 or len(records) != len(sent):
        tally.wrong(f"a batch of {len(sent)} lines was answered {status} with {len(records)}", body)
        return
    for number, (each, record) in enumerate(zip(sent, records, strict=True), 1):
        if record["schema"] == "oee.order/1":
            _accepted(tally, each, record, new=record["orderId"] not in tally.accepted)
        elif each in good or record["code"] == "internal" or record["line"] != number:
            tally.wrong(f"line {number} was answered {record}", each)


def _accepted(tally: Tally, body: bytes, record: dict[str, Any], *, new: bool) -> None:
    problem = misread(body, record)
    if problem is not None:
        tally.wrong(problem, body)
    if not new and record["orderId"] not in tally.accepted:
        tally.wrong("replayed an order that nobody had placed", body)
    tally.accepted.add(record["orderId"])


def _account(daemon: RunningDaemon, tally: Tally, before: int) -> None:
    """Every new event belongs to an order that was accepted here, each of which has ended."""
    daemon.settle()
    since: str | None = str(before)
    found: dict[str, str] = {}
    expected = before
    while since is not None:
        page = daemon.get(f"/api/events?since={since}&limit=1000")
        for event in page["items"]:
            expected += 1
            if event["seq"] != expected:
                tally.violations.append(f"event {event['seq']} where {expected} was due")
            if (event["status"] == "pending") == (event["orderId"] in found):
                tally.violations.append(f"order {event['orderId']} does not begin once")
            found[event["orderId"]] = event["status"]
        since = page["next"]
    if expected != daemon.seq():
        tally.violations.append(f"the journal is at {daemon.seq()}, {expected} is accounted for")
    if found.keys() != tally.accepted:
        tally.violations.append(f"{len(found)} orders in the journal, {len(tally.accepted)} accepted")
    if unended := set(found.values()) - {"confirmed", "failed"}:
        tally.violations.append(f"orders are left {unended}")


def messages(daemon: RunningDaemon, count: int, seed: int) -> Tally:
    """So many mutated messages to `/ws`, many on each connection, and a tenth as many first messages to `/orders/execute`."""
    order_id = daemon.submit()
    daemon.settle()
    before = daemon.seq()
    tally, random = Tally(), Random(seed)
    n = 0
    while n < count:
        with daemon.socket("/ws", max_queue=None) as ws:
            tally.connections += 1
            for _ in range(PER_CONNECTION):
                family = list(FAMILIES)[n % len(FAMILIES)]
                text = FAMILIES[family](random, message_pairs(random, order_id))
                tally.sent[family] += 1
                n += 1
                if not _exchange(ws, tally, text, family) or n == count:
                    break
    for n in range(count // 10):
        family = list(FAMILIES)[n % len(FAMILIES)]
        body = FAMILIES[family](random, order_pairs(random, f"first-{seed}-{n}"))
        tally.sent[f"first: {family}"] += 1
        tally.connections += 1
        with daemon.socket("/orders/execute", max_queue=None) as ws:
            _first(daemon, ws, tally, body)
    _account(daemon, tally, before)
    until(lambda: b"oee_websocket_readers 0.0" in daemon.call("GET", "/metrics").body, "the end of all readers")
    return tally


def _exchange(ws: ClientConnection, tally: Tally, text: bytes, family: str) -> bool:
    """Sends one message and reads its answer. False when that ended the connection, as only two things may."""
    begun = CLOCK.steady_ms()
    try:
        ws.send(text, text=True)
        while True:
            answer = json.loads(ws.recv(20))
            if answer.get("schema") != "oee.event/1":
                break
    except ConnectionClosed:
        tally.answers[f"closed {ws.close_code}"] += 1
        if ws.close_code != _closes(text):
            tally.wrong(f"closed with {ws.close_code}", text)
        return False
    tally.took(CLOCK.steady_ms() - begun, family)
    tally.answers[str(answer.get("code", answer["type"]))] += 1
    if answer["type"] not in ("error", "pong", "subscribed", "unsubscribed") or answer.get("code") == "internal":
        tally.wrong(f"answered {answer}", text)
    if _closes(text) is not None:
        tally.wrong("the connection should have ended", text)
    if family == INTACT and answer["type"] == "error":
        tally.wrong(f"a good message was answered {answer}", text)
    return True


def _closes(text: bytes) -> int | None:
    """With which code this text message ends a connection by itself."""
    if len(text) > WS_TEXT_BYTES:
        return 1009
    try:
        text.decode()
    except UnicodeDecodeError:
        return 1007
    return None


def _first(daemon: RunningDaemon, ws: ClientConnection, tally: Tally, body: bytes) -> None:
    received: list[dict[str, Any]] = []
    try:
        ws.send(body, text=True)
        while True:
            received.append(json.loads(ws.recv(20)))
    except ConnectionClosed:
        code = ws.close_code
    tally.answers[f"first: closed {code}"] += 1
    if received and received[0].get("schema") == "oee.event/1":
        order = daemon.get(f"/api/orders/{received[0]['orderId']}")
        _accepted(tally, body, order, new=True)
        if code != 1000:
            tally.wrong(f"an accepted order's connection closed with {code}", body)
    elif code != (_closes(body) or 1008):
        tally.wrong(f"closed with {code} after {received}", body)
