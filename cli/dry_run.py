"""`oee submit --dry-run`: what would happen to this order now, from the prices and balances of this moment. Nothing is stored.

The engine decides again, and finally, when the order is really placed.
"""

from decimal import Decimal
from typing import NamedTuple

from cli import quotes
from cli.exits import Exit
from cli.output import Record
from cli.session import Session
from order_engine.amounts import InvalidAmount, parse_amount
from order_engine.errors import Malformed, Refused
from order_engine.tokens import TOKENS


class Deal(NamedTuple):
    """What the order would give and get now, and where."""

    gives: str
    gets: str
    where: str


def dry_run(session: Session, order: Record) -> Exit:
    """Prints the quote that the order would meet. Raises Refused, as the order would be."""
    client, output = session.client, session.output
    question = {name: order[name] for name in ("amount", "receive", "routing") if name in order}
    quote = client.quote(order["inputToken"], order["outputToken"], **question)
    deal = _deal(quote, order)
    _check_funds(client.balances(), quote, deal)
    _check_own_limits(deal, quote, order)
    if not output.record(quote, quote["best"]):
        output.show(quotes.lines(quote, output.out))
        output.say("Dry run: an order like this would be accepted now. Nothing was stored.")
    return Exit.OK


def _check_funds(balances: list[Record], quote: Record, deal: Deal) -> None:
    token = quote["inputToken"]
    free = next((balance["free"] for balance in balances if balance["token"] == token), "0")
    if Decimal(free) < Decimal(deal.gives):
        raise Refused(
            f"The wallet has {free} {token} free, the order needs {deal.gives}. Nothing was sent.",
            code="insufficient_balance",
            field="receive" if quote.get("receive") else "amount",
            hint="See what is free and what open orders hold: oee balances",
        )


def _deal(quote: Record, order: Record) -> Deal:
    """What the order would come to within its own limit of impact; the quote knows only that of the home."""
    limit = order.get("maxImpactBps")
    offers = quotes.offers_of(quote)
    if quote.get("route") and (limit is None or quote["priceImpactBps"] <= limit):
        return Deal(quote["quotedInput"], quote["quotedOutput"], str(quote["best"]))
    if not offers or (limit is None and quote["best"] is None):
        raise quotes.nobody(quote)
    within = [offer for offer in offers if limit is None or offer["priceImpactBps"] <= limit]
    if not within:
        raise _too_much(min(offers, key=lambda offer: int(offer["priceImpactBps"])), quote, limit)
    if quote.get("receive"):
        best = min(within, key=lambda offer: (Decimal(offer["amountIn"]), offer["priceImpactBps"]))
        return Deal(best["amountIn"], quote["receive"], best["dex"])
    best = max(within, key=lambda offer: (Decimal(offer["netOutput"]), -offer["priceImpactBps"]))
    return Deal(quote["amount"], best["amountOut"], best["dex"])


def _too_much(gentlest: Record, quote: Record, limit: int | None) -> Refused:
    what = (
        f"Buying {quote['receive']} {quote['outputToken']}"
        if quote.get("receive")
        else f"Selling {quote['amount']} {quote['inputToken']}"
    )
    return Refused(
        f"{what} moves even the deepest pool ({gentlest['dex']}) by {gentlest['priceImpactBps']} bps, the limit is {limit} "
        f"bps (--max-impact). Nothing was sent.",
        code="price_impact_too_high",
    )


def _check_own_limits(deal: Deal, quote: Record, order: Record) -> None:
    floor, ceiling = order.get("minOutput"), order.get("maxInput")
    if floor is not None and _number(floor, quote["outputToken"], "--min-out") > Decimal(deal.gets):
        raise Refused(
            f"The best offer, {deal.gets} {quote['outputToken']} from {deal.where}, is below the order's own minimum "
            f"of {floor}. Nothing was sent.",
            code="no_route",
            field="minOutput",
        )
    if ceiling is not None and _number(ceiling, quote["inputToken"], "--max-in") < Decimal(deal.gives):
        raise Refused(
            f"The best offer, {deal.gives} {quote['inputToken']} on {deal.where}, is above the order's own maximum "
            f"of {ceiling}. Nothing was sent.",
            code="no_route",
            field="maxInput",
        )


def _number(text: str, token: str, option: str) -> Decimal:
    try:
        parse_amount(text, TOKENS[token].decimals)
    except InvalidAmount as error:
        raise Malformed(f"{option}: {error}", code="invalid_amount", field=option) from error
    return Decimal(text)
