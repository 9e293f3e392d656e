"""Questions asked before any venue: may this order be accepted at all? Nothing is stored or sent when the answer is no."""

from collections.abc import Mapping, Sequence

from order_engine.amounts import format_amount
from order_engine.errors import Busy, Refused
from order_engine.orders import OrderRequest
from order_engine.routes import MAX_HOPS
from order_engine.tokens import NATIVE, TOKENS, worth_usd
from order_engine.venues.venue import Venue

Amounts = Mapping[str, int]


def needs(token: str, most_in: int, attempts: int, network_fee: int) -> dict[str, int]:
    """What an order may take out of the wallet, per token: of its input at most so much, and the network fee of every attempt."""
    needed = {NATIVE: network_fee * attempts}
    needed[token] = needed.get(token, 0) + most_in
    return needed


def check_capacity(open_orders: int, limit: int) -> None:
    """Raises Busy when this home has as many open orders as it admits."""
    if open_orders >= limit:
        raise Busy(
            f"{open_orders} orders are open, the limit is {limit}. Nothing was stored.",
            retry_after_s=1,
            hint="Send it again in a second, or raise the limit: oee config set max_open_orders N",
        )


def check_size(request: OrderRequest, limit_usd: int | None) -> None:
    """Raises Refused when the amount is worth more than one order may be worth. A limit against slips of the hand."""
    if limit_usd is None:
        return
    ask = request.ask
    token = TOKENS[ask.given]
    worth = worth_usd(token, ask.amount)
    if worth > limit_usd:
        raise Refused(
            f"{format_amount(ask.amount, token.decimals)} {token.symbol} are worth about {worth} USD, the limit for one "
            f"order is {limit_usd}. Nothing was stored.",
            code="order_too_large",
            field="amount" if ask.exact == "in" else "receive",
            hint="Trade less at a time, or change the limit: oee config set max_order_usd N",
        )


def check_pair(request: OrderRequest, venues: Sequence[Venue]) -> None:
    """Raises Refused when no venue has a pool for this pair, and, for an order that may take several, no path leads there."""
    if any(venue.serves(request.input_token, request.output_token) for venue in venues):
        return
    if request.routing == "best" and _leads(request.input_token, request.output_token, venues):
        return
    names = ", ".join(f"{venue.name}: no pool" for venue in venues)
    raise Refused(
        f"No venue trades {request.input_token} for {request.output_token} ({names}). Nothing was sent.",
        code="no_route",
        hint="See what is traded: oee pools",
    )


def _leads(start: str, goal: str, venues: Sequence[Venue]) -> bool:
    """True when pools lead from one token to another in so many steps as a route may have."""
    reached = {start}
    for _ in range(MAX_HOPS):
        reached |= {
            token
            for token in TOKENS
            if token not in reached and any(venue.serves(token, before) for before in reached for venue in venues)
        }
    return goal in reached


def check_funds(needed: Amounts, free: Amounts, field: str = "amount") -> None:
    """Raises Refused, for this field of the order, when the wallet has less free of a token than `needed`."""
    for token, units in needed.items():
        if units > free.get(token, 0):
            has, wants = (format_amount(n, TOKENS[token].decimals) for n in (free.get(token, 0), units))
            raise Refused(
                f"The wallet has {has} {token} free, the order needs {wants}"
                f"{' with its network fees' if token == NATIVE else ''}. Nothing was sent.",
                code="insufficient_balance",
                field=field,
                hint="See what is free and what open orders hold: oee balances",
            )
