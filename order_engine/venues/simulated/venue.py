"""A venue on the simulated chain: it quotes from its own pools, and takes its time like a real one."""

from collections.abc import Sequence
from typing import NamedTuple

from order_engine.amounts import BPS, div_ceil
from order_engine.clock import Clock
from order_engine.errors import Refused
from order_engine.orders import Transaction
from order_engine.quotes import Ask, Quote
from order_engine.tokens import NATIVE, TOKENS, network_fee_in
from order_engine.venues.pool import Pool, Swap, SwapRefused
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain
from order_engine.venues.simulated.faults import NO_FAULTS, Faults
from order_engine.venues.simulated.instruction import Instruction
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
        pool = self._chain.pool(listing.address)
        a_to_b = listing.token_a == ask.input_token
        swap = pool.swap_exact_in(ask.amount_in, a_to_b, self._chain.block_time())
        amount_out = swap.amount_out
        if amount_out == 0:
            raise SwapRefused("zero_output", "the output is zero")
        net_out = max(amount_out - _network_cost(ask, amount_out), 1)  # dust: an order may be worth less than that fee
        return _Offer((net_out, amount_out, listing.address), pool, swap, a_to_b)

    def _quote(self, offer: "_Offer", ask: Ask) -> Quote:
        (net_out, amount_out, address), pool, swap, a_to_b = offer
        return Quote(
            dex=self._name,
            pool=address,
            amount_out=amount_out,
            fee=swap.fee,
            fee_token=ask.input_token if swap.fee_on_input else ask.output_token,
            network_fee=NETWORK_FEE,
            net_out=net_out,
            impact_bps=impact_bps(pool, swap, a_to_b),
        )

    def build(self, ask: Ask, quote: Quote, min_out: int, nonce: str) -> Transaction:
        """The signed swap of this quote, valid for some slots from now."""
        self._clock.sleep_ms(self._faults.building(self._name, ask, nonce))
        return self._chain.sign(
            Instruction(
                nonce=nonce,
                pool=quote.pool,
                input_token=ask.input_token,
                output_token=ask.output_token,
                amount_in=ask.amount_in,
                min_out=min_out,
                last_valid_height=self._chain.last_valid_height(),
            )
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
    """What one pool would do. The greatest `rank` is the best: net output, output, address."""

    rank: tuple[int, int, str]
    pool: Pool
    swap: Swap[object]
    a_to_b: bool


def impact_bps(pool: Pool, swap: Swap[object], a_to_b: bool) -> int:
    """How far the execution, fee aside, lies below the marginal price before the swap, in bps rounded up.

    Our own definition, since every venue has another: 1 - gross output / (net input x spot price).
    """
    numerator, denominator = pool.spot_price(a_to_b)
    net_in = swap.amount_in - swap.fee if swap.fee_on_input else swap.amount_in
    gross_out = swap.amount_out if swap.fee_on_input else swap.amount_out + swap.fee
    flat = net_in * numerator  # what the spot price would pay, times the denominator
    return div_ceil(max(flat - gross_out * denominator, 0) * BPS, flat)


def _network_cost(ask: Ask, amount_out: int) -> int:
    """The network fee in base units of the output token, rounded up: at the trade's own rate where SOL is in it."""
    if ask.output_token == NATIVE:
        return NETWORK_FEE
    if ask.input_token == NATIVE:
        return div_ceil(NETWORK_FEE * amount_out, ask.amount_in)
    return network_fee_in(TOKENS[ask.output_token], NETWORK_FEE)
