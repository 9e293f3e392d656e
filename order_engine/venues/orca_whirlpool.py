"""Orca Whirlpool, concentrated liquidity of which a swap sees three tick arrays, with a fee that may adapt to volatility.

The rules are those of the program whirlpool, `manager/swap_manager.rs`, `manager/fee_rate_manager.rs`,
`math/swap_math.rs`, `state/oracle.rs` and `util/{sparse_swap,swap_tick_sequence}.rs`, integer for integer. Fees are always
taken from the input and lie beside the liquidity. Unlike its neighbours the program accepts an output of 0.
"""

from functools import cached_property
from typing import ClassVar

import msgspec

from order_engine.amounts import U64_MAX, div_ceil, div_floor
from order_engine.venues import concentrated, pool
from order_engine.venues.concentrated import REDUCTION_ONE, VOLATILITY_PER_GROUP, Tick
from order_engine.venues.pool import SwapRefused
from order_engine.venues.tick_prices import (
    ORCA_SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MAX,
    TICK_MIN,
    orca_sqrt_price_x64,
    tick_at_or_below,
)

TICKS_IN_ARRAY = 88  # tick_array.rs, TICK_ARRAY_SIZE: counted in tick spacings
ARRAYS_IN_SWAP = 3  # sparse_swap.rs, get_start_tick_indexes
REFERENCE_AGE_MAX = 3_600  # oracle.rs, MAX_REFERENCE_AGE: seconds

_PROTOCOL_RATE_ONE = 10_000  # token_math.rs, PROTOCOL_FEE_RATE_MUL_VALUE


class Parameters(msgspec.Struct, frozen=True):
    """What never changes in a pool: `fee_rate` in parts of 1 000 000, `protocol_fee_rate` in 10 000 parts of the fee."""

    tick_spacing: int
    fee_rate: int
    protocol_fee_rate: int = 1_300


class AdaptiveFee(msgspec.Struct, frozen=True):
    """A fee on top that rises with the groups of ticks crossed; named as in the program (oracle.rs, AdaptiveFeeInfo).

    Periods are seconds, `reduction_factor` parts of 10 000, `adaptive_fee_control_factor` parts of 100 000; each group
    of `tick_group_size` ticks counts 10 000 in the accumulator. The last five fields are state, times in unix seconds.
    """

    filter_period: int
    decay_period: int
    reduction_factor: int
    adaptive_fee_control_factor: int
    max_volatility_accumulator: int
    tick_group_size: int
    major_swap_threshold_ticks: int
    tick_group_index_reference: int
    volatility_reference: int = 0
    volatility_accumulator: int = 0
    last_reference_update_timestamp: int = 0
    last_major_swap_timestamp: int = 0


class Swap(pool.Swap["Pool"], frozen=True):
    """What a swap did. `fee` is `fee_lp` + `fee_protocol`, of the input.

    `amount_in` is less than was to be sold where the price came to the end of all prices.
    """

    fee_lp: int
    fee_protocol: int


