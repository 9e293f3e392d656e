"""Other people's trades: seeded, the same for a seed and a height, and paid for out of the market's own account.

Each token has a fair value that wanders slowly around its reference price. Noise traders push single pools away from it, a
rare large order pushes far, and arbitrageurs bring back any pool that strays by more than its fee: so venues differ, drift
apart by up to a few per cent, and come back. One pair is visited per block, in turn. All integers.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from order_engine.amounts import div_floor
from order_engine.tokens import TOKENS
from order_engine.venues.pool import Pool

PPM = 1_000_000
KNOT_BLOCKS = 2_048  # fair values change their course about every 14 minutes
WANDER_PPM = {  # how far a token's fair value goes from its reference price, either way
    "SOL": 20_000,
    "USDC": 0,
    "USDT": 200,
    "JUP": 25_000,
    "BONK": 30_000,
    "RAY": 25_000,
    "WIF": 30_000,
    "JitoSOL": 500,
}
MOVES_WITH = {"JitoSOL": "SOL"}  # a staked SOL is worth SOL, and a little of its own
NOISE_PPM = 3_200  # the largest move an ordinary trade makes
WHALE_TIMES = 12  # a rare trade is so much larger
ARBITRAGE_MARGIN_PPM = 2_500  # what a pool must stray, beyond its fee, to be worth an arbitrageur's while


class Listing(msgspec.Struct, frozen=True):
    """A pool's place on the chain: who runs it, and what A and B are."""

    address: str
    dex: str
    token_a: str
    token_b: str


class Trade(msgspec.Struct, frozen=True):
    """A swap of the market's."""

    address: str
    a_to_b: bool
    amount_in: int


class Flow:
    """The trades of everybody else. Decides from seed, height and the pools as they are; keeps nothing."""

    def __init__(self, seed: int, listings: Iterable[Listing]) -> None:
        self._seed = seed
        pairs: dict[tuple[str, str], list[Listing]] = {}
        for listing in sorted(listings, key=lambda listing: listing.address):
            pairs.setdefault((listing.token_a, listing.token_b), []).append(listing)
        self._pairs = sorted(pairs.items())

    def trades(self, height: int, pools: Mapping[str, Pool], now: int) -> Iterator[Trade]:
        """What the market does in this block: each trade is decided after the one before was taken up in `pools`."""
        (token_a, token_b), listings = self._pairs[height % len(self._pairs)]
        dice = self._dice(f"block {height}")
        fair = fair_price(token_a, token_b, self._value_ppm(token_a, height), self._value_ppm(token_b, height))
        noisy = listings[dice[0] % len(listings)].address
        pool = pools[noisy]
        pull = max(-48, min(48, stray_ppm(pool, fair) // 500))  # the crowd leans towards the fair price
        sells_a = dice[1] < 128 + pull
        size = NOISE_PPM * (dice[2] + 1) * (dice[3] + 1) // (1 << 16)  # mostly small
        if dice[4] == 0:
            size *= WHALE_TIMES
        yield Trade(noisy, sells_a, pool.depth(sells_a, size))
        for listing in listings:
            pool = pools[listing.address]
            stray = stray_ppm(pool, fair)
            excess = abs(stray) - pool.fee_ppm(now) - ARBITRAGE_MARGIN_PPM
            if excess > 0 and dice[6] < 96:  # they are not always awake
                yield Trade(listing.address, stray > 0, pool.depth(stray > 0, div_floor(excess, 2) + 1))

    def _value_ppm(self, token: str, height: int) -> int:
        """The token's fair value over its reference price, in millionths: a smooth walk through seeded knots."""
        knot, along = divmod(height, KNOT_BLOCKS)
        before, after = self._knot(token, knot), self._knot(token, knot + 1)
        own = before + div_floor((after - before) * along, KNOT_BLOCKS)
        leader = MOVES_WITH.get(token)
        return own + (self._value_ppm(leader, height) if leader else PPM)

    def _knot(self, token: str, knot: int) -> int:
        if knot == 0:
            return 0  # the market opens at its reference prices
        reach = WANDER_PPM[token]
        return int.from_bytes(self._dice(f"{token} {knot}")[:4], "big") % (2 * reach + 1) - reach

    def _dice(self, what: str) -> bytes:
        return hashlib.blake2b(f"{self._seed} {what}".encode(), digest_size=16).digest()


def fair_price(token_a: str, token_b: str, value_a_ppm: int, value_b_ppm: int) -> tuple[int, int]:
    """Base units of B per base unit of A, as a ratio, from reference prices and how far each token's value has wandered."""
    a, b = TOKENS[token_a], TOKENS[token_b]
    return a.usd_nanos * value_a_ppm * 10**b.decimals, b.usd_nanos * value_b_ppm * 10**a.decimals


def stray_ppm(pool: Pool, fair: tuple[int, int]) -> int:
    """How far the pool's price lies above the fair one (below: negative), in millionths, rounded down."""
    (numerator, denominator), (fair_numerator, fair_denominator) = pool.spot_price(True), fair
    ratio = div_floor(numerator * fair_denominator * PPM, denominator * fair_numerator)
    return ratio - PPM
