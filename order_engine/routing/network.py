"""Prices for all tokens at once at which a whole network of pools takes an amount: the dual of the routing problem.

For token prices ν every pool says what it would trade at them (`pieces`), and what that is worth to the trader. The sum of
these worths and of the amount at its price, g(ν), bounds every route from above, and its least value is the best route.
g is convex, and its slope in ν_t is what would be left over of token t (`dual` finds the least value). Flat pieces (bins)
get a slight slope, which is made slighter in stages.

Floats throughout: what comes out chooses where to look, and is never an amount.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf, sqrt
from typing import NamedTuple

from order_engine.routing.dual import Look, descend
from order_engine.routing.pieces import Curve, Piece, remembered
from order_engine.venues.snapshot import Listing, ends

STAGES = ((1.0, 1e-4), (1e-5, 1e-6), (1e-8, 1e-9))  # slope of flat pieces; what may be left over, in amounts' worth
_LEFT = 1e-4  # of the amount: with more left over, prices are none at which the pools take it
_BLUR = 1e-7  # of all that is traded, circles too: beside so much more floats do not see less
_REST = 1e-8  # of all that is traded may be left over at rest: floats often see no less, and look for it in vain
_NEVER = 1e-15  # a price that has fallen or risen by so much says that the pools do not hold the amount


Way = tuple[int, bool]  # a pool by its place among the listings, and whether A is sold


class Flow(NamedTuple):
    """About what one pool takes and pays at the prices found.

    `worth` is what it adds, in the fixed token, and `give` how readily it takes more: 0 where it is full.
    """

    listing: int
    a_to_b: bool
    amount_in: float
    amount_out: float
    worth: float
    give: float


class Solution(NamedTuple):
    """Token prices, and what flows at them. `value` is g at these prices."""

    prices: dict[str, float]
    flows: list[Flow]
    value: float


class Ladder:
    """The pieces of one direction in floats, as far as they were needed, each with what goes before it."""

    __slots__ = (
        "_full_in",
        "_full_out",
        "_pieces",
        "_source",
        "amount",
        "before",
        "ends",
        "half",
        "size",
        "steps",
        "top",
    )

    def __init__(self, source: Iterable[Piece]) -> None:
        self._source = iter(source)
        self._pieces: list[tuple[float, float, float, float, float]] = []  # price, end, a or 0, b, input when full
        self.half = self.top = 0.0  # `top`: from this price on there is nothing to be had
        self.amount = 1.0
        self.size = 1.0  # of the pool that is to be seen
        self.steps: list[tuple[float, float, float, float]] = []
        self.ends: list[float] = []  # minus the price at which each piece is full
        self.before: list[tuple[float, float]] = [(0.0, 0.0)]
        self._full_in, self._full_out = [0.0], [0.0]  # by all pieces before each, as they are

    def slope(self, half: float, amount: float) -> None:
        """Gives flat pieces this relative slope to either side of their price, less where the next one is nearer.

        Pieces larger than `amount`, about what may be traded, reach further down in proportion: it is for the amount that
        the slope is to be so slight, and floats must be able to tell apart what it does. About: what was made for an amount
        serves for twice or half as much.
        """
        if half == self.half and 0.5 <= amount / self.amount <= 2:
            return
        self.half, self.amount = half, amount
        self.steps, self.ends, self.before = [], [], [(0.0, 0.0)]
        if self._read(0):
            self._append(0)
            self.top = self.steps[0][0]

    def first(self) -> float:
        """The best price, 0 where there is nothing."""
        return self._pieces[0][0] if self._read(0) else 0.0

    def sold(self, amount: float) -> tuple[float, float]:
        """What `amount` gets by the pieces as they are, and what the next unit would: 0 where it is all gone."""
        while self._full_in[-1] <= amount and self._read(len(self._full_in) - 1):
            price, _, a, b, full_in = self._pieces[len(self._full_in) - 1]
            self._full_out.append(self._full_out[-1] + (b * full_in / (a + full_in) if a else price * full_in))
            self._full_in.append(self._full_in[-1] + full_in)
        number = bisect_right(self._full_in, amount) - 1
        out, amount = self._full_out[number], amount - self._full_in[number]
        if not self._read(number):
            return out, 0.0
        price, _, a, b, _ = self._pieces[number]
        if a:
            return out + b * amount / (a + amount), a * b / (a + amount) ** 2
        return out + price * amount, price

    def _read(self, number: int) -> bool:
        """Whether there is such a piece; if so it is known from now on."""
        while number >= len(self._pieces):
            piece = next(self._source, None)
            if piece is None:
                return False
            if type(piece) is Curve:
                a, b = piece.in_num / piece.in_den, piece.out_num / piece.out_den
                if piece.end_den:
                    stretch = piece.end_num / piece.end_den
                    self._pieces.append((b / a, b / (a * stretch * stretch), a, b, a * (stretch - 1)))
                else:
                    self._pieces.append((b / a, 0.0, a, b, inf))
            else:
                price = piece.price_num / piece.price_den  # type: ignore[union-attr]
                self._pieces.append((price, price, 0.0, 0.0, piece.out_num / piece.out_den / price))
        return True

    def _append(self, number: int) -> None:
        price, end, a, b, full_in = self._pieces[number]
        full = b * full_in / (a + full_in) if a and end else (b if a else price * full_in)
        last = -self.ends[-1] if self.ends else inf
        if not a or price > last * (1 + 1e-6):  # flat, or better than what goes before (fees fell): taken as flat
            if a:
                price = full / full_in if end else price
            above, below, a = self.half, min(self.half * max(full_in / self.amount, 1.0), 1.0), 0.0
            if self._read(number + 1):
                room = max(0.4999 * (1 - self._pieces[number + 1][0] / price), 1e-9)
                above, below = min(above, room), min(below, room)
            start = min(price * (1 + above), last)
            price, end = start, min(price * (1 - below), start * (1 - 1e-9))
        self.steps.append((price, a, b, full_in))
        self.ends.append(-end)
        into, out = self.before[-1]
        self.before.append((into + full_in, out + full))

    def at(self, level: float) -> tuple[float, float, float]:
        """(input, output, -d input / d log price) when filled until the next unit pays `level`."""
        ends = self.ends
        while (not ends or -ends[-1] > level) and self._read(len(ends)):
            self._append(len(ends))
        number = bisect_left(ends, -level)
        into, out = self.before[number]
        size = self.size
        if number == len(ends):
            return into * size, out * size, 0.0
        price, a, b, full_in = self.steps[number]
        if price <= level:
            return into * size, out * size, 0.0
        if a:
            s, root = sqrt(a * b), sqrt(level)
            return (into + s / root - a) * size, (out + b - s * root) * size, 0.5 * s / root * size
        span = price + ends[number]
        share = (price - level) / span if span > 0 else 1.0
        into, out = into + full_in * share, out + full_in * share * (price + level) / 2
        return into * size, out * size, full_in * level / span * size


Seen = tuple[float, float, float] | Ladder  # a pool's direction in floats: a, b, √ab where it is one curve


def seen(source: Iterable[Piece]) -> Seen:
    """A pool's direction as the network sees it, out of its pieces."""
    if type(source) is tuple and source and type(source[0]) is Curve and not source[0].end_den:
        piece = source[0]
        a, b = piece.in_num / piece.in_den, piece.out_num / piece.out_den
        return a, b, sqrt(a * b)
    return Ladder(source)


