"""Why a plan is as it is: the marginal price on every pool it uses, and for every other pool why it is not used.

At the best plan the next unit would pay the same everywhere, and a pool is left out because even its first unit pays less.
Prices are base units out per base unit in, fees inside, in parts of 2^64 and rounded down.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Literal

import msgspec

from order_engine.amounts import div_floor
from order_engine.routes import FREE, Plan, Terms
from order_engine.routing.certificate import PRICE_BITS, PRICE_ONE, edge_of
from order_engine.routing.pieces import Curve, pieces
from order_engine.venues.snapshot import AnyPool, Listing, ends

_TRIFLE = 1_000_000  # a gain that is a smaller part of the output is within what rounding and the search leave

Reason = Literal["price", "cost", "cap", "rounding", "path", "empty"]


class Used(msgspec.Struct, frozen=True):
    """A pool of the plan: what its first and its last unit paid, and what is paid for a unit elsewhere.

    `common_x64` is that price by the plan's token prices. `last_x64` is the same but for what a single unit moves; in a
    pool that the plan empties, or whose bin or tick it leaves behind exactly, the last unit paid more.
    """

    dex: str
    pool: str
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int
    before_x64: int
    last_x64: int
    common_x64: int


class Unused(msgspec.Struct, frozen=True):
    """A pool that the plan leaves alone, in the direction in which it comes nearest to being of use.

    Its first unit would pay `first_x64`, where `common_x64` is to be had elsewhere. It could add `gain` base units of the
    output token at most. Reasons: its "price"; the "cost" of a leg, which is more than the gain; the "cap" on legs;
    "rounding" to whole units and the search, which leave as much (two units, or a millionth of the output); only a "path"
    that is longer than allowed, a circle, or none at all leads through it; it is "empty".
    """

    dex: str
    pool: str
    token_in: str
    token_out: str
    reason: Reason
    first_x64: int
    common_x64: int
    gain: int


class Explanation(msgspec.Struct, frozen=True):
    """All pools, each once (a used one once per direction and token pair)."""

    used: tuple[Used, ...]
    unused: tuple[Unused, ...]


def explain(
    plan: Plan, listings: Iterable[Listing], prices: Mapping[str, int], now: int, terms: Terms = FREE
) -> Explanation:
    """Why `plan` uses what it uses. `prices` are those of its receipt."""
    used, unused = [], []
    for each in listings:
        legs = [leg for leg in plan.legs if (leg.dex, leg.pool) == (each.dex, each.pool)]
        if not legs:
            unused.append(_unused(plan, each, prices, now, terms))
            continue
        token_in, token_out = legs[0].token_in, legs[0].token_out
        a_to_b = token_in == each.token_a
        amount_in = sum(leg.amount_in for leg in legs if leg.token_in == token_in)
        used.append(
            Used(
                each.dex,
                each.pool,
                token_in,
                token_out,
                amount_in,
                sum(leg.amount_out for leg in legs if leg.token_in == token_in),
                price_x64(each.state, a_to_b, now),
                price_x64(each.state, a_to_b, now, amount_in),
                _common(prices, token_in, token_out),
            )
        )
    return Explanation(tuple(used), tuple(unused))


def price_x64(state: AnyPool, a_to_b: bool, now: int, amount_in: int = 0) -> int:
    """What a unit pays after `amount_in` others in the same swap, fees inside, in parts of 2^64, rounded down.

    Past the end of a piece it is the price of the next; 0 where there is nothing to be had.
    """
    left = Fraction(amount_in)
    for piece in pieces(state, a_to_b, now):
        if isinstance(piece, Curve):
            a, b = Fraction(piece.in_num, piece.in_den), Fraction(piece.out_num, piece.out_den)
            room = a * (piece.end_num - piece.end_den) / piece.end_den if piece.end_den else left + 1
            price = a * b / (a + left) ** 2
        else:
            price = Fraction(piece.price_num, piece.price_den)
            room = Fraction(piece.out_num, piece.out_den) / price
        if left < room:
            return div_floor(price.numerator << PRICE_BITS, price.denominator)
        left -= room
    return 0


def _common(prices: Mapping[str, int], token_in: str, token_out: str) -> int:
    """What a unit of one token is worth in the other by the plan's prices."""
    return div_floor(prices.get(token_in, 0) << PRICE_BITS, prices[token_out]) if prices.get(token_out) else 0


def _unused(plan: Plan, each: Listing, prices: Mapping[str, int], now: int, terms: Terms) -> Unused:
    found = []
    for a_to_b in (True, False):
        token_in, token_out = ends(each, a_to_b)
        first, common = price_x64(each.state, a_to_b, now), _common(prices, token_in, token_out)
        gain_x64 = edge_of(each.state, a_to_b, prices.get(token_in, 0), prices.get(token_out, 0), now).gain
        nearness = div_floor(first * PRICE_ONE, common) if common else 0
        found.append((gain_x64, nearness, token_in, token_out, first, common))
    gain_x64, _, token_in, token_out, first, common = max(found)
    gain = gain_x64 >> PRICE_BITS  # whole units: down
    return Unused(
        each.dex,
        each.pool,
        token_in,
        token_out,
        _reason(plan, each, prices, terms, gain_x64, first),
        first,
        common,
        gain,
    )


def _reason(plan: Plan, each: Listing, prices: Mapping[str, int], terms: Terms, gain_x64: int, first: int) -> Reason:
    if not first:
        return "empty"
    if each.token_a not in prices or each.token_b not in prices:
        return "path"
    if not gain_x64:
        return "price"
    one_x64 = PRICE_ONE if plan.exact == "in" else prices[plan.token_in]
    if gain_x64 < terms.leg_cost * one_x64:
        return "cost"
    if terms.max_legs is not None and len(plan.legs) >= terms.max_legs:
        return "cap"
    trifle_x64 = prices[each.token_a] + prices[each.token_b] + div_floor(plan.amount_out << PRICE_BITS, _TRIFLE)
    return "rounding" if gain_x64 <= trifle_x64 else "path"
