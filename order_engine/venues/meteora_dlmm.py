"""Meteora DLMM, liquidity in bins: all of a bin trades at one price, and the fee rises as a swap crosses bins.

The rules are those of the program lb_clmm as read from dlmm-sdk, `commons/src/extensions/{lb_pair,bin}.rs`,
`commons/src/quote.rs` and `commons/src/math/*`, and as measured on the program itself where the two differ. A bin's
price follows from its id and the bin step, so it is computed and never stored. Fees lie beside the bins, not in them.
"""

from functools import cached_property, lru_cache
from typing import ClassVar

import msgspec

from order_engine.amounts import BPS, U64_MAX, div_ceil, div_floor
from order_engine.venues import pool
from order_engine.venues.pool import SwapRefused

FEE_ONE = 1_000_000_000  # constants.rs, FEE_PRECISION
FEE_MAX = 100_000_000  # constants.rs, MAX_FEE_RATE: 10 %
PRICE_ONE = 1 << 64  # prices are Q64.64: raw Y (B) per raw X (A)
BIN_ID_MAX = 443_636  # constants.rs, MAX_BIN_ID, and its negative

FEE_ON_INPUT = 0
FEE_ON_Y = 1

_U128_MAX = (1 << 128) - 1
_UNLIMITED = 1 << 192  # more input than any bin can take