class Network:
    """Pools between two tokens and all on the way, in floats: pools that are one curve apart from those in pieces.

    `known` is how the pools are seen, where that is known already, and then `ways` are the ones that count.
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        token_in: str,
        token_out: str,
        max_hops: int,
        now: int,
        ways: Sequence[Way] | None = None,
        known: Mapping[Way, Seen] | None = None,
    ) -> None:
        self.listings, self.token_in, self.token_out = listings, token_in, token_out
        pairs = [(each.token_a, each.token_b) for each in listings]
        self.ways = ways_between(pairs, token_in, token_out, max_hops) if ways is None else list(ways)
        self.tokens = sorted({token for number, _ in self.ways for token in listings[number][2:4]})
        self.simple: dict[Way, tuple[float, float, float]] = {}
        self.ladders: dict[Way, Ladder] = {}
        for way in self.ways:
            found = known[way] if known else seen(remembered(listings[way[0]].state, way[1], now))
            if type(found) is Ladder:
                self.ladders[way] = found
            else:
                self.simple[way] = found  # type: ignore[assignment]

    def first_price(self, way: Way) -> float:
        """What the first unit gets, out per in."""
        if way in self.simple:
            a, b, _ = self.simple[way]
            return b / a if a else 0.0
        return self.ladders[way].first()

    def ease(self, way: Way) -> bool:
        """Sees a millionth less of a pool, because as much as floats say was refused. False if that was done before."""
        ladder = self.ladders.get(way)
        if ladder is None or ladder.size < 1:
            return False
        ladder.size = 1 - 1e-6
        return True

    def solve(
        self,
        amount: float,
        exact_in: bool,
        without: Collection[Way] = (),
        start: dict[str, float] | None = None,
        stages: Sequence[tuple[float, float]] = STAGES,
    ) -> Solution | None:
        """The prices of least g for an amount in (or out), without some ways; None where the pools do not hold as much.

        Prices are relative to the output token for exact-in, to the input token for exact-out. `start`: prices nearby, from
        which the first of the stages is not needed.
        """
        fixed, moved = (self.token_out, self.token_in) if exact_in else (self.token_in, self.token_out)
        ways = [way for way in self.ways if way not in without]
        begin = self.first_prices(ways, exact_in)
        if moved not in begin:
            return None
        if start:
            begin.update({token: start[token] for token in begin if token in start})
        tokens = [token for token in self.tokens if token in begin and token != fixed]
        problem = _Problem(self, ways, [*tokens, fixed], tokens.index(moved), amount if exact_in else -amount)
        prices = [begin[token] / begin[fixed] for token in [*tokens, fixed]]
        first, best = prices[problem.moved], None
        for half, done in stages[1 if start else 0 :] if problem.sloped else stages[-1:]:
            problem.slope(half, prices)
            prices = descend(problem.look, prices, range(len(tokens)), done)
            if not _NEVER < prices[problem.moved] / first < 1 / _NEVER:
                break
            value, left, flows = problem.flows(prices)
            place = problem.place
            traded = sum(flow.amount_in * prices[place[self.source(flow)]] for flow in flows) / prices[problem.moved]
            if abs(left) <= max(_LEFT * abs(amount), _BLUR * traded):
                best = Solution(dict(zip([*tokens, fixed], prices, strict=True)), flows, value)
        return best

    def at_rest(self) -> dict[str, float]:
        """Prices relative to the output token at which nothing is left to be gained, before anything is sold.

        Where pools disagree they are those after all circles.
        """
        begin = self.first_prices(self.ways, True)
        tokens = [token for token in self.tokens if token in begin and token != self.token_out]
        problem = _Problem(self, self.ways, [*tokens, self.token_out], len(tokens), 0.0)
        prices = [begin[token] / begin[self.token_out] for token in [*tokens, self.token_out]]
        for half, done in STAGES if problem.sloped else STAGES[-1:]:
            problem.slope(half, prices)
            prices = descend(problem.look, prices, range(len(tokens)), max(done, _REST))
        return dict(zip([*tokens, self.token_out], prices, strict=True))

    def source(self, flow: Flow) -> str:
        """What is sold."""
        return ends(self.listings[flow.listing], flow.a_to_b)[0]

    def first_prices(self, ways: Iterable[Way], exact_in: bool) -> dict[str, float]:
        """What a first unit of each token is worth along its best path to (or costs from) the fixed token."""
        edges = []
        for way in ways:
            price = self.first_price(way)
            if price > 0:
                source, target = ends(self.listings[way[0]], way[1])
                edges.append((source, target, price) if exact_in else (target, source, price))
        found = {self.token_out if exact_in else self.token_in: 1.0}
        for _ in self.tokens:
            for source, target, price in edges:
                if target in found:
                    if exact_in:
                        found[source] = max(found.get(source, 0.0), found[target] * price)
                    else:
                        found[source] = min(found.get(source, inf), found[target] / price)
        return found


class _Problem:
    """g and its derivatives over one set of ways, by place in a list of tokens of which the last is fixed at 1."""

    def __init__(self, network: Network, ways: Iterable[Way], tokens: list[str], moved: int, supply: float) -> None:
        self.place = place = {token: number for number, token in enumerate(tokens)}
        self.count, self.moved, self.supply = len(tokens), moved, supply
        self.curves: list[tuple[int, int, float, float, float, Way]] = []
        self.sloped: list[tuple[int, int, Ladder, Way]] = []
        for way in ways:
            source, target = ends(network.listings[way[0]], way[1])
            if source not in place or target not in place:
                continue
            if way in network.simple:
                self.curves.append((place[source], place[target], *network.simple[way], way))
            else:
                self.sloped.append((place[source], place[target], network.ladders[way], way))

    def slope(self, half: float, prices: Sequence[float]) -> None:
        """Sets the slope of all flat pieces; the prices say about how much of each token the amount is."""
        worth = abs(self.supply) * prices[self.moved] or inf  # with nothing to sell there are only circles
        for source, _, ladder, _ in self.sloped:
            ladder.slope(half, worth / prices[source])

    def look(self, prices: list[float]) -> Look:
        """What all pools would do at these prices."""
        count, moved = self.count, self.moved
        roots = [sqrt(price) for price in prices]
        slopes = [0.0] * count
        slopes[moved] = self.supply * prices[moved]
        turnover = abs(slopes[moved])
        springs = [[0.0] * count for _ in range(count)]
        for source, target, a, b, s, _ in self.curves:
            strength = s * roots[source] * roots[target]
            given = strength - a * prices[source]  # the worth of what goes in
            if given > 0:
                slopes[source] -= given
                slopes[target] += b * prices[target] - strength
                springs[source][target] += 0.5 * strength
                turnover += given
        for source, target, ladder, _ in self.sloped:
            price_in, price_out = prices[source], prices[target]
            if price_in < ladder.top * price_out:
                into, out, stiff = ladder.at(price_in / price_out)
                slopes[source] -= into * price_in
                slopes[target] += out * price_out
                springs[source][target] += stiff * price_in
                turnover += into * price_in
        return Look(turnover, slopes, springs)

    def flows(self, prices: list[float]) -> tuple[float, float, list[Flow]]:
        """(g, what is left over of the amount, what each pool does)."""
        found = []
        value, left = self.supply * prices[self.moved], self.supply
        for source, target, a, b, s, way in self.curves:
            root = sqrt(prices[source] / prices[target])
            into = s / root - a
            if into > 0:
                out = b - s * root
                found.append(Flow(*way, into, out, out * prices[target] - into * prices[source], s / root))
                left += (out if target == self.moved else 0) - (into if source == self.moved else 0)
        for source, target, ladder, way in self.sloped:
            into, out, stiff = ladder.at(prices[source] / prices[target])
            if into > 0:
                found.append(Flow(*way, into, out, out * prices[target] - into * prices[source], 2 * stiff))
                left += (out if target == self.moved else 0) - (into if source == self.moved else 0)
        return value + sum(flow.worth for flow in found), left, found


def ways_between(pairs: Sequence[tuple[str, str]], token_in: str, token_out: str, max_hops: int) -> list[Way]:
    """Every pool that lies on some walk from `token_in` to `token_out`, in both directions; none if all are too long.

    `pairs` are the tokens A and B of all pools. The walk may be two swaps longer than `max_hops`, because a circle of two or
    three does not count as part of a path.
    """
    edges = [
        (number, way, *(pair if way else pair[::-1])) for number, pair in enumerate(pairs) for way in (True, False)
    ]
    ahead = _distances([(source, target) for _, _, source, target in edges], token_in)
    behind = _distances([(target, source) for _, _, source, target in edges], token_out)
    if ahead.get(token_out, max_hops + 1) > max_hops:
        return []
    most = max_hops + 2
    found = {
        number for number, _, source, target in edges if ahead.get(source, most) + 1 + behind.get(target, most) <= most
    }
    return [(number, way) for number in sorted(found) for way in (True, False)]


def _distances(edges: Sequence[tuple[str, str]], start: str) -> dict[str, int]:
    """The least number of edges from `start` to each token."""
    found, rim, distance = {start: 0}, {start}, 0
    while rim:
        distance += 1
        rim = {target for source, target in edges if source in rim and target not in found}
        found.update(dict.fromkeys(rim, distance))
    return found
