"""The command line as users run it: a process each, on the home of a real daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from order_engine.client import find_daemon
from order_engine.home import Home
from tests.conftest import ROOT, RunningDaemon
from tests.waiting import until

COMMAND = [sys.executable, "-m", "cli"]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records on its standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        (record,) = self.records
        return record

    @property
    def error(self) -> dict[str, Any]:
        """The `oee.error/1` on its standard error."""
        return dict(json.loads(self.err))


class Oee:
    """`oee` with an environment: call it with the words of the command line."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env) | {"COLUMNS": "80"}
        self.home = Home.at(Path(env["OEE_HOME"]))

    def __call__(self, *words: str, stdin: str | bytes | None = None, **env: str) -> Done:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=ROOT,
            env=self.env | env,
            input=content,
            stdin=subprocess.DEVNULL if content is None else None,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def shell(self, line: str) -> Done:
        """A line of bash, in which `oee` is a function."""
        script = f'set -o pipefail; oee() {{ {" ".join(COMMAND)} "$@"; }}; {line}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def oee(daemon: RunningDaemon) -> Oee:
    """`oee` with the daemon of all tests."""
    return Oee(daemon.env)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Oee]:
    """`oee` in a home that nobody has used. A daemon that it starts ends with the test."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
    oee = Oee(inherited | {"OEE_HOME": str(tmp_path / "home"), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0"})
    yield oee
    if oee.home.daemon_file.exists():
        oee("daemon", "stop", "--now", OEE_AUTOSTART="0")
        until(lambda: find_daemon(oee.home) is None, "the end of the daemon")


def configured(start: Callable[..., RunningDaemon], root: Path, **settings: int) -> Oee:
    """`oee` with a daemon of its own that has these settings."""
    home = Home.at(root)
    home.make()
    home.config_file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    return Oee(start(root).env)


@pytest.fixture(scope="session")
def undecided(start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory) -> Oee:
    """`oee` with a daemon whose venues take a minute to quote: orders stay in routing, where they can be cancelled."""
    return configured(start_daemon, tmp_path_factory.mktemp("undecided"), quote_ms=60_000, quote_deadline_ms=120_000)


@pytest.fixture(scope="session")
def unlanded(start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory) -> Oee:
    """`oee` with a daemon whose transactions land after a minute: orders stay submitted."""
    slots = {"slot_ms": 1_000, "landing_slots_min": 60, "landing_slots_max": 60}
    return configured(start_daemon, tmp_path_factory.mktemp("unlanded"), **slots)


def until_status(oee: Oee, order_id: str, status: str) -> None:
    """Returns when the order has this status."""
    until(lambda: oee("show", order_id, "--field", "status").out.strip() == status, f"{status} of {order_id}")
