"""How far plans are from their certificates on random networks: `python -m tests.routing.gaps [--count N] [--loud]`.

A plan is as good as it should be when its gap is at most 0.05 bps of the bound plus a unit per leg. `--loud` takes networks
whose pools disagree by up to 2 %: there the bound counts arbitrage in full, which a plan cannot do without the tokens for it.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.report import percentile
from order_engine.routes import NoPlan, Plan, Terms
from order_engine.routing.certificate import Receipt, certify, verify
from order_engine.routing.hops import route_in, route_out
from tests.routing.networks import NOW, Question, question

ALLOWED_PPB = 5_000  # 0.05 bps


class Gap(NamedTuple):
    """What was found for one seed. `units` is the distance to the bound."""

    seed: int
    units: int
    bound: int
    legs: int

    @property
    def bps(self) -> float:
        """Of the bound; all of it where circles alone would pay for an exact-out order."""
        return self.units / self.bound * 10_000 if self.bound else 10_000.0

    @property
    def fine(self) -> bool:
        """Whether it is within what is allowed."""
        return (self.units - self.legs) * 1_000_000_000 <= self.bound * ALLOWED_PPB


def any_hops(asked: Question) -> Terms:
    """Paths may be as long as the graph allows, as the bound supposes."""
    return Terms(max_hops=len({token for each in asked.listings for token in each[2:4]}))


def planned_in(asked: Question, terms: Terms) -> Plan | NoPlan:
    """The best plan that sells the amount."""
    return route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, terms)


def planned_out(asked: Question, terms: Terms) -> Plan | NoPlan:
    """The best plan that buys nine tenths of what the amount buys."""
    sold = planned_in(asked, terms)
    if isinstance(sold, NoPlan):
        return sold
    wanted = max(sold.amount_out * 9 // 10, 1)
    return route_out(asked.listings, asked.token_in, asked.token_out, wanted, NOW, terms)


def gap_of(seed: int, receipt: Receipt) -> Gap:
    """The distance between a plan and its bound."""
    plan, bound = receipt.plan, receipt.proof.bound
    units = bound - plan.amount_out if plan.exact == "in" else plan.amount_in - bound
    return Gap(seed, units, bound, len(plan.legs))


def measured(
    seeds: Sequence[int], planned: Callable[[Question, Terms], Plan | NoPlan], *, loud: bool = False
) -> tuple[list[Gap], list[int]]:
    """The gap for every seed that has a plan, and the seeds that have none. Every receipt is verified on the way."""
    gaps, without = [], []
    for seed in seeds:
        asked = question(seed, loud=loud)
        terms = any_hops(asked)
        plan = planned(asked, terms)
        if isinstance(plan, NoPlan):
            without.append(seed)
            continue
        receipt = certify(plan, asked.listings, NOW, 1, terms)
        if problems := verify(receipt):
            raise AssertionError(f"seed {seed}: {problems}")
        gaps.append(gap_of(seed, receipt))
    return gaps, without


def table(name: str, gaps: Sequence[Gap], without: Sequence[int]) -> str:
    """The distribution in words."""
    shown = [f"{percent} % {percentile((gap.bps for gap in gaps), percent):.5f}" for percent in (50, 90, 99, 100)]
    failed = [gap for gap in gaps if not gap.fine]
    lines = [
        f"{name}: {len(gaps)} networks, gap in bps: {', '.join(shown)}",
        f"  within 0.05 bps and a unit per leg: {len(gaps) - len(failed)} of {len(gaps)}; exactly at the bound: "
        f"{sum(gap.units == 0 for gap in gaps)}",
    ]
    if without:
        lines.append(
            f"  without a plan, because the pools do not hold the amount: seeds {', '.join(map(str, without))}"
        )
    lines += [f"  seed {gap.seed}: {gap.units} units, {gap.bps:.4f} bps, {gap.legs} legs" for gap in failed[:20]]
    return "\n".join(lines)


def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(prog="python -m tests.routing.gaps", description="Gaps on random networks.")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--loud", action="store_true", help="pools disagree by more than their fees")
    given = parser.parse_args()
    for name, planned in (("exact-in", planned_in), ("exact-out", planned_out)):
        gaps, without = measured(range(given.count), planned, loud=given.loud)
        upto = given.count
        while len(gaps) < given.count:  # others in the place of those without a plan
            more, none = measured(range(upto, upto + given.count - len(gaps)), planned, loud=given.loud)
            upto, gaps, without = upto + len(more) + len(none), gaps + more, without + none
        print(table(name, gaps, without), flush=True)


if __name__ == "__main__":
    main()
