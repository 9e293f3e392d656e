"""Which route an order gets. `ask_venues` does the asking, slow and fallible; `best_route` decides, pure.

Every venue names its best pool's price; and out of all pools at one block `routing` makes the plan that nobody can better, over
several pools and hops where that pays. An order that asks for it gets the best single pool instead: the highest net output
(what the venue pays after its own fee, less the network fee) or the lowest net input. Ties go to the lower price impact, then
to the venue named first, so that the same offers always give the same route. (Where the network fee eats all of an output, the
gross one decides.)
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait
from typing import NamedTuple

import msgspec

from order_engine.amounts import BPS, div_ceil, div_floor, format_amount
from order_engine.errors import EngineError
from order_engine.messages import gap_bps
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.routes import MAX_HOPS, MAX_LEGS, Leg, NoPlan, Plan, Proof, Terms
from order_engine.routing.best import Found, best_plan
from order_engine.tokens import NATIVE, TOKENS, network_fee_in
from order_engine.venues.pool import SwapRefused, impact_bps
from order_engine.venues.snapshot import Snapshot
from order_engine.venues.venue import Venue

_log = logging.getLogger(__name__)


class Answers(NamedTuple):
    """What the venues said, and the pools as they stood then; None where nobody could read them."""

    offers: tuple[Offer, ...]
    snapshot: Snapshot | None = None


class Route(msgspec.Struct, frozen=True):
    """The chosen swaps, the least output (or the most input) that the chain is to enforce, and why they were chosen.

    `dex` and `pool` have the largest share, `impact_bps` is that on the pool that is moved most. `proof`, and the pools in
    `snapshot` that it speaks of, are there for a route that was sought over all of them.
    """

    dex: str
    pool: str
    legs: tuple[Leg, ...]
    amount_in: int
    amount_out: int
    limit: int
    reason: str
    impact_bps: int
    proof: Proof | None = None
    snapshot: Snapshot | None = None


class NoRoute(msgspec.Struct, frozen=True):
    """No offer can be taken. `again`: time may help, so a later attempt makes sense."""

    code: str
    message: str
    again: bool


class Limits(msgspec.Struct, frozen=True):
    """What an order demands of a route. `floor` is the user's own least output and `ceiling` the most input that the order may
    take: nothing may lower the one or raise the other. `single`: one pool of one venue."""

    slippage_bps: int
    max_impact_bps: int
    floor: int | None = None
    ceiling: int | None = None
    single: bool = True


def ask_venues(
    venues: Sequence[Venue], read: Callable[[], Snapshot] | None, ask: Ask, deadline_ms: int, executor: Executor
) -> Answers:
    """Every venue's answer, in the order of `venues`, and the pools as they stand after that, where somebody reads them. All are
    asked at once; who is late is noted as declined.

    Where all are prompt, they are asked one after the other: to hand so little work to other threads takes longer.
    """
    if are_prompt(venues):
        return Answers(tuple(offer_of(venue, ask) for venue in venues), _read(read))
    asked = [executor.submit(offer_of, venue, ask) for venue in venues]
    for late in wait(asked, timeout=deadline_ms / 1_000).not_done:
        late.cancel()  # nobody waits for it any more; where it has not begun, it need not
    offers = tuple(
        answer.result()
        if answer.done() and not answer.cancelled()
        else Declined(venue.name, "venue_unavailable", f"no answer within {deadline_ms} ms")
        for venue, answer in zip(venues, asked, strict=True)
    )
    return Answers(offers, _read(read))


def _read(read: Callable[[], Snapshot] | None) -> Snapshot | None:
    try:
        return None if read is None else read()
    except EngineError as error:
        _log.warning("the pools could not be read", extra={"facts": {"error": error.message}})
        return None


def are_prompt(venues: Sequence[Venue]) -> bool:
    """True while all of them answer at once."""
    return all(venue.prompt for venue in venues)


def offer_of(venue: Venue, ask: Ask) -> Offer:
    """A venue's quote, or why there is none. A quote that makes no sense counts as no answer."""
    try:
        quote = venue.quote(ask)
    except EngineError as error:
        return Declined(venue.name, error.code, error.message)
    except Exception as error:  # an adapter is another system's code: its bugs are no answer, and shall not stop us
        _log.exception("a venue broke", extra={"facts": {"dex": venue.name}})
        return Declined(venue.name, "venue_unavailable", f"it broke with {type(error).__name__}")
    if not quote.answers(ask) or quote.dex != venue.name:
        return Declined(venue.name, "venue_unavailable", f"a quote that makes no sense: {quote}")
    return quote