class Pool(msgspec.Struct, frozen=True, dict=True, tag_field="model", tag="orca_whirlpool"):
    """A pool whose liquidity lies between ticks, which are sorted and of which only the initialised ones exist.

    `sqrt_price_x64` is sqrt(raw B per raw A) * 2^64, `liquidity` the sum of `liquidity_net` up to `tick_current_index`.
    That is the greatest tick at or below the price, or one less where a swap came down to it exactly.
    """

    model: ClassVar[str] = "orca_whirlpool"

    parameters: Parameters
    sqrt_price_x64: int
    tick_current_index: int
    liquidity: int
    ticks: tuple[Tick, ...]
    adaptive_fee: AdaptiveFee | None = None

    @cached_property
    def reserves(self) -> tuple[int, int]:
        """All A above the price and all B below it in base units, before fees. One swap may not see all of it."""
        a = sum(concentrated.amounts(*each, False)[1] for each in self._ranges(False))
        b = sum(concentrated.amounts(*each, True)[1] for each in self._ranges(True))
        return a, b

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int) -> Swap:
        """Sell exactly `amount_in` base units, fee included; less of them only where the price comes to its very end.

        Raises SwapRefused: zero_input, overflow_u64, insufficient_liquidity when the tick arrays run out or the pool has
        already seen a later time than `now`. An output of 0 is accepted. Source: swap_manager.rs swap.
        """
        if amount_in <= 0:
            raise SwapRefused("zero_input", "the amount to sell must be greater than zero")
        return self._swap(amount_in, True, a_to_b, now)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int) -> Swap:
        """Buy exactly `amount_out` base units; the fee comes on top.

        Raises SwapRefused: zero_input for nothing to buy, overflow_u64, insufficient_liquidity when the tick arrays run
        out or the pool has already seen a later time than `now`. Source: swap_manager.rs swap.
        """
        if amount_out <= 0:
            raise SwapRefused("zero_input", "the amount to buy must be greater than zero")
        return self._swap(amount_out, False, a_to_b, now)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The price without fee as (base units out, base units in). Where no liquidity is, a swap begins further on."""
        return concentrated.spot_price(self.sqrt_price_x64, a_to_b)

    def fee_ppm(self, now: int) -> int:
        """The fee at the current tick, adaptive part included, in millionths. A `now` that is too early counts as later."""
        fee = self.adaptive_fee
        if fee is None:
            return self.parameters.fee_rate
        now = max(now, fee.last_reference_update_timestamp, fee.last_major_swap_timestamp)
        return _Volatility(fee, self.parameters.fee_rate, self.tick_current_index, now, False).rate()

    @property
    def step_ppm(self) -> int:
        """It moves smoothly."""
        return 1

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that moves the price by `ppm` millionths, fee and tick arrays aside, rounded down."""
        return concentrated.input_to_move(self._ranges(a_to_b), self.sqrt_price_x64, ppm, a_to_b)

    def tick_array_starts(self, a_to_b: bool) -> tuple[int, ...]:
        """The first ticks of the tick arrays that a swap sees, in the order in which it walks through them.

        Up from the last tick spacing of an array the next tick lies in the next array, so that the walk begins there.
        Source: sparse_swap.rs, get_start_tick_indexes.
        """
        first, last = self._arrays(a_to_b)
        width = TICKS_IN_ARRAY * self.parameters.tick_spacing
        return tuple(range(first, last - 1, -width) if a_to_b else range(first, last + 1, width))

    def _arrays(self, a_to_b: bool) -> tuple[int, int]:
        """The starts of the first and of the last tick array that a swap sees, the last before the first where none is left."""
        spacing = self.parameters.tick_spacing
        width = TICKS_IN_ARRAY * spacing
        first = self.tick_current_index if a_to_b else self.tick_current_index + spacing
        first -= first % width
        further = (ARRAYS_IN_SWAP - 1) * width
        if a_to_b:
            return first, max(first - further, TICK_MIN - TICK_MIN % width)
        return first, min(first + further, TICK_MAX - TICK_MAX % width)

    def _ranges(self, a_to_b: bool) -> concentrated.Ranges:
        return concentrated.ranges(
            self.ticks, self.tick_current_index, self.sqrt_price_x64, self.liquidity, a_to_b, orca_sqrt_price_x64
        )

    def _swap(self, amount: int, exact_in: bool, a_to_b: bool, now: int) -> Swap:
        """Step from initialised tick to initialised tick until `amount` is used up or the prices end."""
        if amount > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount} does not fit 64 bits")
        stop = SQRT_PRICE_MIN_X64 if a_to_b else ORCA_SQRT_PRICE_MAX_X64
        first, last = self._arrays(a_to_b)
        if self.sqrt_price_x64 == stop or (last > first if a_to_b else last < first):
            raise SwapRefused("insufficient_liquidity", "the price is already at its end")
        parameters, ticks = self.parameters, self.ticks
        # The last tick that may be initialised, and the edge at which the price stops when no tick is left.
        if not a_to_b:
            last += (TICKS_IN_ARRAY - 1) * parameters.tick_spacing
        edge = max(last, TICK_MIN) if a_to_b else min(last + parameters.tick_spacing - 1, TICK_MAX)
        course = _Course(self, amount, exact_in, a_to_b)
        fee = self.adaptive_fee
        volatility = (
            None if fee is None else _Volatility(fee, parameters.fee_rate, self.tick_current_index, now, a_to_b)
        )
        index = concentrated.first_above(ticks, self.tick_current_index) - a_to_b
        while course.left and course.price != stop:
            if course.tick < last if a_to_b else course.tick >= last:
                raise SwapRefused("insufficient_liquidity", f"the tick arrays end with {course.left} of {amount} to go")
            upcoming = ticks[index] if 0 <= index < len(ticks) else None
            if upcoming is None or (upcoming.tick < last if a_to_b else upcoming.tick > last):
                course.go_to(edge, 0, volatility)
            else:
                course.go_to(upcoming.tick, upcoming.liquidity_net, volatility)
                index += -1 if a_to_b else 1
        if course.left and not exact_in:
            raise SwapRefused("insufficient_liquidity", f"the prices end with {course.left} of {amount} still to buy")
        if course.counted > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount} base units trade against more than 64 bits hold")
        used = amount - course.left
        amount_in, amount_out = (used, course.counted) if exact_in else (course.counted, used)
        after = Pool(
            parameters,
            course.price,
            course.tick,
            course.liquidity,
            ticks,
            None if volatility is None else volatility.after(self.sqrt_price_x64, course.price),
        )
        return Swap(
            amount_in, amount_out, course.fee, True, after, course.fee - course.fee_protocol, course.fee_protocol
        )


