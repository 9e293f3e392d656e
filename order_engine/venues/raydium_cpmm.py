"""Raydium CPMM (cp-swap), a constant-product pool that sets protocol, fund and creator fees apart at every swap.

It stands apart from AMM v4 because its fee leaves the reserves in parts, and because the creator's part may be taken
from the output. The rules are those of the program raydium-cp-swap, `curve/calculator.rs`, `curve/constant_product.rs`
and `curve/fees.rs`, integer for integer.
"""

from typing import ClassVar

import msgspec

from order_engine.amounts import U64_MAX, div_ceil, div_floor
from order_engine.venues import pool
from order_engine.venues.pool import SwapRefused

RATE_ONE = 1_000_000  # curve/fees.rs, FEE_RATE_DENOMINATOR_VALUE

CREATOR_FEE_ON_INPUT = 0
CREATOR_FEE_ON_A = 1
CREATOR_FEE_ON_B = 2


class Swap(pool.Swap["Pool"], frozen=True):
    """What a swap did. `fee` is what was taken from the input, in base units of the input token.

    `trade_fee` is in the input token and contains `protocol_fee` and `fund_fee`; the rest of it stays with the
    liquidity providers. `creator_fee` is in the input token and part of `fee` if `creator_fee_on_input`; otherwise it
    is in the output token, on top of `fee`, and already missing from `amount_out`.
    """

    trade_fee: int
    protocol_fee: int
    fund_fee: int
    creator_fee: int
    creator_fee_on_input: bool


