"""The least value of a convex function of prices: Newton's method, in steps relative to the prices.

It knows no pools. A caller says, at given prices, what would be left over of every token (the slopes) and how strongly that
answers when the price of one token moves against another's: as a net of springs, because only ratios of prices matter to
a pool. Where pools begin or end or trade at one price only, slopes have kinks; so a step is only as long as the slope
along it goes on falling. Floats throughout.
"""

from collections.abc import Callable, Sequence
from math import inf, sqrt
from operator import mul
from typing import NamedTuple

_STEPS = 80  # at most; about five are taken where there are no kinks
_TRIES = 40  # of the length of a step, at most
_STUCK = 1  # steps that found no good length, until it is enough


class Look(NamedTuple):
    """What prices mean: the worth of all that is traded, what would be left over of each token at its price, and springs.

    `springs[i][j]` + `springs[j][i]` is how much worth moves between tokens i and j for a relative move of their prices.
    """

    turnover: float
    slopes: list[float]
    springs: list[list[float]]


def descend(
    look: Callable[[list[float]], Look],
    prices: list[float],
    free: Sequence[int],
    done: float,
    floors: Sequence[float] | None = None,
) -> list[float]:
    """Prices near the least value: none of the `free` ones leaves over more than `done` of the turnover.

    The other prices stay as they are, and no price goes below its floor, if there are any.
    """
    seen, stuck = look(prices), 0
    for _ in range(_STEPS):
        low_ones = {i for i in free if floors and prices[i] <= floors[i]}
        moving = [i for i in free if i not in low_ones or seen.slopes[i] < 0]
        if max((abs(seen.slopes[i]) for i in moving), default=0.0) <= done * seen.turnover:
            break
        step = _newton(seen, moving)
        while any(step[i] < 0 for i in low_ones):
            moving = [i for i in moving if i not in low_ones or step[i] >= 0]
            step = _newton(seen, moving)
        steep = -sum(map(mul, seen.slopes, step))
        if steep <= 0:
            break
        low, high, share = 0.0, inf, 1.0
        for _ in range(_TRIES):
            new = [price * (1 + share * each) for price, each in zip(prices, step, strict=True)]
            if floors:
                new = list(map(max, new, floors))
            seen = look(new)
            rise = sum(slope * each / (1 + share * each) for slope, each in zip(seen.slopes, step, strict=True))
            if rise > 0.5 * steep:
                high = share
            elif rise < -0.5 * steep and high < inf:
                low = share
            else:
                break
            share = high / 16 if not low else sqrt(low * high) if high > 4 * low else (low + high) / 2
        else:
            stuck += 1
        prices = new
        if stuck > _STUCK:  # this is as near as floats come
            break
    return prices


def _newton(seen: Look, moving: Sequence[int]) -> list[float]:
    """The step that would leave nothing over if the springs were all there is, relative to the prices.

    No price is more than doubled or halved.
    """
    _, slopes, springs = seen
    everyone = range(len(slopes))
    rows: list[list[float]] = []
    for i in moving:
        row = [-(springs[i][j] + springs[j][i]) for j in moving]
        own = sum(springs[i]) + sum(springs[j][i] for j in everyone) - 2 * springs[i][i]
        row[len(rows)] = own * (1 + 1e-13) + 1e-13 * seen.turnover  # so that a token that nobody trades stays
        row.append(-slopes[i])
        rows.append(row)
    count = len(rows)
    for i in range(count):  # positive definite: no exchange of rows is needed
        for j in range(i + 1, count):
            factor = rows[j][i] / rows[i][i]
            if factor:
                rows[j] = [mine - factor * other for mine, other in zip(rows[j], rows[i], strict=True)]
    solved = [0.0] * count
    for i in reversed(range(count)):
        solved[i] = (rows[i][count] - sum(rows[i][j] * solved[j] for j in range(i + 1, count))) / rows[i][i]
    largest = max(1.0, *solved, *(-2 * each for each in solved))
    step = [0.0] * len(slopes)
    for i, each in zip(moving, solved, strict=True):
        step[i] = each / largest
    return step
