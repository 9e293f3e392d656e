"""What a router loses that knows only so many shares: `python -m tests.routing.grid [--count N]`.

Well-known routers quote each path at every 5 %, 10 % or 25 % of the amount and put together the best paths that share no
pool. This one does so as well as it can be done: paths of up to three hops, the next share always to the path that gains
most by it, on the pools' own integer swaps. What it loses is measured against our plan on the same pools.
"""

import argparse
from collections.abc import Sequence

from benchmarks.report import percentile
from order_engine.routes import Plan, Terms
from order_engine.routing.hops import route_in
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import Listing, ends
from tests.routing.networks import MODELS, NOW, Question, question

PERCENTS = (5, 10, 25)
_PER_HOP = 4  # pools looked at between two tokens, those that pay most for the whole amount
_PATHS = 40  # kept, those that pay most for one share

Path = tuple[tuple[Listing, bool], ...]


def paid(path: Path, amount: int) -> int:
    """What comes out at the end of a path; 0 where a pool refuses."""
    for listing, a_to_b in path:
        if amount <= 0:
            return 0
        try:
            amount = listing.state.swap_exact_in(amount, a_to_b, NOW).amount_out
        except SwapRefused:
            return 0
    return amount


def paths(asked: Question, share: int, max_hops: int = 3) -> list[Path]:
    """The paths that pay most for one share, without a token twice."""
    found: list[Path] = []

    def go_on(token: str, path: Path, seen: Sequence[str], amount: int) -> None:
        if token == asked.token_out:
            found.append(path)
            return
        if len(path) == max_hops:
            return
        onward: dict[str, list[tuple[int, Listing, bool]]] = {}
        for each in asked.listings:
            for a_to_b in (True, False):
                source, target = ends(each, a_to_b)
                if source == token and target not in seen and (got := paid(((each, a_to_b),), amount)):
                    onward.setdefault(target, []).append((got, each, a_to_b))
        for target, steps in onward.items():
            steps.sort(key=lambda step: -step[0])
            for got, each, a_to_b in steps[:_PER_HOP]:
                go_on(target, (*path, (each, a_to_b)), (*seen, target), got)

    go_on(asked.token_in, (), (asked.token_in,), share)
    found.sort(key=lambda path: -paid(path, share))
    return found[:_PATHS]


def routed(asked: Question, percent: int) -> int:
    """What the grid router gets, 0 where it finds nothing."""
    shares = 100 // percent
    amounts = [asked.amount * number // shares for number in range(shares + 1)]
    known = paths(asked, amounts[1])
    given = dict.fromkeys(range(len(known)), 0)
    got = dict.fromkeys(given, 0)
    for _ in range(shares):
        best, gain = -1, 0
        taken = {each[0].pool: number for number, path in enumerate(known) if given[number] for each in path}
        for number, path in enumerate(known):
            if any(taken.get(each[0].pool, number) != number for each in path):
                continue
            more = paid(path, amounts[given[number] + 1]) - got[number]
            if more > gain:
                best, gain = number, more
        if best < 0:
            return 0
        given[best] += 1
        got[best] += gain
    return sum(got.values())


def losses(seeds: Sequence[int], percent: int, models: tuple[str, ...] = MODELS) -> list[float]:
    """Bps of our output that the grid router does not get, for every seed for which both have a plan."""
    found = []
    for seed in seeds:
        asked = question(seed, models=models)
        plan = route_in(asked.listings, asked.token_in, asked.token_out, asked.amount, NOW, Terms())
        got = routed(asked, percent)
        if isinstance(plan, Plan) and got:
            found.append((plan.amount_out - got) / plan.amount_out * 10_000)
    return found


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(prog="python -m tests.routing.grid", description="What grid routers lose.")
    parser.add_argument("--count", type=int, default=200)
    seeds = range(parser.parse_args().count)
    print(
        f"{'grid':>5} {'networks':>9} {'median':>9} {'90 %':>9} {'99 %':>9} {'most':>9} {'never less':>11}  (bps lost)"
    )
    for percent in PERCENTS:
        found = losses(seeds, percent)
        shown = [percentile(found, share) for share in (50, 90, 99, 100)]
        ahead = sum(loss < 0 for loss in found)
        print(f"{percent:>4}% {len(found):>9} " + " ".join(f"{each:>9.3f}" for each in shown) + f" {ahead == 0!s:>11}")


if __name__ == "__main__":
    main()
