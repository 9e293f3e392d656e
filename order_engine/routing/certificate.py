"""The proof that no plan could have got more, checked in microseconds by anybody with the pools' states and one price per token.

Weak duality. Take any prices ν ≥ 0 with ν(out) = 1. A plan hands in an amount and ends with output only, so its output is
the amount at ν(in) plus, pool by pool, what the pool paid less what it took, both at ν. No pool can do better for the trader
at these prices than arb(pool, ν), so

    output ≤ ν(in)·amount + Σ over pools of arb(pool, ν)          and           input ≥ (output − Σ arb(pool, ν)) / ν(in).

This holds for every split, any number of hops and circles, whoever found them. For a curve of virtual
reserves a, b (`pieces`, fees inside) arb is (√(ν_out·b) − √(ν_in·a))² where that root is positive, or the worth of the
whole piece where the best point lies beyond its end; for a flat piece it is capacity times the gain per unit. A pool's
pieces pay at least what its integer swaps pay, whichever of them are used.

A plan also never sells what it does not hold. At these prices all that it holds is worth no more than the bound itself, so no
swap gains more than the bound times what its best unit gains per worth sold. Where pools disagree, that is far less than
their arb: a small order cannot run a large circle. So the bound is tightened by itself, a few times. It then bounds
every plan that swaps with no pool more often than the plan in hand does with some pool, as a rule once, never more than twice.
Exact-out, a plan either takes more than some limit, or all that it ever holds is worth no more than the limit at ν(in) and all
that is gained with it: the bound is the least of both, whatever the limit. What the plan in hand takes is the first one tried.

With a cost per leg a leg pays only if it gains more than that, and with at most n legs only n of them can gain: `net_bound` is
the same sum over the n largest of arb − cost. It bounds output less costs (or input plus costs, from below).

No float is involved. Prices are integers, in parts of 2^64; arb is a ratio of integers rounded up, where a root is needed
with `isqrt` of the product rounded down after its factors were rounded the unfavourable way. The bound may therefore be too
high, per pool by a few 2^-64 of a unit times √(ν_out·b / ν_in·a), and is never too low.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import isqrt

import msgspec

from order_engine.amounts import div_ceil, div_floor
from order_engine.routes import FREE, SWAPS_PER_POOL, Leg, Plan, Proof, Terms
from order_engine.routing.network import Network
from order_engine.routing.pieces import PIECES, Flat, Piece
from order_engine.venues.pool import SwapRefused
from order_engine.venues.snapshot import AnyPool, Listing

PRICE_BITS = 64
PRICE_ONE = 1 << PRICE_BITS
GAP_ONE = 1_000_000_000  # gaps are in parts of 10^9: 100 000 of them are a basis point

LEFT_OUT = (
    "The pools are those of the receipt at its block: pools that it does not list, and later states, are not part of it.",
    "Where pools disagree, every pool counts as if all that a plan of so much input can ever hold went through it, once or as "
    "often as the plan uses a pool (exact-out always once); plans that use one more often are left out.",
    "A pool counts as one swap of it can use it: what a second one in the same plan gains from a fee that falls with the price "
    "(DAMM v2 with a market-cap schedule) or from tick arrays that come into sight (Whirlpool) is left out.",
    "Of fixed costs and caps it knows those of the terms, in the net bound; account limits of a transaction beyond them, "
    "priority fees and Token-2022 transfer fees are left out.",
    "A fee that depends on the swap itself counts at the rate of each piece, or at its lowest where it may change within one.",
)

_ROUNDS = 12  # of tightening; each is a bound
_HALVINGS = 10  # of the limits tried for an exact-out bound; each is a bound
_FINE = 1_000_000  # a bound that may be too low by a millionth is not looked at again
_LIMIT = 1 << 200  # of a price: more says that the receipt is not one of ours


class Receipt(msgspec.Struct, frozen=True):
    """A plan, the proof of how good it is, and the pools' states, as a plain value to be written to JSON and checked again.

    `states` are the pools as they were at the block of the proof, whose `digest` a chain can be asked about. Tokens without
    a price count as worthless.
    """

    plan: Plan
    proof: Proof
    states: tuple[Listing, ...]


class Edge(msgspec.Struct, frozen=True, gc=False):
    """What a pool is worth to a trader in one direction: arb, in parts of 2^64 of an output unit, rounded up.

    `rate` is what its first unit gains per worth of what is sold, in parts of 2^64, rounded up: no later one gains more.
    """

    gain: int
    rate: int


_NOTHING = Edge(0, 0)


class Problem(msgspec.Struct, frozen=True):
    """What in a receipt does not hold: "states", "plan", "prices", "bound", "net_bound" or "gap_ppb", and how."""

    part: str
    message: str


class Unproven(Exception):
    """There are no prices for this question, so nothing can be said about its plans."""


def certify(plan: Plan, listings: Iterable[Listing], now: int, height: int, terms: Terms = FREE) -> Receipt:
    """The receipt of a plan against all these pools, with the best prices that we find. Raises Unproven without any."""
    states = tuple(listings)
    prices = best_prices(states, plan, now)
    bound, net_bound = bounds(states, plan, prices, now, terms)
    digest = digest_of(height, now, states)
    return Receipt(plan, Proof(height, now, digest, terms, prices, bound, net_bound, gap_ppb(plan, bound)), states)


def best_prices(listings: Sequence[Listing], plan: Plan, now: int) -> dict[str, int]:
    """Prices at which the bound is about as low as it can be. Any others are as valid, so floats may choose them.

    Where the search finds none (an amount at the very limit of what the pools hold) they are those of the first units.
    Raises Unproven where no path leads from one token to the other.
    """
    tokens = {token for each in listings for token in each[2:4]}
    network = Network(listings, plan.token_in, plan.token_out, 2 * len(tokens), now)  # so many hops reach every token
    exact_in = plan.exact == "in"
    solution = network.solve(plan.amount_in if exact_in else plan.amount_out, exact_in)
    prices = solution.prices if solution else network.first_prices(network.ways, exact_in)
    if not prices.get(plan.token_out) or not prices.get(plan.token_in):
        raise Unproven(f"no path leads from {plan.token_in} to {plan.token_out}")
    one = prices[plan.token_out]
    return {token: int(price / one * PRICE_ONE) for token, price in prices.items()}


def bounds(
    listings: Iterable[Listing], plan: Plan, prices: dict[str, int], now: int, terms: Terms = FREE
) -> tuple[int, int]:
    """(bound, net bound) of every plan for the question that `plan` answers, at these prices."""
    return bounds_from(edges_of(listings, prices, now), plan, prices, terms)


def bounds_from(
    edges: Sequence[Edge], plan: Plan, prices: Mapping[str, int], terms: Terms, times: int | None = None
) -> tuple[int, int]:
    """The same from what all pools that have any are worth at these prices. It holds for plans that swap with no pool more often
    than `times`; without it, than this plan does."""
    price_in, times = prices[plan.token_in], times or most_swaps(plan)
    if plan.exact == "out":
        return _least_input(edges, plan.amount_out << PRICE_BITS, price_in, plan.amount_in, times, terms)
    given = price_in * plan.amount_in
    whole, net_whole = _gained(edges, given, times, PRICE_ONE, terms)
    return (given + whole) >> PRICE_BITS, ((given + net_whole) >> PRICE_BITS) - terms.plan_cost  # whole units: down


def _gained(edges: Sequence[Edge], given: int, times: int, price: int, terms: Terms) -> tuple[int, int]:
    """(the most that a plan gains which hands in what is worth `given`, the same net of what legs cost at `price`).

    The more is given, the more it is.
    """
    gains = [edge.gain for edge in edges]
    # Nothing that is held is ever worth more than `most`, so no swap gains more than its rate on that.
    most = given + sum(gains)
    if any(edge.gain > most * edge.rate >> PRICE_BITS for edge in edges):
        for _ in range(_ROUNDS):
            gains = [min(edge.gain, (most * edge.rate * times >> PRICE_BITS) + 1) for edge in edges]
            less = given + sum(gains)
            if less >= most:
                break
            most = less
    cost = terms.leg_cost * price
    whole = net_whole = sum(gains)
    if cost or terms.max_legs is not None:
        net_gains = sorted((gain - cost for gain in gains if gain > cost), reverse=True)
        net_whole = sum(net_gains if terms.max_legs is None else net_gains[: terms.max_legs])
    return whole, net_whole


def _least_input(
    edges: Sequence[Edge], asked: int, price_in: int, amount_in: int, times: int, terms: Terms
) -> tuple[int, int]:
    """(the least input that pays `asked`, in parts of 2^64 of a unit, the same with costs).

    Of any limit it can be said that a plan takes more than that, or no more and gains no more with it. The limits are first
    what the plan in hand takes, and then bisected, as long as that says more.
    """
    if not price_in:
        return 0, 0
    fixed = terms.plan_cost
    bound, net_bound, limit, low, high = 0, fixed, amount_in, 0, amount_in
    for _ in range(_HALVINGS):
        whole, net_whole = _gained(edges, price_in * limit, times, price_in, terms)
        least, net_least = div_ceil(asked - whole, price_in), div_ceil(asked - net_whole, price_in)
        bound = max(bound, min(least, limit))
        net_bound = max(net_bound, min(net_least, limit + terms.leg_cost) + fixed)
        low, high = (limit, high) if least >= limit else (max(low, least), limit)
        if (high - low) * _FINE <= high:
            break
        limit = div_floor(low + high, 2)
    return bound, net_bound


def most_swaps(plan: Plan) -> int:
    """How often the plan uses the pool that it uses most often; 1 at least."""
    if len(plan.legs) == 1:
        return 1
    return max(Counter((leg.dex, leg.pool) for leg in plan.legs).values(), default=1)


def edges_of(listings: Iterable[Listing], prices: dict[str, int], now: int) -> list[Edge]:
    """What every pool and direction that has any is worth to a trader at these prices."""
    found = []
    for _, _, token_a, token_b, state in listings:
        price_a, price_b = prices.get(token_a, 0), prices.get(token_b, 0)
        edge = edge_of(state, True, price_a, price_b, now)
        if edge.gain:
            found.append(edge)
        edge = edge_of(state, False, price_b, price_a, now)
        if edge.gain:
            found.append(edge)
    return found


def edge_of(state: AnyPool, a_to_b: bool, price_in: int, price_out: int, now: int) -> Edge:
    """What a pool is worth to a trader in one direction at these prices."""
    return edge_through(PIECES[type(state)](state, a_to_b, now), price_in, price_out)


def edge_through(pieces: Iterable[Piece], price_in: int, price_out: int, unsure: int | None = None) -> Edge:
    """The same from the pieces. With `unsure` it ends with the first piece after so many that has no worth (`pieces.unsure`)."""
    total = rate = 0
    for number, piece in enumerate(pieces):
        if isinstance(piece, Flat):
            left, right = price_out * piece.price_num, price_in * piece.price_den
            if left <= right:
                if unsure is not None and number >= unsure:
                    break
                continue
            total += div_ceil((left - right) * piece.out_num, piece.price_num * piece.out_den)
        else:
            paid, taken = price_out * piece.out_num, price_in * piece.in_num  # over out_den and in_den: ν·b and ν·a
            left, right = paid * piece.in_den, taken * piece.out_den  # the same, over both
            if left <= right:
                if unsure is not None and number >= unsure:
                    break
                continue
            end_num, end_den = piece.end_num, piece.end_den
            if end_den and left * end_den * end_den > right * end_num * end_num:  # it pays to take the whole piece
                gain = (end_num - end_den) * (left * end_den - right * end_num)
                total += div_ceil(gain, piece.in_den * piece.out_den * end_num * end_den)
            else:
                most, least = div_ceil(paid, piece.out_den), div_floor(taken, piece.in_den)  # so that the bound rises
                total += most + least - isqrt(4 * most * least)
        best = div_ceil(left - right << PRICE_BITS, right) if right else _LIMIT
        if best > rate:
            rate = best
    return Edge(total, rate) if total else _NOTHING


def digest_of(height: int, now: int, states: Iterable[Listing]) -> str:
    """SHA-256, in hex, of the block's height and time and of what `state_hash` makes of every pool, in their order."""
    return digest_of_hashes(height, now, map(state_hash, states))


