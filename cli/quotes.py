"""How a quote reads: a table by venue, the chosen one marked, and why."""

from cli.cards import less
from cli.output import Record
from cli.paint import Line, Paint, Span
from cli.render import table
from order_engine.errors import Refused


def best_of(quote: Record) -> Record:
    """The offer that would be chosen. Raises Refused, naming why, where no venue gave one."""
    for offer in quote["quotes"]:
        if quote["best"] is not None and offer["dex"] == quote["best"]:
            return dict(offer)
    reasons = ", ".join(f"{offer['dex']}: {offer.get('reason')}" for offer in quote["quotes"])
    raise Refused(
        f"No venue quoted {quote['inputToken']} to {quote['outputToken']} ({reasons or 'there is none'}). Nothing was sent.",
        hint="See what is traded: oee pools",
    )


def lines(quote: Record, paint: Paint) -> list[Line]:
    """The table and the reason."""
    best = next((offer for offer in quote["quotes"] if offer["dex"] == quote["best"]), None)
    columns = [
        ("", "<"), ("VENUE", "<"), (f"OUT ({quote['outputToken']})", "."), ("vs BEST", ">"), ("FEE", ">"), ("IMPACT", ">"),
    ]  # fmt: skip
    rows = [_row(offer, best, paint) for offer in quote["quotes"]]
    head: Line = [(f"Sell {quote['amount']} {quote['inputToken']} for {quote['outputToken']}", "")]
    declined: list[Line] = [
        [(f"{offer['dex']}: no quote: {offer['reason']}", "dim")]
        for offer in quote["quotes"]
        if "amountOut" not in offer
    ]
    return [head, *table(columns, [row for row in rows if row]), *declined, [(quote["reason"], "dim")]]


def _row(offer: Record, best: Record | None, paint: Paint) -> list[Span | str]:
    if "amountOut" not in offer:
        return []
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
