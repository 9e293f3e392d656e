"""The engine made wrong on purpose, once for each rule that it lives by. A proof that lets one of these live proves nothing.

A mutant is a change of a few words in one module's source, put in place before that module is imported, so it needs a process
of its own: `python -m order_engine.simulation.mutants` runs each and prints how long it lived.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

from order_engine.clock import SystemClock

LIVES = 100_000  # that a mutant is given to be caught
CAUGHT = 3  # how the process of a mutant that was caught ends


class Mutant(NamedTuple):
    """`old` is replaced by `new` in `module`: that is the mistake, and `name` says which."""

    name: str
    module: str
    old: str
    new: str


_EXECUTION = "order_engine.execution"

MUTANTS = (
    Mutant(
        "no write-ahead: sent before it is recorded",
        _EXECUTION,
        "    order = yield Record(order, _submitted(now(), ask, route, transaction))\n    try:\n"
        "        yield Send(transaction)\n",
        "    with suppress(EngineError):\n        yield Send(transaction)\n"
        "    order = yield Record(order, _submitted(now(), ask, route, transaction))\n    try:\n        pass\n",
    ),
    Mutant(
        "a lost answer counts as failed",
        _EXECUTION,
        "        order = yield Record(order, Unanswered(now(), error.message))\n    return order",
        "        return (yield from _set_back(order, rules, now, error.code, error.message))\n    return order",
    ),
    Mutant(
        "signed again before the last one is dead",
        _EXECUTION,
        "        if height > transaction.last_valid_height:",
        "        if height > transaction.last_valid_height - 2:",
    ),
    Mutant(
        "the ledger is asked before the height",
        _EXECUTION,
        "            height = yield Height()\n            landed = yield LookUp(transaction.signature)\n",
        "            landed = yield LookUp(transaction.signature)\n            height = yield Height()\n",
    ),
    Mutant(
        "silence of the ledger counts as not found",
        _EXECUTION,
        "            yield Pause(rules.backoff_ms or 50)  # silence is not failure: the order stays as it is\n"
        "            continue\n",
        "            return (yield from _set_back(order, rules, now, 'transaction_expired', 'no answer'))\n",
    ),
    Mutant(
        "a landed failure counts as confirmed",
        _EXECUTION,
        "    if landed.error_code is not None:",
        "    if landed.error_code == 'never':",
    ),
    Mutant(
        "one attempt too many",
        _EXECUTION,
        "    if again and order.attempts < rules.attempts:",
        "    if again and order.attempts <= rules.attempts:",
    ),
    Mutant(
        "after a crash a sent order is routed anew",
        _EXECUTION,
        "        if order.status is Status.SUBMITTED:\n",
        "        if order.status is Status.SUBMITTED and unsure:\n"
        "            order = yield Record(order, Routing(now(), order.attempts + 1, 'transaction_expired', 'guessed'))\n"
        "            unsure = False\n"
        "        elif order.status is Status.SUBMITTED:\n",
    ),
    Mutant(
        "a retry lowers the user's floor",
        "order_engine.router",
        "    min_out = max(accepted, limits.floor or 0)",
        "    min_out = accepted",
    ),
    Mutant(
        "a route takes more than the ceiling",
        "order_engine.router",
        "    max_in = accepted if limits.ceiling is None else min(accepted, limits.ceiling)",
        "    max_in = accepted",
    ),
    Mutant(
        "a route lands by halves",
        "order_engine.venues.simulated.chain",
        "        for listing, a_to_b, swap in done.steps:",
        "        for listing, a_to_b, swap in done.steps[:1]:",
    ),
    Mutant(
        "no claim: an order in hand is taken again, and versions are not compared",
        "order_engine.simulation.store",
        "        if self._versions.get(order_id, 0) != order.version - 1:",
        "        if order.version == 1 and order_id in self._versions:",
    ),
    Mutant(
        "a record rests on one that was not stored",
        "order_engine.journal",
        "        return self.before is not None and not self.before.stored",
        "        return self.before is not None and self.before.order is None",
    ),
    Mutant(
        "no sweeper: what the queue lost stays lost",
        "order_engine.recovery",
        "    missing = hands.missing(journal.open_ids(), queued)",
        "    missing = hands.missing(journal.open_ids(), queued) if not len(hands) else []",
    ),
    Mutant(
        "recovery forgets what was sent",
        "order_engine.simulation.store",
        "        return list(self._open)",
        "        return [i for i in self._open if self.order(i).status != 'submitted']  # type: ignore[union-attr]",
    ),
    Mutant(
        "a hold is never released",
        "order_engine.wallet",
        "            for token, units in self._holds.pop(order_id, {}).items():",
        "            for token, units in {}.items():",
    ),
    Mutant(
        "a hold is taken without looking at the balance",
        "order_engine.wallet",
        "            if checked:",
        "            if checked and not needed:",
    ),
    Mutant(
        "a sent order can be cancelled",
        "order_engine.lifecycle",
        "    (Status.SUBMITTED, Unanswered): Status.SUBMITTED,",
        "    (Status.SUBMITTED, Unanswered): Status.SUBMITTED,\n    (Status.SUBMITTED, Cancelled): Status.CANCELLED,",
    ),
    Mutant(
        "the chain lands a transaction after its last valid height",
        "order_engine.venues.simulated.chain",
        "            if each.asked.last_valid_height < height:",
        "            if each.asked.last_valid_height < height - 3:",
    ),
)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and loads it with the mutant's words in it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:  # noqa: ARG002
        if name != self._mutant.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        return importlib.util.spec_from_loader(name, self, origin=found.origin if found else None)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        origin = str(module.__spec__.origin)
        module.__file__ = origin
        with open(origin, encoding="utf-8") as file:  # noqa: PTH123 - nothing more is imported here than must be
            source = file.read()
        exec(compile(patched(self._mutant, source), origin, "exec"), module.__dict__)


def patched(mutant: Mutant, source: str) -> str:
    """The module's source with the mistake in it. Raises LookupError when the words are not there exactly once."""
    if source.count(mutant.old) != 1:
        raise LookupError(
            f"{mutant.module} has the words of the mutant {mutant.name!r} {source.count(mutant.old)} times"
        )
    return source.replace(mutant.old, mutant.new)


