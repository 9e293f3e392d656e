"""Meteora DAMM v2 (cp-amm), one constant liquidity over one price range, or x·y = k that takes part of its fee back in.

The rules are those of the program cp-amm as read from damm-v2, `programs/cp-amm/src/state/{pool,fee}.rs`,
`liquidity_handler/*`, `base_fee/fee_time_scheduler.rs`, `base_fee/fee_market_cap_scheduler.rs` and `math/fee_math.rs`,
integer for integer. It stands apart from the tick models because its liquidity never changes on the way, so a swap is one
step, and because its price moves the fee of the next swap and not its own. All was measured on the program itself, except
the fee that falls with the market cap, which was only read. Not here: the rate limiter (base fee mode 2), schedules counted
in slots, and who may trade before a pool is activated.
"""

from functools import lru_cache
from math import isqrt
from typing import ClassVar

import msgspec

from order_engine.amounts import BPS, U64_MAX, div_ceil, div_floor
from order_engine.venues import pool
from order_engine.venues.pool import SwapRefused

FEE_ONE = 1_000_000_000  # constants.rs, FEE_DENOMINATOR
FEE_MAX = (500_000_000, 990_000_000)  # constants.rs, MAX_FEE_NUMERATOR_V0 and _V1: 50 %, 99 %
SQRT_PRICE_MIN_X64 = 4_295_048_016  # constants.rs
SQRT_PRICE_MAX_X64 = 79_226_673_521_066_979_257_578_248_091  # constants.rs

FEE_ON_OUTPUT = 0  # the program's BothToken
FEE_ON_B = 1
COMPOUNDING = 2

TIME_LINEAR = 0
TIME_EXPONENTIAL = 1
MARKET_CAP_LINEAR = 3
MARKET_CAP_EXPONENTIAL = 4

_U128_MAX = (1 << 128) - 1
_LIQUIDITY_BITS = 128  # binary digits after the point of liquidity (64) times a square root of a price (64)
_MOVE_STEP = 1_844_674_407_370_955  # constants.rs, BIN_STEP_BPS_U128_DEFAULT: one basis point as Q64.64