def best_quote(quotes: Iterable[Quote], ask: Ask) -> Quote | None:
    """The quote with the highest net output, or the lowest net input for an exact-out ask; None if there is none."""
    if ask.exact == "out":
        return min(quotes, key=lambda quote: (quote.net_in, quote.amount_in, quote.impact_bps), default=None)
    return max(quotes, key=lambda quote: (quote.net_out, quote.amount_out, -quote.impact_bps), default=None)


def best_route(ask: Ask, answers: Answers, limits: Limits) -> Route | NoRoute:
    """The best route within `limits`, with what the chain is to enforce; or why there is none."""
    offers, snapshot = answers
    if not limits.single and snapshot is not None:
        open_ones = _open_pools(snapshot, offers)
        found = planned(ask, open_ones)
        if isinstance(found, NoPlan):
            return _nobody(ask, offers, found.message)
        impact = _impact_by(offers, found.plan)
        if impact is None:
            impact = impact_of(found, open_ones)
        if impact <= limits.max_impact_bps:
            return _within(ask, limits, _of_plan(ask, found, open_ones, offers, impact))
        if not any(isinstance(offer, Quote) for offer in offers):
            return _too_much(ask, "the pools on the way", impact, limits)
        return _single(
            ask, offers, limits, f"; the best route over all pools moves one by {impact} bps, over the limit"
        )
    return _single(ask, offers, limits)


def planned(ask: Ask, snapshot: Snapshot, *, single: bool = False) -> Found | NoPlan:
    """The plan that no other can better on these pools (`single`: as one swap), its proof, or why there is none."""
    costed = ask.output_token if ask.exact == "in" else ask.input_token  # the token in which a plan counts its costs
    fee = snapshot.network_fee
    cost = fee if costed == NATIVE else network_fee_in(TOKENS[costed], fee)
    terms = Terms(plan_cost=cost, max_legs=1 if single else MAX_LEGS, max_hops=MAX_HOPS)
    if single:
        pair = {ask.input_token, ask.output_token}
        snapshot = snapshot._replace(listings=tuple(each for each in snapshot.listings if {*each[2:4]} == pair))
    return best_plan(snapshot, ask.input_token, ask.output_token, ask.amount, ask.exact, terms)


def impact_of(found: Found, snapshot: Snapshot) -> int:
    """How far the plan moves the pool that it moves most, in bps."""
    states = {listing.pool: (listing.token_a, listing.state) for listing in snapshot.listings}
    most = 0
    for leg in found.plan.legs:
        token_a, pool = states[leg.pool]
        a_to_b = leg.token_in == token_a
        try:
            swap = pool.swap_exact_in(leg.amount_in, a_to_b, snapshot.now)
        except SwapRefused:  # an exact-out swap at the edge of what the pool takes
            swap = pool.swap_exact_out(leg.amount_out, a_to_b, snapshot.now)
        unrounded = swap
        if min(swap.amount_in, swap.amount_out) < BPS:  # a unit is more than a bps: what rounding takes is no impact
            unrounded = msgspec.structs.replace(swap, amount_in=swap.amount_in - 1, amount_out=swap.amount_out + 1)
        most = max(most, impact_bps(pool, unrounded, a_to_b))
        states[leg.pool] = token_a, swap.after
    return most


