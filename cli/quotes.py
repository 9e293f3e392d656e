"""How a quote reads: a table by venue, the chosen one marked, and why."""

from cli.cards import less
from cli.output import Record
from cli.paint import Line, Paint, Span
from cli.render import table
from order_engine.errors import Refused


def offers_of(quote: Record) -> list[Record]:
    """The venues' offers, without those that made none."""
    return [offer for offer in quote["quotes"] if "amountOut" in offer]


def nobody(quote: Record) -> Refused:
    """Why nobody would get the order: no venue made an offer, or the best one moves its pool too far."""
    code = "price_impact_too_high" if offers_of(quote) else "no_route"
    return Refused(quote["reason"], code=code, hint="See what is traded: oee pools" if code == "no_route" else None)


def lines(quote: Record, paint: Paint) -> list[Line]:
    """The table and the reason."""
    best = next((offer for offer in quote["quotes"] if offer["dex"] == quote["best"]), None)
    columns = [
        ("", "<"), ("VENUE", "<"), (f"OUT ({quote['outputToken']})", "."), ("vs BEST", ">"), ("FEE", ">"), ("IMPACT", ">"),
    ]  # fmt: skip
    rows = [_row(offer, best, paint) for offer in offers_of(quote)]
    head: Line = [(f"Sell {quote['amount']} {quote['inputToken']} for {quote['outputToken']}", "")]
    declined: list[Line] = [
        [(f"{offer['dex']}: no quote: {offer['reason']}", "dim")]
        for offer in quote["quotes"]
        if "amountOut" not in offer
    ]
    reason: list[Line] = [[(quote["reason"], "dim")]] if best is not None else []
    return [head, *(table(columns, rows) if rows else ()), *declined, *reason]


def _row(offer: Record, best: Record | None, paint: Paint) -> list[Span | str]:
    chosen = offer is best
    tone = "strong" if chosen else ""
    return [
        (paint.plain("▸") if chosen else " ", "confirmed"),
        (offer["dex"], tone),
        (offer["amountOut"], tone),
        "best" if chosen else less(offer, best),
        f"{offer['fee']} {offer['feeToken']}",
        f"{offer['priceImpactBps']}bps",
    ]
