"""One order sent many times over, and connections that break in the middle of one: an order exists once, or was never committed."""

import json
import shutil
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from order_engine.client import Client
from order_engine.errors import EngineError
from order_engine.home import Home
from order_engine.server_proof import NONCE_HEADER, PROOF_HEADER, proof, secret_of
from tests.conftest import AN_ORDER, RunningDaemon
from tests.daemon.raw import answer

WAVE = 400  # connections at the same time: fewer than the gate lets in


class Repeated(NamedTuple):
    """What so many posts of one order under one key were answered."""

    posts: int
    statuses: Counter[int]
    orders: int
    violations: list[str]


def same_key(daemon: RunningDaemon, posts: int, key: str) -> Repeated:
    """All of them at once, each on a connection of its own."""
    sent = _post(daemon, key)
    statuses: Counter[int] = Counter()
    ids: set[str] = set()
    for start in range(0, posts, WAVE):
        wires = [
            socket.create_connection(("127.0.0.1", daemon.port), timeout=30) for _ in range(min(WAVE, posts - start))
        ]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda wire: wire.sendall(sent), wires))
            answers = list(pool.map(answer, wires))
        for wire, got in zip(wires, answers, strict=True):
            wire.close()
            statuses[got.status or 0] += 1
            ids.add(str(json.loads(got.text.partition("\r\n\r\n")[2]).get("orderId")))
    return _repeated(daemon, key, posts, statuses, ids)


def same_key_over_a_crash(
    start: Callable[[Path], RunningDaemon], root: Path, posts: int, key: str
) -> tuple[RunningDaemon, Repeated]:
    """Half of them, `kill -9` after the first answer, a new start, and all of them again."""
    daemon = start(root)
    sent = _post(daemon, key)
    ids: set[str] = set()
    wires = [socket.create_connection(("127.0.0.1", daemon.port), timeout=30) for _ in range(posts // 2)]
    for wire in wires:
        wire.sendall(sent)
    ids.add(str(json.loads(answer(wires[0]).text.partition("\r\n\r\n")[2])["orderId"]))
    daemon.stop(signal.SIGKILL)
    for wire in wires:
        wire.close()
    daemon = start(root)
    after = same_key(daemon, posts, key)
    return daemon, _repeated(daemon, key, posts + posts // 2, after.statuses, ids)


def _repeated(daemon: RunningDaemon, key: str, posts: int, statuses: Counter[int], ids: set[str]) -> Repeated:
    stored = [order["orderId"] for order in daemon.get(f"/api/orders?key={key}")["items"]]
    violations = []
    if len(stored) != 1 or ids != set(stored):
        violations.append(f"{len(stored)} orders have the key {key}; the answers name {sorted(ids)}")
    if statuses[202] > 1 or statuses[200] + statuses[202] != statuses.total():
        violations.append(f"answered {dict(statuses)}")
    return Repeated(posts, statuses, len(stored), violations)


def _post(daemon: RunningDaemon, key: str) -> bytes:
    body = json.dumps(AN_ORDER)
    head = f"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\nIdempotency-Key: {key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Cut(NamedTuple):
    """How calls ended whose first connection broke after so many bytes."""

    offsets: int
    in_request: int  # the order was not there, and the second try made it
    in_answer: int  # it was there, and the second try found it
    given_up: list[str]  # where the client raised instead of trying again, though asking once more found the order
    violations: list[str]


def cut_connections(daemon: RunningDaemon, scratch: Path, step: int) -> Cut:
    """Submits through the Python client, whose connection breaks after n bytes of the request or of the answer, for every n."""
    with _breaking(daemon) as (port, plan), Client(_home_behind(daemon, scratch, port), autostart=False) as client:
        client.submit(AN_ORDER, key="cut-whole")
        request, reply = plan.sizes
        counts = Counter[str]()
        given_up, violations = list[str](), list[str]()
        offsets = range(0, request + reply, step)
        for offset in offsets:
            client.close()
            key = f"cut-{offset:06}"
            plan.arm(offset)
            try:
                record, created = client.place(AN_ORDER, key=key)
            except EngineError as error:
                given_up.append(f"cut after {offset} of {request}+{reply}: {error}")
                record, created = client.place(AN_ORDER, key=key)
            stored = daemon.get(f"/api/orders?key={key}")["items"]
            if [order["orderId"] for order in stored] != [record["orderId"]]:
                violations.append(f"cut after {offset}: {len(stored)} orders")
            counts["request" if created else "answer"] += 1
            if created != (offset < request) and offset != request:  # right behind the request either may be the first
                violations.append(f"cut after {offset} of {request}+{reply}: created is {created}")
    return Cut(len(offsets), counts["request"], counts["answer"], given_up, violations)


class _Plan:
    """After how many bytes the next connection breaks, and how many there were on the one before."""

    def __init__(self) -> None:
        self.sizes = 0, 0
        self._left: int | None = None

    def arm(self, after: int) -> None:
        self._left = after

    def take(self) -> int | None:
        left, self._left = self._left, None
        return left


@contextmanager
def _breaking(daemon: RunningDaemon) -> Iterator[tuple[int, _Plan]]:
    """A way to the daemon on which one connection breaks where the plan says, counted over request and answer."""
    plan = _Plan()
    listening = socket.create_server(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                _pass_on(client, daemon, port, plan)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port, plan
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def _pass_on(client: socket.socket, daemon: RunningDaemon, own_port: int, plan: _Plan) -> None:
    """The requests of one connection and their answers, whole or up to where the plan breaks them."""
    while True:
        request = b""
        while not _whole(request):
            chunk = client.recv(65_536)
            if not chunk:
                return
            request += chunk
        if request.startswith(b"GET / "):
            client.sendall(_proven(request, daemon.token, own_port))
            continue
        request = request.replace(b"Host: 127.0.0.1:%d" % own_port, b"Host: 127.0.0.1")  # it takes its own port only
        after = plan.take()
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as wire:
            wire.sendall(request if after is None else request[:after])
            if after is not None and after < len(request):
                return
            reply = answer(wire).text.encode("latin-1")
        plan.sizes = len(request), len(reply)
        client.sendall(reply if after is None else reply[: after - len(request)])
        if after is not None:
            return


def _proven(request: bytes, token: str, port: int) -> bytes:
    """What a daemon on this port answers to a client's nonce: the client would not believe one that listens elsewhere."""
    nonce = request.lower().partition(NONCE_HEADER.lower().encode() + b": ")[2].partition(b"\r\n")[0].decode()
    answered = proof(secret_of(token), port, nonce)
    return f"HTTP/1.1 200 OK\r\n{PROOF_HEADER}: {answered}\r\nContent-Length: 2\r\n\r\n{{}}".encode()


def _whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return bool(end) and len(body) >= int(value)
    return bool(end)


def _home_behind(daemon: RunningDaemon, scratch: Path, port: int) -> Home:
    """A home whose files lead to the daemon by way of this port."""
    home = Home.at(scratch)
    home.make()
    found = json.loads(daemon.home.daemon_file.read_text())
    home.daemon_file.write_text(json.dumps(found | {"url": f"http://127.0.0.1:{port}"}))
    shutil.copy(daemon.home.token_file, home.token_file)
    return home
