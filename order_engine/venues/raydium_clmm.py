"""Raydium CLMM, concentrated liquidity with limit orders at ticks and, in some pools, a fee that rises with volatility.

The rules are those of the program raydium-clmm, `instructions/swap.rs` (swap_internal, SwapState),
`libraries/swap_math.rs`, `states/pool_fee.rs` and `states/tick_array.rs`, integer for integer. Fees lie beside the
liquidity, not in it. Of accounts (tick arrays, bitmaps) nothing is modelled: a swap sees all ticks there are.
"""

from functools import cached_property
from typing import ClassVar

import msgspec

from order_engine.amounts import U64_MAX, div_ceil, div_floor
from order_engine.venues import concentrated, pool
from order_engine.venues.concentrated import RATE_ONE
from order_engine.venues.pool import SwapRefused
from order_engine.venues.tick_prices import (
    RAYDIUM_SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MAX,
    TICK_MIN,
    raydium_sqrt_price_x64,
    tick_at_or_below,
)

FEE_ON_INPUT = 0
FEE_ON_A = 1
FEE_ON_B = 2


class Tick(concentrated.Tick, frozen=True, array_like=True, gc=False):
    """An initialised tick: liquidity, then limit orders if any (tick_array.rs, TickState).

    `liquidity_gross` is what its positions hold together, so that a tick stays while their net is 0. Orders are base units
    still to be bought from them: of B up to the current tick, of A above it; `part_filled_orders` are served
    before `open_orders`. Who owns how much of an order (unfilled_ratio_x64) is not modelled.
    """

    liquidity_gross: int
    open_orders: int = 0
    part_filled_orders: int = 0


class Parameters(msgspec.Struct, frozen=True):
    """What never changes in a pool. Rates are parts of 1 000 000; protocol and fund rates are shares of the fee.

    `fee_on` says which token the fee is taken from: 0 whatever comes in, 1 always A, 2 always B (CollectFeeOn). The
    defaults are those of most pools.
    """

    tick_spacing: int
    trade_fee_rate: int
    protocol_fee_rate: int = 120_000
    fund_fee_rate: int = 40_000
    fee_on: int = FEE_ON_INPUT


class DynamicFee(msgspec.Struct, frozen=True):
    """A fee on top that rises with the groups of ticks crossed; named as in the program (pool_fee.rs, DynamicFeeInfo).

    Periods are seconds, `reduction_factor` parts of 10 000, `dynamic_fee_control` parts of 100 000; a group is one tick
    spacing and counts 10 000 in the accumulator. The last four fields are state, the time in unix seconds.
    """

    filter_period: int
    decay_period: int
    reduction_factor: int
    dynamic_fee_control: int
    max_volatility_accumulator: int
    tick_spacing_index_reference: int
    volatility_reference: int = 0
    volatility_accumulator: int = 0
    last_update_timestamp: int = 0


class Swap(pool.Swap["Pool"], frozen=True):
    """What a swap did. `fee` is `fee_lp` + `fee_protocol` + `fee_fund`: of the input if `fee_on_input`, else the output.

    `left` is what was not swapped of the amount asked for, because the price came to the caller's limit. `ticks_crossed`
    counts the initialised ticks whose liquidity came or went.
    """

    fee_lp: int
    fee_protocol: int
    fee_fund: int
    left: int
    ticks_crossed: int