class _Course:
    """A swap under way: where the price has got to, what is `left` to swap, and what has been `counted` for it."""

    __slots__ = (
        "a_to_b",
        "counted",
        "exact_in",
        "fee",
        "fee_protocol",
        "left",
        "liquidity",
        "parameters",
        "price",
        "tick",
    )

    def __init__(self, start: Pool, amount: int, exact_in: bool, a_to_b: bool) -> None:
        self.parameters = start.parameters
        self.price, self.tick, self.liquidity = start.sqrt_price_x64, start.tick_current_index, start.liquidity
        self.exact_in, self.a_to_b = exact_in, a_to_b
        self.left, self.counted, self.fee, self.fee_protocol = amount, 0, 0, 0

    def go_to(self, tick: int, liquidity_net: int, volatility: "_Volatility | None") -> None:
        """Swap as far as that tick or the end of the amount; past the tick the liquidity changes by its net."""
        a_to_b, target = self.a_to_b, orca_sqrt_price_x64(tick)
        while True:
            if volatility is None:
                rate, bound = self.parameters.fee_rate, target
            else:
                rate, bound = volatility.rate(), volatility.bound(target, self.liquidity)
            before = self.price
            if before != bound:
                self._step(bound, rate)
            if self.price == target:
                self.tick = tick - 1 if a_to_b else tick
                self.liquidity += -liquidity_net if a_to_b else liquidity_net
            elif self.price != before:
                self.tick = tick_at_or_below(self.price, orca_sqrt_price_x64, self.tick)
            if volatility is not None:
                volatility.move_on(self.price, tick)
            if self.left == 0 or self.price == target:
                return

    def _step(self, target: int, rate: int) -> None:
        """Trade with the liquidity between the price and `target` (swap_math.rs, compute_swap)."""
        price, liquidity, left, exact_in, a_to_b = self.price, self.liquidity, self.left, self.exact_in, self.a_to_b
        amount = concentrated.after_fee(left, rate) if exact_in else left
        after = target
        if not concentrated.reaches(price, target, liquidity, amount, exact_in, a_to_b):
            after = concentrated.price_after(price, liquidity, amount, exact_in, a_to_b)
        amount_in, amount_out = concentrated.amounts(price, after, liquidity, a_to_b)
        if amount_in > U64_MAX or amount_out > U64_MAX:
            raise SwapRefused("overflow_u64", f"{left} moves more through the pool than 64 bits hold")
        fee = concentrated.fee_on_top(amount_in, rate)
        if exact_in:
            if after != target:
                fee = left - amount_in  # the whole rest: liquidity keeps the dust
            self.left -= amount_in + fee
            self.counted += amount_out
        else:
            self.left -= min(amount_out, left)
            self.counted += amount_in + fee
        self.price = after
        self.fee += fee
        self.fee_protocol += div_floor(fee * self.parameters.protocol_fee_rate, _PROTOCOL_RATE_ONE)  # the rest is LPs'