class Bin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one bin holds, in base units: market-making amounts of X (A) and Y (B), then limit orders if any.

    `processed_orders` is the unfilled rest of orders already being filled, `open_orders` those not yet touched; both
    are in X if `orders_ask` (they serve buyers of X), otherwise in Y.
    """

    amount_x: int
    amount_y: int
    processed_orders: int = 0
    open_orders: int = 0
    orders_ask: bool = False


class Parameters(msgspec.Struct, frozen=True):
    """What never changes in a pool. Periods are seconds, shares and factors parts of 10 000, named as in the program.

    `collect_fee_mode` 0 takes the fee from the input, 1 always from Y (B). The defaults are those of the large SOL/USDC
    pool of bin step 10, with the protocol share of new pools.
    """

    bin_step: int
    base_factor: int = 10_000
    base_fee_power_factor: int = 0
    variable_fee_control: int = 40_000
    max_volatility_accumulator: int = 350_000
    filter_period: int = 30
    decay_period: int = 600
    reduction_factor: int = 5_000
    protocol_share_bps: int = 1_000
    collect_fee_mode: int = FEE_ON_INPUT


class Swap(pool.Swap["Pool"], frozen=True):
    """What a swap did. `fee` is `fee_lp` + `fee_protocol`: of the input if `fee_on_input`, otherwise of the output.

    `fee_lp` is the part of liquidity providers and limit orders. `surplus` is output that left the bins and that nobody
    is credited with (exact-out rounding): it stays in the vault.
    """

    fee_lp: int
    fee_protocol: int
    surplus: int


class Pool(msgspec.Struct, frozen=True, dict=True, tag_field="model", tag="meteora_dlmm"):
    """A pool of adjoining bins: `bins[0]` is bin `first_bin_id`, and so on without a gap (an empty bin is `Bin(0, 0)`).

    Below the active bin there is only Y (B), above it only X (A). The last four fields are the volatility state of the
    program (lb_pair.rs, VariableParameters), times in unix seconds. A new pool's `index_reference` is its active bin.
    """

    model: ClassVar[str] = "meteora_dlmm"

    parameters: Parameters
    active_id: int
    first_bin_id: int
    bins: tuple[Bin, ...]
    index_reference: int
    volatility_accumulator: int = 0
    volatility_reference: int = 0
    last_update_timestamp: int = 0

    @cached_property
    def reserves(self) -> tuple[int, int]:
        """All X from the active bin up and all Y from it down, limit orders included, in base units and before fees."""
        active = self.active_id - self.first_bin_id
        above, below = self.bins[max(active, 0) :], self.bins[: max(active + 1, 0)]
        return sum(_available(each, False) for each in above), sum(_available(each, True) for each in below)

    def swap_exact_in(self, amount_in: int, a_to_b: bool, now: int) -> Swap:
        """Sell exactly `amount_in` base units, fee included, from the active bin on until all is sold.

        Raises SwapRefused: zero_input, zero_output, insufficient_liquidity when the bins run out, overflow_u64 when a
        bin could not hold its input. Source: quote.rs quote_exact_in, lb_pair.rs update_references.
        """
        if amount_in <= 0:
            raise SwapRefused("zero_input", "the amount to sell must be greater than zero")
        if amount_in > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount_in} does not fit 64 bits")
        parameters = self.parameters
        fee_on_input = parameters.collect_fee_mode == FEE_ON_INPUT or not a_to_b
        volatility_reference, index_reference = self._references(now)
        volatility = self.volatility_accumulator
        index, step = self._start(a_to_b)
        bins, end = self.bins, -1 if a_to_b else len(self.bins)
        touched: list[Bin] = []
        left, amount_out, fee, fee_protocol = amount_in, 0, 0, 0
        while True:
            if index == end:
                raise SwapRefused(
                    "insufficient_liquidity", f"the bins run out with {left} of {amount_in} still to sell"
                )
            before = bins[index]
            if _available(before, a_to_b):
                bin_id = self.first_bin_id + index
                volatility = _volatility(parameters, volatility_reference, index_reference, bin_id)
                after, used, paid, bin_fee, bin_fee_protocol = _trade(
                    before,
                    left,
                    bin_price_x64(bin_id, parameters.bin_step),
                    _fee_rate(parameters, volatility),
                    a_to_b,
                    fee_on_input,
                    parameters.protocol_share_bps,
                )
                touched.append(after)
                left -= used
                amount_out += paid
                fee += bin_fee
                fee_protocol += bin_fee_protocol
                if left == 0:  # a bin drained exactly stays active
                    break
            else:
                touched.append(before)
            index += step
        if amount_out == 0:
            raise SwapRefused("zero_output", f"{amount_in} base units buy less than one base unit here")
        pool_after = self._after(touched, index, a_to_b, now, volatility, volatility_reference, index_reference)
        return Swap(amount_in, amount_out, fee, fee_on_input, pool_after, fee - fee_protocol, fee_protocol, 0)

    def swap_exact_out(self, amount_out: int, a_to_b: bool, now: int) -> Swap:
        """Buy exactly `amount_out` base units, fee already taken out, from the active bin on until all is bought.

        Raises SwapRefused: zero_input for nothing to buy, insufficient_liquidity when the bins run out, overflow_u64
        when the price does not fit. Source: quote.rs quote_exact_out, lb_pair.rs update_references.
        """
        if amount_out <= 0:
            raise SwapRefused("zero_input", "the amount to buy must be greater than zero")
        parameters = self.parameters
        fee_on_input = parameters.collect_fee_mode == FEE_ON_INPUT or not a_to_b
        volatility_reference, index_reference = self._references(now)
        volatility = self.volatility_accumulator
        index, step = self._start(a_to_b)
        bins, end = self.bins, -1 if a_to_b else len(self.bins)
        touched: list[Bin] = []
        left, amount_in, fee, fee_protocol, surplus = amount_out, 0, 0, 0, 0
        while True:
            if index == end:
                raise SwapRefused(
                    "insufficient_liquidity", f"the bins run out with {left} of {amount_out} still to buy"
                )
            before = bins[index]
            available = _available(before, a_to_b)
            if available:
                bin_id = self.first_bin_id + index
                volatility = _volatility(parameters, volatility_reference, index_reference, bin_id)
                rate = _fee_rate(parameters, volatility)
                price = bin_price_x64(bin_id, parameters.bin_step)
                gross = left if fee_on_input else div_ceil(left * FEE_ONE, FEE_ONE - rate)  # liquidity keeps the dust
                if gross >= available:
                    offered = _UNLIMITED
                else:
                    offered = _price_of(before, gross, price, a_to_b)
                    if fee_on_input:
                        offered = div_ceil(offered * FEE_ONE, FEE_ONE - rate)  # liquidity keeps the dust
                after, used, paid, bin_fee, bin_fee_protocol = _trade(
                    before, offered, price, rate, a_to_b, fee_on_input, parameters.protocol_share_bps
                )
                touched.append(after)
                amount_in += used
                fee += bin_fee
                fee_protocol += bin_fee_protocol
                if paid >= left:  # a bin drained exactly stays active
                    surplus = paid - left
                    break
                left -= paid
            else:
                touched.append(before)
            index += step
        if amount_in > U64_MAX:
            raise SwapRefused("overflow_u64", f"{amount_out} base units would cost {amount_in}, more than 64 bits hold")
        if not fee_on_input and surplus > 1:  # a surplus of one is nobody's (quote.rs swap_exact_out_quote_at_bin)
            fee, fee_protocol, surplus = fee + surplus, fee_protocol + surplus, 0
        pool_after = self._after(touched, index, a_to_b, now, volatility, volatility_reference, index_reference)
        return Swap(amount_in, amount_out, fee, fee_on_input, pool_after, fee - fee_protocol, fee_protocol, surplus)

    def spot_price(self, a_to_b: bool) -> tuple[int, int]:
        """The price of the bin that the next unit would trade in, as (base units out, base units in), without fee.

        With nothing left to buy it is the price of the active bin.
        """
        index, step = self._start(a_to_b)
        bins, end = self.bins, -1 if a_to_b else len(self.bins)
        while index != end and not _available(bins[index], a_to_b):
            index += step
        bin_id = self.active_id if index == end else self.first_bin_id + index
        price = bin_price_x64(bin_id, self.parameters.bin_step)
        return (price, PRICE_ONE) if a_to_b else (PRICE_ONE, price)

    def fee_ppm(self, now: int) -> int:
        """The fee in the active bin, base and variable, in millionths, rounded down."""
        reference, index_reference = self._references(now)
        volatility = _volatility(self.parameters, reference, index_reference, self.active_id)
        return div_floor(_fee_rate(self.parameters, volatility) * 1_000_000, FEE_ONE)

    @property
    def step_ppm(self) -> int:
        """From bin to bin."""
        return self.parameters.bin_step * 100

    def depth(self, a_to_b: bool, ppm: int) -> int:
        """The input that buys up all bins within `ppm` millionths of the price, the last one in part, rounded down."""
        index, step = self._start(a_to_b)
        bins, bin_step_ppm, cost = self.bins, self.parameters.bin_step * 100, 0
        while ppm > 0 and 0 <= index < len(bins):
            price = bin_price_x64(self.first_bin_id + index, self.parameters.bin_step)
            cost += div_floor(
                _cost(_available(bins[index], a_to_b), price, a_to_b) * min(ppm, bin_step_ppm), bin_step_ppm
            )
            ppm -= bin_step_ppm
            index += step
        return cost

    def _start(self, a_to_b: bool) -> tuple[int, int]:
        """The place in `bins` where a swap begins, and the way it goes: selling X walks down, selling Y walks up."""
        active = self.active_id - self.first_bin_id
        return (max(min(active, len(self.bins) - 1), -1), -1) if a_to_b else (min(max(active, 0), len(self.bins)), 1)

    def _references(self, now: int) -> tuple[int, int]:
        """Volatility and index reference at the start of a swap (lb_pair.rs, update_references)."""
        parameters = self.parameters
        elapsed = now - self.last_update_timestamp
        if elapsed < parameters.filter_period:
            return self.volatility_reference, self.index_reference
        if elapsed >= parameters.decay_period:
            return 0, self.active_id
        return div_floor(self.volatility_accumulator * parameters.reduction_factor, BPS), self.active_id

    def _after(
        self,
        touched: list[Bin],
        index: int,
        a_to_b: bool,
        now: int,
        volatility: int,
        volatility_reference: int,
        index_reference: int,
    ) -> "Pool":
        """The pool with `touched` in the place of the bins walked through, of which `index` was the last."""
        if a_to_b:
            touched.reverse()
        first = index if a_to_b else index - len(touched) + 1
        bins = list(self.bins)
        bins[first : first + len(touched)] = touched
        active_id = self.first_bin_id + index
        return Pool(
            self.parameters,
            active_id,
            self.first_bin_id,
            tuple(bins),
            index_reference,
            volatility,
            volatility_reference,
            self.last_update_timestamp if active_id == self.active_id else now,
        )


@lru_cache(maxsize=1 << 16)
def bin_price_x64(bin_id: int, bin_step: int) -> int:
    """The price of a bin, raw Y (B) per raw X (A) times 2^64: (1 + bin_step / 10^4) ^ bin_id as the program rounds it.

    Raises ValueError where the price does not fit. Source: price_math.rs get_price_from_id, u64x64_math.rs pow.
    """
    shrunk = _inverse_power(abs(bin_id), bin_step) if abs(bin_id) <= BIN_ID_MAX else 0
    if shrunk == 0:
        raise ValueError(f"bin {bin_id} of step {bin_step} has no price that fits 128 bits")
    return div_floor(_U128_MAX, shrunk) if bin_id > 0 else shrunk


def bin_at_or_below(price_numerator: int, price_denominator: int, bin_step: int) -> int:
    """The greatest bin whose price (`bin_price_x64`) is at most the given ratio, raw Y (B) per raw X (A), compared
    exactly.

    Raises ValueError if there is none.
    """

    def fits(bin_id: int) -> bool:
        shrunk = _inverse_power(abs(bin_id), bin_step)
        if bin_id > 0:  # a power of nothing is a price beyond all bounds
            return shrunk > 0 and div_floor(_U128_MAX, shrunk) * price_denominator <= price_numerator << 64
        return shrunk * price_denominator <= price_numerator << 64

    low, high = -BIN_ID_MAX, BIN_ID_MAX + 1  # `low` fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2  # floor; both ends stay outside
        low, high = (middle, high) if fits(middle) else (low, middle)
    if _inverse_power(abs(low), bin_step) == 0 or not fits(low):
        raise ValueError(f"no bin of step {bin_step} is at or below the price {price_numerator}/{price_denominator}")
    return low


def _inverse_power(exponent: int, bin_step: int) -> int:
    """(1 + bin_step / 10^4) ^ -exponent in Q64.64, the program's way: by squaring, each product shifted down."""
    power = PRICE_ONE
    if exponent:
        base = div_floor(_U128_MAX, PRICE_ONE + div_floor(bin_step << 64, BPS))
        while exponent:
            if exponent & 1:
                power = (power * base) >> 64  # floor, as the program
            base = (base * base) >> 64  # floor, as the program
            exponent >>= 1
    return power


