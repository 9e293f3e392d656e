"""Real daemons for tests: a process each, on a scratch home, with simulated venues that wait for nothing."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from order_engine.home import Home
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
# Confirmed in one attempt, whatever other tests do to the market in that moment.
AN_ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01", "slippageBps": 1_000}


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def record(self) -> Any:
        return json.loads(self.body)

    @property
    def records(self) -> list[Any]:
        """The lines of an NDJSON answer."""
        return [json.loads(line) for line in self.body.splitlines()]


class RunningDaemon:
    """A daemon of our own, and the calls that tests make of it."""

    def __init__(self, root: Path, extra: Mapping[str, str]) -> None:
        self.root = root
        self.home = Home.at(root)
        self.env = _environment(root, extra)
        self._output = (root / "daemon.out").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "daemon"], cwd=ROOT, env=self.env, stdout=self._output, stderr=self._output
        )
        until(self._is_ready, f"a daemon in {root}")
        found = json.loads(self.home.daemon_file.read_text())
        self.url: str = found["url"]
        self.pid: int = found["pid"]
        self.port = urlsplit(self.url).port or 0
        self.ws_url = self.url.replace("http", "ws", 1)
        self.token = self.home.token_file.read_text()
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.output}"
        try:
            return bool(json.loads(self.home.daemon_file.read_text())["pid"] == self.process.pid)
        except FileNotFoundError:
            return False

    @property
    def output(self) -> str:
        """What it wrote to its standard output and error."""
        return (self.root / "daemon.out").read_text()

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Reply:
        """One request on a connection of its own. A `body` that is not bytes goes as JSON; a header of None goes not."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given: dict[str, str | None] = {**self.headers}
        if content is not None:
            given["Content-Type"] = "application/json"
        given |= headers or {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, content, {k: v for k, v in given.items() if v is not None})
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The record at this address, which must be there."""
        reply = self.call("GET", path)
        assert reply.status == 200, reply
        return reply.record

    def submit(self, order: Mapping[str, Any] = AN_ORDER) -> str:
        """The id of a new order."""
        reply = self.call("POST", "/api/orders", order)
        assert reply.status == 202, reply
        return str(reply.record["orderId"])

    def seq(self) -> int:
        """The number of the newest event."""
        return int(self.get("/api/status")["seq"])

    def quiet_seq(self) -> int:
        """The number of the newest event, once no order of an earlier test can make another one."""
        self.settle()
        return self.seq()

    def standing(self) -> dict[str, Any]:
        """What everything in it is doing, from its log."""
        self.process.send_signal(signal.SIGUSR1)
        told = list[dict[str, Any]]()

        def is_told() -> bool:
            lines = self.home.log_file.read_text().splitlines(keepends=True)
            told[:] = [
                json.loads(line) for line in lines if '"where everything stands"' in line and line.endswith("\n")
            ]
            return bool(told)

        until(is_told, "a line about where everything stands")
        return told[-1]

    def settle(self) -> None:
        """Returns when no order is open."""
        until(lambda: self.get("/api/status")["open"] == 0, "every order's end")

    @contextmanager
    def socket(self, path: str, **options: Any) -> Iterator[ClientConnection]:
        """An open WebSocket."""
        with connect(
            self.ws_url + path, additional_headers=self.headers, compression=None, proxy=None, **options
        ) as socket:
            yield socket

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal, and returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self._output.close()
        return code


def run_daemon(root: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs a daemon that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "daemon"],
        cwd=ROOT,
        env=_environment(root, extra),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def _environment(root: Path, extra: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
    return inherited | {"OEE_HOME": str(root), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0"} | dict(extra)


@pytest.fixture(scope="session")
def start_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningDaemon]]:
    """Starts daemons: `start_daemon(root=None, **environment)`. They end with the tests, if they have not before."""
    started: list[RunningDaemon] = []

    def start(root: Path | None = None, **extra: str) -> RunningDaemon:
        started.append(RunningDaemon(root or tmp_path_factory.mktemp("home"), extra))
        return started[-1]

    yield start
    for each in started:
        each.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def daemon(start_daemon: Callable[..., RunningDaemon]) -> RunningDaemon:
    """One daemon for all tests that leave nothing behind that others could trip over."""
    return start_daemon()
