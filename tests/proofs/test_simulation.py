"""The engine under seeded faults: every invariant holds, every fault strikes, and every deliberate mistake is noticed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from order_engine.routes import Terms
from order_engine.routing import best
from order_engine.simulation import mutants
from order_engine.simulation.run import replay, run
from order_engine.simulation.swarm import FAMILIES
from order_engine.simulation.world import World
from tests.routing.markets import chain

LIVES = 20_000
RARE = {
    "set back: transaction_rejected",
    "failed: no_route",
    "small_wallet",
}  # a long run must meet them, a short one may not


def _oee(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)


def test_twenty_thousand_lives_break_no_invariant_and_meet_every_fault_and_branch() -> None:
    report = run(1, LIVES)
    assert report.violations == []
    assert report.lives == LIVES
    from order_engine.simulation.run import BRANCHES  # noqa: PLC0415 - beside its only use

    assert [name for name in (*FAMILIES, *BRANCHES) if not report.counts[name] and name not in RARE] == []


def test_a_seed_is_the_same_history_in_every_process_and_for_every_hash_seed() -> None:
    digests = {
        _oee("sim", "run", "--orders", "800", "--seed", "5", "-q", environment={"PYTHONHASHSEED": str(n)}).stdout
        for n in (0, 1, 4711)
    }
    assert digests == {f"{run(5, 800).digest}\n"}


def test_a_world_begins_with_nothing_known_of_pools_that_were_asked_about_before() -> None:
    best.best_plan(chain().snapshot(), "SOL", "USDC", 10**9, "in", Terms())
    assert best._latest
    World(5, orders=1)
    assert not best._latest


def test_another_seed_is_another_history() -> None:
    assert run(5, 400).digest != run(6, 400).digest


def test_a_replay_tells_the_same_life_step_by_step() -> None:
    told: list[list[str]] = [[], []]
    for lines in told:
        assert replay(3, 50, lines.append) == []
    assert told[0] == told[1]
    assert any("Submitted" in line for line in told[0])
    assert any("CRASH" in line or "sent" in line for line in told[0])


@pytest.mark.parametrize("number", range(len(mutants.MUTANTS)), ids=[mutant.name for mutant in mutants.MUTANTS])
def test_a_deliberate_mistake_is_noticed(number: int) -> None:
    command = [sys.executable, "-m", "order_engine.simulation.mutants", str(number), str(LIVES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == mutants.CAUGHT, f"{mutants.MUTANTS[number].name} survived: {done.stdout}{done.stderr}"


def test_every_mutant_changes_words_that_are_there_exactly_once() -> None:
    root = Path(mutants.__file__).parents[2]
    for mutant in mutants.MUTANTS:
        source = (root / f"{mutant.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert mutants.patched(mutant, source) != source


def test_the_command_reports_faults_and_invariants_as_a_record() -> None:
    done = _oee("sim", "run", "--orders", "400", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["schema"] == "oee.simulation/1"
    assert (record["orders"], record["passed"], record["violations"]) == (400, True, [])
