"""A venue on the simulated chain: it quotes from its own pools, and takes its time like a real one."""

from collections.abc import Sequence
from typing import NamedTuple

from order_engine.amounts import div_ceil
from order_engine.clock import Clock
from order_engine.errors import Refused
from order_engine.quotes import Ask, Quote
from order_engine.tokens import NATIVE, TOKENS, network_fee_in
from order_engine.venues.pool import Pool, Swap, SwapRefused, impact_bps
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain
from order_engine.venues.simulated.faults import NO_FAULTS, Faults
from order_engine.venues.simulated.market import Listing
from order_engine.venues.venue import PoolView


class SimulatedVenue:
    """See `venue.Venue` for what it promises. `quote_ms` is the time an answer takes; `faults` go wrong on purpose."""

    def __init__(
        self, name: str, chain: SimulatedChain, clock: Clock, quote_ms: int, faults: Faults = NO_FAULTS
    ) -> None:
        self._name = name
        self._chain = chain
        self._clock = clock
        self._quote_ms = quote_ms
        self._faults = faults
        self._of: Sequence[Listing] = ()  # the chain's listings, as they were when these were sorted
        self._sorted: tuple[list[Listing], dict[frozenset[str], list[Listing]]] = ([], {})

    @property
    def name(self) -> str:
        return self._name

    @property
    def prompt(self) -> bool:
        """True where answers take no time, and no fault is there to change that."""
        return self._quote_ms == 0 and self._faults.calm

    def serves(self, token: str, other: str) -> bool:
        """True when one of its pools has this pair."""
        return frozenset((token, other)) in self._by_pair

    @property
    def _listings(self) -> list[Listing]:
        self._sort()
        return self._sorted[0]

    @property
    def _by_pair(self) -> dict[frozenset[str], list[Listing]]:
        self._sort()
        return self._sorted[1]

    def _sort(self) -> None:
        """Pools come while the chain runs: then its listings are another list."""
        known = self._chain.listings
        if known is self._of:
            return
        mine = [listing for listing in known if listing.dex == self._name]
        by_pair: dict[frozenset[str], list[Listing]] = {}
        for listing in mine:
            by_pair.setdefault(frozenset((listing.token_a, listing.token_b)), []).append(listing)
        self._sorted = mine, by_pair
        self._of = known

    def quote(self, ask: Ask) -> Quote:
        """The offer of its best pool for this ask. Raises Refused without a pool, or when none can fill it."""
        self._clock.sleep_ms(self._quote_ms + self._faults.quoting(self._name, ask))
        best: _Offer | None = None
        refusals: list[str] = []
        for listing in self._by_pair.get(frozenset((ask.input_token, ask.output_token)), ()):
            try:
                offer = self._offer(listing, ask)
            except SwapRefused as refused:
                refusals.append(str(refused))
            else:
                if best is None or offer.rank > best.rank:
                    best = offer
        if best is None:
            raise Refused("; ".join(refusals) or "no pool", code="no_route")
        return self._quote(best, ask)

    def _offer(self, listing: Listing, ask: Ask) -> "_Offer":
        pool, now = self._chain.pool(listing.address), self._chain.block_time()
        a_to_b = listing.token_a == ask.input_token
        if ask.exact == "out":
            swap = pool.swap_exact_out(ask.amount, a_to_b, now)
            if swap.amount_out != ask.amount:
                raise SwapRefused("insufficient_liquidity", "the pool has less")
            net_in = swap.amount_in + _network_cost(ask.input_token, ask.output_token, swap.amount_in, ask.amount)
            return _Offer((-net_in, -swap.amount_in, listing.address), pool, swap, a_to_b, ask.amount, net_in)
        swap = pool.swap_exact_in(ask.amount, a_to_b, now)
        amount_out = swap.amount_out
        if amount_out == 0:
            raise SwapRefused("zero_output", "the output is zero")
        if swap.amount_in != ask.amount:
            raise SwapRefused("insufficient_liquidity", "the pool takes less")
        cost = _network_cost(ask.output_token, ask.input_token, amount_out, ask.amount)
        net_out = max(amount_out - cost, 1)  # dust: an order may be worth less than that fee
        return _Offer((net_out, amount_out, listing.address), pool, swap, a_to_b, net_out, ask.amount)

    def _quote(self, offer: "_Offer", ask: Ask) -> Quote:
        (_, _, address), pool, swap, a_to_b, net_out, net_in = offer
        return Quote(
            dex=self._name,
            pool=address,
            amount_out=swap.amount_out,
            fee=swap.fee,
            fee_token=ask.input_token if swap.fee_on_input else ask.output_token,
            network_fee=NETWORK_FEE,
            net_out=net_out,
            impact_bps=impact_bps(pool, swap, a_to_b),
            amount_in=swap.amount_in,
            net_in=net_in,
        )

    def pools(self) -> Sequence[PoolView]:
        """Its pools as of the newest block."""
        return [self._view(listing) for listing in self._listings]

    def _view(self, listing: Listing) -> PoolView:
        pool = self._chain.pool(listing.address)
        reserve_a, reserve_b = pool.reserves
        return PoolView(
            dex=self._name,
            pool=listing.address,
            model=pool.model,
            token_a=listing.token_a,
            token_b=listing.token_b,
            reserve_a=reserve_a,
            reserve_b=reserve_b,
            fee_ppm=pool.fee_ppm(self._chain.block_time()),
            price=pool.spot_price(True),
        )


class _Offer(NamedTuple):
    """What one pool would do. The greatest `rank` is the best: net amount, amount, address."""

    rank: tuple[int, int, str]
    pool: Pool
    swap: Swap[object]
    a_to_b: bool
    net_out: int
    net_in: int


def _network_cost(token: str, other: str, units: int, units_of_other: int) -> int:
    """The network fee in base units of a token, rounded up: at the rate of the trade itself where SOL is in it."""
    if token == NATIVE:
        return NETWORK_FEE
    if other == NATIVE:
        return div_ceil(NETWORK_FEE * units, units_of_other)
    return network_fee_in(TOKENS[token], NETWORK_FEE)
