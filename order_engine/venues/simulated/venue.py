"""A venue on the simulated chain: it quotes from its own pools, and takes its time like a real one."""

from collections.abc import Sequence
from typing import NamedTuple

from order_engine.amounts import div_ceil
from order_engine.clock import Clock
from order_engine.errors import Refused
from order_engine.quotes import Ask, Quote
from order_engine.tokens import NATIVE, TOKENS, network_fee_in
from order_engine.venues.pool import Swap, SwapRefused, impact_bps
from order_engine.venues.simulated.chain import NETWORK_FEE, SimulatedChain
from order_engine.venues.simulated.faults import NO_FAULTS, Faults
from order_engine.venues.snapshot import Listing, Snapshot
from order_engine.venues.venue import PoolView

_REMEMBERED = 1_024  # quotes of one block


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
        self._latest = _Block(Snapshot(-1, 0, ()), name)

    @property
    def name(self) -> str:
        return self._name

    @property
    def prompt(self) -> bool:
        """True where answers take no time, and no fault is there to change that."""
        return self._quote_ms == 0 and self._faults.calm

    def serves(self, token: str, other: str) -> bool:
        """True when one of its pools has this pair."""
        return bool(self._block().of_pair(token, other))

    def quote(self, ask: Ask) -> Quote:
        """The offer of its best pool for this ask. Raises Refused without a pool, or when none can fill it."""
        self._clock.sleep_ms(self._quote_ms + self._faults.quoting(self._name, ask))
        block = self._block()
        found = block.quotes.get(ask)
        if found is None:
            found = _quote(_best(ask, block), ask)
            if len(block.quotes) < _REMEMBERED:
                block.quotes[ask] = found
        return found

    def pools(self) -> Sequence[PoolView]:
        """Its pools as of the newest block."""
        block = self._block()
        return [_view(listing, block.snapshot.now) for listing in block.listings]

    def _block(self) -> "_Block":
        """The newest block as this venue sees it."""
        snapshot, latest = self._chain.snapshot(), self._latest
        if latest.snapshot is not snapshot:
            latest = self._latest = _Block(snapshot, self._name)
        return latest


class _Block:
    """A venue's pools after one block, and what it has quoted on them: who asks the same again is told the same."""

    def __init__(self, snapshot: Snapshot, dex: str) -> None:
        self.snapshot = snapshot
        self.listings = [listing for listing in snapshot.listings if listing.dex == dex]
        self.quotes: dict[Ask, Quote] = {}
        self._by_pair: dict[tuple[str, str], list[Listing]] = {}

    def of_pair(self, token: str, other: str) -> Sequence[Listing]:
        """The pools that trade these two."""
        pair = (token, other)
        if pair not in self._by_pair:
            self._by_pair[pair] = [each for each in self.listings if each[2:4] in (pair, pair[::-1])]
        return self._by_pair[pair]


class _Offer(NamedTuple):
    """What one pool would do. The greatest `rank` is the best: net amount, amount, pool."""

    rank: tuple[int, int, str]
    listing: Listing
    swap: Swap[object]
    a_to_b: bool
    net_out: int
    net_in: int


def _best(ask: Ask, block: _Block) -> _Offer:
    best: _Offer | None = None
    refusals: list[str] = []
    for listing in block.of_pair(ask.input_token, ask.output_token):
        try:
            offer = _offer(listing, ask, block.snapshot.now)
        except SwapRefused as refused:
            refusals.append(str(refused))
        else:
            if best is None or offer.rank > best.rank:
                best = offer
    if best is None:
        raise Refused("; ".join(refusals) or "no pool", code="no_route")
    return best


def _offer(listing: Listing, ask: Ask, now: int) -> _Offer:
    a_to_b = listing.token_a == ask.input_token
    if ask.exact == "out":
        swap = listing.state.swap_exact_out(ask.amount, a_to_b, now)
        if swap.amount_out != ask.amount:
            raise SwapRefused("insufficient_liquidity", "the pool has less")
        net_in = swap.amount_in + _network_cost(ask.input_token, ask.output_token, swap.amount_in, ask.amount)
        return _Offer((-net_in, -swap.amount_in, listing.pool), listing, swap, a_to_b, ask.amount, net_in)
    swap = listing.state.swap_exact_in(ask.amount, a_to_b, now)
    amount_out = swap.amount_out
    if amount_out == 0:
        raise SwapRefused("zero_output", "the output is zero")
    if swap.amount_in != ask.amount:
        raise SwapRefused("insufficient_liquidity", "the pool takes less")
    cost = _network_cost(ask.output_token, ask.input_token, amount_out, ask.amount)
    net_out = max(amount_out - cost, 1)  # dust: an order may be worth less than that fee
    return _Offer((net_out, amount_out, listing.pool), listing, swap, a_to_b, net_out, ask.amount)


def _quote(offer: _Offer, ask: Ask) -> Quote:
    _, listing, swap, a_to_b, net_out, net_in = offer
    return Quote(
        dex=listing.dex,
        pool=listing.pool,
        amount_out=swap.amount_out,
        fee=swap.fee,
        fee_token=ask.input_token if swap.fee_on_input else ask.output_token,
        network_fee=NETWORK_FEE,
        net_out=net_out,
        impact_bps=impact_bps(listing.state, swap, a_to_b),
        amount_in=swap.amount_in,
        net_in=net_in,
    )


def _view(listing: Listing, now: int) -> PoolView:
    pool = listing.state
    reserve_a, reserve_b = pool.reserves
    return PoolView(
        dex=listing.dex,
        pool=listing.pool,
        model=pool.model,
        token_a=listing.token_a,
        token_b=listing.token_b,
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        fee_ppm=pool.fee_ppm(now),
        price=pool.spot_price(True),
    )


def _network_cost(token: str, other: str, units: int, units_of_other: int) -> int:
    """The network fee in base units of a token, rounded up: at the rate of the trade itself where SOL is in it."""
    if token == NATIVE:
        return NETWORK_FEE
    if other == NATIVE:
        return div_ceil(NETWORK_FEE * units, units_of_other)
    return network_fee_in(TOKENS[token], NETWORK_FEE)
