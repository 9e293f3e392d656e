"""What follows from the pools of one block alone, and is the same for every order: hashes, pieces, prices at rest, circles.

A block changes few of its pools, so whatever belongs to pools that did not change is taken over from the block before. All is
made when it is first asked for. One thread at a time: what is kept is filled in on the way.
"""

from collections.abc import Mapping
from typing import NamedTuple

from order_engine.routing.blocks import blocks, hanging, passed
from order_engine.routing.certificate import PRICE_ONE, Edge, digest_of_hashes, edge_through, state_hash
from order_engine.routing.circles import Circle, circles_among
from order_engine.routing.network import Ladder, Network, Seen, Way, seen
from order_engine.routing.pieces import Curve, Piece, moment, remembered, unsure
from order_engine.venues.snapshot import Listing, Snapshot

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


class Rest(NamedTuple):
    """Prices in one token's units at which, after all circles, nothing can be gained, and what pools are worth at them."""

    prices: Mapping[str, float]
    prices_x64: dict[str, int]
    edges: list[Edge]


class Market:
    """The pools of one block. `before` is the market of another one, as a rule the last."""

    def __init__(self, snapshot: Snapshot, before: "Market | None" = None) -> None:
        self.snapshot, self.listings, self.now = snapshot, snapshot.listings, snapshot.now
        self.pools = [self._known(each, before) for each in snapshot.listings]
        self.sides = {(number, True): pool.sells_a for number, pool in enumerate(self.pools)}
        self.sides |= {(number, False): pool.sells_b for number, pool in enumerate(self.pools)}
        self.seen: Mapping[Way, Seen] = {way: side.seen for way, side in self.sides.items()}
        self.digest = digest_of_hashes(snapshot.height, snapshot.now, [pool.hash for pool in self.pools])
        self.pairs = tuple((each.token_a, each.token_b) for each in snapshot.listings)
        self.blocks = blocks(self.pairs)
        self._networks: dict[tuple[int, str, str], Network] = {}
        self._rests: dict[str, Rest] = {}
        self._blocks_at_rest: dict[tuple[int, str], dict[str, float]] = {}
        self._circles: dict[int, list[Circle]] = {}
        self._paths: dict[tuple[str, str, int], tuple[float, list[Way]] | None] = {}
        if before is not None and before.pairs == self.pairs:
            self._take_over(before)

    def _known(self, listing: Listing, before: "Market | None") -> Known:
        """The pool as it was known before if it is still the same, or else all of it anew."""
        then = before._by_state.get(id(listing.state)) if before else None
        same = then is not None and then.listing.state is listing.state and then.listing[:4] == listing[:4]
        at = moment(listing.state, self.now)
        if then is not None and same and then.moment == at:
            return then
        hashed = then.hash if then is not None and same else state_hash(listing)
        return Known(listing, at, hashed, Side(listing, True, self.now), Side(listing, False, self.now))

    @property
    def _by_state(self) -> dict[int, Known]:
        return {id(pool.listing.state): pool for pool in self.pools}

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

    def rest(self, token: str) -> Rest:
        """All prices in one token before any order."""
        if token not in self._rests:
            prices = self.spread_out(token, {token: 1.0})
            prices_x64 = in_x64(prices, token)
            self._rests[token] = Rest(prices, prices_x64, self.edges(prices_x64))
        return self._rests[token]

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

    def first_path(self, token_in: str, token_out: str, max_hops: int) -> tuple[float, list[Way]] | None:
        """The path, no token twice, on which a first unit gets most, and how much that is."""
        key = (token_in, token_out, max_hops)
        if key not in self._paths:
            self._paths[key] = self._first_path(token_in, token_out, max_hops)
        return self._paths[key]

    def _first_path(self, token_in: str, token_out: str, max_hops: int) -> tuple[float, list[Way]] | None:
        best: tuple[float, list[Way]] | None = None
        ways = [way for each in passed(self.pairs, token_in, token_out) for way in self.blocks[each.block].ways]
        reached: dict[str, tuple[float, list[Way]]] = {token_in: (1.0, [])}
        for _ in range(max_hops):
            further: dict[str, tuple[float, list[Way]]] = {}
            for way in ways:
                source, target = self.source(way), self.target(way)
                if source not in reached or source == token_out or target == token_in:
                    continue
                worth, path = reached[source]
                worth *= self.sides[way].first()
                if worth > further.get(target, (0.0,))[0] and all(self.source(each) != target for each in path):
                    further[target] = worth, [*path, way]
            reached = further
            if token_out in reached and (best is None or reached[token_out][0] > best[0]):
                best = reached[token_out]
        return best

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


def in_x64(prices: Mapping[str, float], token_out: str) -> dict[str, int]:
    """Prices in parts of 2^64 of a unit of `token_out`. Any are valid in a proof, so floats may choose them."""
    one = prices[token_out]
    return {token: int(price / one * PRICE_ONE) for token, price in prices.items()}


def _price(piece: Piece) -> float:
    if isinstance(piece, Curve):
        return (piece.out_num * piece.in_den) / (piece.out_den * piece.in_num)
    return piece.price_num / piece.price_den
