"""The gate, tried from all sides: each hostile variant at each kind of address, smuggled bodies, guessed tokens, slow clients."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple

from order_engine.clock import SystemClock
from tests.conftest import AN_ORDER, RunningDaemon
from tests.daemon.raw import exchange

CLOCK = SystemClock()
BODY = json.dumps(AN_ORDER).encode()
FAULT = b'{"kind": "land-never"}'
NO_SUCH_ID = "01a1f8b2-7639-773c-b000-fb2bdb14d28a"
TICK_S = 0.25
SILENCE_S = 0.3  # after which no second answer is expected

Headers = dict[str, list[str]]
Change = dict[str, list[str]]


class Target(NamedTuple):
    """A good request, before something is changed in it."""

    method: str
    path: str
    body: bytes = b""
    upgrade: bool = False


TARGETS = (
    Target("GET", "/api/status"),
    Target("GET", "/api/orders"),
    Target("GET", f"/api/orders/{NO_SUCH_ID}"),
    Target("GET", "/api/quote?inputToken=SOL&outputToken=USDC&amount=1"),
    Target("GET", "/metrics"),
    Target("POST", "/api/orders", BODY),
    Target("POST", "/orders/execute", BODY),
    Target("POST", "/api/orders/batch", BODY),
    Target("POST", f"/api/orders/{NO_SUCH_ID}/retry", b"{}"),
    Target("POST", "/api/sim/faults", FAULT),
    Target("DELETE", f"/api/orders/{NO_SUCH_ID}"),
    Target("DELETE", "/api/sim/faults"),
    Target("OPTIONS", "/api/orders"),
    Target("GET", "/ws", upgrade=True),
    Target("GET", "/orders/execute", upgrade=True),
    Target("GET", f"/api/orders/{NO_SUCH_ID}", upgrade=True),
)

TOKENLESS: Change = {"Authorization": []}
VARIANTS: dict[str, Change] = {
    "no host": {"Host": []},
    "two hosts": {"Host": ["127.0.0.1:PORT", "evil.example"]},
    "the same host twice": {"Host": ["127.0.0.1:PORT", "127.0.0.1:PORT"]},
    "a rebound name": {"Host": ["evil.example"]},
    "a rebound name with our port": {"Host": ["evil.example:PORT"]},
    "a name that ends like ours": {"Host": ["evil-localhost:PORT"]},
    "a name that begins like ours": {"Host": ["localhost.evil.example:PORT"]},
    "a name below ours": {"Host": ["evil.localhost:PORT"]},
    "a dot behind our name": {"Host": ["localhost.:PORT"]},
    "an address that wildcard names resolve to": {"Host": ["127.0.0.1.nip.io:PORT"]},
    "another port": {"Host": ["127.0.0.1:1"]},
    "a port and more": {"Host": ["127.0.0.1:PORT, evil.example"]},
    "all interfaces": {"Host": ["0.0.0.0:PORT"]},
    "another loopback address": {"Host": ["127.0.0.2:PORT"]},
    "a decimal address": {"Host": ["2130706433:PORT"]},
    "an octal address": {"Host": ["0177.0.0.1:PORT"]},
    "a mapped address": {"Host": ["[::ffff:127.0.0.1]:PORT"]},
    "credentials in the host": {"Host": ["127.0.0.1:PORT@evil.example"]},
    "a forwarded host alone": {"Host": ["evil.example"], "X-Forwarded-Host": ["127.0.0.1:PORT"]},
    "an origin": {"Origin": ["http://evil.example"]},
    "our own origin": {"Origin": ["http://127.0.0.1:PORT"]},
    "origin null": {"Origin": ["null"]},
    "an empty origin": {"Origin": [""]},
    "an extension's origin": {"Origin": ["chrome-extension://abcdefghijklmnop"]},
    "two origins": {"Origin": ["http://127.0.0.1:PORT", "http://evil.example"]},
    "cross-site fetch": {"Sec-Fetch-Site": ["cross-site"]},
    "same-site fetch": {"Sec-Fetch-Site": ["same-site"]},
    "same-origin fetch": {"Sec-Fetch-Site": ["same-origin"]},
    "an unknown kind of fetch": {"Sec-Fetch-Site": ["None"]},
    "a preflight": {
        "Origin": ["http://evil.example"],
        "Access-Control-Request-Method": ["POST"],
        "Access-Control-Request-Headers": ["authorization"],
        "Access-Control-Request-Private-Network": ["true"],
    },
    "a form from a page": {**TOKENLESS, "Origin": ["http://evil.example"], "Content-Type": ["text/plain"]},
    "no token": TOKENLESS,
    "an empty token": {"Authorization": ["Bearer "]},
    "the scheme alone": {"Authorization": ["Bearer"]},
    "another scheme": {"Authorization": ["Basic TOKEN"]},
    "the token alone": {"Authorization": ["TOKEN"]},
    "half a token": {"Authorization": ["Bearer HALF"]},
    "the token twice over": {"Authorization": ["Bearer TOKENTOKEN"]},
    "a space before the token": {"Authorization": ["Bearer  TOKEN"]},
    "the token among others": {"Authorization": ["Bearer x, Bearer TOKEN"]},
    "two tokens": {"Authorization": ["Bearer TOKEN", "Bearer TOKEN"]},
    "the token in other case": {"Authorization": ["Bearer SWAPPED"]},
    "the token in a cookie": {**TOKENLESS, "Cookie": ["token=TOKEN"]},
    "the token in another header": {**TOKENLESS, "X-Api-Key": ["TOKEN"], "Proxy-Authorization": ["Bearer TOKEN"]},
    "the token as a protocol": {**TOKENLESS, "Sec-WebSocket-Protocol": ["bearer, TOKEN"]},
    "a peer that says it is local": {**TOKENLESS, "X-Forwarded-For": ["127.0.0.1"], "X-Real-IP": ["127.0.0.1"]},
}
IN_ADDRESS = ("?token=TOKEN", "?access_token=TOKEN", "?authorization=Bearer%20TOKEN", "#TOKEN")


class Probed(NamedTuple):
    """How many tries, which were let in, and which answers told a page more than nothing."""

    tries: int
    accepted: list[str]
    wrong: list[str]


def probe(daemon: RunningDaemon) -> Probed:
    """Every variant at every address; nothing may get in, and nothing may be stored."""
    daemon.settle()
    before = daemon.seq()
    tries, accepted, wrong = 0, list[str](), list[str]()
    for name, sent in _requests(daemon):
        tries += 1
        got = exchange(daemon.port, sent)
        head = got.text.partition("\r\n\r\n")[0].lower()
        if got.status is None or got.status < 400:
            accepted.append(f"{name}: {got.status}")
        elif got.status not in (400, 401, 403, 429) or "access-control-" in head or "set-cookie" in head:
            wrong.append(f"{name}: {got.text[:300]}")
    daemon.settle()
    if daemon.seq() != before:
        accepted.append(f"{daemon.seq() - before} events were stored")
    return Probed(tries, accepted, wrong)


def known_good(daemon: RunningDaemon) -> list[str]:
    """The unchanged requests that were not let past the gate: there may be none, or the probe proves nothing."""
    statuses = {f"{t.method} {t.path}": exchange(daemon.port, _written(daemon, t, {})).status for t in TARGETS}
    daemon.call("DELETE", "/api/sim/faults")
    hidden = HIDDEN.replace(b"TOKEN", daemon.token.encode()).replace(b"KEY", b"s-1")
    statuses["what is smuggled"] = exchange(daemon.port, hidden).status
    return [f"{name}: {status}" for name, status in statuses.items() if status in (None, 401, 403, 429)]


def _requests(daemon: RunningDaemon) -> Iterator[tuple[str, bytes]]:
    for target in TARGETS:
        at = f" at {target.method} {target.path}"
        for name, change in VARIANTS.items():
            yield name + at, _written(daemon, target, change)
        for tail in IN_ADDRESS:
            path = target.path.partition("?")[0] + tail
            yield f"{tail}{at}", _written(daemon, target._replace(path=path), TOKENLESS)


def _written(daemon: RunningDaemon, target: Target, change: Change) -> bytes:
    headers: Headers = {"Host": ["127.0.0.1:PORT"], "Authorization": ["Bearer TOKEN"]}
    if target.body:
        headers |= {"Content-Type": ["application/json"], "Content-Length": [str(len(target.body))]}
    headers["Connection"] = ["Upgrade" if target.upgrade else "close"]
    if target.upgrade:
        headers |= {"Upgrade": ["websocket"], "Sec-WebSocket-Version": ["13"]}
        headers |= {"Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ=="]}
    lines = [f"{target.method} {target.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, values in (headers | change).items() for value in values]
    head = "\r\n".join((*lines, "", ""))
    for word, meant in (
        ("PORT", str(daemon.port)),
        ("TOKEN", daemon.token),
        ("HALF", daemon.token[:21]),
        ("SWAPPED", daemon.token.swapcase()),
    ):
        head = head.replace(word, meant)
    return head.encode() + target.body


KEYED = json.dumps(AN_ORDER | {"clientOrderId": "KEY"}).encode()  # KEY and TOKEN are replaced by words of their length
HIDDEN = (
    b"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
)
HIDDEN += b"Content-Length: %d\r\n\r\n%s" % (len(KEYED), KEYED)
CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(KEYED), KEYED)
SMUGGLED: dict[str, bytes] = {
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK,
    "length, then chunked": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + HIDDEN,
    "chunked, then length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNK + HIDDEN,
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "a coding in other case": b"transfer-encoding: ChUnKeD\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "a coding that is none": b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "a coding behind a tab": b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "a space before the colon": b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "a coding in a folded header": b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNK,
    "two lengths": b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "the same length twice": b"Content-Length: %d\r\nContent-Length: %d\r\n\r\n" % (len(KEYED), len(KEYED)) + KEYED,
    "lengths in a list": b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "a negative length": b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a signed length": b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a length in hexadecimal": b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a length of many digits": b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
    "a bare line feed": b"X: a\nContent-Length: %d\r\n\r\n" % len(KEYED) + KEYED,
    "bare line feeds only": b"Content-Length: %d\n\n" % len(KEYED) + KEYED,
    "a bare carriage return": b"X: a\rContent-Length: 0\r\n\r\n" + HIDDEN,
    "a nul in a header": b"X: \x00\r\nContent-Length: %d\r\n\r\n" % len(KEYED) + KEYED,
    "a nul in a name": b"X\x00: a\r\nContent-Length: %d\r\n\r\n" % len(KEYED) + KEYED,
}


def smuggle(daemon: RunningDaemon) -> Probed:
    """Bodies whose end two readers could see in two places. Each is refused, and what hides behind is never heard."""
    daemon.settle()
    before = daemon.seq()
    head = b"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"

    def one(number: int, tail: bytes) -> bytes:
        sent = (head + tail).replace(b"TOKEN", daemon.token.encode()).replace(b"KEY", b"s%02d" % number)
        return _all_answers(daemon, sent)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(len(SMUGGLED)), SMUGGLED.values()))
    accepted, wrong = list[str](), list[str]()
    for number, (name, got) in enumerate(zip(SMUGGLED, answers, strict=True)):
        statuses = [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]
        if not statuses or min(statuses) < 400 or daemon.get(f"/api/orders?key=s{number:02}")["items"]:
            accepted.append(f"{name}: {statuses}")
        elif not {400, 411, 413}.issuperset(statuses):
            wrong.append(f"{name}: {got!r:.300}")
    daemon.settle()
    if daemon.seq() != before:
        accepted.append(f"{daemon.seq() - before} events were stored")
    return Probed(len(SMUGGLED), accepted, wrong)


def _all_answers(daemon: RunningDaemon, sent: bytes) -> bytes:
    """Everything that comes back until the connection ends, or nothing more comes."""
    received = b""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as wire:
        wire.sendall(sent)
        try:
            while chunk := wire.recv(65_536):
                received += chunk
                wire.settimeout(SILENCE_S)
        except (TimeoutError, ConnectionResetError):
            pass
    return received


class Guessed(NamedTuple):
    """How guessing went: answers of 401 and 429, how long it took, and whether the right token was let in meanwhile."""

    refused: int
    too_many: int
    seconds: float
    welcome: bool


def guess(daemon: RunningDaemon, tries: int) -> Guessed:
    """Tries wrong tokens as fast as one connection allows."""
    begun = CLOCK.steady_ms()
    statuses = [
        exchange(daemon.port, _written(daemon, TARGETS[0], {"Authorization": [f"Bearer {n:043}"]})).status
        for n in range(tries)
    ]
    welcome = daemon.call("GET", "/api/status").status == 200
    return Guessed(statuses.count(401), statuses.count(429), (CLOCK.steady_ms() - begun) / 1_000, welcome)


class Slow(NamedTuple):
    """How slow clients ended, and how others were served meanwhile."""

    sockets: int
    still_open: int
    last_closed_s: float
    served: int
    p50_ms: float
    p99_ms: float


def slowloris(daemon: RunningDaemon, count: int, patience_s: float = 6.0) -> Slow:
    """Heads that stop, heads and bodies that come a byte at a time: so many sockets, and normal requests beside them."""
    body = _written(daemon, TARGETS[5], {"Content-Length": ["60000"]})[: -len(BODY)]
    starts = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"POST /api/orders HTTP/1.1\r\nX: ", body)
    selector = DefaultSelector()
    opened: list[tuple[socket.socket, int]] = []
    for n in range(count):
        wire = socket.create_connection(("127.0.0.1", daemon.port), timeout=10)
        wire.sendall(starts[n % 3])
        wire.setblocking(False)
        selector.register(wire, EVENT_READ, wire)
        opened.append((wire, n % 3))
    begun = CLOCK.steady_ms()
    last, left = 0.0, {wire for wire, _ in opened}
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(
            _serve_while, daemon, lambda: bool(left) and CLOCK.steady_ms() - begun < patience_s * 1_000
        )
        while left and CLOCK.steady_ms() - begun < patience_s * 1_000:
            for key, _ in selector.select(TICK_S):
                if _ended(key.data):
                    selector.unregister(key.data)
                    left.discard(key.data)
                    last = CLOCK.steady_ms() - begun
            _drip([wire for wire, kind in opened if kind and wire in left])
        still_open = len(left)
        left.clear()
        latencies = sorted(served.result())
    for wire, _ in opened:
        wire.close()
    selector.close()
    p50, p99 = (latencies[int((len(latencies) - 1) * share)] for share in (0.5, 0.99))
    return Slow(count, still_open, last / 1_000, len(latencies), p50, p99)


def _serve_while(daemon: RunningDaemon, going_on: Callable[[], bool]) -> list[float]:
    latencies = []
    while going_on():
        begun = CLOCK.steady_ms()
        assert daemon.call("GET", "/api/status").status == 200
        latencies.append(CLOCK.steady_ms() - begun)
    return latencies


def _ended(wire: socket.socket) -> bool:
    """True when the other side has closed; an answer before that is taken in."""
    try:
        return wire.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _drip(wires: list[socket.socket]) -> None:
    for wire in wires:
        try:
            wire.send(b"a")
        except OSError:
            continue  # closed just now: the selector tells