class Pool(msgspec.Struct, frozen=True, dict=True, tag_field="model", tag="raydium_clmm"):
    """A pool whose liquidity lies between ticks, which are sorted and of which only the initialised ones exist.

    `sqrt_price_x64` is sqrt(raw B per raw A) * 2^64, `liquidity` the sum of `liquidity_net` up to `tick_current`. That is
    the greatest tick at or below the price, or one less where a swap came down to it exactly and crossed it.
    """

    model: ClassVar[str] = "raydium_clmm"

    parameters: Parameters
    sqrt_price_x64: int
    tick_current: int
    liquidity: int
    ticks: tuple[Tick, ...]
    dynamic_fee: DynamicFee | None = None

    @cached_property
    def reserves(self) -> tuple[int, int]:
        """All A above the price and all B below it, limit orders included, in base units and before fees."""
        a = sum(concentrated.amounts(*each, False)[1] for each in self._ranges(False))
        b = sum(concentrated.amounts(*each, True)[1] for each in self._ranges(True))
        above = concentrated.first_above(self.ticks, self.tick_current)
        return a + sum(map(_orders, self.ticks[above:])), b + sum(map(_orders, self.ticks[:above]))

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int, sqrt_price_limit_x64: int | None = None) -> Swap:
        """Sell exactly `amount_in` base units, fee included, or with a limit as much of them as it lets through.

        Raises SwapRefused: zero_input, zero_output, overflow_u64, insufficient_liquidity when the ticks run out or the
        limit is not on the way the price goes. Source: swap.rs exact_internal, swap_internal.
        """
        if amount_in <= 0:
            raise SwapRefused("zero_input", "the amount to sell must be greater than zero")
        return self._swap(amount_in, True, a_to_b, now, sqrt_price_limit_x64)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int, sqrt_price_limit_x64: int | None = None) -> Swap:
        """Buy exactly `amount_out` base units, fee already off, or with a limit as many of them as it lets through.

        Raises SwapRefused: zero_input for nothing to buy, zero_output, overflow_u64, insufficient_liquidity when the
        ticks run out or the limit is not on the way the price goes. Source: swap.rs exact_internal, swap_internal.
        """
        if amount_out <= 0:
            raise SwapRefused("zero_input", "the amount to buy must be greater than zero")
        return self._swap(amount_out, False, a_to_b, now, sqrt_price_limit_x64)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The price without fee as (base units out, base units in). Where no liquidity is, a swap begins further on."""
        return concentrated.spot_price(self.sqrt_price_x64, a_to_b)

    def fee_ppm(self, now: int) -> int:
        """The fee at the current tick, dynamic part included, in millionths."""
        if self.dynamic_fee is None:
            return self.parameters.trade_fee_rate
        return _Volatility(self.dynamic_fee, self.parameters, self.tick_current, now, False).rate()

    @property
    def step_ppm(self) -> int:
        """It moves smoothly."""
        return 1

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that moves the price by `ppm` millionths, limit orders and fee aside, rounded down."""
        return concentrated.input_to_move(self._ranges(a_to_b), self.sqrt_price_x64, ppm, a_to_b)

    def _ranges(self, a_to_b: bool) -> concentrated.Ranges:
        return concentrated.ranges(
            self.ticks, self.tick_current, self.sqrt_price_x64, self.liquidity, a_to_b, raydium_sqrt_price_x64
        )

    def _swap(self, amount: int, exact_in: bool, a_to_b: bool, now: int, limit: int | None) -> Swap:
        """Step from initialised tick to initialised tick until `amount` is used up or the limit is reached."""
        if amount > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount} does not fit 64 bits")
        stop = self._stop(limit, a_to_b)
        parameters, ticks = self.parameters, self.ticks
        course = _Course(self, amount, exact_in, a_to_b)
        fee = self.dynamic_fee
        volatility = None if fee is None else _Volatility(fee, parameters, self.tick_current, now, a_to_b)
        index = concentrated.first_above(ticks, self.tick_current) - a_to_b
        changed: dict[int, Tick] = {}
        while course.left and course.price != stop:
            if not 0 <= index < len(ticks):
                raise SwapRefused("insufficient_liquidity", f"the ticks run out with {course.left} of {amount} to go")
            upcoming = ticks[index]
            reached = course.go_to(upcoming, stop, volatility)
            if reached is not upcoming:
                changed[index] = reached
            index += -1 if a_to_b else 1
        if course.left and limit is None:
            raise SwapRefused("insufficient_liquidity", f"the prices run out with {course.left} of {amount} to go")
        used, counted = amount - course.left, course.counted
        amount_in, amount_out = (used, counted) if exact_in else (counted, used)
        if amount_in == 0 or amount_out == 0:
            raise SwapRefused("zero_output", f"{amount} base units trade against less than one base unit here")
        if counted > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount} base units trade against more than 64 bits hold")
        after = Pool(
            parameters,
            course.price,
            course.tick,
            course.liquidity,
            _with(ticks, changed) if changed else ticks,
            None if volatility is None else volatility.after(),
        )
        return Swap(
            amount_in,
            amount_out,
            course.fee_lp + course.fee_protocol + course.fee_fund,
            course.fee_on_input,
            after,
            course.fee_lp,
            course.fee_protocol,
            course.fee_fund,
            course.left,
            course.crossed,
        )

    def _stop(self, limit: int | None, a_to_b: bool) -> int:
        """The price at which a swap ends at the latest: the caller's limit, or almost the end of all prices."""
        price = self.sqrt_price_x64
        if limit is None:
            limit = SQRT_PRICE_MIN_X64 + 1 if a_to_b else RAYDIUM_SQRT_PRICE_MAX_X64 - 1
        if SQRT_PRICE_MIN_X64 < limit < price if a_to_b else price < limit < RAYDIUM_SQRT_PRICE_MAX_X64:
            return limit
        raise SwapRefused("insufficient_liquidity", f"from {price} the price does not move towards {limit}")


