"""The instance set of Angeris, Chitra, Evans and Boyd, "Optimal Routing for Constant Function Market Makers" (2022).

Reserves, fees and weights are those of the authors' public code (angeris/cfmm-routing-code: arbitrage.py, liquidation.py,
two-asset.py). Its weighted pools trade three to five tokens at once, which none of our venues has, so they are modelled
here; everything else goes through the pieces and the dual method of order_engine/routing. `python -m tests.routing.published`
prints our values beside the published ones.
"""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

from order_engine.routing.dual import Look, descend
from order_engine.routing.network import Ladder
from order_engine.routing.pieces import Curve, Flat

STAGES = ((1.0, 1e-4), (1e-3, 1e-5), (1e-5, 1e-7), (1e-7, 1e-9), (1e-9, 1e-10))


class Pair:
    """Two tokens traded by pieces, the same both ways round."""

    def __init__(self, tokens: tuple[int, int], forward: Curve | Flat, backward: Curve | Flat) -> None:
        self.tokens = tokens
        self.ladders = (Ladder([forward]), Ladder([backward]))

    def trade(self, prices: Sequence[float]) -> list[float]:
        """What the trader gets of each of its tokens at these prices, below 0 for what is given."""
        into, out, _ = self.ladders[0].at(prices[0] / prices[1])
        if into > 0:
            return [-into, out]
        into, out, _ = self.ladders[1].at(prices[1] / prices[0])
        return [out, -into]


class Weighted:
    """A pool that keeps Π R_i^w_i from falling; a share 1 - `left` of what is given does not count."""

    def __init__(self, tokens: Sequence[int], reserves: Sequence[float], weights: Sequence[float], left: float) -> None:
        self.tokens, self.reserves, self.left = tokens, reserves, left
        self.weights = [weight / sum(weights) for weight in weights]

    def trade(self, prices: Sequence[float]) -> list[float]:
        """At the best point every token that is taken or given has weight / reserve in one proportion to its price."""
        low, high = -60.0, 60.0  # log of that proportion, inverted
        for _ in range(70):
            middle = (low + high) / 2
            kept = sum(
                w * log(after / r)
                for w, after, r in zip(self.weights, self._after(exp(middle), prices), self.reserves, strict=True)
            )
            low, high = (middle, high) if kept < 0 else (low, middle)
        after = self._after(exp((low + high) / 2), prices)
        return [(r - new) / (1 if new < r else self.left) for r, new in zip(self.reserves, after, strict=True)]

    def _after(self, scale: float, prices: Sequence[float]) -> list[float]:
        """Reserves at which no further trade pays, if the value of the function were worth so much."""
        found = []
        for weight, price, reserve in zip(self.weights, prices, self.reserves, strict=True):
            taken, given = weight * scale / price, weight * scale / price * self.left
            found.append(taken if taken < reserve else max(given, reserve))
        return found


Market = Pair | Weighted


def product(tokens: tuple[int, int], reserves: tuple[int, int], left_ppt: int) -> Pair:
    """x·y = k, of which `left_ppt` thousandths of what is given count."""
    a, b = reserves
    return Pair(tokens, Curve(a * 1_000, left_ppt, b, 1), Curve(b * 1_000, left_ppt, a, 1))


def total(tokens: tuple[int, int], reserves: tuple[int, int], left_ppt: int) -> Pair:
    """x + y = k: one for one less the fee, as long as there is any."""
    return Pair(tokens, Flat(left_ppt, 1_000, reserves[1], 1), Flat(left_ppt, 1_000, reserves[0], 1))


class Instance(NamedTuple):
    """What is held at first, what a token is worth at least, and which token's price is 1 (None: none is fixed)."""

    name: str
    published: float
    markets: list[Market]
    held: list[float]
    floors: list[float]
    fixed: int | None


def instances() -> list[Instance]:
    """All ten, in the order of the paper."""
    common: list[Market] = [product((0, 1), (10, 1), 997)]
    arbitrage = [
        Weighted((0, 1, 2, 3), (4, 4, 4, 4), (4, 3, 2, 1), 0.998),
        *common,
        product((1, 2), (1, 5), 997),
        product((2, 3), (40, 50), 997),
        total((2, 3), (10, 10), 999),
    ]
    liquidation = [
        Weighted((0, 1, 2, 3, 4), (4, 4, 4, 4, 4), (5, 4, 3, 2, 1), 0.998),
        *common,
        product((2, 3), (1, 5), 997),
        product((3, 4), (40, 50), 997),
        total((3, 4), (10, 10), 999),
    ]
    found = [
        Instance("arbitrage", 21.49981, arbitrage, [0] * 4, [1.5, 10, 2, 3], None),
        Instance("liquidation", 15.88301, liquidation, [2, 1, 3, 5, 0], [0.0] * 5, 4),
    ]
    for amount, published in (
        (0, 6.23300),
        (1, 7.293879),
        (2, 8.307388),
        (5, 11.337691),
        (10, 16.388196),
        (20, 26.318129),
        (30, 34.756141),
        (50, 44.182021),
    ):
        two_assets: list[Market] = [
            Weighted((0, 1, 2), (3, 0.2, 1), (3, 2, 1), 0.98),
            product((0, 1), (10, 1), 990),
            product((1, 2), (1, 10), 960),
            product((0, 2), (20, 50), 970),
            total((0, 2), (10, 10), 990),
        ]
        found.append(Instance(f"u({amount})", published, two_assets, [amount, 0, 0], [0.0] * 3, 2))
    return found


def value(instance: Instance) -> float:
    """The least value of the dual: what the best trades are worth."""
    prices = [max(floor, 1.0) if instance.fixed is None else 1.0 for floor in instance.floors]
    free = [token for token in range(len(prices)) if token != instance.fixed]
    for half, done in STAGES:
        for market in instance.markets:
            for ladder in getattr(market, "ladders", ()):
                ladder.slope(half, 1.0)
        prices = descend(lambda at: _look(instance, at), prices, free, done, instance.floors)
    return sum(map(lambda held, price: held * price, instance.held, prices)) + sum(
        sum(got * prices[token] for token, got in zip(market.tokens, _trade(market, prices), strict=True))
        for market in instance.markets
    )


def _trade(market: Market, prices: Sequence[float]) -> list[float]:
    return market.trade([prices[token] for token in market.tokens])


def _look(instance: Instance, prices: list[float]) -> Look:
    """Springs by small differences: how much more of one token's worth moves when another's price rises."""
    count = len(prices)
    slopes = [held * price for held, price in zip(instance.held, prices, strict=True)]
    springs = [[0.0] * count for _ in range(count)]
    turnover = sum(slopes)
    for market in instance.markets:
        here = _trade(market, prices)
        for token, got in zip(market.tokens, here, strict=True):
            slopes[token] += got * prices[token]
            turnover += max(-got, 0.0) * prices[token]
        for other in market.tokens:
            nudged = list(prices)
            nudged[other] *= 1 + 1e-10 if isinstance(market, Pair) else 1 + 1e-7
            nudge = nudged[other] / prices[other] - 1
            for token, got, before in zip(market.tokens, _trade(market, nudged), here, strict=True):
                if token != other:
                    springs[token][other] += max(-(got - before) * prices[token] / nudge, 0.0) / 2
    return Look(turnover, slopes, springs)


def main() -> None:
    """The table of differences."""
    print(f"{'instance':<12} {'published':>12} {'ours':>14} {'difference':>12}")
    for each in instances():
        ours = value(each)
        print(f"{each.name:<12} {each.published:>12.6f} {ours:>14.8f} {ours - each.published:>12.1e}")


if __name__ == "__main__":
    main()
