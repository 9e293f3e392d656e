"""What pools cost: the prices of this session for the charts, and what a token is worth at the prices of now.

Exact decimals throughout. The history of a pool covers the whole session in a bounded number of points: when they are too
many, every other one goes and the next ones are noted half as often.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

from cli.dashboard.cells import age

Record = dict[str, Any]
Point = tuple[int, Decimal]  # unix ms, price

DAY_MS = 86_400_000
POINTS = 720  # of one pool; more than any terminal has columns
VALUED_IN = "USDC"

_EXACT_ENOUGH = Context(prec=34)


class PriceHistory:
    """The prices of every pool that was read, since the first reading."""

    def __init__(self) -> None:
        self._series: dict[str, list[Point]] = {}
        self._spacing_ms: dict[str, int] = {}

    def take(self, pools: Iterable[Record], at_ms: int) -> None:
        """Notes what the pools cost at this time."""
        for pool in pools:
            self._note(str(pool["pool"]), at_ms, Decimal(pool["price"]))

    def series(self, pool_id: str) -> Sequence[Point]:
        """The prices of one pool, oldest first. The last one is the newest there is."""
        return tuple(self._series.get(pool_id, ()))

    def day(self, pool_id: str) -> Sequence[Point]:
        """The prices of the last 24 hours, from the one that held when they began; of the session, where it is younger."""
        points = self._series.get(pool_id, [])
        if not points or points[-1][0] - points[0][0] <= DAY_MS:
            return tuple(points)
        begin = points[-1][0] - DAY_MS
        return tuple(points[bisect_right(points, begin, key=lambda point: point[0]) - 1 :])

    def opening(self, pools: Iterable[Record]) -> list[Record]:
        """The pools with the price that each had a day ago, or when it was first read here."""
        return [
            pool | {"price": str(points[0][1])} if (points := self.day(str(pool["pool"]))) else pool for pool in pools
        ]

    def span(self, now_ms: int) -> str:
        """Over how long a change is: 24h, or as long as prices are known here; "-" before there are two."""
        began = self.began_ms
        if began is None or now_ms - began < 1_000:
            return "-"
        return "24h" if now_ms - began >= DAY_MS else age(now_ms - began)

    @property
    def began_ms(self) -> int | None:
        """When the first of these prices was read."""
        return min((points[0][0] for points in self._series.values()), default=None)

    def _note(self, pool_id: str, at_ms: int, price: Decimal) -> None:
        points = self._series.setdefault(pool_id, [])
        if points and at_ms < points[-1][0]:  # the clock was set back: what was noted would lie in the future
            points.clear()
        spacing = self._spacing_ms.setdefault(pool_id, 0)
        if len(points) > 1 and at_ms - points[-2][0] < spacing:
            points[-1] = (at_ms, price)
            return
        points.append((at_ms, price))
        if len(points) > POINTS:
            # The first and the newest stay, whatever goes between them.
            points[1:-1] = points[2:-1:2]
            self._spacing_ms[pool_id] = 2 * (points[-1][0] - points[0][0]) // POINTS


def worth(pools: Sequence[Record], token: str, unit: str = VALUED_IN) -> Decimal | None:
    """What one `token` costs in `unit`, by the deepest pool of the two or by two pools over a token between; else None."""
    if token == unit:
        return Decimal(1)
    direct = _rate(pools, token, unit)
    if direct is not None:
        return direct
    for between in sorted({str(pool[side]) for pool in pools for side in ("tokenA", "tokenB")} - {token, unit}):
        first, second = _rate(pools, token, between), _rate(pools, between, unit)
        if first is not None and second is not None:
            return _EXACT_ENOUGH.multiply(first, second)
    return None


def _rate(pools: Iterable[Record], token: str, unit: str) -> Decimal | None:
    """The marginal price in the deepest of the pools that trade these two directly."""
    pair = {token, unit}
    found = [pool for pool in pools if {pool["tokenA"], pool["tokenB"]} == pair and Decimal(pool["price"]) > 0]
    if not found:
        return None
    deepest = max(found, key=lambda pool: _held(pool, unit))
    price = Decimal(deepest["price"])
    return price if deepest["tokenA"] == token else _EXACT_ENOUGH.divide(Decimal(1), price)


def _held(pool: Record, token: str) -> Decimal:
    return Decimal(pool["reserveA"] if pool["tokenA"] == token else pool["reserveB"])
