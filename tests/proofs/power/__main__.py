"""`python -m tests.proofs.power --states N --seed S`: power cuts, as a table.

First the checker itself is checked: plain SQLite must come out clean, and each subject with a promise taken out must be
caught. Then the engine. Exit code 1 when the engine lost or corrupted anything, or the checker is worthless.
"""

import argparse
import sys

from order_engine.clock import SystemClock
from tests.proofs.power import campaign, shims
from tests.proofs.power.subjects import KNOWN_BAD, KNOWN_GOOD

BAD_STATES = 400


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.proofs.power", description=__doc__.split("\n")[0])
    arguments.add_argument("--states", type=int, default=4_000, help="states of the engine that are looked at")
    arguments.add_argument("--seed", type=int, default=1, help="same seed, same loads and same cuts")
    arguments.add_argument("--traces", type=int, default=0, help="runs that are cut; by default one for 500 states")
    arguments.add_argument("--engine-only", action="store_true", help="leave out the check of the checker")
    given = arguments.parse_args()
    if not shims.POSSIBLE:
        print(shims.WHY_NOT, file=sys.stderr)
        return 2
    print(f"{'subject':<30}{'states':>8}{'lost':>7}{'corrupt':>9}{'caught at':>11}{'restarts':>10}{'s':>7}")
    good = True
    if not given.engine_only:
        for subject in KNOWN_GOOD:
            good &= _line(subject, BAD_STATES, given.seed, traces=2).first is None
        for subject in KNOWN_BAD:
            good &= _line(subject, BAD_STATES, given.seed, traces=2).first is not None
        _line("engine", BAD_STATES, given.seed, traces=2, lying=True)
    result = _line("engine", given.states, given.seed, traces=given.traces or max(given.states // 500, 1))
    print(
        f"{result.promises:,} promises looked up, {result.lost} lost, {result.corrupt} corrupt, in {result.states:,} states"
    )
    return 0 if good and result.first is None else 1


def _line(subject: str, states: int, seed: int, *, traces: int, lying: bool = False) -> campaign.Result:
    clock = SystemClock()
    begun = clock.steady_ms()
    found = campaign.run(subject, states, seed, traces=traces, lying=lying)
    name = f"{subject}{' (lying disk)' if lying else ''}"
    caught = "" if found.first is None else f"state {found.first}"
    took = (clock.steady_ms() - begun) / 1_000
    print(f"{name:<30}{found.states:>8}{found.lost:>7}{found.corrupt:>9}{caught:>11}{found.restarted:>10}{took:>7.1f}")
    if found.example and (subject in KNOWN_GOOD or (subject == "engine" and not lying)):
        print(f"    {found.example}")
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    sys.exit(main())
