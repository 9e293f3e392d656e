"""A real daemon on a scratch home, and what the kernel and its journal say of it while it is measured."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from benchmarks.report import ROOT
from order_engine.clock import SystemClock
from order_engine.home import Home
from order_engine.orders import OPEN

CLOCK = SystemClock()
ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.001", "slippageBps": 500}  # small: no price wears out
ENOUGH_S = 600.0
LOOK_MS = 2.0  # between two looks at the journal: what an end can be late by

_TICKS = os.sysconf("SC_CLK_TCK")
_OPEN = ", ".join(repr(status.value) for status in OPEN)


class Failed(Exception):
    """Nothing can be measured: what should have been measured went wrong."""


class Daemon:
    """A daemon of our own. `environment` are its settings; whatever of `OEE_…` is set for us is not passed on."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.home = Home.at(root)
        self.home.make()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
        settings = {"OEE_HOME": str(root), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0"} | environment
        begun = CLOCK.steady_ms()
        with (root / "daemon.out").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon"], cwd=ROOT, env=inherited | settings, stdout=output, stderr=output
            )
        try:
            until(self._is_ready, f"a daemon in {root}", every_ms=1)
        except Failed:
            self.kill()
            raise
        self.ready_ms = CLOCK.steady_ms() - begun
        found = json.loads(self.home.daemon_file.read_text())
        self.port = urlsplit(found["url"]).port or 0
        self.authorization = f"Authorization: Bearer {self.home.token_file.read_text()}"
        self._journal: sqlite3.Connection | None = None

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            said = (self.home.data_dir.parent / "daemon.out").read_text(errors="replace")
            raise Failed(f"The daemon ended with {self.process.returncode}: {said[-2_000:]}")
        try:
            return bool(json.loads(self.home.daemon_file.read_text())["pid"] == self.process.pid)
        except (FileNotFoundError, json.JSONDecodeError):
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if getattr(self, "_journal", None) is not None:
            self.reader.close()
            self._journal = None
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)

    # what it says

    def get(self, path: str) -> Any:
        """The record at this address."""
        status, body = self.call("GET", path)
        if status != 200:
            raise Failed(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ENOUGH_S)
        try:
            name, _, value = self.authorization.partition(": ")
            connection.request(method, path, body, {name: value, "Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def place(self, count: int) -> int:
        """So many orders in one request. Returns how many were accepted, once the last answer is there."""
        line = json.dumps(ORDER).encode()
        status, body = self.call("POST", "/api/orders/batch", b"\n".join([line] * count))
        if status != 200:
            raise Failed(f"A batch was answered {status}: {body[:300]!r}")
        return body.count(b'"schema":"oee.order/1"')

    # what its journal says

    @property
    def reader(self) -> sqlite3.Connection:
        """The journal, for looking only."""
        if self._journal is None:
            self._journal = sqlite3.connect(f"{self.home.journal.as_uri()}?mode=ro", uri=True, isolation_level=None)
        return self._journal

    def one(self, sql: str, *arguments: object) -> int:
        """The only number in the answer."""
        return int(self.reader.execute(sql, arguments).fetchone()[0] or 0)

    def newest(self) -> int:
        """The number of the order that was accepted last; 0 before the first."""
        return self.one("SELECT max(n) FROM orders")

    def open(self) -> int:
        """How many orders are not final, by the index of statuses: as cheap with a million finished ones."""
        return self.one(f"SELECT count(*) FROM orders INDEXED BY orders_by_status WHERE status IN ({_OPEN})")  # noqa: S608

    def settle(self) -> None:
        """Returns when the journal has no open order."""
        until(lambda: self.open() == 0, "the end of every order")

    def confirmed_since(self, number: int) -> int:
        """How many of the orders after this one are confirmed."""
        return self.one("SELECT count(*) FROM orders WHERE n > ? AND status = 'confirmed'", number)

    # what the kernel says

    def cpu_ms(self) -> float:
        """The processor time that all its threads took until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000 / _TICKS

    def memory_mib(self, kind: str = "VmRSS") -> float:
        """Its memory: VmRSS now, VmHWM the most there was."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1_024


@contextlib.contextmanager
def scratch_daemon(folder: Path, config: str = "", **environment: str) -> Iterator[Daemon]:
    """A daemon on a new home in this folder, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="home-", dir=folder) as root:
        if config:
            configure(Path(root), config)
        with Daemon(Path(root), **environment) as daemon:
            yield daemon


def configure(root: Path, config: str) -> None:
    """Writes the settings of a home."""
    home = Home.at(root)
    home.make()
    home.config_file.write_text(config)


def until(holds: "Any", what: str, every_ms: float = LOOK_MS) -> None:
    """Returns as soon as `holds()` is true. Raises Failed when that does not come."""
    end = CLOCK.steady_ms() + ENOUGH_S * 1_000
    while not holds():
        if CLOCK.steady_ms() > end:
            raise Failed(f"{what} did not come within {ENOUGH_S:.0f} s")
        CLOCK.sleep_ms(every_ms)
