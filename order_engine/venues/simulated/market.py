"""Other people's trades: seeded, the same for a seed and a height, and paid for out of the market's own account.

Each token has a fair value that wanders slowly around where it was. Noise traders push single pools away from it, a rare
large order pushes far, informed traders buy what will be dearer soon, and arbitrageurs bring back any pool that strays by more
than its fee: so venues differ by about their fees, are seconds apart by up to a few per cent after a large order, and come back.
What a circle through several pools could earn is theirs, as it is on a real chain, and not the next order's. How much of all
that is the regime's. One pair is visited per block, in turn. All integers.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from order_engine.amounts import div_ceil, div_floor
from order_engine.tokens import TOKENS
from order_engine.venues.pool import Pool
from order_engine.venues.simulated.regimes import CALM, Regime

PPM = 1_000_000
WANDER_PPM = {  # how far a token's fair value goes on calm days, either way
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
TREND_WANDER_PPM = 20_000  # a token that wanders so far goes with a trend as it is; one that wanders farther, farther
INFORMED_BLOCKS = 128  # who is informed knows the fair values of the next minute


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


class Market(msgspec.Struct, frozen=True):
    """The regime that holds, since which height, and what each token was worth then, in millionths of its reference price."""

    regime: Regime = CALM
    since: int = 0
    values_ppm: Mapping[str, int] = {}  # a token that is not in it: its reference price


class Flow:
    """The trades of everybody else. Decides from seed, height, market and the pools as they are; keeps nothing."""

    def __init__(self, seed: int, listings: Iterable[Listing], market: Market = Market()) -> None:  # noqa: B008 - frozen
        self._seed = seed
        self._market = market
        self._regime = market.regime
        pairs: dict[tuple[str, str], list[Listing]] = {}
        for listing in sorted(listings, key=lambda listing: listing.address):
            pairs.setdefault((listing.token_a, listing.token_b), []).append(listing)
        self._pairs = sorted(pairs.items())

    def trades(self, height: int, pools: Mapping[str, Pool], now: int) -> Iterator[Trade]:
        """What the market does in this block: each trade is decided after the one before was taken up in `pools`."""
        (token_a, token_b), listings = self._pairs[height % len(self._pairs)]
        regime = self._regime
        dice = self._dice(f"block {height}")
        fair = self._fair(token_a, token_b, height)
        noisy = listings[dice[0] % len(listings)].address
        pool = pools[noisy]
        pull = max(-48, min(48, stray_ppm(pool, fair) // 500))  # the crowd leans towards the fair price
        sells_a = dice[1] < 128 + pull
        size = regime.noise_ppm * (dice[2] + 1) * (dice[3] + 1) // (1 << 16)  # mostly small
        whale = dice[4] < regime.whale_odds
        if whale:
            size *= regime.whale_times
        yield Trade(noisy, sells_a, pool.depth(sells_a, size))
        if dice[5] < regime.informed_odds:
            known = self._fair(token_a, token_b, height + INFORMED_BLOCKS)
            yield from self._foreseen(listings[dice[7] % len(listings)].address, pools, known, now)
        if dice[6] < regime.arbitrage_odds and not whale:  # a surprise; they come when it is this pair's turn again
            for listing in listings:
                yield from self._corrected(listing.address, pools, fair, now)

    def fair(self, listing: Listing, height: int) -> tuple[int, int]:
        """The fair price of a pool's pair: base units of B per A, as a ratio."""
        return self._fair(listing.token_a, listing.token_b, height)

    def values_ppm(self, height: int) -> dict[str, int]:
        """Every token's fair value over its reference price, in millionths: where another market goes on from."""
        return {token: self._value_ppm(token, height) for token in WANDER_PPM}

    def _foreseen(self, address: str, pools: Mapping[str, Pool], price: tuple[int, int], now: int) -> Iterator[Trade]:
        """The trade of somebody who knows the price to come: half of the way there, if that is worth the fee."""
        pool = pools[address]
        stray = stray_ppm(pool, price)
        excess = abs(stray) - pool.fee_ppm(now)
        if excess > 0:
            yield Trade(address, stray > 0, pool.depth(stray > 0, div_floor(excess, 2) + 1))

    def _corrected(self, address: str, pools: Mapping[str, Pool], fair: tuple[int, int], now: int) -> Iterator[Trade]:
        """The arbitrageur's trade: all that pays for him at the fair price, where it is worth his while."""
        pool = pools[address]
        stray, fee, step = stray_ppm(pool, fair), pool.fee_ppm(now), pool.step_ppm
        excess = abs(stray) - fee
        if excess > self._regime.arbitrage_margin_ppm:
            deep = pool.depth(
                stray > 0, div_ceil(excess, step) * step
            )  # what trades at one price pays to the last unit
            yield Trade(address, stray > 0, div_ceil(deep * PPM, PPM - fee))

    def _fair(self, token_a: str, token_b: str, height: int) -> tuple[int, int]:
        return fair_price(token_a, token_b, self._value_ppm(token_a, height), self._value_ppm(token_b, height))

    def _value_ppm(self, token: str, height: int) -> int:
        """A smooth walk through seeded knots, from what the token was worth when the market began; never below a thousandth."""
        market, regime = self._market, self._regime
        began = market.values_ppm.get(token, PPM)
        age = height - market.since
        knot, along = divmod(age, regime.knot_blocks)
        before, after = self._knot(token, knot), self._knot(token, knot + 1)
        own = before + div_floor((after - before) * along, regime.knot_blocks)
        leader = MOVES_WITH.get(token)
        if leader:
            return began - market.values_ppm.get(leader, PPM) + own + self._value_ppm(leader, height)
        moved = PPM + own + div_floor(self._trend_ppm(age) * WANDER_PPM[token], TREND_WANDER_PPM)
        return max(div_floor(began * moved, PPM), PPM // 1_000)

    def _trend_ppm(self, age: int) -> int:
        """How far a trend has come after so many blocks."""
        regime = self._regime
        if not regime.trend_ppm:
            return 0
        blocks = regime.trend_blocks
        gone = min(age, blocks)
        if regime.trend_comes_back:
            gone = blocks - abs(age % (2 * blocks) - blocks)
        up = not regime.trend_either_way or self._dice(f"trend {self._market.since}")[0] < 128
        return div_floor((regime.trend_ppm if up else -regime.trend_ppm) * gone, blocks)

    def _knot(self, token: str, knot: int) -> int:
        if knot == 0:
            return 0  # a market opens where the last one ended
        reach = div_floor(WANDER_PPM[token] * self._regime.wander_percent, 100)
        since = self._market.since
        dice = self._dice(f"{token} {since} {knot}" if since else f"{token} {knot}")
        return int.from_bytes(dice[:4], "big") % (2 * reach + 1) - reach

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
