"""What follows from the pools of one block alone, and is the same for every order: hashes, pieces, prices at rest, circles.

A block changes few of its pools, so whatever belongs to pools that did not change is taken over from the block before. All is
made when it is first asked for. One thread at a time: what is kept is filled in on the way.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from order_engine.routes import Terms
from order_engine.routing.blocks import blocks, hanging
from order_engine.routing.certificate import PRICE_ONE, Edge, digest_of_hashes, edge_through, state_hash
from order_engine.routing.circles import Circle, circles_among
from order_engine.routing.network import Ladder, Network, Seen, Way, seen
from order_engine.routing.pieces import Curve, Piece, moment, remembered, unsure
from order_engine.routing.walks import Onward, Walk, at_the_margin, best_walk
from order_engine.venues.snapshot import Listing, Snapshot

_SEARCHED = 3
_DEEP = 1e30  # of a pool that any amount leaves as it is
_BLUR_X64 = PRICE_ONE >> 30
_SURELY = 1 + 1e-9  # prices that differ by more, differ in integers too


class Side:
    """One direction of a pool: its pieces, the best price of any, and how the network sees them."""

    __slots__ = ("pieces", "seen", "top", "unsure")

    def __init__(self, listing: Listing, a_to_b: bool, now: int) -> None:
        self.pieces = remembered(listing.state, a_to_b, now)
        self.unsure = unsure(listing.state, a_to_b, now)
        self.seen: Seen = seen(self.pieces if isinstance(self.pieces, tuple) else iter(self.pieces))
        self.top = 0.0
        for number, piece in enumerate(self.pieces):
            self.top = max(self.top, _price(piece))
            if self.unsure is not None and number >= self.unsure:
                break

    def first(self) -> float:
        """What the first unit gets, out per in; 0 where there is nothing."""
        if isinstance(self.seen, Ladder):
            return self.seen.first()
        return self.seen[1] / self.seen[0]


class Known(NamedTuple):
    """A pool as it was seen, and what was made of it: `moment` is what of the time mattered."""

    listing: Listing
    moment: object
    hash: bytes
    sells_a: Side
    sells_b: Side


class Priced(NamedTuple):
    """Prices in one token's units, in floats and as a proof has them, and what all pools are worth at them.

    `circles`: whether some pool gains by more than what rounding prices makes of nothing.
    """

    prices: Mapping[str, float]
    prices_x64: dict[str, int]
    edges: list[Edge]
    circles: bool


class Market:
    """The pools of one block. `before` is the market of another one, as a rule the last."""

    def __init__(self, snapshot: Snapshot, before: "Market | None" = None) -> None:
        self.snapshot, self.listings, self.now = snapshot, snapshot.listings, snapshot.now
        by_state = {id(pool.listing.state): pool for pool in before.pools} if before else {}
        self.pools: list[Known] = [self._known(each, by_state.get(id(each.state))) for each in snapshot.listings]
        self.sides = {(number, True): pool.sells_a for number, pool in enumerate(self.pools)}
        self.sides |= {(number, False): pool.sells_b for number, pool in enumerate(self.pools)}
        self.seen: Mapping[Way, Seen] = {way: side.seen for way, side in self.sides.items()}
        self.digest = digest_of_hashes(snapshot.height, snapshot.now, [pool.hash for pool in self.pools])
        self.pairs = tuple((each.token_a, each.token_b) for each in snapshot.listings)
        self.blocks = blocks(self.pairs)
        self._networks: dict[tuple[int, str, str], Network] = {}
        self._rests: dict[str, Priced] = {}
        self._blocks_at_rest: dict[tuple[int, str], dict[str, float]] = {}
        self._circles: dict[int, list[Circle]] = {}
        self._walks: dict[tuple[str, str, int | None, int, int], Walk | None] = {}
        # Prices that the latest searches from one token to another, exact-in or not, ended with.
        self.searched: defaultdict[tuple[str, str, bool], deque[Priced]] = defaultdict(lambda: deque(maxlen=_SEARCHED))
        self._onward: Onward | None = None
        self._firsts: Mapping[Way, Seen] = {}
        if before is not None and before.pairs == self.pairs:
            self._take_over(before)

    def _known(self, listing: Listing, then: Known | None) -> Known:
        """The pool as it was known before if it is still the same, or else all of it anew."""
        same = then is not None and then.listing.state is listing.state and then.listing[:4] == listing[:4]
        at = moment(listing.state, self.now)
        if then is not None and same and then.moment == at:
            return then
        hashed = then.hash if then is not None and same else state_hash(listing)
        return Known(listing, at, hashed, Side(listing, True, self.now), Side(listing, False, self.now))

    def _take_over(self, before: "Market") -> None:
        """What is known of blocks of pools of which none has changed."""
        same = [self.pools[number] is before.pools[number] for number in range(len(self.pools))]
        still = {number for number, block in enumerate(self.blocks) if all(same[way[0]] for way in block.ways)}
        self._networks = {key: each for key, each in before._networks.items() if key[0] in still}
        self._blocks_at_rest = {key: each for key, each in before._blocks_at_rest.items() if key[0] in still}
        self._circles = {number: each for number, each in before._circles.items() if number in still}

    def network(self, block: int, entry: str, leave: str) -> Network:
        """The pools of one block between two of its tokens."""
        key = (block, entry, leave)
        if key not in self._networks:
            ways = self.blocks[block].ways
            self._networks[key] = Network(self.listings, entry, leave, 0, self.now, ways, self.seen)
        return self._networks[key]

    def source(self, way: Way) -> str:
        """What is sold."""
        return self.pairs[way[0]][0 if way[1] else 1]

    def target(self, way: Way) -> str:
        """What is bought."""
        return self.pairs[way[0]][1 if way[1] else 0]

    # Before any order

    def block_at_rest(self, block: int, token: str) -> dict[str, float]:
        """Prices of a block's tokens in one of them at which nothing is left to be gained, after its circles."""
        key = (block, token)
        if key not in self._blocks_at_rest:
            network = self.network(block, token, token)
            prices = network.first_prices(network.ways, True)
            if any(self._gains(way, prices) for way in network.ways):
                prices = network.at_rest()
            self._blocks_at_rest[key] = prices
        return self._blocks_at_rest[key]

    def _gains(self, way: Way, prices: Mapping[str, float]) -> bool:
        """Whether a first unit gains anything at these prices."""
        source, target = self.source(way), self.target(way)
        return target in prices and self.sides[way].top * prices[target] > prices.get(source, 0.0) * _SURELY

    def after(self, walk: Walk, token_in: str, token_out: str) -> Priced:
        """All pools at the prices that a further unit of the walk gets."""
        _, margins = at_the_margin(walk, self.seen)
        by_pair = {(self.source(way), self.target(way)): way for way in walk.ways}  # the last ones are the path's
        prices = {token_out: 1.0}
        for source, target in reversed(list(pairwise(walk.path))):
            prices[source] = prices[target] * margins[by_pair[source, target]]
        return self.priced(token_in, token_out, prices)

    def rest(self, token: str) -> Priced:
        """All prices in one token before any order: where circles pay, after them."""
        if token not in self._rests:
            self._rests[token] = self.priced(token, token, {token: 1.0})
        return self._rests[token]

    def priced(self, token_in: str, token_out: str, prices: dict[str, float]) -> Priced:
        """All pools at some prices, those of one block among them, and of all other tokens as they are at rest."""
        prices = self.spread_out(token_in, prices)
        prices_x64 = in_x64(prices, token_out)
        edges = self.edges(prices_x64)
        return Priced(prices, prices_x64, edges, any(edge.rate > _BLUR_X64 for edge in edges))

    def spread_out(self, root: str, prices: dict[str, float]) -> dict[str, float]:
        """Some prices, and those of all further tokens as they are at rest beside them."""
        prices = dict(prices)
        for block, token in hanging(self.pairs, root):
            if token in prices and not self.blocks[block].tokens <= prices.keys():
                for other, price in self.block_at_rest(block, token).items():
                    prices.setdefault(other, price * prices[token])
        return prices

    def edges(self, prices: Mapping[str, int]) -> list[Edge]:
        """What `certificate.edges_of` finds, by the pieces that can matter."""
        found = []
        for way, side in self.sides.items():
            price_in, price_out = prices.get(self.source(way), 0), prices.get(self.target(way), 0)
            if side.top * price_out * _SURELY < price_in:
                continue
            edge = edge_through(side.pieces, price_in, price_out, side.unsure)
            if edge.gain:
                found.append(edge)
        return found

    @property
    def onward(self) -> Onward:
        """From each token to each other one its ways, those with the best first price first."""
        if self._onward is None:
            found: dict[str, dict[str, list[tuple[float, Way]]]] = {}
            for way, side in self.sides.items():
                if (first := side.first()) > 0:
                    found.setdefault(self.source(way), {}).setdefault(self.target(way), []).append((first, way))
            self._onward = {
                source: tuple((target, tuple(sorted(ways, reverse=True))) for target, ways in targets.items())
                for source, targets in found.items()
            }
        return self._onward

    def walk(self, token_in: str, token_out: str, terms: Terms, swaps: int) -> Walk | None:
        """The walk on which a first unit gets most, with so many swaps of a pool at most; costs do not count."""
        key = (token_in, token_out, terms.max_legs, terms.max_hops, swaps)
        if key not in self._walks:
            self._walks[key] = best_walk(self.onward, self.firsts, token_in, token_out, 1.0, _free(terms), swaps)
        return self._walks[key]

    @property
    def firsts(self) -> Mapping[Way, Seen]:
        """Every way as if it paid for any amount what it pays for a first unit."""
        if not self._firsts:
            self._firsts = {way: (_DEEP, _DEEP * side.first(), 0.0) for way, side in self.sides.items()}
        return self._firsts

    def nothing_pays_more(
        self, walk: Walk, token_in: str, token_out: str, terms: Terms, swaps: int, enough: float
    ) -> bool:
        """Whether a further unit on any other walk would get less, or relatively no more than `enough` above it."""
        margin, prices = at_the_margin(walk, self.seen)
        ways = set(walk.ways)
        onward = dict(self.onward)
        for token in {self.source(way) for way in ways}:
            onward[token] = tuple(
                (target, tuple(sorted(((prices.get(way, first), way) for first, way in choice), reverse=True)))
                for target, choice in onward[token]
            )
        there = {**self.firsts, **{way: (_DEEP, _DEEP * price, 0.0) for way, price in prices.items()}}
        other = best_walk(onward, there, token_in, token_out, 1.0, _free(terms), swaps)
        return other is not None and other.paid <= margin * (1 + enough)

    def circles(self, token: str) -> list[Circle]:
        """Circles that gain something and go through a token."""
        found = []
        for number, block in enumerate(self.blocks):
            if token in block.tokens:
                if number not in self._circles:
                    firsts = {way: self.sides[way].first() for way in block.ways}
                    self._circles[number] = circles_among(firsts, self.seen, self.listings)
                found += [each for each in self._circles[number] if token in each.tokens]
        return found


def _free(terms: Terms) -> Terms:
    return Terms(max_legs=terms.max_legs, max_hops=terms.max_hops)


def in_x64(prices: Mapping[str, float], token_out: str) -> dict[str, int]:
    """Prices in parts of 2^64 of a unit of `token_out`. Any are valid in a proof, so floats may choose them."""
    one = prices[token_out]
    return {token: int(price / one * PRICE_ONE) for token, price in prices.items()}


def _price(piece: Piece) -> float:
    if isinstance(piece, Curve):
        return (piece.out_num * piece.in_den) / (piece.out_den * piece.in_num)
    return piece.price_num / piece.price_den