def _volatility(parameters: Parameters, volatility_reference: int, index_reference: int, bin_id: int) -> int:
    """The volatility accumulator in a bin (lb_pair.rs, update_volatility_accumulator)."""
    volatility = volatility_reference + abs(index_reference - bin_id) * BPS
    return min(volatility, parameters.max_volatility_accumulator)


def _fee_rate(parameters: Parameters, volatility: int) -> int:
    """Base plus variable fee in parts of 10^9, at most 10 % (lb_pair.rs, get_total_fee)."""
    rate = parameters.base_factor * parameters.bin_step * 10
    if parameters.base_fee_power_factor:
        rate *= 10**parameters.base_fee_power_factor
    if parameters.variable_fee_control:
        moved = volatility * parameters.bin_step
        rate += div_ceil(parameters.variable_fee_control * moved * moved, 100_000_000_000)  # liquidity keeps the dust
    return min(rate, FEE_MAX)


def _available(each: Bin, a_to_b: bool) -> int:
    """What a swap can take out of a bin: the market-making amount and the orders on that side (bin.rs)."""
    amount = each.amount_y if a_to_b else each.amount_x
    return amount if each.orders_ask is a_to_b else amount + each.processed_orders + each.open_orders


def _trade(
    before: Bin, offered: int, price: int, rate: int, a_to_b: bool, fee_on_input: bool, protocol_share_bps: int
) -> tuple[Bin, int, int, int, int]:
    """One bin's part of a swap: (bin after, input used with fee, output paid without fee, fee, protocol's part of it).

    Market-making liquidity goes first, then the rest of processed orders, then open orders, each rounded on its own;
    the fee is on the sum. Source: quote.rs swap_exact_in_quote_at_bin and split_fee, limit_order.rs.
    """
    fee = div_ceil(offered * rate, FEE_ONE) if fee_on_input else 0  # liquidity keeps the dust
    net = offered - fee
    making_in, making_out = _fill(before.amount_y if a_to_b else before.amount_x, net, price, a_to_b)
    taken_in, taken_out = making_in, making_out
    processed_orders, open_orders = before.processed_orders, before.open_orders
    if net > taken_in and before.orders_ask is not a_to_b:  # with nothing left to fill them, orders are not looked at
        processed_in, processed_out = _fill(processed_orders, net - taken_in, price, a_to_b)
        taken_in, taken_out = taken_in + processed_in, taken_out + processed_out
        processed_orders -= processed_out
        if net > taken_in:
            open_in, open_out = _fill(open_orders, net - taken_in, price, a_to_b)
            taken_in, taken_out = taken_in + open_in, taken_out + open_out
            if open_out:  # what was open and is now partly filled counts as processed
                processed_orders, open_orders = open_orders - open_out, 0
    used = offered
    if net > taken_in:
        fee = div_ceil(taken_in * rate, FEE_ONE - rate) if fee_on_input else 0  # liquidity keeps the dust
        used = taken_in + fee
    paid = taken_out
    if not fee_on_input:
        fee = div_ceil(taken_out * rate, FEE_ONE)  # liquidity keeps the dust
        paid -= fee
    if taken_in == making_in:
        fee_protocol = div_floor(fee * protocol_share_bps, BPS)  # liquidity keeps the dust
    else:  # orders get half of their part of the fee, the protocol the other half
        fee_making = div_ceil(fee * making_in, taken_in)  # liquidity keeps the dust
        fee_orders = fee - fee_making
        fee_protocol = div_floor(fee_making * protocol_share_bps, BPS) + fee_orders - div_floor(fee_orders, 2)
    if a_to_b:
        amount_x, amount_y = before.amount_x + making_in, before.amount_y - making_out
    else:
        amount_x, amount_y = before.amount_x - making_out, before.amount_y + making_in
    if amount_x > U64_MAX or amount_y > U64_MAX:
        raise SwapRefused("overflow_u64", f"a bin cannot hold {making_in} more")
    return Bin(amount_x, amount_y, processed_orders, open_orders, before.orders_ask), used, paid, fee, fee_protocol


