"""Workers that die or hang, daemons that race, ports that are somebody else's: nothing is lost, and the token goes to nobody."""

import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from order_engine import __version__
from order_engine.client import Client
from order_engine.clock import SystemClock
from order_engine.errors import EngineError
from order_engine.events import Routing
from order_engine.home import Home
from order_engine.orders import Status, Transaction
from order_engine.quotes import Ask
from order_engine.recovery import Sweeper
from order_engine.routes import Leg
from order_engine.server_proof import NONCE_HEADER, PROOF_HEADER, proof, secret_of
from order_engine.work_queue import BUSY_MS, WorkQueue
from tests.conftest import AN_ORDER, ROOT, RunningDaemon
from tests.order_engine.given import a_floor, a_request, an_engine, venues_of
from tests.waiting import until

Start = Callable[..., RunningDaemon]

CLOCK = SystemClock()


@contextmanager
def working(path: Path, work: Callable[[str], None], workers: int, clock: SystemClock = CLOCK) -> Iterator[WorkQueue]:
    queue = WorkQueue(path, workers, work, clock)
    queue.begin()
    try:
        yield queue
    finally:
        queue.end(5.0)


# workers


def test_a_worker_that_dies_is_replaced_within_a_second(tmp_path: Path) -> None:
    died: list[float] = []
    done: list[str] = []

    def work(order_id: str) -> None:
        if order_id.startswith("deadly"):
            died.append(CLOCK.steady_ms())
            raise SystemExit
        done.append(order_id)

    took: list[float] = []
    with working(tmp_path / "queue.db", work, workers=3) as queue:
        for n in range(8):
            queue.put(f"deadly-{n}")
            until(lambda n=n: len(died) == n + 1 and queue.alive() < 3, "a death")  # type: ignore[misc]
            for task in range(19):
                queue.put(f"{n}/{task}")
            until(lambda: queue.alive() == 3, "a new worker")
            took.append(CLOCK.steady_ms() - died[-1])
        until(lambda: len(done) == 8 * 19, "all other work")
    print(f"replaced after {max(took):.0f} ms at most, {statistics.median(took):.0f} ms in the middle, of {len(took)}")
    assert max(took) <= 1_000


def test_an_order_whose_worker_died_goes_on_within_five_seconds_and_none_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every twentieth building takes its worker with it."""
    built = itertools.count(1)
    deaths: dict[str, int] = {}
    orders = [f"order-{n}" for n in range(100)]
    with a_floor(tmp_path) as floor:
        build = floor.chain.build

        def dies_now_and_then(ask: Ask, legs: tuple[Leg, ...], limit: int, nonce: str) -> Transaction:
            if next(built) % 20 == 0:
                deaths[nonce.partition("/")[0]] = CLOCK.now_ms()
                raise SystemExit
            return build(ask, legs, limit, nonce)

        monkeypatch.setattr(floor.chain, "build", dies_now_and_then)
        workers = floor.staff(venues_of(floor.chain), hand_over=floor.settlement.watch)
        floor.settlement.start()
        floor.chain.start()
        with working(tmp_path / "queue.db", workers.work, workers=4) as queue:
            sweeper = Sweeper(floor.journal, queue, floor.hands)
            sweeper.start()
            try:
                for order_id in orders:
                    floor.submit(order_id, amount_in=10**7)
                    queue.put(order_id)
                until(lambda: not floor.journal.open_ids(), "every order's end")
            finally:
                sweeper.stop()
        assert all(floor.order(order_id).status is Status.CONFIRMED for order_id in orders)
        assert len(deaths) >= 5
        waits = [
            min(e.event.at for e in floor.journal.events(0, 100, order_id) if isinstance(e.event, Routing) and e.event.at >= at)
            - at
            for order_id, at in deaths.items()
        ]  # fmt: skip
    print(f"{len(waits)} orders taken up again, after {max(waits)} ms at most; stuck: 0 of {len(orders)}")
    assert max(waits) <= 5_000


class LateClock(SystemClock):
    """The machine's clock, and whatever the test adds."""

    def __init__(self) -> None:
        self.added_ms = 0.0

    def steady_ms(self) -> float:
        return super().steady_ms() + self.added_ms


def test_a_worker_that_hangs_is_seen_within_a_second_of_its_minute_and_its_stack_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, release, done = LateClock(), threading.Event(), list[str]()

    def a_venue_that_never_answers(order_id: str) -> None:
        if order_id == "stuck":
            assert release.wait(60)
        done.append(order_id)

    def told() -> list[str]:
        return [str(getattr(r, "facts", "")) for r in caplog.records if r.getMessage() == "a worker hangs"]

    with working(tmp_path / "queue.db", a_venue_that_never_answers, workers=2, clock=clock) as queue:
        queue.put("stuck")
        until(lambda: queue.depth() == 0)
        clock.added_ms = BUSY_MS - 1_000
        assert queue.hanging() == []
        clock.added_ms = BUSY_MS + 1
        began = CLOCK.steady_ms()
        until(lambda: queue.hanging() == ["stuck"], "its detection")
        until(lambda: told(), "its stack")
        took = CLOCK.steady_ms() - began
        queue.put("another")
        until(lambda: done == ["another"], "the work of the others")
        release.set()
        until(lambda: queue.hanging() == [], "its recovery")
    print(f"seen {took:.0f} ms after its minute")
    assert took <= 1_000
    assert len(told()) == 1
    assert "a_venue_that_never_answers" in told()[0]