class BaseFee(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fee before volatility, in parts of 10^9, and how it falls in `number_of_period` periods from the cliff.

    A period of modes 0 and 1 is `period_frequency` seconds since activation; one of modes 3 and 4 is a rise of the square
    root of the price by `period_frequency` basis points of `initial_sqrt_price_x64`, until `expires_after` seconds have passed
    (the program names these sqrt_price_step_bps, init_sqrt_price and scheduler_expiration_duration). The linear modes take
    `reduction_factor` off per period, the exponential ones that many basis points of what is left. `period_frequency` 0 is a
    fee that stays at the cliff.
    """

    cliff_fee_numerator: int = 2_500_000
    mode: int = TIME_LINEAR
    number_of_period: int = 0
    period_frequency: int = 0
    reduction_factor: int = 0
    initial_sqrt_price_x64: int = 0
    expires_after: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a mode that is not modelled."""
        if self.mode not in (TIME_LINEAR, TIME_EXPONENTIAL, MARKET_CAP_LINEAR, MARKET_CAP_EXPONENTIAL):
            raise ValueError(f"base fee mode {self.mode} of Meteora DAMM v2 is not modelled")


class DynamicFee(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fee on volatility: parameters, then state (fee.rs, DynamicFeeStruct), named as in the program.

    Periods are seconds, `reduction_factor` parts of 10 000. The defaults are those of the SOL/USDC pool, before its first
    swap. The program's bin step is always one basis point.
    """

    variable_fee_control: int = 239
    max_volatility_accumulator: int = 14_460_000
    filter_period: int = 10
    decay_period: int = 120
    reduction_factor: int = 5_000
    sqrt_price_reference: int = 0
    volatility_accumulator: int = 0
    volatility_reference: int = 0
    last_update_timestamp: int = 0


class Swap(pool.Swap["Pool"], frozen=True):
    """What a swap did. `fee` is the sum of its four parts, of the input if `fee_on_input`, otherwise of the output.

    `fee_lp` is what liquidity providers may claim, `fee_compounding` their part that goes back into the pool (in B),
    `fee_referral` is paid out at once. `unsold` is the input that a partial fill gave back; `amount_in` is without it.
    """

    fee_lp: int
    fee_compounding: int
    fee_protocol: int
    fee_referral: int
    unsold: int


class Pool(msgspec.Struct, frozen=True, tag_field="model", tag="meteora_damm_v2"):
    """A pool of `liquidity_x64` between two square roots of prices. Prices are Q64.64, raw B per raw A; so is the liquidity.

    `collect_fee_mode` 0 takes the fee from the output, 1 always from B, 2 from B with `compounding_fee_bps` of the
    providers' part going back into the pool. In mode 2 the curve is x·y = k on `token_a_amount` and `token_b_amount`: there
    are no bounds, and `sqrt_price_x64` follows from the amounts. In the other modes the amounts follow from the price, and the
    two fields stay 0. Protocol and referral shares are per cent, the referral's is of the protocol's.
    """

    model: ClassVar[str] = "meteora_damm_v2"

    liquidity_x64: int
    sqrt_price_x64: int
    sqrt_price_min_x64: int = SQRT_PRICE_MIN_X64
    sqrt_price_max_x64: int = SQRT_PRICE_MAX_X64
    base_fee: BaseFee = BaseFee()
    dynamic_fee: DynamicFee | None = None
    collect_fee_mode: int = FEE_ON_B
    compounding_fee_bps: int = 0
    protocol_fee_percent: int = 20
    referral_fee_percent: int = 20
    fee_version: int = 1
    activation_point: int = 0
    token_a_amount: int = 0
    token_b_amount: int = 0

    @property
    def reserves(self) -> tuple[int, int]:
        """What is in the curve, in base units rounded down: A up to the upper bound, B down to the lower one.

        In compounding mode a swap takes out at most one unit less. Source: concentrated_liquidity.rs get_reserves_amount.
        """
        if self.collect_fee_mode == COMPOUNDING:
            return self.token_a_amount, self.token_b_amount
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        return (
            div_floor(liquidity * (self.sqrt_price_max_x64 - now_at), now_at * self.sqrt_price_max_x64),
            liquidity * (now_at - self.sqrt_price_min_x64) >> _LIQUIDITY_BITS,
        )

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int, referred: bool = False) -> Swap:
        """Sell exactly `amount_in` base units, fee included. What it buys may be nothing: the program lets that pass.

        Raises SwapRefused: zero_input, insufficient_liquidity beyond the price range, overflow_u64. Source: pool.rs
        get_swap_result_from_exact_input.
        """
        self._check_amount(amount_in)
        rate, fee_on_input = self._fee_rate(now), self._fee_on_input(a_to_b)
        net_in = _without_fee(amount_in, rate) if fee_on_input else amount_in
        gross_out, then_at = self._sell(net_in, a_to_b)
        amount_out = gross_out if fee_on_input else _without_fee(gross_out, rate)
        return self._swapped(a_to_b, now, referred, amount_in, net_in, gross_out, amount_out, then_at, 0)

    def swap_partial_fill(self, amount_in: int, a_to_b: bool, now: int, referred: bool = False) -> Swap:
        """Sell `amount_in` base units, or as many of them as the price range takes; the rest is `unsold`.

        Raises SwapRefused: zero_input, insufficient_liquidity when the price already stands at its bound, overflow_u64.
        Source: pool.rs get_swap_result_from_partial_input.
        """
        self._check_amount(amount_in)
        rate, fee_on_input = self._fee_rate(now), self._fee_on_input(a_to_b)
        room = self._room(a_to_b)
        net_in = _without_fee(amount_in, rate) if fee_on_input else amount_in
        if room is None or net_in < room:
            return self.swap_exact_in(amount_in, a_to_b, now, referred)
        used = amount_in
        if net_in > room:
            used = _with_fee(room, rate) if fee_on_input else room
            if used == 0:  # the program's AmountIsZero
                raise SwapRefused("insufficient_liquidity", "the price stands at the bound of the pool's range")
        then_at = self.sqrt_price_min_x64 if a_to_b else self.sqrt_price_max_x64
        gross_out = self._out(then_at, a_to_b)
        amount_out = gross_out if fee_on_input else _without_fee(gross_out, rate)
        return self._swapped(a_to_b, now, referred, used, room, gross_out, amount_out, then_at, amount_in - used)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int, referred: bool = False) -> Swap:
        """Buy exactly `amount_out` base units, fee already taken out.

        Raises SwapRefused: zero_input for nothing to buy, insufficient_liquidity beyond the price range, overflow_u64 when
        the price does not fit. Source: pool.rs get_swap_result_from_exact_output.
        """
        self._check_amount(amount_out)
        rate, fee_on_input = self._fee_rate(now), self._fee_on_input(a_to_b)
        gross_out = amount_out if fee_on_input else _with_fee(amount_out, rate)
        net_in, then_at = self._buy(gross_out, a_to_b)
        amount_in = _with_fee(net_in, rate) if fee_on_input else net_in
        if max(amount_in, gross_out) > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount_out} base units would move more than 64 bits hold")
        return self._swapped(a_to_b, now, referred, amount_in, net_in, gross_out, amount_out, then_at, 0)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The marginal price without fee, (base units out, base units in)."""
        if self.collect_fee_mode == COMPOUNDING:
            a, b = self.token_a_amount, self.token_b_amount
        else:
            a, b = 1 << 128, self.sqrt_price_x64 * self.sqrt_price_x64
        return (b, a) if a_to_b else (a, b)

    def fee_ppm(self, now: int) -> int:
        """The fee, base and variable, in millionths, rounded down."""
        return div_floor(self._fee_rate(now) * 1_000_000, FEE_ONE)

    @property
    def step_ppm(self) -> int:
        """It moves smoothly."""
        return 1

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that moves the price by `ppm` millionths, or to the bound of the range if that is nearer; rounded down.

        A price moves twice as far as its square root, in the small.
        """
        if self.collect_fee_mode == COMPOUNDING:
            return div_floor((self.token_a_amount if a_to_b else self.token_b_amount) * ppm, 2_000_000)
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        move = div_floor(now_at * ppm, 2_000_000)
        if a_to_b:
            then_at = max(now_at - move, self.sqrt_price_min_x64)
            return div_floor(liquidity * (now_at - then_at), now_at * then_at)
        return liquidity * (min(now_at + move, self.sqrt_price_max_x64) - now_at) >> _LIQUIDITY_BITS

    def _fee_on_input(self, a_to_b: bool) -> bool:
        """Whether the fee is of the input (fee.rs, FeeMode::get_fee_mode)."""
        return self.collect_fee_mode != FEE_ON_OUTPUT and not a_to_b

    def _check_amount(self, amount: int) -> None:
        if amount <= 0:
            raise SwapRefused("zero_input", "the amount must be greater than zero")
        if amount > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount} does not fit 64 bits")
        if self.liquidity_x64 == 0:
            raise SwapRefused("insufficient_liquidity", "the pool is empty")

    def _fee_rate(self, now: int) -> int:
        """Base plus variable fee in parts of 10^9, at most the cap (fee.rs, get_total_fee_numerator).

        The volatility is that of the swaps before: what a swap moves is charged to the next one.
        """
        rate = _base_rate(self.base_fee, now, self.activation_point, self.sqrt_price_x64)
        known = self.dynamic_fee
        if known is not None:
            moved = known.volatility_accumulator
            rate += div_ceil(known.variable_fee_control * moved * moved, 100_000_000_000)  # the pool keeps the dust
        return min(rate, FEE_MAX[self.fee_version])

    def _sell(self, net_in: int, a_to_b: bool) -> tuple[int, int]:
        """(output before fee, square root of the price after) for an input after fee.

        Source: concentrated_liquidity.rs and compounding_liquidity.rs, calculate_{a_to_b,b_to_a}_from_amount_in.
        """
        if self.collect_fee_mode == COMPOUNDING:
            reserve_in, reserve_out = self._facing(a_to_b)
            return div_floor(reserve_out * net_in, reserve_in + net_in), 0  # the pool keeps the dust
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        if a_to_b:  # rounded up: the price falls less, the pool keeps the dust
            then_at = div_ceil(liquidity * now_at, liquidity + net_in * now_at)
        else:  # rounded down: the price rises less, the pool keeps the dust
            then_at = now_at + div_floor(net_in << _LIQUIDITY_BITS, liquidity)
        self._check_in_range(then_at)
        return self._out(then_at, a_to_b), then_at

    def _buy(self, gross_out: int, a_to_b: bool) -> tuple[int, int]:
        """(input after fee, square root of the price after) for an output before fee.

        Source: concentrated_liquidity.rs and compounding_liquidity.rs, calculate_{a_to_b,b_to_a}_from_amount_out.
        """
        if self.collect_fee_mode == COMPOUNDING:
            reserve_in, reserve_out = self._facing(a_to_b)
            if gross_out >= reserve_out:
                raise SwapRefused("insufficient_liquidity", f"{gross_out} wanted, the pool holds {reserve_out}")
            return div_ceil(reserve_in * gross_out, reserve_out - gross_out), 0  # the pool keeps the dust
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        if a_to_b:  # rounded so that the price falls further: the pool keeps the dust
            then_at = now_at - div_ceil(gross_out << _LIQUIDITY_BITS, liquidity)
            self._check_in_range(then_at)
            net_in = div_ceil(liquidity * (now_at - then_at), now_at * then_at)  # the pool keeps the dust
            return net_in, then_at
        left = liquidity - gross_out * now_at
        if left <= 0:
            raise SwapRefused("insufficient_liquidity", f"{gross_out} wanted, more than any price buys here")
        then_at = div_ceil(liquidity * now_at, left)  # the price rises further: the pool keeps the dust
        self._check_in_range(then_at)
        net_in = -(-liquidity * (then_at - now_at) >> _LIQUIDITY_BITS)  # rounded up: the pool keeps the dust
        return net_in, then_at

    def _out(self, then_at: int, a_to_b: bool) -> int:
        """The output before fee on the way to a price, rounded down: the pool keeps the dust."""
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        if a_to_b:
            amount = liquidity * (now_at - then_at) >> _LIQUIDITY_BITS
        else:
            amount = div_floor(liquidity * (then_at - now_at), now_at * then_at)
        if amount > U64_MAX:
            raise SwapRefused("overflow_u64", f"the pool would pay {amount}, more than 64 bits hold")
        return amount

    def _room(self, a_to_b: bool) -> int | None:
        """The input after fee that moves the price to its bound, rounded up; None where there is no bound."""
        if self.collect_fee_mode == COMPOUNDING:
            return None
        liquidity, now_at = self.liquidity_x64, self.sqrt_price_x64
        if a_to_b:
            return div_ceil(liquidity * (now_at - self.sqrt_price_min_x64), now_at * self.sqrt_price_min_x64)
        return -(-liquidity * (self.sqrt_price_max_x64 - now_at) >> _LIQUIDITY_BITS)

    def _check_in_range(self, then_at: int) -> None:
        if not self.sqrt_price_min_x64 <= then_at <= self.sqrt_price_max_x64:
            raise SwapRefused("insufficient_liquidity", "the price would leave the pool's range")

    def _facing(self, a_to_b: bool) -> tuple[int, int]:
        return (self.token_a_amount, self.token_b_amount) if a_to_b else (self.token_b_amount, self.token_a_amount)

    def _swapped(
        self,
        a_to_b: bool,
        now: int,
        referred: bool,
        amount_in: int,
        net_in: int,
        gross_out: int,
        amount_out: int,
        then_at: int,
        unsold: int,
    ) -> Swap:
        """The swap with its fee split (fee.rs, split_fees) and the pool after it (pool.rs, apply_swap_result)."""
        fee_on_input = self._fee_on_input(a_to_b)
        fee = amount_in - net_in if fee_on_input else gross_out - amount_out
        fee_protocol = div_floor(fee * self.protocol_fee_percent, 100)  # liquidity providers keep the dust
        fee_lp = fee - fee_protocol
        fee_compounding = div_floor(fee_lp * self.compounding_fee_bps, BPS)  # the claimable part keeps the dust
        referral_percent = self.referral_fee_percent if referred else 0
        fee_referral = div_floor(fee_protocol * referral_percent, 100)  # the protocol keeps the dust
        amount_a, amount_b = self.token_a_amount, self.token_b_amount
        if self.collect_fee_mode == COMPOUNDING:
            if a_to_b:
                amount_a, amount_b = amount_a + net_in, amount_b - gross_out
            else:
                amount_a, amount_b = amount_a - gross_out, amount_b + net_in
            amount_b += fee_compounding
            if amount_a > U64_MAX or amount_b > U64_MAX:
                raise SwapRefused("overflow_u64", f"the pool cannot hold {net_in} more")
            then_at = isqrt(div_floor(amount_b << 128, amount_a))  # both down, as the program; nothing is paid by it
        after = Pool(
            self.liquidity_x64,
            then_at,
            self.sqrt_price_min_x64,
            self.sqrt_price_max_x64,
            self.base_fee,
            self.dynamic_fee and _moved(self.dynamic_fee, self.sqrt_price_x64, then_at, now),
            self.collect_fee_mode,
            self.compounding_fee_bps,
            self.protocol_fee_percent,
            self.referral_fee_percent,
            self.fee_version,
            self.activation_point,
            amount_a,
            amount_b,
        )
        return Swap(
            amount_in,
            amount_out,
            fee,
            fee_on_input,
            after,
            fee_lp - fee_compounding,
            fee_compounding,
            fee_protocol - fee_referral,
            fee_referral,
            unsold,
        )


def _without_fee(amount: int, rate: int) -> int:
    """What is left of an amount that includes its fee (fee.rs, get_excluded_fee_amount). Rounded down: the fee gets the dust."""
    return amount - div_ceil(amount * rate, FEE_ONE)


def _with_fee(amount: int, rate: int) -> int:
    """The amount that leaves this one after its fee (fee.rs, get_included_fee_amount). Rounded up: the fee gets the dust."""
    return div_ceil(amount * FEE_ONE, FEE_ONE - rate)


def _base_rate(base_fee: BaseFee, now: int, activation_point: int, sqrt_price_x64: int) -> int:
    """The base fee in parts of 10^9 (fee_time_scheduler.rs, fee_market_cap_scheduler.rs: get_base_fee_numerator)."""
    step = base_fee.period_frequency
    if step == 0:
        return base_fee.cliff_fee_numerator
    passed = base_fee.number_of_period
    if base_fee.mode in (TIME_LINEAR, TIME_EXPONENTIAL):
        if now >= activation_point:
            passed = min(div_floor(now - activation_point, step), passed)  # a period counts when it is over
    elif activation_point <= now <= activation_point + base_fee.expires_after:
        initial = base_fee.initial_sqrt_price_x64
        rise_bps = div_floor(max(sqrt_price_x64 - initial, 0) * BPS, initial)  # floor, as the program
        passed = min(div_floor(rise_bps, step), passed)  # a period counts when it is over
    if base_fee.mode in (TIME_LINEAR, MARKET_CAP_LINEAR):
        return base_fee.cliff_fee_numerator - base_fee.reduction_factor * passed
    share = _power(base_fee.reduction_factor, passed)
    return (base_fee.cliff_fee_numerator * share) >> 64  # floor, as the program: the trader keeps the dust


@lru_cache(maxsize=1 << 12)
def _power(reduction_bps: int, exponent: int) -> int:
    """(1 - reduction_bps / 10^4) ^ exponent as Q64.64, by squaring, each product shifted down (fee_math.rs, pow)."""
    power, base = 1 << 64, (1 << 64) - div_floor(reduction_bps << 64, BPS)
    while exponent:
        if exponent & 1:
            power = (power * base) >> 64  # floor, as the program
        base = (base * base) >> 64  # floor, as the program
        exponent >>= 1
    return power


def _moved(known: DynamicFee, was_at: int, then_at: int, now: int) -> DynamicFee:
    """The volatility after a swap (fee.rs, update_references before and update_volatility_accumulator after it)."""
    reference, volatility_reference = known.sqrt_price_reference, known.volatility_reference
    elapsed = now - known.last_update_timestamp
    if elapsed >= known.filter_period:
        reference = was_at
        volatility_reference = 0
        if elapsed < known.decay_period:
            volatility_reference = div_floor(known.volatility_accumulator * known.reduction_factor, BPS)
    volatility = volatility_reference + _distance(then_at, reference) * BPS
    return DynamicFee(
        known.variable_fee_control,
        known.max_volatility_accumulator,
        known.filter_period,
        known.decay_period,
        known.reduction_factor,
        reference,
        min(volatility, known.max_volatility_accumulator),
        volatility_reference,
        now if _distance(then_at, was_at) else known.last_update_timestamp,
    )


def _distance(one: int, other: int) -> int:
    """How many basis points of price lie between two square roots, rounded down to an even number (get_delta_bin_id)."""
    low, high = (one, other) if one < other else (other, one)
    ratio = div_floor(high << 64, low) if low else _U128_MAX + 1
    if ratio > _U128_MAX:
        raise SwapRefused("overflow_u64", "the price would move further than the pool's volatility can count")
    return 2 * div_floor(ratio - (1 << 64), _MOVE_STEP)
