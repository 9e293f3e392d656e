"""Circles: from a token through pools that disagree back to the same token, with more of it. Found in floats.

A plan runs them from what it holds on its way. They do not depend on any order but for how much it holds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from order_engine.routing.network import Ladder, Seen, Way
from order_engine.venues.snapshot import Listing, ends

_LEAST = 1 + 1e-6  # a circle that gains less than a hundredth of a basis point is none
_MOST = 8  # circles kept of one block of pools, those whose first unit gains most
_HALVINGS = 16  # of the amount's logarithm


class Circle(NamedTuple):
    """The swaps one after the other, what each sells at the circle's best amount, and what is gained of what is put in.

    `rate` is what the first unit gains, `gain` the same on average at the best amount, both relative.
    """

    ways: tuple[Way, ...]
    tokens: tuple[str, ...]
    amounts: tuple[float, ...]
    rate: float
    gain: float

    def begun(self, token: str) -> "Circle":
        """The same circle from another of its tokens."""
        at = self.tokens.index(token)
        return self._replace(
            ways=self.ways[at:] + self.ways[:at],
            tokens=self.tokens[at:] + self.tokens[:at],
            amounts=self.amounts[at:] + self.amounts[:at],
        )

    def gained(self, held: float, seen: Mapping[Way, Seen]) -> float:
        """About what it gains with so much of its first token to run it, but no more than is best."""
        amount = min(held, self.amounts[0])
        return _run(amount, self.ways, seen)[1] - amount


def circles_among(firsts: Mapping[Way, float], seen: Mapping[Way, Seen], listings: Sequence[Listing]) -> list[Circle]:
    """The circles of two pools, and of three through the best pools, whose first unit gains most."""
    leading: dict[tuple[str, str], list[Way]] = {}
    for way, first in firsts.items():
        if first > 0:
            leading.setdefault(ends(listings[way[0]], way[1]), []).append(way)
    found: list[tuple[float, tuple[Way, ...], tuple[str, ...]]] = []
    best = {pair: max(ways, key=firsts.__getitem__) for pair, ways in leading.items()}
    for (a, b), ways in leading.items():
        if a < b:
            for out in ways:
                for back in leading.get((b, a), ()):
                    if out[0] != back[0] and firsts[out] * firsts[back] > _LEAST:
                        found.append((firsts[out] * firsts[back], (out, back), (a, b)))
        for c in {pair[1] for pair in best if pair[0] == b}:
            if a < c and a < b and c != a and c != b and (c, a) in best:
                three = (best[a, b], best[b, c], best[c, a])
                rate = firsts[three[0]] * firsts[three[1]] * firsts[three[2]]
                if rate > _LEAST:
                    found.append((rate, three, (a, b, c)))
    found.sort(key=lambda each: -each[0])
    return [_sized(rate - 1, ways, tokens, seen) for rate, ways, tokens in found[:_MOST]]


def _sized(rate: float, ways: tuple[Way, ...], tokens: tuple[str, ...], seen: Mapping[Way, Seen]) -> Circle:
    """The amount from which on a further unit would come back as less: bisected."""
    low, high = 0.0, 64.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _run(2.0**middle, ways, seen)[2] > 1 else (low, middle)
    amounts, back, _ = _run(2.0**low, ways, seen)
    return Circle(ways, tokens, tuple(amounts), rate, max(back / amounts[0] - 1, 0.0))


def _run(amount: float, ways: Sequence[Way], seen: Mapping[Way, Seen]) -> tuple[list[float], float, float]:
    """(what each swap sells, what comes back, what comes back of a further unit)."""
    amounts, marginal = [], 1.0
    for way in ways:
        amounts.append(amount)
        each = seen[way]
        if isinstance(each, Ladder):
            amount, price = each.sold(amount)
        else:
            a, b, _ = each
            amount, price = b * amount / (a + amount), a * b / (a + amount) ** 2
        marginal *= price
    return amounts, amount, marginal
