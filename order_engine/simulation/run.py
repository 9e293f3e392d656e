"""Many worlds, one after another, and what came of them: the report behind `oee sim run`."""

import gc
import hashlib
from collections import Counter
from collections.abc import Callable

import msgspec

from order_engine.simulation.invariants import INVARIANTS, violations
from order_engine.simulation.swarm import FAMILIES
from order_engine.simulation.world import World
from order_engine.venues.simulated.regimes import REGIMES

ORDERS_PER_WORLD = 400
COLLECT_EVERY = 20  # worlds; in between nothing is collected, a world dies as a whole

# What a long run must have seen. A fault or a branch that never occurs proves nothing, so it fails the run.
BRANCHES = (
    *(f"event {name}" for name in ("Pending", "Routing", "Building", "Submitted", "Unanswered")),
    *(f"event {name}" for name in ("Confirmed", "Failed", "Cancelled")),
    *(f"set back: {code}" for code in ("slippage_exceeded", "transaction_expired", "venue_unavailable", "transaction_rejected")),
    *(
        f"failed: {code}"
        for code in (
            "slippage_exceeded", "transaction_expired", "venue_unavailable", "no_route", "price_impact_too_high",
            "attempts_exhausted",
        )
    ),
    "confirmed after a lost answer",
    "confirmed over several pools",
    *(f"market: {regime}" for regime in REGIMES),
    "routed over all pools",
    "says what it receives",
    "landed twice sent",
    "resumed after a crash",
    "swept up",
    "doubled task refused",
    "superseded",
    "cancel too late",
    "refused for funds",
)  # fmt: skip
LONG = 100_000  # from so many lives on, every branch is demanded


class Report(msgspec.Struct):
    """Sums over worlds. `digest` is the same for the same seeds, whatever the machine."""

    first_seed: int
    worlds: int = 0
    lives: int = 0
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    violations: list[tuple[int, str]] = msgspec.field(default_factory=list)
    digest: str = ""

    @property
    def unseen(self) -> list[str]:
        """The faults and branches that this run was long enough to meet, and did not."""
        return [name for name in (*FAMILIES, *BRANCHES) if not self.counts[name]] if self.lives >= LONG else []

    @property
    def passed(self) -> bool:
        """True when no invariant was broken and nothing remained unseen."""
        return not self.violations and not self.unseen

    def broken(self, invariant: str) -> int:
        """How often this invariant was broken."""
        return sum(words.startswith(f"{invariant} ") for _, words in self.violations)


def run(first_seed: int, lives: int, progress: Callable[[int], None] | None = None, stop_after: int = 1) -> Report:
    """Lives worlds from `first_seed` on, until so many orders have been lived or `stop_after` seeds broke a rule.

    `progress` is told the number of lives so far, after each world.
    """
    report = Report(first_seed)
    digest = hashlib.blake2b(digest_size=16)
    bad_seeds = 0
    gc.collect()
    gc.freeze()  # what is there by now stays: only worlds are looked through
    gc.disable()
    try:
        while report.lives < lives and bad_seeds < stop_after:
            world = World(first_seed + report.worlds, min(ORDERS_PER_WORLD, lives - report.lives))
            found = lived(world)
            report.worlds += 1
            report.lives += world.orders
            report.counts.update(world.counts)
            report.violations += [(world.seed, words) for words in found]
            bad_seeds += bool(found)
            digest.update(world.digest)
            if report.worlds % COLLECT_EVERY == 0:
                gc.collect()
            if progress is not None:
                progress(report.lives)
    finally:
        gc.enable()
        gc.unfreeze()
    report.digest = digest.hexdigest()
    return report


def lived(world: World) -> list[str]:
    """Runs a world to its end, and says which invariants it broke. A bug that stops the world is one of them."""
    try:
        world.run()
    except Exception as error:
        return [f"I10 the world stopped at {world.clock.now} ms: {type(error).__name__}: {error}"]
    return violations(world)


def replay(seed: int, orders: int, say: Callable[[str], None]) -> list[str]:
    """Lives one world again, telling every step. Returns the invariants it broke."""
    return lived(World(seed, orders, trace=say))


__all__ = ["BRANCHES", "INVARIANTS", "LONG", "ORDERS_PER_WORLD", "Report", "replay", "run"]
