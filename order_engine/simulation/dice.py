"""Chance that is the same everywhere: a linear congruential generator, all integers, no library's promise needed."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MILLION = 1_000_000

MASK = 2**64 - 1
FACTOR, STEP = 6364136223846793005, 1442695040888963407  # Knuth, MMIX


class Dice:
    """A stream of numbers that follows from its seed alone.

    The generator's step is written out in each way to roll: a life rolls eighty times, and a million lives feel every call.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), "big")

    def roll(self) -> int:
        """The next 32 bits: the upper half of the state, the lower one is weak. Source: Knuth, MMIX."""
        self._state = state = (self._state * FACTOR + STEP) & MASK
        return state >> 32

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        self._state = state = (self._state * FACTOR + STEP) & MASK
        return low + (state >> 32) % (high - low + 1)

    def chance(self, ppm: int) -> bool:
        """True `ppm` times in a million. Zero rolls nothing."""
        if ppm <= 0:
            return False
        self._state = state = (self._state * FACTOR + STEP) & MASK
        return (state >> 32) % MILLION < ppm

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        self._state = state = (self._state * FACTOR + STEP) & MASK
        return items[(state >> 32) % len(items)]

    def apart(self) -> "Dice":
        """A stream of its own, so that one user's rolls do not shift another's."""
        return Dice(self.seed_apart())

    def seed_apart(self) -> int:
        """What a stream of its own begins with."""
        return self._state ^ self.roll()