def _impact_by(offers: Sequence[Offer], plan: Plan) -> int | None:
    """What a venue says of the plan's only swap, where it offers the very same, and a unit is nothing in it."""
    for leg in plan.legs if len(plan.legs) == 1 else ():
        swap = leg.pool, leg.amount_in, leg.amount_out
        for offer in offers:
            if isinstance(offer, Quote) and (offer.pool, offer.amount_in, offer.amount_out) == swap:
                return offer.impact_bps if min(swap[1:]) >= BPS else None
    return None


def _open_pools(snapshot: Snapshot, offers: Sequence[Offer]) -> Snapshot:
    """The pools of the venues that answer: who does not quote now is not to be built on either."""
    silent = {offer.dex for offer in offers if isinstance(offer, Declined) and offer.code == "venue_unavailable"}
    if not silent:
        return snapshot
    return snapshot._replace(listings=tuple(each for each in snapshot.listings if each.dex not in silent))


def _of_plan(ask: Ask, found: Found, snapshot: Snapshot, offers: Sequence[Offer], impact: int) -> Route:
    plan, proof = found.plan, found.proof
    shares: dict[str, int] = {}
    for leg in plan.legs:
        shares[leg.dex] = shares.get(leg.dex, 0) + _worth(leg, proof)
    dex = max(shares, key=lambda name: shares[name])  # the first of equals
    largest = max((leg for leg in plan.legs if leg.dex == dex), key=lambda leg: _worth(leg, proof))
    reason = _explain_plan(ask, found, offers)
    legs = plan.legs
    return Route(dex, largest.pool, legs, plan.amount_in, plan.amount_out, 0, reason, impact, proof, snapshot)


def _worth(leg: Leg, proof: Proof) -> int:
    """What is swapped, in parts of 2^64 of an output unit."""
    return leg.amount_in * proof.prices.get(leg.token_in, 0)


def _single(ask: Ask, offers: Sequence[Offer], limits: Limits, beside: str = "") -> Route | NoRoute:
    quotes = [offer for offer in offers if isinstance(offer, Quote)]
    if not quotes:
        return _nobody(ask, offers)
    best = best_quote((quote for quote in quotes if quote.impact_bps <= limits.max_impact_bps), ask)
    if best is None:
        gentlest = min(quotes, key=lambda quote: quote.impact_bps)
        return _too_much(ask, f"even the deepest pool ({gentlest.dex})", gentlest.impact_bps, limits)
    leg = Leg(best.dex, best.pool, ask.input_token, ask.output_token, best.amount_in, best.amount_out)
    reason = _explain(ask, offers, best) + beside
    route = Route(best.dex, best.pool, (leg,), best.amount_in, best.amount_out, 0, reason, best.impact_bps)
    return _within(ask, limits, route)


def _too_much(ask: Ask, moved: str, impact: int, limits: Limits) -> NoRoute:
    return NoRoute(
        "price_impact_too_high",
        f"{'Selling' if ask.exact == 'in' else 'Buying'} {_text(ask.amount, ask.given)} moves {moved} by "
        f"{impact} bps, the limit is {limits.max_impact_bps} bps (--max-impact). Nothing was sent.",
        again=False,
    )


def _within(ask: Ask, limits: Limits, route: Route) -> Route | NoRoute:
    """The route with what the chain is to enforce, if that leaves it any room."""
    if ask.exact == "out":
        return _below(ask, limits, route)
    accepted = div_ceil(route.amount_out * (BPS - limits.slippage_bps), BPS)  # rounded for the user
    min_out = max(accepted, limits.floor or 0)
    if route.amount_out < min_out:
        return NoRoute(
            "slippage_exceeded",
            f"The best offer, {_text(route.amount_out, ask.output_token)} from {route.dex}, is below the order's own minimum "
            f"of {_text(min_out, ask.output_token)}. Nothing was sent.",
            again=True,
        )
    return msgspec.structs.replace(route, limit=min_out)