class _Course:
    """A swap under way: where the price has got to, what is `left` to swap, and what has been `counted` for it."""

    __slots__ = (
        "a_to_b",
        "counted",
        "crossed",
        "exact_in",
        "fee_fund",
        "fee_lp",
        "fee_on_input",
        "fee_protocol",
        "left",
        "liquidity",
        "parameters",
        "price",
        "tick",
    )

    def __init__(self, start: Pool, amount: int, exact_in: bool, a_to_b: bool) -> None:
        self.parameters = start.parameters
        self.price, self.tick, self.liquidity = start.sqrt_price_x64, start.tick_current, start.liquidity
        self.exact_in, self.a_to_b = exact_in, a_to_b
        fee_on = start.parameters.fee_on
        self.fee_on_input = fee_on == FEE_ON_INPUT or a_to_b is (fee_on == FEE_ON_A)
        self.left, self.counted, self.crossed = amount, 0, 0
        self.fee_lp = self.fee_protocol = self.fee_fund = 0

    def go_to(self, upcoming: Tick, stop: int, volatility: "_Volatility | None") -> Tick:
        """Swap as far as the next initialised tick, the stop or the end of the amount; the tick as it is afterwards."""
        a_to_b, tick_price = self.a_to_b, raydium_sqrt_price_x64(upcoming.tick)
        target = max(tick_price, stop) if a_to_b else min(tick_price, stop)
        while True:
            if volatility is None:
                rate, bound = self.parameters.trade_fee_rate, target
            else:
                rate, bound = volatility.rate(), volatility.bound(target, self.liquidity)
            before = self.price
            if before != bound:
                self._step(bound, rate)
            if self.price == tick_price:
                upcoming = self._arrive(upcoming, rate, tick_price)
            elif self.price != before:
                self.tick = tick_at_or_below(self.price, raydium_sqrt_price_x64, self.tick)
            if volatility is not None:
                volatility.move_on(upcoming.tick if self.price == tick_price else self.tick)
            if self.left == 0 or self.price == target:
                return upcoming

    def _step(self, target: int, rate: int) -> None:
        """Trade with the liquidity between the price and `target` (swap_math.rs, compute_swap)."""
        price, liquidity, left = self.price, self.liquidity, self.left
        exact_in, a_to_b, fee_on_input = self.exact_in, self.a_to_b, self.fee_on_input
        amount = left
        if exact_in is fee_on_input:
            amount = concentrated.after_fee(left, rate) if exact_in else _before_fee(left, rate)
        after = target
        reached = concentrated.reaches(price, target, liquidity, amount, exact_in, a_to_b)
        if reached:
            amount_in, amount_out = concentrated.amounts(price, target, liquidity, a_to_b)
            reached = amount_in <= U64_MAX and amount_out <= U64_MAX  # what does not fit is beyond reach
        if not reached:
            after = concentrated.price_after(price, liquidity, amount, exact_in, a_to_b)
            amount_in, amount_out = concentrated.amounts(price, after, liquidity, a_to_b)
            if amount_in > U64_MAX or amount_out > U64_MAX:
                raise SwapRefused("overflow_u64", f"{left} moves more through the pool than 64 bits hold")
            if after < target if a_to_b else after > target:
                raise SwapRefused("overflow_u64", f"{left} moves the price beyond what 64 bits can pay for")
        if fee_on_input:
            if exact_in and after != target:
                fee = left - amount_in  # the whole rest: liquidity keeps the dust
            else:
                fee = concentrated.fee_on_top(amount_in, rate)
                amount_out = amount_out if exact_in else min(amount_out, left)
        else:
            fee = concentrated.fee_within(amount_out, rate)
            if exact_in:
                amount_in = amount_in if after == target else left  # the pool keeps the dust
            else:
                fee = max(fee, amount_out - left)  # liquidity keeps the dust
            amount_out -= fee
        self.price = after
        self._settle(amount_in, amount_out, fee)

    def _arrive(self, reached: Tick, rate: int, tick_price: int) -> Tick:
        """Fill the orders at a tick that is reached and cross it unless orders remain; the tick as it is afterwards."""
        if self.left and (reached.open_orders or reached.part_filled_orders):
            reached = self._fill(reached, rate, tick_price)
        remain = reached.open_orders or reached.part_filled_orders
        if reached.liquidity_gross and not remain:
            self.liquidity += -reached.liquidity_net if self.a_to_b else reached.liquidity_net
            self.crossed += 1
        self.tick = reached.tick - 1 if self.a_to_b is not bool(remain) else reached.tick
        return reached

    def _fill(self, tick: Tick, rate: int, tick_price: int) -> Tick:
        """Trade with the limit orders at a tick, all at its price (tick_array.rs, match_limit_order_with_sqrt_price)."""
        left, capacity, fee = self.left, _orders(tick), 0
        price = (tick_price * tick_price + (0 if self.a_to_b else U64_MAX)) >> 64  # the orders keep the dust
        if self.exact_in:
            if self.fee_on_input:
                fee = concentrated.fee_within(left, rate)
            amount_in = left - fee
            gross = (amount_in * price) >> 64 if self.a_to_b else div_floor(amount_in << 64, price)  # the orders too
            if gross > capacity:
                gross, amount_in = capacity, self._paid_to_orders(capacity, price)
                fee = concentrated.fee_on_top(amount_in, rate) if self.fee_on_input else 0
        else:
            gross = min(left, capacity)
            if not self.fee_on_input:
                gross = min(_before_fee(gross, rate), capacity)
            amount_in = self._paid_to_orders(gross, price)
            fee = concentrated.fee_on_top(amount_in, rate) if self.fee_on_input else 0
        if not self.fee_on_input:
            fee = concentrated.fee_within(gross, rate)
        self._settle(amount_in, gross if self.fee_on_input else gross - fee, fee)
        return _filled(tick, gross) if gross else tick

    def _paid_to_orders(self, amount_out: int, price: int) -> int:
        """The input that buys `amount_out` of limit orders, rounded up: the orders keep the dust."""
        paid = div_ceil(amount_out << 64, price) if self.a_to_b else (amount_out * price + U64_MAX) >> 64
        if paid > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount_out} of limit orders cost more than 64 bits hold")
        return paid

    def _settle(self, amount_in: int, amount_out: int, fee: int) -> None:
        """Count one step's amounts and share out its fee (swap.rs, apply_swap_amounts and spilt_fees)."""
        gross_in = amount_in + fee if self.fee_on_input else amount_in
        used, counted = (gross_in, amount_out) if self.exact_in else (amount_out, gross_in)
        self.left -= used
        self.counted += counted
        fee_protocol = div_floor(fee * self.parameters.protocol_fee_rate, RATE_ONE)  # liquidity keeps the dust
        fee_fund = div_floor(fee * self.parameters.fund_fee_rate, RATE_ONE)  # liquidity keeps the dust
        self.fee_protocol += fee_protocol
        self.fee_fund += fee_fund
        if self.liquidity:
            self.fee_lp += fee - fee_protocol - fee_fund
        else:  # nobody to share it: only limit orders were there
            self.fee_protocol += fee - fee_protocol - fee_fund


