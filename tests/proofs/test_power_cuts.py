"""The power is cut at 4,000 moments: nothing that anybody was told is missing, and no file is broken.

The long run, and the same with figures: python -m tests.proofs.power --states 400000 --seed 1
"""

import pytest

from tests.proofs.power import campaign, shims
from tests.proofs.power.subjects import KNOWN_BAD, KNOWN_GOOD

pytestmark = pytest.mark.skipif(not shims.POSSIBLE, reason=shims.WHY_NOT)

STATES = 4_000
FEW = 80


@pytest.mark.parametrize("subject", KNOWN_GOOD)
def test_the_replay_does_not_blame_those_who_keep_their_word(subject: str) -> None:
    found = campaign.run(subject, 4 * FEW, seed=1, traces=2)
    assert found.first is None, found.example
    assert found.promises > 10_000


@pytest.mark.parametrize("subject", KNOWN_BAD)
def test_whoever_breaks_one_promise_is_caught(subject: str) -> None:
    found = campaign.run(subject, FEW, seed=1, traces=1)
    assert found.first is not None, f"{subject} got through {found.states} states"
    print(
        f"{subject}: caught at state {found.first}, {found.lost + found.corrupt} of {found.states}: {found.example[:100]}"
    )


def test_a_disk_that_lies_about_its_syncs_cannot_be_survived_and_the_replay_shows_it() -> None:
    assert campaign.run("engine", FEW, seed=1, traces=1, lying=True).first is not None


def test_whenever_the_power_goes_what_was_told_is_there_and_every_order_ends_once() -> None:
    found = campaign.run("engine", STATES, seed=1, traces=8)
    assert (found.states, found.lost, found.corrupt) == (STATES, 0, 0), found.example
    assert found.restarted >= STATES // campaign.RESTARTS
    assert found.promises > 100 * STATES, "too little was told for anything to be lost"