def _below(ask: Ask, limits: Limits, route: Route) -> Route | NoRoute:
    accepted = div_floor(route.amount_in * (BPS + limits.slippage_bps), BPS)  # rounded for the user
    max_in = accepted if limits.ceiling is None else min(accepted, limits.ceiling)
    if route.amount_in > max_in:
        return NoRoute(
            "slippage_exceeded",
            f"The best offer, {_text(route.amount_in, ask.input_token)} on {route.dex}, is above the order's own maximum "
            f"of {_text(max_in, ask.input_token)}. Nothing was sent.",
            again=True,
        )
    return msgspec.structs.replace(route, limit=max_in)


def _explain_plan(ask: Ask, found: Found, offers: Sequence[Offer]) -> str:
    """What the plan pays, how much better that is than the best single pool, and how much better anything could be."""
    plan, proof = found.plan, found.proof
    one = len(plan.legs) == 1
    swaps = "one swap" if one else f"{len(plan.legs)} swaps"
    names = ", ".join(dict.fromkeys(leg.dex for leg in plan.legs))
    if ask.exact == "in":
        said = f"{swaps} on {names} {'pays' if one else 'pay'} {_text(plan.amount_out, ask.output_token)}"
    else:
        said = f"{swaps} on {names} {'takes' if one else 'take'} {_text(plan.amount_in, ask.input_token)}"
    best = best_quote([offer for offer in offers if isinstance(offer, Quote)], ask)
    if best is not None and len(plan.legs) > 1:
        if ask.exact == "in":
            said += f", the best single pool ({best.dex}) {_text(best.amount_out, ask.output_token)}"
        else:
            said += f", the best single pool ({best.dex}) {_text(best.amount_in, ask.input_token)}"
    others = [_silence(offer) for offer in offers if isinstance(offer, Declined) and offer.code != "no_route"]
    by = f" by more than {gap_bps(proof.gap_ppb)} bps" if proof.gap_ppb else ""
    gap = f"no route at block {proof.height} could be better{by}"
    return "; ".join([said, gap, *others])


def _explain(ask: Ask, offers: Sequence[Offer], best: Quote) -> str:
    """Why `best` wins, in one sentence with every venue's figure."""
    others = [_against(offer, best, ask) for offer in offers if offer is not best]
    if ask.exact == "in":
        won = f"{best.dex} pays most after fees: {_text(best.net_out, ask.output_token)}"
    else:
        won = f"{best.dex} takes least with fees: {_text(best.net_in, ask.input_token)}"
    return f"{won}; {'; '.join(others)}" if others else f"{won}; nobody else was asked"


def _against(offer: Offer, best: Quote, ask: Ask) -> str:
    if isinstance(offer, Declined):
        return _silence(offer)
    if ask.exact == "in":
        said, worse = _text(offer.net_out, ask.output_token), best.net_out - offer.net_out
        measure, words = best.net_out, "less"
    else:
        said, worse = _text(offer.net_in, ask.input_token), offer.net_in - best.net_in
        measure, words = best.net_in, "more"
    if worse < 0:
        return f"{offer.dex} {said}, but it moves its pool by {offer.impact_bps} bps, over the limit"
    tenths = div_floor(worse * BPS * 10, measure)
    return f"{offer.dex} {said}, {tenths // 10}.{tenths % 10} bps {words}"


def _silence(offer: Declined) -> str:
    return f"{offer.dex} gave no quote ({offer.reason})"


def _nobody(ask: Ask, offers: Sequence[Offer], without_plan: str | None = None) -> NoRoute:
    reasons = ", ".join(f"{offer.dex}: {offer.reason}" for offer in offers if isinstance(offer, Declined))
    if without_plan is not None:
        reasons = f"{reasons}; {without_plan}" if reasons else without_plan
    again = any(isinstance(offer, Declined) and offer.code == "venue_unavailable" for offer in offers)
    return NoRoute(
        "venue_unavailable" if again else "no_route",
        f"No venue quoted {ask.input_token} to {ask.output_token} ({reasons or 'there is none'}). Nothing was sent.",
        again,
    )


def _text(units: int, token: str) -> str:
    return f"{format_amount(units, TOKENS[token].decimals)} {token}"