def test_an_engine_with_a_hanging_worker_says_that_it_is_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_engine(tmp_path, quote_ms=3_000, quote_deadline_ms=10_000) as engine:
        engine.submit(a_request()).result(10)
        until(lambda: engine._queue._busy, "a worker at work")
        assert engine.status()["status"] == "ok"
        monkeypatch.setattr("order_engine.work_queue.BUSY_MS", 1)
        until(lambda: engine.status()["status"] == "unhealthy")
        until(lambda: engine.status()["open"] == 0)
        assert engine.status()["status"] == "ok"


# one daemon per home


def test_of_fifty_daemons_that_start_at_once_one_survives(tmp_path: Path) -> None:
    for kept in ({}, {"url": "http://127.0.0.1:1", "pid": 2**22 - 1, "version": "0"}):  # fresh, then with a stale file
        home = Home.at(tmp_path)
        home.make()
        if kept:
            home.daemon_file.write_text(json.dumps(kept))
            home.token_file.write_text("stale")
        words = [sys.executable, "-m", "tests.proofs.crowd", str(tmp_path), "50"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        crowd = json.loads(done.stdout)
        assert crowd["codes"] == [0] + [75] * 49
        assert all("already running" in said for said in crowd["said"])
        for file in tmp_path.glob("out*"):
            file.unlink()


# somebody else's port


class Squatter:
    """Listens where a daemon should, and writes down everything that it gets to see."""

    def __init__(self, answer: Callable[[str, str | None], dict[str, str]]) -> None:
        """`answer` gives the headers of its answer to a path and a nonce."""
        self.seen: list[str] = []
        squatter = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self) -> None:
                squatter.seen.append(f"{self.requestline}\n{self.headers}")
                body = json.dumps(
                    {"status": "ok", "service": "Order Execution Engine", "version": __version__}
                ).encode()
                self.send_response(200)
                for name, value in answer(self.path, self.headers[NONCE_HEADER]).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(body)

            do_GET = do_POST = do_DELETE = reply

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Squatter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def ask_for_proof(port: int, nonce: str) -> str | None:
    """What the daemon at this port answers to a nonce."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers={NONCE_HEADER: nonce})
        response = connection.getresponse()
        response.read()
        return response.headers.get(PROOF_HEADER)
    finally:
        connection.close()


def nothing(_: str, __: str | None) -> dict[str, str]:
    return {}


@pytest.mark.parametrize("trick", ["silent", "guessing", "replaying", "passing on", "mirroring"])
def test_who_took_the_port_of_a_dead_daemon_never_sees_the_token(
    start_daemon: Start, tmp_path: Path, trick: str
) -> None:
    daemon = start_daemon(tmp_path)  # alive, so that it can be asked; its file will lead to the squatter
    old = ask_for_proof(daemon.port, "0" * 32)
    assert old is not None

    def answer(_: str, nonce: str | None) -> dict[str, str]:
        match trick:
            case "guessing":
                return {PROOF_HEADER: proof(secret_of("x" * 43), 1, nonce or "")}
            case "replaying":
                return {PROOF_HEADER: str(old)}
            case "passing on":
                return {PROOF_HEADER: ask_for_proof(daemon.port, nonce) or ""} if nonce else {}
            case "mirroring":
                return {PROOF_HEADER: nonce or ""}
        return {}

    with Squatter(answer) as squatter:
        record = json.loads(daemon.home.daemon_file.read_text())
        url = f"http://127.0.0.1:{squatter.port}"
        daemon.home.daemon_file.write_text(json.dumps(record | {"url": url, "pid": os.getpid()}))
        refused = pytest.raises(EngineError, match="did not prove that it knows the token")
        for autostart in (True, False):
            with Client(daemon.home, autostart=autostart) as client:
                for call in (client.status, lambda c=client: c.submit(AN_ORDER), client.where):
                    with refused as raised:
                        call()
                    assert raised.value.code == "unauthorized"
                with pytest.raises(EngineError):
                    next(client.follow(timeout_s=1))
        for words in (("submit", "SOL", "USDC", "1"), ("watch",), ("daemon", "stop")):
            done = subprocess.run(
                [sys.executable, "-m", "cli", *words], cwd=ROOT, env=daemon.env, capture_output=True, check=False
            )
            assert done.returncode in (1, 4), done.stderr
    asked = "".join(squatter.seen)
    assert len(squatter.seen) >= 12
    assert daemon.token not in asked
    assert "authorization" not in asked.lower()
    assert daemon.seq() == 0


def test_a_daemon_that_is_gone_for_good_is_replaced_even_if_its_port_is_taken(
    start_daemon: Start, tmp_path: Path
) -> None:
    with Squatter(nothing) as squatter:
        home = Home.at(tmp_path)
        home.make()
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        url = f"http://127.0.0.1:{squatter.port}"
        home.daemon_file.write_text(json.dumps({"url": url, "pid": gone.pid, "version": __version__}))
        home.token_file.write_text("s" * 43)
        daemon = start_daemon(tmp_path)
        assert urlsplit(daemon.url).port != squatter.port
        with Client(home, autostart=False) as client:
            assert client.status()["status"] == "ok"
    assert squatter.seen == []


@pytest.mark.parametrize("nonce", ["", "0" * 31, "0" * 33, "g" * 32, "A" * 32, "0" * 32 + "\t", "x" * 4_000])
def test_what_is_no_nonce_gets_no_proof(daemon: RunningDaemon, nonce: str) -> None:
    assert ask_for_proof(daemon.port, nonce) is None
    assert ask_for_proof(daemon.port, "0" * 32) == proof(secret_of(daemon.token), daemon.port, "0" * 32)
