"""A daemon at its limits: more orders than it admits, more bytes than it has memory for, more sockets than it has files for."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from resource import RLIMIT_AS, prlimit
from typing import NamedTuple

from order_engine.clock import SystemClock
from tests.conftest import AN_ORDER, RunningDaemon
from tests.proofs.load.readers import memory
from tests.waiting import until

CLOCK = SystemClock()
OPEN_MAX = 20
SENDERS = 8
MIB = 1024 * 1024


class Admitted(NamedTuple):
    """What happened to a flood of orders at a small daemon."""

    posts: int
    accepted: int
    told_to_wait: int
    most_open: int
    slowest_ms: float
    violations: list[str]


def flood_orders(start: Callable[[Path], RunningDaemon], root: Path, posts: int) -> Admitted:
    """So many orders at once at a daemon that admits twenty open ones, each of which takes a while."""
    (root / "config").mkdir(mode=0o700)
    (root / "config" / "config.toml").write_text(f"max_open_orders = {OPEN_MAX}\nquote_ms = 30\n")
    daemon = start(root)
    violations: list[str] = []
    accepted: list[str] = []
    slowest, most_open, told = 0.0, 0, 0

    def send(count: int) -> None:
        nonlocal slowest, told
        connection = HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        for _ in range(count):
            begun = CLOCK.steady_ms()
            connection.request(
                "POST", "/api/orders", json.dumps(AN_ORDER), daemon.headers | {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            record = json.loads(response.read())
            slowest = max(slowest, CLOCK.steady_ms() - begun)
            if response.status == 202:
                accepted.append(record["orderId"])
            elif (response.status, record["code"]) == (429, "over_capacity") and response.headers["Retry-After"] == "1":
                told += 1
            else:
                violations.append(f"answered {response.status} {record}")
        connection.close()

    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(send, posts // SENDERS) for _ in range(SENDERS)]
        while not all(each.done() for each in sending):
            most_open = max(most_open, daemon.get("/api/status")["open"])
        for each in sending:
            each.result()
    daemon.settle()
    if most_open > OPEN_MAX:
        violations.append(f"{most_open} orders were open, {OPEN_MAX} may be")
    stored = {order["orderId"]: order["status"] for order in _all_orders(daemon)}
    if stored.keys() != set(accepted) or set(stored.values()) - {"confirmed", "failed"}:
        violations.append(
            f"{len(stored)} orders are stored, {len(accepted)} were accepted; they are {set(stored.values())}"
        )
    return Admitted(posts // SENDERS * SENDERS, len(accepted), told, most_open, slowest, violations)


class Memory(NamedTuple):
    """How a daemon with little memory took a flood of bytes."""

    room: int  # MiB above what it had before
    offered: int  # MiB, all at once
    refused: int
    rss_before: int
    rss_peak: int
    violations: list[str]


def flood_bytes(daemon: RunningDaemon, bodies: int, room: int) -> Memory:
    """So many batches of almost 16 MiB at once, all but their last byte, at a daemon that may take `room` MiB more than it has."""
    placed = daemon.submit()
    daemon.settle()
    before = memory(daemon.pid)
    limit = (before["VmSize"] + room) * MIB
    prlimit(daemon.pid, RLIMIT_AS, (limit, limit))
    size = 16 * MIB
    body = (b" " * 4_095 + b"\n") * (size // 4_096 - 1)
    head = (
        f"POST /api/orders/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {size}\r\n\r\n"
    ).encode()

    def offer(_: int) -> bool:
        """True when it was refused as too many."""
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as wire:
            try:
                wire.sendall(head + body)
                return b"HTTP/1.1 429 " in wire.recv(4_096)
            except OSError:
                return False

    with ThreadPoolExecutor(bodies) as pool:
        refused = sum(pool.map(offer, range(bodies)))
    violations = []
    if daemon.process.poll() is not None:
        violations.append(f"the daemon ended with {daemon.process.returncode}")
    else:
        if daemon.get(f"/api/orders/{placed}")["status"] != "confirmed":
            violations.append("an order was lost")
        until(lambda: daemon.call("POST", "/api/orders", AN_ORDER).status == 202, "room for an order again")
        daemon.settle()
        if "Traceback" in daemon.home.log_file.read_text():
            violations.append("the log has a traceback")
    peak = memory(daemon.pid)["VmHWM"] if not violations else 0
    return Memory(room, bodies * size // MIB, refused, before["VmRSS"], peak, violations)


class Files(NamedTuple):
    """How a daemon with few files took more connections than it has files for."""

    sockets: int
    waiting: int
    cut_off: int
    in_flight: int
    ended: int
    transitions_per_s: float
    recovered_ms: float
    log_lines: int  # about it
    violations: list[str]


def run_out_of_files(start: Callable[..., RunningDaemon], root: Path, files: int, sockets: int, orders: int) -> Files:
    """Orders are on their way when so many sockets are opened; they all end, and a client is served when the sockets go."""
    limiting = root / "limiting"
    limiting.mkdir()
    # Python reads this file before anything else: so the limit is there before the daemon looks at it.
    (limiting / "sitecustomize.py").write_text(
        f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))\n"
    )
    (root / "config").mkdir(mode=0o700)
    (root / "config" / "config.toml").write_text("quote_ms = 100\n")
    daemon = start(root, PYTHONPATH=str(limiting))
    violations: list[str] = []
    reply = daemon.call("POST", "/api/orders/batch", "\n".join([json.dumps(AN_ORDER)] * orders).encode())
    ids = [record["orderId"] for record in reply.records]
    begun, before = CLOCK.steady_ms(), daemon.seq()
    opened = [socket.create_connection(("127.0.0.1", daemon.port), timeout=10) for _ in range(sockets)]
    for wire in opened:
        wire.setblocking(False)
    log = daemon.home.log_file
    until(lambda: daemon.process.poll() is not None or _ended(daemon) >= len(ids), "every order's end", 60)
    seconds = (CLOCK.steady_ms() - begun) / 1_000
    cut_off = sum(_is_cut_off(wire) for wire in opened)
    for wire in opened:
        wire.close()
    freed = CLOCK.steady_ms()
    until(lambda: _served(daemon), "an answer")
    recovered = CLOCK.steady_ms() - freed
    statuses = [daemon.get(f"/api/orders/{order_id}")["status"] for order_id in ids]
    if set(statuses) != {"confirmed"}:
        violations.append(f"orders are left {set(statuses)}")
    if "Traceback" in log.read_text():
        violations.append("the log has a traceback")
    rate = (daemon.seq() - before) / seconds
    lines = log.read_text().count("out of files")
    figures = sockets, sockets - cut_off, cut_off, len(ids), len(statuses), rate, recovered, lines
    return Files(*figures, violations)


def _ended(daemon: RunningDaemon) -> int:
    """How many orders have ended, by the log: asking the daemon would need one of the files that it lacks."""
    return daemon.home.log_file.read_text().count('"event":"order confirmed"')


def _is_cut_off(wire: socket.socket) -> bool:
    try:
        return wire.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _served(daemon: RunningDaemon) -> bool:
    try:
        return daemon.call("GET", "/api/status").status == 200
    except OSError:
        return False


def _all_orders(daemon: RunningDaemon) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    more = ""
    while True:
        page = daemon.get(f"/api/orders?limit=500{more}")
        found += page["items"]
        if page["next"] is None:
            return found
        more = f"&cursor={page['next']}"
