"""Which venue gets the order. `ask_venues` does the asking, slow and fallible; `best_route` decides, pure.

The choice is the highest net output: what the venue pays after its own fee, less the network fee. Ties go to the lower price
impact, then to the venue named first, so that the same offers always give the same route. (Where the network fee eats all of
an output, the gross one decides.)
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Executor, wait

import msgspec

from order_engine.amounts import BPS, div_ceil, div_floor, format_amount
from order_engine.errors import EngineError
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.tokens import TOKENS
from order_engine.venues.venue import Venue

_log = logging.getLogger(__name__)


class Route(msgspec.Struct, frozen=True):
    """The chosen quote, the least output the chain may pay for it, and why it was chosen."""

    quote: Quote
    min_out: int
    reason: str


class NoRoute(msgspec.Struct, frozen=True):
    """No offer can be taken. `again`: time may help, so a later attempt makes sense."""

    code: str
    message: str
    again: bool


class Limits(msgspec.Struct, frozen=True):
    """What an order demands of a route. `floor` is the user's own least output, which nothing may lower."""

    slippage_bps: int
    max_impact_bps: int
    floor: int | None


def ask_venues(venues: Sequence[Venue], ask: Ask, deadline_ms: int, executor: Executor) -> tuple[Offer, ...]:
    """Every venue's answer, in the order of `venues`. All are asked at once; who is late is noted as declined.

    Where all are prompt, they are asked one after the other: to hand so little work to other threads takes longer.
    """
    if are_prompt(venues):
        return tuple(offer_of(venue, ask) for venue in venues)
    asked = [executor.submit(offer_of, venue, ask) for venue in venues]
    for late in wait(asked, timeout=deadline_ms / 1_000).not_done:
        late.cancel()  # nobody waits for it any more; where it has not begun, it need not
    return tuple(
        answer.result()
        if answer.done() and not answer.cancelled()
        else Declined(venue.name, "venue_unavailable", f"no answer within {deadline_ms} ms")
        for venue, answer in zip(venues, asked, strict=True)
    )


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
    if not 0 < quote.net_out <= quote.amount_out or quote.dex != venue.name:
        return Declined(venue.name, "venue_unavailable", f"a quote that makes no sense: {quote}")
    return quote


def best_quote(quotes: Sequence[Quote]) -> Quote | None:
    """The quote with the highest net output, or None if there is none."""
    return max(quotes, key=lambda quote: (quote.net_out, quote.amount_out, -quote.impact_bps), default=None)


def best_route(ask: Ask, offers: Sequence[Offer], limits: Limits) -> Route | NoRoute:
    """The best offer within `limits`, with the least output that the chain is to enforce; or why there is none."""
    quotes = [offer for offer in offers if isinstance(offer, Quote)]
    if not quotes:
        return _nobody(ask, offers)
    best = best_quote([quote for quote in quotes if quote.impact_bps <= limits.max_impact_bps])
    if best is None:
        gentlest = min(quotes, key=lambda quote: quote.impact_bps)
        return NoRoute(
            "price_impact_too_high",
            f"Selling {_text(ask.amount_in, ask.input_token)} moves even the deepest pool ({gentlest.dex}) by "
            f"{gentlest.impact_bps} bps, the limit is {limits.max_impact_bps} bps (--max-impact). Nothing was sent.",
            again=False,
        )
    accepted = div_ceil(best.amount_out * (BPS - limits.slippage_bps), BPS)  # rounded for the user
    min_out = max(accepted, limits.floor or 0)
    if best.amount_out < min_out:
        return NoRoute(
            "slippage_exceeded",
            f"The best offer, {_text(best.amount_out, ask.output_token)} from {best.dex}, is below the order's own minimum "
            f"of {_text(min_out, ask.output_token)}. Nothing was sent.",
            again=True,
        )
    return Route(best, min_out, _explain(ask, offers, best))


def _explain(ask: Ask, offers: Sequence[Offer], best: Quote) -> str:
    """Why `best` wins, in one sentence with every venue's figure."""
    others = [_against(offer, best, ask.output_token) for offer in offers if offer is not best]
    won = f"{best.dex} pays most after fees: {_text(best.net_out, ask.output_token)}"
    return f"{won}; {'; '.join(others)}" if others else f"{won}; nobody else was asked"


def _against(offer: Offer, best: Quote, token: str) -> str:
    if isinstance(offer, Declined):
        return f"{offer.dex} gave no quote ({offer.reason})"
    if offer.net_out > best.net_out:
        return f"{offer.dex} {_text(offer.net_out, token)}, but it moves its pool by {offer.impact_bps} bps, over the limit"
    tenths = div_floor((best.net_out - offer.net_out) * BPS * 10, best.net_out)
    return f"{offer.dex} {_text(offer.net_out, token)}, {tenths // 10}.{tenths % 10} bps less"


def _nobody(ask: Ask, offers: Sequence[Offer]) -> NoRoute:
    reasons = ", ".join(f"{offer.dex}: {offer.reason}" for offer in offers if isinstance(offer, Declined))
    again = any(isinstance(offer, Declined) and offer.code == "venue_unavailable" for offer in offers)
    return NoRoute(
        "venue_unavailable" if again else "no_route",
        f"No venue quoted {ask.input_token} to {ask.output_token} ({reasons or 'there is none'}). Nothing was sent.",
        again,
    )


def _text(units: int, token: str) -> str:
    return f"{format_amount(units, TOKENS[token].decimals)} {token}"