def digest_of_hashes(height: int, now: int, hashes: Iterable[bytes]) -> str:
    """The same from hashes that are known already: a block changes few of its pools."""
    return sha256(b"%d %d " % (height, now) + b"".join(hashes)).hexdigest()


def state_hash(listing: Listing) -> bytes:
    """SHA-256 of a pool's names, tokens and state in their JSON form."""
    return sha256(msgspec.json.encode(listing)).digest()


def verify(receipt: Receipt) -> list[Problem]:
    """Everything in a receipt that does not hold, recomputed from its pool states; empty for one that does.

    What nobody can see from the receipt alone is whether the states were those of the block: ask the chain for `digest`.
    """
    try:
        return _problems(receipt.plan, receipt.proof, receipt.states)
    except (ArithmeticError, LookupError, ValueError, SwapRefused) as error:  # states that no pool can be in
        return [Problem("states", f"they are no pools' states: {type(error).__name__}: {error}")]


def _problems(plan: Plan, proof: Proof, states: Sequence[Listing]) -> list[Problem]:
    problems, now, terms, prices = [], proof.now, proof.terms, proof.prices
    if proof.digest != digest_of(proof.height, now, states):
        problems.append(Problem("states", "the states, the block's height or its time are not those of the digest"))
    if flaw := flaw_of(plan, states, now, terms):
        problems.append(Problem("plan", flaw))
    if prices.get(plan.token_out) != PRICE_ONE or not all(0 <= price < _LIMIT for price in prices.values()):
        return [*problems, Problem("prices", "prices must be 2^64 for the output token, and none below 0")]
    if plan.token_in not in prices:
        return [*problems, Problem("prices", f"there is none for {plan.token_in}")]
    bound, net_bound = bounds(states, plan, prices, now, terms)
    if bound != proof.bound:
        problems.append(Problem("bound", f"it is {bound}, not {proof.bound}"))
    if net_bound != proof.net_bound:
        problems.append(Problem("net_bound", f"it is {net_bound}, not {proof.net_bound}"))
    if (gap := gap_ppb(plan, bound)) != proof.gap_ppb:
        problems.append(Problem("gap_ppb", f"it is {gap}, not {proof.gap_ppb}"))
    return problems


