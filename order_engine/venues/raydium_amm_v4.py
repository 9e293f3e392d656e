"""Raydium AMM v4, the plain constant-product pool: x·y only grows, the whole fee stays in the vault.

The rules are those of the program raydium-amm, `program/src/math.rs` (Calculator) and the fee lines of
`program/src/processor.rs` (swap_base_in, swap_base_out), integer for integer. The pool's own growth is set apart for
the protocol only when someone deposits or withdraws, so a swap does not see it.
"""

from typing import ClassVar

import msgspec

from order_engine.amounts import U64_MAX, div_ceil, div_floor
from order_engine.venues import pool
from order_engine.venues.pool import SwapRefused


class Pool(msgspec.Struct, frozen=True, tag_field="model", tag="raydium_amm_v4"):
    """A constant-product pool whose fee is a share of the input, 25/10000 unless told otherwise.

    Reserves are base units: the vault balance less `need_take_pnl` of that side (state.rs, Fees; processor.rs).
    """

    model: ClassVar[str] = "raydium_amm_v4"

    reserve_a: int
    reserve_b: int
    swap_fee_numerator: int = 25
    swap_fee_denominator: int = 10_000

    @property
    def reserves(self) -> tuple[int, int]:
        """Both reserves in base units. A swap takes out at most one unit less."""
        return self.reserve_a, self.reserve_b

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int) -> pool.Swap["Pool"]:  # noqa: ARG002
        """Sell exactly `amount_in` base units, fee included; the fee is in the input token.

        Raises SwapRefused: zero_input, zero_output (also when the fee eats the whole input), overflow_u64 when the
        vault could not hold the input. Source: processor.rs process_swap_base_in, math.rs swap_token_amount_base_in.
        """
        if amount_in <= 0:
            raise SwapRefused("zero_input", "the amount to sell must be greater than zero")
        reserve_in, reserve_out = self._facing(a_to_b)
        fee = div_ceil(amount_in * self.swap_fee_numerator, self.swap_fee_denominator)  # the pool keeps the dust
        after_fee = amount_in - fee
        depth = reserve_in + after_fee
        amount_out = div_floor(reserve_out * after_fee, depth) if depth else 0  # the pool keeps the dust
        if amount_out == 0:
            raise SwapRefused("zero_output", f"{amount_in} base units buy less than one base unit here")
        if reserve_in + amount_in > U64_MAX:
            raise SwapRefused("overflow_u64", f"the vault cannot hold {amount_in} more on top of {reserve_in}")
        after = self._moved(a_to_b, reserve_in + amount_in, reserve_out - amount_out)
        return pool.Swap(amount_in, amount_out, fee, True, after)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int) -> pool.Swap["Pool"]:  # noqa: ARG002
        """Buy exactly `amount_out` base units; the fee is in the input token and part of `amount_in`.

        Raises SwapRefused: zero_input for nothing to buy, insufficient_liquidity from the whole reserve on,
        overflow_u64 when the price does not fit. Source: processor.rs process_swap_base_out, math.rs
        swap_token_amount_base_out.
        """
        if amount_out <= 0:
            raise SwapRefused("zero_input", "the amount to buy must be greater than zero")
        reserve_in, reserve_out = self._facing(a_to_b)
        if amount_out >= reserve_out:
            raise SwapRefused("insufficient_liquidity", f"{amount_out} wanted, the pool holds {reserve_out}")
        after_fee = div_ceil(reserve_in * amount_out, reserve_out - amount_out)  # the pool keeps the dust
        amount_in = div_ceil(  # the pool keeps the dust
            after_fee * self.swap_fee_denominator, self.swap_fee_denominator - self.swap_fee_numerator
        )
        if reserve_in + amount_in > U64_MAX:
            raise SwapRefused("overflow_u64", f"the vault cannot hold {amount_in} more on top of {reserve_in}")
        after = self._moved(a_to_b, reserve_in + amount_in, reserve_out - amount_out)
        return pool.Swap(amount_in, amount_out, amount_in - after_fee, True, after)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The marginal price without fee, (reserve out, reserve in): base units out per base unit in."""
        reserve_in, reserve_out = self._facing(a_to_b)
        return reserve_out, reserve_in

    def fee_ppm(self, now: int) -> int:  # noqa: ARG002
        """The fee in millionths of the input, rounded down."""
        return div_floor(self.swap_fee_numerator * 1_000_000, self.swap_fee_denominator)

    @property
    def step_ppm(self) -> int:
        """It moves smoothly."""
        return 1

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that moves the price by `ppm` millionths: half that share of its reserve, rounded down."""
        return div_floor(self._facing(a_to_b)[0] * ppm, 2_000_000)

    def _facing(self, a_to_b: bool) -> tuple[int, int]:
        return (self.reserve_a, self.reserve_b) if a_to_b else (self.reserve_b, self.reserve_a)

    def _moved(self, a_to_b: bool, reserve_in: int, reserve_out: int) -> "Pool":
        reserve_a, reserve_b = (reserve_in, reserve_out) if a_to_b else (reserve_out, reserve_in)
        return Pool(reserve_a, reserve_b, self.swap_fee_numerator, self.swap_fee_denominator)
