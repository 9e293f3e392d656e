"""`oee submit --dry-run`: what would happen to this order now, from the prices and balances of this moment. Nothing is stored.

The engine decides again, and finally, when the order is really placed.
"""

from decimal import Decimal

from cli import quotes
from cli.exits import Exit
from cli.output import Record
from cli.session import Session
from order_engine.amounts import InvalidAmount, parse_amount
from order_engine.errors import Malformed, Refused
from order_engine.tokens import TOKENS


def dry_run(session: Session, order: Record) -> Exit:
    """Prints the quote that the order would meet. Raises Refused, as the order would be."""
    client, output = session.client, session.output
    quote = client.quote(order["inputToken"], order["outputToken"], order["amount"])
    best = _best(quote, order)
    _check_funds(client.balances(), quote)
    _check_floor(best, quote, order)
    if not output.record(quote, quote["best"]):
        output.show(quotes.lines(quote, output.out))
        output.say("Dry run: an order like this would be accepted now. Nothing was stored.")
    return Exit.OK


def _check_funds(balances: list[Record], quote: Record) -> None:
    token = quote["inputToken"]
    free = next((balance["free"] for balance in balances if balance["token"] == token), "0")
    if Decimal(free) < Decimal(quote["amount"]):
        raise Refused(
            f"The wallet has {free} {token} free, the order needs {quote['amount']}. Nothing was sent.",
            code="insufficient_balance",
            field="amount",
            hint="See what is free and what open orders hold: oee balances",
        )


def _best(quote: Record, order: Record) -> Record:
    """The offer that the order would take, within its own limit of impact; the quote knows only that of the home."""
    limit = order.get("maxImpactBps")
    offers = quotes.offers_of(quote)
    if not offers or (limit is None and quote["best"] is None):
        raise quotes.nobody(quote)
    best = max(offers, key=lambda offer: (Decimal(offer["netOutput"]), -offer["priceImpactBps"]))
    if limit is not None and best["priceImpactBps"] > limit:
        raise Refused(
            f"Selling {quote['amount']} {quote['inputToken']} moves the best pool ({best['dex']}) by "
            f"{best['priceImpactBps']} bps, the limit is {limit} bps (--max-impact). Nothing was sent.",
            code="price_impact_too_high",
        )
    return best


def _check_floor(best: Record, quote: Record, order: Record) -> None:
    floor = order.get("minOutput")
    if floor is not None and _number(floor, quote["outputToken"]) > Decimal(best["amountOut"]):
        raise Refused(
            f"The best offer, {best['amountOut']} {quote['outputToken']} from {best['dex']}, is below the order's own minimum "
            f"of {floor}. Nothing was sent.",
            code="no_route",
            field="minOutput",
        )


def _number(text: str, token: str) -> Decimal:
    try:
        parse_amount(text, TOKENS[token].decimals)
    except InvalidAmount as error:
        raise Malformed(f"--min-out: {error}", code="invalid_amount", field="--min-out") from error
    return Decimal(text)
