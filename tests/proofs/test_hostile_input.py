"""Hostile input, short: nothing gets in, nothing breaks, nothing is misread, nothing leaks. Long: `tests.proofs.hostile`."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningDaemon
from tests.proofs.hostile import gate, leaks, specification, traffic
from tests.proofs.hostile.__main__ import too_many_looked_at
from tests.proofs.hostile.mutation import misread

Start = Callable[..., RunningDaemon]


@pytest.fixture(scope="module")
def wide_open(start_daemon: Start) -> Iterator[RunningDaemon]:
    """A daemon that was started by somebody without a umask."""
    before = os.umask(0)
    try:
        yield start_daemon()
    finally:
        os.umask(before)


def test_the_specification_is_what_is_served_and_nothing_breaks_it(wide_open: RunningDaemon) -> None:
    found = specification.run(wide_open, 300)
    assert found.violations == []
    assert found.cases.total() >= 300
    assert max(found.statuses) < 500


def test_mutated_messages_are_answered_or_end_their_connection_as_documented(start_daemon: Start) -> None:
    daemon = start_daemon()
    tally = traffic.messages(daemon, 1_300, 2)
    assert tally.violations == []
    assert tally.accepted
    assert {"closed 1007", "closed 1009", "pong", "subscribed"} <= tally.answers.keys()
    assert _nothing_was_unexpected(daemon)


def test_mutated_bodies_are_refused_or_understood_exactly_on_one_connection(start_daemon: Start) -> None:
    daemon = start_daemon()
    tally = traffic.bodies(daemon, 1_300, 2)
    assert tally.violations == []
    assert tally.accepted
    assert tally.connections == 1
    assert {"200", "202", "400", "413"} <= tally.answers.keys() <= {"200", "202", "400", "409", "413", "422"}
    assert _nothing_was_unexpected(daemon)


def _nothing_was_unexpected(daemon: RunningDaemon) -> bool:
    return {json.loads(line)["level"] for line in daemon.home.log_file.read_text().splitlines()} == {"info"}


RECORD = {
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "0.01",
    "slippageBps": 50,
    "maxImpactBps": 300,
    "minOutput": None,
    "clientOrderId": None,
}


@pytest.mark.parametrize(
    ("body", "exact"),
    [
        (b'{"tokenIn": "sol", "tokenOut": "USDC", "amount": 1e-2, "slippage": 0.005}', True),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.010"}', True),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.0100000001"}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": 0.01, "slippageBps": 51}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": 0.01, "amount": 0.01}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDT", "amount": 0.01}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": 0.01, "clientOrderId": "a"}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": "\xef\xbc\x91"}', False),
        (b'{"tokenIn": "SOL", "tokenOut": "USDC", "amount": NaN}', False),
    ],
)
def test_the_checker_knows_an_order_that_was_misread(body: bytes, exact: bool) -> None:
    assert (misread(body, RECORD) is None) == exact


def test_the_gate_keeps_out_every_hostile_variant_at_every_address(wide_open: RunningDaemon) -> None:
    assert gate.known_good(wide_open) == []
    probed = gate.probe(wide_open)
    assert (probed.accepted, probed.wrong) == ([], [])
    assert probed.tries >= 19
    assert too_many_looked_at(gate.guess(wide_open, 200)) == []


def test_nothing_is_smuggled(wide_open: RunningDaemon) -> None:
    smuggled = gate.smuggle(wide_open)
    assert (smuggled.accepted, smuggled.wrong) == ([], [])


def test_five_hundred_slow_clients_are_cut_off_and_slow_nobody(wide_open: RunningDaemon) -> None:
    slow = gate.slowloris(wide_open, 500, patience_s=9)
    assert slow.still_open == 0
    assert slow.last_closed_s < 8  # 5, and some for a machine that is busy with tests
    assert slow.p50_ms < 50


def test_the_token_and_what_was_refused_are_nowhere(start_daemon: Start) -> None:
    hunted = leaks.hunt(start_daemon)
    assert (hunted.token, hunted.words) == ([], [])
    assert {"log/daemon.log", "daemon.out", "ps", "oee doctor", "data/journal.db"} <= set(hunted.looked_at)


def test_the_checker_knows_a_leak() -> None:
    places = {"a": b'{"x": "canary"}', "b": "canary".encode("utf-16"), "c": b"nothing"}
    assert leaks.holding(places, "canary") == ["a", "b"]


def test_no_character_that_moves_a_cursor_comes_out(wide_open: RunningDaemon) -> None:
    looked, raw = leaks.raw_escapes(wide_open)
    assert raw == []
    assert looked > 30


def test_a_home_is_its_owners_alone(wide_open: RunningDaemon) -> None:
    looked, loose = leaks.modes(wide_open)
    assert loose == []
    assert looked > 10
    wide_open.home.log_file.chmod(0o644)
    try:
        assert len(leaks.modes(wide_open)[1]) == 1  # the checker knows a file that is open to others
    finally:
        wide_open.home.log_file.chmod(0o600)
    status = Path(f"/proc/{wide_open.pid}/status").read_text()
    assert "Umask:\t0077" in status
    limits = Path(f"/proc/{wide_open.pid}/limits").read_text().splitlines()
    assert next(line for line in limits if "core file" in line).split()[4:6] == ["0", "0"]