def flaw_of(plan: Plan, listings: Iterable[Listing], now: int, terms: Terms = FREE) -> str | None:
    """Why a plan cannot run on these pools exactly as it says, leg by leg; None if it can."""
    known = {(each.dex, each.pool): each for each in listings}
    held = {plan.token_in: plan.amount_in}
    swaps: dict[tuple[str, str], int] = {}
    for number, leg in enumerate(plan.legs, 1):
        each = known.get((leg.dex, leg.pool))
        if each is None or {leg.token_in, leg.token_out} != {each.token_a, each.token_b}:
            return f"leg {number}: there is no pool {leg.pool} of {leg.token_in} and {leg.token_out} on {leg.dex}"
        if not 0 < leg.amount_in <= held.get(leg.token_in, 0):
            return f"leg {number}: {leg.amount_in} {leg.token_in} are not there to be sold"
        swaps[leg.dex, leg.pool] = swaps.get((leg.dex, leg.pool), 0) + 1
        if swaps[leg.dex, leg.pool] > SWAPS_PER_POOL:
            return f"leg {number}: {leg.pool} is used more than {SWAPS_PER_POOL} times"
        a_to_b = leg.token_in == each.token_a
        try:
            if plan.exact == "in":
                swap = each.state.swap_exact_in(leg.amount_in, a_to_b, now)
            else:
                swap = each.state.swap_exact_out(leg.amount_out, a_to_b, now)
        except SwapRefused as refused:
            return f"leg {number}: {leg.pool} refuses: {refused}"
        if (swap.amount_in, swap.amount_out) != (leg.amount_in, leg.amount_out):
            return f"leg {number}: {leg.pool} swaps {swap.amount_in} for {swap.amount_out}, not {_said(leg)}"
        known[leg.dex, leg.pool] = Listing(*each[:4], swap.after)
        held[leg.token_in] -= leg.amount_in
        held[leg.token_out] = held.get(leg.token_out, 0) + leg.amount_out
    paid = held.pop(plan.token_out, 0)
    if any(held.values()):
        return f"it ends with tokens left over: {', '.join(token for token, units in held.items() if units)}"
    if paid != plan.amount_out:
        return f"it pays {paid}, not {plan.amount_out}"
    if terms.max_legs is not None and len(plan.legs) > terms.max_legs:
        return f"it has {len(plan.legs)} legs, {terms.max_legs} are allowed"
    cost = terms.plan_cost + terms.leg_cost * len(plan.legs)
    return None if plan.cost == cost else f"its fixed costs are {cost}, not {plan.cost}"


def _said(leg: Leg) -> str:
    return f"{leg.amount_in} for {leg.amount_out}"


def gap_ppb(plan: Plan, bound: int) -> int:
    """How far a plan is from its bound in parts of 10^9 of the bound, rounded up."""
    distance = bound - plan.amount_out if plan.exact == "in" else plan.amount_in - bound
    return div_ceil(distance * GAP_ONE, bound) if bound else GAP_ONE
