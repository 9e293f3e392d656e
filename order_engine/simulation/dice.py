"""Chance that is the same everywhere: a linear congruential generator, all integers, no library's promise needed."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

MILLION = 1_000_000

_MASK = 2**64 - 1
_FACTOR, _STEP = 6364136223846793005, 1442695040888963407  # Knuth, MMIX


class Dice:
    """A stream of numbers that follows from its seed alone."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest(), "big")

    def roll(self) -> int:
        """The next 32 bits: the upper half of the state, the lower one is weak. Source: Knuth, MMIX."""
        self._state = state = (self._state * _FACTOR + _STEP) & _MASK
        return state >> 32

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.roll() % (high - low + 1)

    def chance(self, ppm: int) -> bool:
        """True `ppm` times in a million. Zero rolls nothing."""
        return ppm > 0 and self.roll() % MILLION < ppm

    def pick(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.roll() % len(items)]

    def apart(self) -> "Dice":
        """A stream of its own, so that one user's rolls do not shift another's."""
        return Dice(self._state ^ self.roll())
