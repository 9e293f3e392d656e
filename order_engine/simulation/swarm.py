"""Which faults a seed has, how often, and how wide its windows are.

Each family is on or off by seed and its rate is drawn by seed: faults that mask each other when all are on together get their
turn alone. Windows that are rare in life, such as a look-up that straddles the last valid height, are made wide on purpose.
"""

from collections import defaultdict

import msgspec

from order_engine.simulation.dice import FACTOR, MASK, MILLION, STEP, Dice
from order_engine.simulation.virtual_clock import VirtualClock
from order_engine.venues.simulated.regimes import REGIMES

FAMILIES = (
    "crash",
    "task_lost",
    "task_doubled",
    "task_late",
    "answer_lost",
    "send_dropped",
    "send_late",
    "send_doubled",
    "status_unreachable",
    "status_slow",
    "venue_down",
    "venue_slow",
    "quote_nonsense",
    "price_step",
    "pool_drained",
    "clock_jump",
    "cancel",
    "small_wallet",
)


class Swarm(msgspec.Struct, frozen=True):
    """The faults of one seed. Rates are per million chances; a family that is off has rate zero."""

    rates: dict[str, int]
    valid_slots: int
    landing_slots_min: int
    landing_slots_max: int
    quote_ms: int
    status_ms_max: int
    send_ms_max: int
    commit_ms_max: int
    arrival_ms: int  # all orders arrive within this time
    attempts: int
    regime: str  # of the rest of the market

    def rate(self, family: str) -> int:
        """How often per million chances."""
        return self.rates[family]


_RATE = {  # the highest rate a seed can draw, per million
    "crash": 1_000,
    "task_lost": 300_000,
    "task_doubled": 300_000,
    "task_late": 200_000,
    "answer_lost": 400_000,
    "send_dropped": 400_000,
    "send_late": 300_000,
    "send_doubled": 200_000,
    "status_unreachable": 300_000,
    "status_slow": 300_000,
    "venue_down": 300_000,
    "venue_slow": 200_000,
    "quote_nonsense": 100_000,
    "price_step": 200_000,
    "pool_drained": 10_000,
    "clock_jump": 20_000,
    "cancel": 150_000,
    "small_wallet": 500_000,
}


def draw(dice: Dice, families: tuple[str, ...] = FAMILIES) -> Swarm:
    """The faults of a seed: each of `families` is on in two seeds out of three; the others are off."""
    rates = {family: dice.between(1, _RATE[family]) if dice.chance(MILLION * 2 // 3) else 0 for family in FAMILIES}
    wide = dice.chance(MILLION // 3)
    landing = dice.between(1, 6)
    valid = dice.between(2, 10)
    return Swarm(
        rates={family: rate if family in families else 0 for family, rate in rates.items()},
        valid_slots=valid,
        landing_slots_min=landing,
        landing_slots_max=landing + dice.between(0, valid + 2 if wide else 2),
        quote_ms=dice.pick((0, 50, 200)),
        status_ms_max=dice.pick((5, 100, 1_500)) if wide else 20,
        send_ms_max=dice.pick((20, 400, 3_000)) if wide else 50,
        commit_ms_max=dice.pick((1, 5, 200)),
        arrival_ms=dice.pick((500, 5_000, 20_000)),
        attempts=dice.pick((1, 1, 2, 2, 3)),
        regime=dice.pick(("calm", *REGIMES)),
    )


class Faults(Dice):
    """The dice of a world, which also decide where its faults strike: `counts` says how often each did.

    They strike until `end_ms`; after that the world is kind, and life can be judged.
    """

    __slots__ = ("_clock", "_end_ms", "_rates", "counts")

    def __init__(self, seed: int, swarm: Swarm, clock: VirtualClock, end_ms: int) -> None:
        super().__init__(seed)
        self._rates = swarm.rates
        self._clock = clock
        self._end_ms = end_ms
        self.counts: defaultdict[str, int] = defaultdict(int)

    def strike(self, family: str) -> bool:
        """True when this fault strikes here."""
        rate = self._rates[family]
        if not rate:
            return False
        self._state = state = (self._state * FACTOR + STEP) & MASK
        if (state >> 32) % MILLION >= rate or self._clock.now > self._end_ms:
            return False
        self.counts[family] += 1
        return True