class _Volatility:
    """The dynamic fee during a swap: how far the price has come from the reference, counted in groups of ticks."""

    __slots__ = (
        "a_to_b",
        "accumulator",
        "fee",
        "index",
        "index_reference",
        "parameters",
        "reference",
        "skipped",
        "updated",
    )

    def __init__(self, fee: DynamicFee, parameters: Parameters, tick: int, now: int, a_to_b: bool) -> None:
        """Begin a swap: what moved a while ago counts less or no more (pool_fee.rs, update_reference)."""
        self.fee, self.parameters, self.a_to_b, self.skipped = fee, parameters, a_to_b, False
        self.index = div_floor(tick, parameters.tick_spacing)
        self.accumulator, self.reference = fee.volatility_accumulator, fee.volatility_reference
        self.index_reference, self.updated = fee.tick_spacing_index_reference, fee.last_update_timestamp
        elapsed = now - self.updated
        if elapsed >= fee.filter_period:
            self.index_reference, self.updated, self.reference = self.index, now, 0
            if elapsed < fee.decay_period:
                self.reference = div_floor(self.accumulator * fee.reduction_factor, concentrated.REDUCTION_ONE)

    def rate(self) -> int:
        """The whole fee rate in the group where the price is (swap.rs, get_total_fee_rate)."""
        self._accumulate()
        return concentrated.rate_with_volatility(
            self.parameters.trade_fee_rate, self.fee.dynamic_fee_control, self.accumulator, self.parameters.tick_spacing
        )

    def bound(self, target: int, liquidity: int) -> int:
        """How far that rate holds: to the end of the group, or to `target` where the rate can no longer change.

        Source: swap.rs, get_spacing_bounded_price.
        """
        self.skipped = liquidity == 0 or self.accumulator == self.fee.max_volatility_accumulator
        if self.skipped:
            return target
        end = (self.index if self.a_to_b else self.index + 1) * self.parameters.tick_spacing
        end_price = raydium_sqrt_price_x64(max(TICK_MIN, min(end, TICK_MAX)))
        return max(target, end_price) if self.a_to_b else min(target, end_price)

    def move_on(self, tick: int) -> None:
        """Go to the next group; after a step over several, from the one the price is in (update_dynamic_fee_index)."""
        if self.skipped:
            self.index, past = divmod(tick, self.parameters.tick_spacing)  # floor
            if past == 0 and not self.a_to_b:
                self.index -= 1
            if self.accumulator != self.fee.max_volatility_accumulator:  # at its greatest it stays for this step
                self._accumulate()
        self.index += -1 if self.a_to_b else 1

    def after(self) -> DynamicFee:
        """The fee as the swap leaves it."""
        fee = self.fee
        return DynamicFee(
            fee.filter_period,
            fee.decay_period,
            fee.reduction_factor,
            fee.dynamic_fee_control,
            fee.max_volatility_accumulator,
            self.index_reference,
            self.reference,
            self.accumulator,
            self.updated,
        )

    def _accumulate(self) -> None:
        self.accumulator = concentrated.volatility(
            self.reference, self.index_reference, self.index, self.fee.max_volatility_accumulator
        )


