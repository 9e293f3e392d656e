"""How a quote reads: a table by venue, the chosen ones marked, why, and the route leg by leg. Explained: every pool."""

from cli import routes
from cli.cards import legs, less
from cli.output import Record
from cli.paint import Line, Paint, Span
from cli.render import exchange, short_hash, table
from order_engine.errors import Refused


def offers_of(quote: Record) -> list[Record]:
    """The venues' offers, without those that made none."""
    return [offer for offer in quote["quotes"] if "amountOut" in offer]


def nobody(quote: Record) -> Refused:
    """Why nobody would get the order: no venue made an offer, or the best one moves its pool too far."""
    code = "price_impact_too_high" if offers_of(quote) else "no_route"
    return Refused(quote["reason"], code=code, hint="See what is traded: oee pools" if code == "no_route" else None)


def lines(quote: Record, paint: Paint) -> list[Line]:
    """The table, the reason, and the route."""
    receives = bool(quote.get("receive"))
    several = len(quote.get("route") or ()) > 1
    best = next((offer for offer in quote["quotes"] if offer["dex"] == quote["best"]), None)
    reference = routes.total(quote) if several else best
    amount = f"IN ({quote['inputToken']})" if receives else f"OUT ({quote['outputToken']})"
    columns = [
        ("", "<"), ("VENUE", "<"), (amount, "."), ("vs ROUTE" if several else "vs BEST", ">"), ("FEE", ">"), ("IMPACT", ">"),
    ]  # fmt: skip
    used = {leg["dex"] for leg in quote.get("route") or ()} if several else {quote["best"]}
    rows: list[list[Span | str]] = []
    for offer in offers_of(quote):
        chosen = offer["dex"] in used
        tone = "strong" if chosen else ""
        rows.append([
            (paint.plain("▸") if chosen else " ", "confirmed"),
            (offer["dex"], tone),
            (str(offer["amountIn" if receives else "amountOut"]), tone),
            "best" if offer is reference else less(offer, reference, receives=receives),
            f"{offer['fee']} {offer['feeToken']}",
            f"{offer['priceImpactBps']}bps",
        ])  # fmt: skip
    declined: list[Line] = [
        [(f"{offer['dex']}: no quote: {offer['reason']}", "dim")]
        for offer in quote["quotes"]
        if "amountOut" not in offer
    ]
    told = quote["best"] is None or quote.get("gapBps") is not None  # by the error, or by the route's own line
    reason: list[Line] = [] if told else [[(quote["reason"], "dim")]]
    return [[(exchange(quote), "")], *(table(columns, rows) if rows else ()), *declined, *reason, *route(quote)]


def route(quote: Record) -> list[Line]:
    """The route that an order would get: what it comes to, its legs, and how near it is to the best there can be."""
    found = quote.get("route")
    if not found:
        return []
    comes_to = f"{quote['quotedInput']} {quote['inputToken']} → {quote['quotedOutput']} {quote['outputToken']}"
    near = routes.gap(quote)
    return [
        [],
        [("Route: ", "dim"), (routes.in_short(found, quote["best"]), "strong"), (f", {comes_to}", "")],
        *legs(found),
        *([[(near[:1].upper() + near[1:], "")]] if near else ()),
    ]


# explained


def explained(quote: Record) -> list[Line]:
    """Why every pool is used or not, and what the bound leaves out; nothing where there is no explanation."""
    told = quote.get("explanation")
    if not told:
        return []
    return [
        [],
        [("Used; the last unit pays the same on all, a bin the same to its end (output per input, fees inside):", "strong")],
        *table(
            [("VENUE", "<"), ("POOL", "<"), ("PAIR", "<"), ("FIRST UNIT", "."), ("LAST UNIT", "."), ("ELSEWHERE", ".")],
            ([*_pool(each), *(str(each[name]) for name in ("priceFirst", "priceLast", "priceElsewhere"))]
             for each in told["used"]),
        ),
        *(_unused(told["unused"]) if told["unused"] else ()),
        [],
        [(_bound(quote, told), "strong"), (" It leaves out:", "")],
        *([(f"- {sentence}", "dim")] for sentence in told["leftOut"]),
    ]  # fmt: skip


def _unused(unused: list[Record]) -> list[Line]:
    return [
        [],
        [("Not used, and why:", "strong")],
        *table(
            [("VENUE", "<"), ("POOL", "<"), ("PAIR", "<"), ("FIRST UNIT", "."), ("ELSEWHERE", "."), ("WHY", "<")],
            (
                [*_pool(each), str(each["priceFirst"]), str(each["priceElsewhere"]), str(each["words"])]
                for each in unused
            ),
        ),
    ]


def _pool(each: Record) -> tuple[str, str, str]:
    return each["dex"], short_hash(str(each["pool"])), f"{each['inputToken']} → {each['outputToken']}"


def _bound(quote: Record, told: Record) -> str:
    token, what = (quote["inputToken"], "take less") if quote.get("receive") else (quote["outputToken"], "pay more")
    return f"No route could {what} than {told['bound']} {token} (gap {told['gapBps']} bps)."