class _Volatility:
    """The adaptive fee during a swap: how far the price has come from the reference, counted in groups of ticks."""

    __slots__ = (
        "a_to_b",
        "accumulator",
        "core",
        "fee",
        "fee_rate",
        "index",
        "index_reference",
        "now",
        "reference",
        "skipped",
        "updated",
    )

    def __init__(self, fee: AdaptiveFee, fee_rate: int, tick: int, now: int, a_to_b: bool) -> None:
        """Begin a swap: what moved a while ago counts less or no more (oracle.rs, update_reference)."""
        self.fee, self.fee_rate, self.now, self.a_to_b, self.skipped = fee, fee_rate, now, a_to_b, False
        self.index = div_floor(tick, fee.tick_group_size)
        self.accumulator, self.reference = fee.volatility_accumulator, fee.volatility_reference
        self.index_reference, self.updated = fee.tick_group_index_reference, fee.last_reference_update_timestamp
        latest = max(self.updated, fee.last_major_swap_timestamp)
        if now < latest:
            raise SwapRefused("insufficient_liquidity", f"the pool's last swap was at {latest}, which is after {now}")
        too_old = now - self.updated > REFERENCE_AGE_MAX
        if too_old or now - latest >= fee.filter_period:
            self.index_reference, self.updated, self.reference = self.index, now, 0
            if not too_old and now - latest < fee.decay_period:
                self.reference = div_floor(self.accumulator * fee.reduction_factor, REDUCTION_ONE)
        # So many groups away from the reference the accumulator is at its greatest, rounded up.
        self.core = div_ceil(fee.max_volatility_accumulator - self.reference, VOLATILITY_PER_GROUP)

    def rate(self) -> int:
        """The whole fee rate in the group where the price is (fee_rate_manager.rs, get_total_fee_rate)."""
        self._accumulate()
        fee = self.fee
        return concentrated.rate_with_volatility(
            self.fee_rate, fee.adaptive_fee_control_factor, self.accumulator, fee.tick_group_size
        )

    def bound(self, target: int, liquidity: int) -> int:
        """How far that rate holds: to the end of the group, or far beyond it where the rate does not change.

        Source: fee_rate_manager.rs, get_bounded_sqrt_price_target. A core border outside of all ticks does not exist.
        """
        self.skipped = True
        size, index, a_to_b = self.fee.tick_group_size, self.index, self.a_to_b
        if self.fee.adaptive_fee_control_factor == 0 or liquidity == 0:
            return target
        low, high = (self.index_reference - self.core) * size, (self.index_reference + self.core + 1) * size
        if index * size < low and low > TICK_MIN:
            return target if a_to_b else min(target, orca_sqrt_price_x64(low))
        if index * size >= high and high < TICK_MAX:
            return max(target, orca_sqrt_price_x64(high)) if a_to_b else target
        self.skipped = False
        end = (index if a_to_b else index + 1) * size
        end_price = orca_sqrt_price_x64(max(TICK_MIN, min(end, TICK_MAX)))
        return max(target, end_price) if a_to_b else min(target, end_price)

    def move_on(self, price: int, upcoming: int) -> None:
        """Go to the next group; after a step over several, from the one the price is in if that is further on.

        Source: fee_rate_manager.rs, advance_tick_group and advance_tick_group_after_skip.
        """
        if self.skipped:
            tick = upcoming
            if price != orca_sqrt_price_x64(upcoming):
                tick = tick_at_or_below(price, orca_sqrt_price_x64, upcoming)
            index, past = divmod(tick, self.fee.tick_group_size)  # floor
            if not self.a_to_b and past == 0 and price == orca_sqrt_price_x64(tick):
                index -= 1
            if index < self.index if self.a_to_b else index > self.index:
                self.index = index
                self._accumulate()
        self.index += -1 if self.a_to_b else 1

    def after(self, price_before: int, price_after: int) -> AdaptiveFee:
        """The fee as the swap leaves it; a swap over many ticks keeps the reference from decaying (is_major_swap)."""
        fee = self.fee
        low, high = sorted((price_before, price_after))
        major = high >= (low * orca_sqrt_price_x64(fee.major_swap_threshold_ticks)) >> 64  # floor, as the program
        return AdaptiveFee(
            fee.filter_period,
            fee.decay_period,
            fee.reduction_factor,
            fee.adaptive_fee_control_factor,
            fee.max_volatility_accumulator,
            fee.tick_group_size,
            fee.major_swap_threshold_ticks,
            self.index_reference,
            self.reference,
            self.accumulator,
            self.updated,
            self.now if major else fee.last_major_swap_timestamp,
        )

    def _accumulate(self) -> None:
        self.accumulator = concentrated.volatility(
            self.reference, self.index_reference, self.index, self.fee.max_volatility_accumulator
        )
