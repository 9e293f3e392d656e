"""Whatever a chain does, and wherever a crash comes, a life executes its order at most once and says what happened.

The chain here is nine lines of a model: it moves between any two effects, lands late, loses messages and answers, and goes
silent. Each seed is another history.
"""

from collections import Counter
from random import Random  # noqa: TID251 - seeded
from typing import Any

import pytest

from order_engine.errors import EngineError, OutcomeUnknown, VenueUnavailable
from order_engine.events import Unanswered
from order_engine.execution import (
    AskVenues,
    Build,
    Effect,
    Height,
    Living,
    LookUp,
    NextBlock,
    Pause,
    Record,
    Rules,
    Send,
)
from order_engine.lifecycle import apply
from order_engine.orders import Order, Status, Transaction
from order_engine.router import Answers
from order_engine.venues.venue import Landed
from tests.order_engine.given import a_quote, an_order

HISTORIES = 4_000


class World:
    """A chain with bad habits, a journal that is a variable, and a process that crashes between any two effects."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        self._habits = {habit: self._dice.choice((0, 0.1, 0.4)) for habit in ("lost", "unanswered", "silent", "crash")}
        self._valid = self._dice.choice((1, 3, 20))
        self._late = self._dice.choice((1, 4, 30))
        self._slips = self._dice.choice((0, 0.3, 1))
        self._height = 0
        self._signed = 0
        self._mempool: dict[str, tuple[int, int]] = {}
        self.ledger: dict[str, Landed] = {}
        self.order = an_order()
        self.seen: Counter[str] = Counter()

    def _has(self, habit: str) -> bool:
        hit = self._dice.random() < self._habits[habit]
        self.seen[habit] += hit
        return hit

    def _moves(self) -> None:
        for _ in range(self._dice.choice((0, 0, 1, self._dice.randrange(12)))):
            self._height += 1
            for signature, (lands_at, last_valid) in list(self._mempool.items()):
                if lands_at <= self._height or last_valid < self._height:
                    del self._mempool[signature]
                    if self._height <= last_valid and signature not in self.ledger:
                        slipped = "slippage_exceeded" if self._dice.random() < self._slips else None
                        self.ledger[signature] = Landed(
                            signature, self._height, 5_000, 0 if slipped else 999_000, error_code=slipped
                        )

    def run(self) -> Order:
        while not self.order.status.final:
            living = Living(self.order, Rules(attempts=3, resend_slots=2), lambda: 1)
            for _ in range(3_000):
                if living.effect is None or self._has("crash"):
                    break
                try:
                    result = self._perform(living.effect)
                except EngineError as error:
                    living.throw(error)
                else:
                    living.resume(result)
                self._moves()
        return self.order

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Record(order=order, event=event):
                assert order == self.order
                self.order = apply(order, event)
                self.seen["unknown"] += isinstance(event, Unanswered)
                return self.order
            case AskVenues():
                return Answers((a_quote(),))
            case Build():
                self._signed += 1
                last_valid = self._height + self._valid
                return Transaction(f"{effect.nonce}#{self._signed}", last_valid, "")
            case Send(transaction=transaction):
                assert self.order.transaction == transaction, "sent before it was written down"
                if not self._has("lost"):
                    lands_at = self._height + self._dice.randrange(1, self._late + 1)
                    self._mempool.setdefault(transaction.signature, (lands_at, transaction.last_valid_height))
                if self._has("unanswered"):
                    raise OutcomeUnknown("no answer")
                return None
            case Height() | LookUp() if self._has("silent"):
                raise VenueUnavailable("silent")
            case Height():
                return self._height
            case LookUp(signature=signature):
                return self.ledger.get(signature)
            case NextBlock(beyond=beyond):
                while self._height <= beyond:
                    self._moves()
                return self._height
            case Pause():
                return None
        raise AssertionError(effect)


def outcome_fits(order: Order, ledger: dict[str, Landed]) -> bool:
    swaps = [landed.signature for landed in ledger.values() if landed.error_code is None]
    if order.status is Status.CONFIRMED:
        return order.transaction is not None and swaps == [order.transaction.signature]
    return swaps == []


def test_whatever_happens_an_order_is_executed_at_most_once_and_reported_as_it_was() -> None:
    seen: Counter[str] = Counter()
    for seed in range(HISTORIES):
        world = World(seed)
        order = world.run()
        for _ in range(100):  # nothing may land after the end was declared either
            world._moves()
        assert outcome_fits(order, world.ledger), f"seed {seed}: {order} {world.ledger}"
        assert order.attempts <= 3, f"seed {seed}"
        seen += world.seen + Counter([order.status.value, f"attempt {order.attempts}"])
    never = {"lost", "unanswered", "silent", "crash", "unknown", "confirmed", "failed", "attempt 2", "attempt 3"} - set(
        seen
    )
    assert not never, f"never seen in {HISTORIES} histories: {never}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_seed_is_the_same_history(seed: int) -> None:
    first, second = World(seed), World(seed)
    assert (first.run(), first.ledger) == (second.run(), second.ledger)
