"""What every pool model can do, in the same few words. A further model is one further file that does the same.

Pools are frozen values: a swap returns the pool as it is afterwards and changes nothing. All amounts are base units that
fit 64 bits; every rule is integer-exact after the on-chain program it models.
"""

from typing import Generic, Literal, Protocol, Self, TypeVar

import msgspec

from order_engine.amounts import BPS, div_ceil

RefusalKind = Literal["zero_input", "zero_output", "insufficient_liquidity", "overflow_u64"]


class SwapRefused(Exception):
    """The program would reject this swap; the pool is as it was."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind


P_co = TypeVar("P_co", covariant=True)


class Swap(msgspec.Struct, Generic[P_co], frozen=True):
    """What a swap did. `amount_in` is gross (with the fee), `amount_out` net; `fee` is the whole fee."""

    amount_in: int
    amount_out: int
    fee: int
    fee_on_input: bool
    after: P_co


class Pool(Protocol):
    """One liquidity pool of tokens A and B. `a_to_b` says which way a swap goes; `now` is unix seconds of the block."""

    @property
    def model(self) -> str:
        """The name of the model, such as "raydium_amm_v4"."""

    @property
    def reserves(self) -> tuple[int, int]:
        """What can at most be taken out of the pool, of A and of B."""

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int) -> Swap[Self]:
        """Sell exactly `amount_in`. Raises SwapRefused where the program would reject."""

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int) -> Swap[Self]:
        """Buy exactly `amount_out`. Raises SwapRefused where the program would reject."""

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The marginal price without fee as an exact ratio (numerator, denominator): base units out per base unit in."""

    def fee_ppm(self, now: int) -> int:
        """What a swap would pay in fees now, in millionths, rounded down. For showing; swaps compute their own."""

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """About how many base units in move the price by `ppm` millionths, fee aside, rounded down."""

    @property
    def step_ppm(self) -> int:
        """The least move of its price in millionths: all that lies between trades at one price. 1 where it moves smoothly."""


def impact_bps(pool: Pool, swap: Swap[object], a_to_b: bool) -> int:
    """How far the execution, fee aside, lies below the marginal price before the swap, in bps rounded up.

    Our own definition, since every venue has another: 1 - gross output / (net input x spot price).
    """
    numerator, denominator = pool.spot_price(a_to_b)
    net_in = swap.amount_in - swap.fee if swap.fee_on_input else swap.amount_in
    gross_out = swap.amount_out if swap.fee_on_input else swap.amount_out + swap.fee
    flat = net_in * numerator  # what the spot price would pay, times the denominator
    return div_ceil(max(flat - gross_out * denominator, 0) * BPS, flat) if flat else 0