def _before_fee(amount: int, rate: int) -> int:
    """The output of which `amount` is left once the fee is off, rounded up: liquidity keeps the dust."""
    gross = div_ceil(amount * RATE_ONE, RATE_ONE - rate)
    if gross > U64_MAX:
        raise SwapRefused("overflow_u64", f"{amount} and the fee for it are more than 64 bits hold")
    return gross


def _orders(tick: Tick) -> int:
    return tick.open_orders + tick.part_filled_orders


def _filled(tick: Tick, amount: int) -> Tick:
    """A tick after `amount` was bought of its orders. What was open and is then partly filled is part-filled."""
    part_filled = tick.part_filled_orders - amount
    if part_filled >= 0:
        return Tick(tick.tick, tick.liquidity_net, tick.liquidity_gross, tick.open_orders, part_filled)
    return Tick(tick.tick, tick.liquidity_net, tick.liquidity_gross, 0, tick.open_orders + part_filled)


def _with(ticks: tuple[Tick, ...], changed: dict[int, Tick]) -> tuple[Tick, ...]:
    """The ticks with some changed, without those that now hold nothing: they are no longer initialised."""
    new = [changed.get(index, tick) for index, tick in enumerate(ticks)]
    return tuple(tick for tick in new if tick.liquidity_gross or _orders(tick))