def _fill(available: int, net: int, price: int, a_to_b: bool) -> tuple[int, int]:
    """(input taken, output given) by one layer of a bin that offers `available` to `net` of input (bin.rs)."""
    room = _cost(available, price, a_to_b)
    if room > U64_MAX:  # the program counts this in 64 bits even when the swap is small
        raise SwapRefused("overflow_u64", f"{available} in a bin would take {room} to buy, more than 64 bits hold")
    if net >= room:
        return room, available
    return net, (net * price) >> 64 if a_to_b else div_floor(net << 64, price)  # floor: liquidity keeps the dust


def _price_of(before: Bin, gross: int, price: int, a_to_b: bool) -> int:
    """The input, before fee, that buys `gross` out of one bin that has more; each layer rounded up on its own.

    Source: quote.rs get_excluded_fee_amount_in.
    """
    making = min(gross, before.amount_y if a_to_b else before.amount_x)
    processed = min(gross - making, before.processed_orders)
    return sum(_cost(layer, price, a_to_b) for layer in (making, processed, gross - making - processed))


def _cost(amount_out: int, price: int, a_to_b: bool) -> int:
    """The input that buys `amount_out` at a price, rounded up: liquidity keeps the dust (bin.rs, get_amount_in)."""
    return div_ceil(amount_out << 64, price) if a_to_b else (amount_out * price + PRICE_ONE - 1) >> 64