def install(number: int) -> None:
    """From now on the module of this mutant is imported with its mistake. Before that module's first import only."""
    mutant = MUTANTS[number]
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is imported already")
    sys.meta_path.insert(0, _Finder(mutant))


class Verdict(NamedTuple):
    """What became of a mutant: the words of the rule it broke first, or None when it survived."""

    mutant: Mutant
    caught_by: str | None
    seconds: float


def try_all(lives: int) -> Iterator[Verdict]:
    """Runs each mutant in a process of its own, for at most so many lives."""
    clock = SystemClock()
    for number, mutant in enumerate(MUTANTS):
        began = clock.steady_ms()
        command = [sys.executable, "-m", "order_engine.simulation.mutants", str(number), str(lives)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = (clock.steady_ms() - began) / 1_000
        if done.returncode not in (0, CAUGHT):
            raise RuntimeError(f"the mutant {mutant.name!r} could not be run: {done.stderr[-500:]}")
        yield Verdict(mutant, done.stdout.splitlines()[0] if done.returncode == CAUGHT else None, seconds)


def _live(number: int, lives: int) -> int:
    install(number)
    from order_engine.simulation.run import run  # noqa: PLC0415 - only now: its modules must meet the mutant

    report = run(1, lives)
    for seed, words in report.violations[:1]:
        sys.stdout.write(f"{words} (seed {seed}, {report.lives} lives)\n")
    return CAUGHT if report.violations else 0


def main(arguments: list[str]) -> int:
    """With a number: lives as that mutant. Without: tries all, prints the table, 1 if one survived."""
    if len(arguments) == 2:
        return _live(int(arguments[0]), int(arguments[1]))
    survived = 0
    for verdict in try_all(LIVES):
        survived += verdict.caught_by is None
        outcome = verdict.caught_by or "SURVIVED"
        sys.stdout.write(f"{verdict.seconds:6.1f} s  {verdict.mutant.name:62}  {outcome}\n")
        sys.stdout.flush()
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
