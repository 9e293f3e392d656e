"""The best way to go with everything that is held: a path, and circles on it wherever pools disagree. Found in floats.

A walk is right for an order that is small beside the pools on it; larger ones divide what they hold, which is for the network.
"""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from order_engine.routes import SWAPS_PER_POOL, Terms
from order_engine.routing.network import Ladder, Seen, Way

Onward = Mapping[
    str, tuple[tuple[str, tuple[tuple[float, Way], ...]], ...]
]  # token: target: (first price, way), best first


class Walk(NamedTuple):
    """Ways one after the other, what the last one pays, and the tokens of the path so far without its circles.

    `twice`: it has used a pool as often as it may.
    """

    paid: float
    ways: tuple[Way, ...]
    sold: tuple[float, ...]
    path: tuple[str, ...]
    twice: bool = False


def best_walk(
    onward: Onward,
    seen: Mapping[Way, Seen],
    token_in: str,
    token_out: str,
    amount: float,
    terms: Terms,
    swaps: int = SWAPS_PER_POOL,
) -> Walk | None:
    """The walk that gets most net of costs for `amount`, by the best known walk to each token at each depth; None without any.

    It keeps to the terms' legs and hops, and uses no pool both ways or more often than `swaps`.
    """
    best: Walk | None = None
    score = 0.0
    reached = {(token_in, 1, False): Walk(amount, (), (), (token_in,))}
    most = {(token_in, 1): amount}  # a walk that has got less with more legs leads nowhere better
    for legs in range(1, (terms.max_legs or 2 * terms.max_hops) + 1):
        further: dict[tuple[str, int, bool], Walk] = {}
        for walk in reached.values():
            for target, choice in onward.get(walk.path[-1], ()):
                path = _gone_on(walk.path, target, terms.max_hops)
                if path is None:
                    continue
                best_paid = 0.0
                for first, way in choice:
                    if walk.paid * first <= best_paid:
                        break
                    paid = _paid(walk, way, seen[way], swaps)
                    if paid > best_paid:
                        best_paid = paid
                        key = target, len(path), walk.twice or way in walk.ways
                        if key not in further or paid > further[key].paid:
                            further[key] = Walk(paid, (*walk.ways, way), (*walk.sold, walk.paid), path, key[2])
        reached = {key: walk for key, walk in further.items() if walk.paid > most.get((key[0], key[1]), 0.0)}
        for (token, length, _), walk in reached.items():
            most[token, length] = max(walk.paid, most.get((token, length), 0.0))
        for (token, _, _), walk in reached.items():
            if token == token_out and (best is None or walk.paid - terms.leg_cost * legs > score):
                best, score = walk, walk.paid - terms.leg_cost * legs
    return best


def _gone_on(path: tuple[str, ...], target: str, max_hops: int) -> tuple[str, ...] | None:
    """The path one token further, cut back where that closes a circle; None where path or circle are too long."""
    if target in path:
        at = path.index(target)
        return path[: at + 1] if len(path) - at <= max_hops else None
    return (*path, target) if len(path) <= max_hops else None


def _paid(walk: Walk, way: Way, side: Seen, swaps: int) -> float:
    """What a pool pays for all that the walk has got, after what the walk sold to it before; 0 where it may not be used."""
    taken, times = 0.0, 0
    for used, sold in zip(walk.ways, walk.sold, strict=True):
        if used[0] == way[0]:
            if used != way:
                return 0.0
            taken, times = taken + sold, times + 1
    if times >= swaps:
        return 0.0
    if isinstance(side, Ladder):
        paid, next_price = side.sold(taken + walk.paid)
        if not next_price:
            return 0.0
        return paid - side.sold(taken)[0] if taken else paid
    a, b, _ = side
    total = taken + walk.paid
    return b * total / (a + total) - (b * taken / (a + taken) if taken else 0.0)


def at_the_margin(walk: Walk, seen: Mapping[Way, Seen]) -> tuple[float, dict[Way, float]]:
    """(what the walk pays for one unit more, what each of its ways does). 0 for a way that is used up."""
    taken: dict[Way, float] = {}
    for way, sold in zip(walk.ways, walk.sold, strict=True):
        taken[way] = taken.get(way, 0.0) + sold
    prices = {way: _marginal(seen[way], sold) for way, sold in taken.items()}
    return prod(prices[way] for way in walk.ways), prices


def _marginal(side: Seen, sold: float) -> float:
    if isinstance(side, Ladder):
        return side.sold(sold)[1]
    a, b, _ = side
    return a * b / (a + sold) ** 2