class Pool(msgspec.Struct, frozen=True, tag_field="model", tag="raydium_cpmm"):
    """A constant-product pool; rates are parts of 1 000 000, protocol and fund rates are shares of the trade fee.

    Reserves are base units: the vault balance less the accrued protocol, fund and creator fees. `creator_fee_on` says
    in which token the creator is paid: 0 whatever comes in, 1 always A, 2 always B (states/pool.rs, states/config.rs).
    """

    model: ClassVar[str] = "raydium_cpmm"

    reserve_a: int
    reserve_b: int
    trade_fee_rate: int = 2_500
    protocol_fee_rate: int = 120_000
    fund_fee_rate: int = 40_000
    creator_fee_rate: int = 0
    enable_creator_fee: bool = False
    creator_fee_on: int = CREATOR_FEE_ON_INPUT

    @property
    def reserves(self) -> tuple[int, int]:
        """Both reserves in base units. A swap takes out at most one unit less."""
        return self.reserve_a, self.reserve_b

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int) -> Swap:  # noqa: ARG002
        """Sell exactly `amount_in` base units, fees included.

        Raises SwapRefused: zero_input, zero_output (also when fees eat everything), insufficient_liquidity for an empty
        pool, overflow_u64 when the vault could not hold the input. Source: curve/calculator.rs swap_base_input, curve/fees.rs.
        """
        if amount_in <= 0:
            raise SwapRefused("zero_input", "the amount to sell must be greater than zero")
        reserve_in, reserve_out = self._filled(a_to_b)
        creator_rate, creator_on_input = self._creator_fee(a_to_b)
        rate = self.trade_fee_rate + (creator_rate if creator_on_input else 0)
        fee = div_ceil(amount_in * rate, RATE_ONE)  # the pool keeps the dust
        after_fee = amount_in - fee
        gross_out = div_floor(after_fee * reserve_out, reserve_in + after_fee)  # the pool keeps the dust
        if creator_on_input:
            creator_fee = div_floor(fee * creator_rate, rate) if rate else 0  # the pool keeps the dust
            trade_fee, amount_out = fee - creator_fee, gross_out
        else:
            creator_fee = div_ceil(gross_out * creator_rate, RATE_ONE)  # the creator keeps the dust
            trade_fee, amount_out = fee, gross_out - creator_fee
        if amount_out == 0:
            raise SwapRefused("zero_output", f"{amount_in} base units buy less than one base unit here")
        return self._swapped(a_to_b, amount_in, amount_out, gross_out, trade_fee, creator_fee, creator_on_input)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int) -> Swap:  # noqa: ARG002
        """Buy exactly `amount_out` base units; all fees come on top of what the curve asks.

        Raises SwapRefused: zero_input for nothing to buy, insufficient_liquidity from the whole reserve on (creator fee
        included), overflow_u64 when the price does not fit. Source: curve/calculator.rs swap_base_output,
        curve/fees.rs.
        """
        if amount_out <= 0:
            raise SwapRefused("zero_input", "the amount to buy must be greater than zero")
        reserve_in, reserve_out = self._filled(a_to_b)
        creator_rate, creator_on_input = self._creator_fee(a_to_b)
        if creator_on_input:
            gross_out, rate = amount_out, self.trade_fee_rate + creator_rate
        else:
            gross_out = div_ceil(amount_out * RATE_ONE, RATE_ONE - creator_rate)  # the creator keeps the dust
            rate = self.trade_fee_rate
        if gross_out >= reserve_out:
            raise SwapRefused("insufficient_liquidity", f"{gross_out} wanted, the pool holds {reserve_out}")
        after_fee = div_ceil(reserve_in * gross_out, reserve_out - gross_out)  # the pool keeps the dust
        amount_in = div_ceil(after_fee * RATE_ONE, RATE_ONE - rate)  # the pool keeps the dust
        fee = amount_in - after_fee
        if creator_on_input:
            creator_fee = div_floor(fee * creator_rate, rate) if rate else 0  # the pool keeps the dust
            trade_fee = fee - creator_fee
        else:
            creator_fee, trade_fee = gross_out - amount_out, fee
        return self._swapped(a_to_b, amount_in, amount_out, gross_out, trade_fee, creator_fee, creator_on_input)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The marginal price without fee, (reserve out, reserve in): base units out per base unit in."""
        reserve_in, reserve_out = self._facing(a_to_b)
        return reserve_out, reserve_in

    def fee_ppm(self, now: int) -> int:  # noqa: ARG002
        """The fee in millionths of the input, rounded down."""
        return self.trade_fee_rate + (self.creator_fee_rate if self.enable_creator_fee else 0)

    @property
    def step_ppm(self) -> int:
        """It moves smoothly."""
        return 1

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that moves the price by `ppm` millionths: half that share of its reserve, rounded down."""
        return div_floor(self._facing(a_to_b)[0] * ppm, 2_000_000)

    def _facing(self, a_to_b: bool) -> tuple[int, int]:
        return (self.reserve_a, self.reserve_b) if a_to_b else (self.reserve_b, self.reserve_a)

    def _filled(self, a_to_b: bool) -> tuple[int, int]:
        """The reserves a swap faces, both of which hold something (states/pool.rs, token_price_x32, divides by each)."""
        if self.reserve_a == 0 or self.reserve_b == 0:
            raise SwapRefused("insufficient_liquidity", "the pool is empty")
        return self._facing(a_to_b)

    def _creator_fee(self, a_to_b: bool) -> tuple[int, bool]:
        """The creator's rate and whether it is taken from the input (states/pool.rs, is_creator_fee_on_input)."""
        on_input = self.creator_fee_on == CREATOR_FEE_ON_INPUT or (self.creator_fee_on == CREATOR_FEE_ON_A) == a_to_b
        return self.creator_fee_rate if self.enable_creator_fee else 0, on_input

    def _swapped(
        self,
        a_to_b: bool,
        amount_in: int,
        amount_out: int,
        gross_out: int,
        trade_fee: int,
        creator_fee: int,
        creator_on_input: bool,
    ) -> Swap:
        reserve_in, reserve_out = self._facing(a_to_b)
        if reserve_in + amount_in > U64_MAX:
            raise SwapRefused("overflow_u64", f"the vault cannot hold {amount_in} more on top of {reserve_in}")
        protocol_fee = div_floor(trade_fee * self.protocol_fee_rate, RATE_ONE)  # liquidity providers keep the dust
        fund_fee = div_floor(trade_fee * self.fund_fee_rate, RATE_ONE)  # liquidity providers keep the dust
        fee = trade_fee + creator_fee if creator_on_input else trade_fee
        reserve_in += amount_in - protocol_fee - fund_fee - (creator_fee if creator_on_input else 0)
        reserve_out -= gross_out
        after = Pool(
            reserve_in if a_to_b else reserve_out,
            reserve_out if a_to_b else reserve_in,
            self.trade_fee_rate,
            self.protocol_fee_rate,
            self.fund_fee_rate,
            self.creator_fee_rate,
            self.enable_creator_fee,
            self.creator_fee_on,
        )
        return Swap(
            amount_in,
            amount_out,
            fee,
            True,
            after,
            trade_fee,
            protocol_fee,
            fund_fee,
            creator_fee,
            creator_on_input,
        )
