"""The records of the contract: what HTTP, WebSocket, `--json` and the Python client all say, in one place.

Base units become decimal strings here and nowhere else on the way out. Light on purpose: the command line imports it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from order_engine.amounts import BPS, div_floor, format_amount, format_price
from order_engine.clock import timestamp
from order_engine.tokens import NATIVE, TOKENS

if TYPE_CHECKING:
    from order_engine.events import Event
    from order_engine.orders import Order, OrderRequest
    from order_engine.quotes import Ask, Offer
    from order_engine.routes import Fill, Leg
    from order_engine.venues.venue import PoolView

Record = dict[str, Any]

ORDER = "oee.order/1"
EVENT = "oee.event/1"
QUOTE = "oee.quote/1"
ERROR = "oee.error/1"
STATUS = "oee.status/1"
DAEMON = "oee.daemon/1"
VENUE = "oee.venue/1"
POOL = "oee.pool/1"
TOKEN = "oee.token/1"
BALANCE = "oee.balance/1"
FAULT = "oee.fault/1"


@lru_cache(maxsize=1 << 12)  # the amounts of an order are told many times: by each of its events, to each who asks
def amount(units: int | None, token: str) -> str | None:
    """Base units of a known token as text, or None."""
    return None if units is None else format_amount(units, TOKENS[token].decimals)


def price(request: "OrderRequest", amount_in: int | None, amount_out: int | None) -> str | None:
    """Whole output tokens per whole input token, or None."""
    if not amount_in or amount_out is None:
        return None
    decimals = TOKENS[request.input_token].decimals, TOKENS[request.output_token].decimals
    return format_price(amount_in, decimals[0], amount_out, decimals[1])


def slippage_bps(quoted: int, got: int) -> int:
    """How much less than quoted was got, in bps to the nearest: positive is worse, negative is better than quoted."""
    return div_floor(2 * (quoted - got) * BPS + quoted, 2 * quoted)


def gap_bps(ppb: int | None) -> str | None:
    """Parts of 10^9 as basis points, exactly, or None."""
    return None if ppb is None else format_amount(ppb, 5)


def given(request: "OrderRequest") -> Record:
    """The part of an order that says how much: exactly what is sold, or exactly what is received."""
    sells = request.receive is None
    return {
        "amount": amount(request.amount_in, request.input_token) if sells else None,
        "receive": amount(request.receive, request.output_token),
    }


def route_record(legs: "tuple[Leg, ...]") -> list[Record] | None:
    """The swaps of a route in the order in which they run; fills also have what the venue took. None without any."""
    return [_leg_record(leg) for leg in legs] or None


def _leg_record(leg: Any) -> Record:
    told = {
        "dex": leg.dex,
        "pool": leg.pool,
        "inputToken": leg.token_in,
        "outputToken": leg.token_out,
        "amountIn": amount(leg.amount_in, leg.token_in),
        "amountOut": amount(leg.amount_out, leg.token_out),
    }
    if hasattr(leg, "fee"):
        told |= {"fee": amount(leg.fee, leg.fee_token), "feeToken": leg.fee_token}
    return told


def fees_record(fills: "tuple[Fill, ...]") -> list[Record] | None:
    """What all swaps together paid to venues, per token. None without any."""
    sums: dict[str, int] = {}
    for fill in fills:
        sums[fill.fee_token] = sums.get(fill.fee_token, 0) + fill.fee
    return [{"token": token, "amount": amount(units, token)} for token, units in sums.items()] or None


def order_record(order: "Order") -> Record:
    """`oee.order/1`. Facts that are not there yet are None."""
    request = order.request
    return {
        "schema": ORDER,
        "orderId": order.order_id,
        "clientOrderId": request.client_order_id,
        "type": request.type,
        "inputToken": request.input_token,
        "outputToken": request.output_token,
        **given(request),
        "slippageBps": request.slippage_bps,
        "minOutput": amount(request.min_out, request.output_token),
        "maxInput": amount(request.max_in, request.input_token),
        "maxImpactBps": request.max_impact_bps,
        "routing": request.routing,
        "status": order.status.value,
        "settlement": order.settlement.value,
        "attempts": order.attempts,
        "routedDex": order.routed_dex,
        "route": route_record(order.fills or order.legs),
        "quotedInput": amount(order.quoted_in, request.input_token),
        "quotedOutput": amount(order.quoted_out, request.output_token),
        "gapBps": gap_bps(order.gap_ppb),
        "amountIn": amount(order.amount_in, request.input_token),
        "amountOut": amount(order.amount_out, request.output_token),
        "executedPrice": price(request, order.amount_in or request.amount_in, order.amount_out),
        "fee": amount(order.fee, order.fee_token) if order.fee_token else None,
        "feeToken": order.fee_token or None,
        "fees": fees_record(order.fills),
        "networkFee": amount(order.network_fee, NATIVE),
        "txHash": order.transaction.signature if order.transaction else None,
        "lastValidHeight": order.transaction.last_valid_height if order.transaction else None,
        "height": order.height,
        "error": order.error,
        "errorCode": order.error_code,
        "retryOf": order.retry_of,
        "createdAt": timestamp(order.created_at),
        "updatedAt": timestamp(order.updated_at),
        "endedAt": timestamp(order.ended_at) if order.ended_at is not None else None,
        "seq": order.seq,
    }


def event_record(seq: int, order_id: str, request: "OrderRequest", event: "Event") -> Record:
    """`oee.event/1`: flat, with the facts that this event made true."""
    tag = str(event.__struct_config__.tag)
    return {
        "schema": EVENT,
        "seq": seq,
        "orderId": order_id,
        "status": _STATUS_OF.get(tag, tag),
        "timestamp": timestamp(event.at),
    } | _facts(request, event)


_STATUS_OF = {"unanswered": "submitted"}  # an order whose answer was lost is still submitted


def _facts(request: "OrderRequest", e: Any) -> Record:
    out = request.output_token
    match e.__struct_config__.tag:  # by tag and not by class, so that nothing heavy is imported here
        case "pending":
            return {
                "clientOrderId": request.client_order_id,
                "type": request.type,
                "inputToken": request.input_token,
                "outputToken": out,
                **given(request),
                "slippageBps": request.slippage_bps,
                "minOutput": amount(request.min_out, out),
                "maxInput": amount(request.max_in, request.input_token),
                "maxImpactBps": request.max_impact_bps,
                "routing": request.routing,
                "retryOf": e.retry_of,
            }
        case "routing":
            facts: Record = {"attempt": e.attempt}
            if e.previous_error_code is not None:
                facts |= {"previousError": e.previous_error, "previousErrorCode": e.previous_error_code}
            return facts
        case "building":
            return {
                "routedDex": e.routed_dex,
                "pool": e.pool,
                "route": route_record(e.legs),
                "quotedInput": amount(e.quoted_in, request.input_token),
                "quotedOutput": amount(e.quoted_out, out),
                "gapBps": gap_bps(e.proof.gap_ppb) if e.proof else None,
                "poolsHeight": e.proof.height if e.proof else None,
                "quotes": [offer_record(offer, request.input_token, out) for offer in e.quotes],
                "reason": e.reason,
            }
        case "submitted":
            return {
                "settlement": "in_flight",
                "routedDex": e.routed_dex,
                "txHash": e.transaction.signature,
                "lastValidHeight": e.transaction.last_valid_height,
                "minOutput": amount(e.min_out, out),
                "maxInput": amount(e.max_in, request.input_token),
            }
        case "unanswered":
            return {"settlement": "unknown", "reason": e.reason}
        case "confirmed":
            return {
                "settlement": "settled",
                "routedDex": e.routed_dex,
                "txHash": e.tx_hash,
                "executedPrice": price(request, e.amount_in or request.amount_in, e.amount_out),
                "route": route_record(e.fills),
                "amountIn": amount(e.amount_in, request.input_token),
                "amountOut": amount(e.amount_out, out),
                "fee": amount(e.fee, e.fee_token) if e.fee_token else None,
                "feeToken": e.fee_token or None,
                "fees": fees_record(e.fills),
                "networkFee": amount(e.network_fee, NATIVE),
                "height": e.height,
                "slippageBps": _slippage_of(request, e),
            }
        case "failed":
            return {"error": e.error, "errorCode": e.error_code, "attempts": e.attempts}
        case _:
            return {"reason": e.reason}


def _slippage_of(request: "OrderRequest", confirmed: Any) -> int:
    if request.receive is not None and confirmed.quoted_in:  # what was taken beyond what was quoted
        return slippage_bps(confirmed.quoted_in, 2 * confirmed.quoted_in - confirmed.amount_in)
    return slippage_bps(confirmed.quoted_out, confirmed.amount_out)


def offer_record(offer: Any, input_token: str, output_token: str) -> Record:
    """One venue's answer inside a quote: the offer, or `reason` why there is none."""
    if offer.__struct_config__.tag == "declined":
        return {"dex": offer.dex, "code": offer.code, "reason": offer.reason}
    return {
        "dex": offer.dex,
        "pool": offer.pool,
        "amountIn": amount(offer.amount_in, input_token) if offer.amount_in else None,
        "amountOut": amount(offer.amount_out, output_token),
        "fee": amount(offer.fee, offer.fee_token),
        "feeToken": offer.fee_token,
        "networkFee": amount(offer.network_fee, NATIVE),
        "priceImpactBps": offer.impact_bps,
        "netInput": amount(offer.net_in, input_token) if offer.net_in else None,
        "netOutput": amount(offer.net_out, output_token),
    }


def quote_record(ask: "Ask", routing: str, offers: "tuple[Offer, ...]", route: Any, reason: str) -> Record:
    """`oee.quote/1`: every venue's answer, the route that would be chosen (or None), and why."""
    token_in, token_out = ask.input_token, ask.output_token
    sells = ask.exact == "in"
    return {
        "schema": QUOTE,
        "inputToken": token_in,
        "outputToken": token_out,
        "amount": amount(ask.amount, token_in) if sells else None,
        "receive": None if sells else amount(ask.amount, token_out),
        "routing": routing,
        "quotes": [offer_record(offer, token_in, token_out) for offer in offers],
        "best": route and route.dex,
        "route": route and route_record(route.legs),
        "quotedInput": route and amount(route.amount_in, token_in),
        "quotedOutput": route and amount(route.amount_out, token_out),
        "gapBps": route and route.proof and gap_bps(route.proof.gap_ppb),
        "priceImpactBps": route and route.impact_bps,
        "reason": reason,
    }


def error_record(code: str, message: str, **more: Any) -> Record:
    """`oee.error/1`. `more`: hint, field, line, order id: whatever is known and not None."""
    return {"schema": ERROR, "code": code, "message": message} | {k: v for k, v in more.items() if v is not None}


def balance_record(token: str, free: int, reserved: int) -> Record:
    """`oee.balance/1`: what can be spent, what open orders hold, and the sum."""
    return {
        "schema": BALANCE,
        "token": token,
        "free": amount(free, token),
        "reserved": amount(reserved, token),
        "total": amount(free + reserved, token),
    }


def pool_record(pool: "PoolView") -> Record:
    """`oee.pool/1`: reserves, fee and marginal price (B per A) of a pool."""
    numerator, denominator = pool.price
    decimals = TOKENS[pool.token_a].decimals, TOKENS[pool.token_b].decimals
    return {
        "schema": POOL,
        "dex": pool.dex,
        "pool": pool.pool,
        "model": pool.model,
        "tokenA": pool.token_a,
        "tokenB": pool.token_b,
        "reserveA": amount(pool.reserve_a, pool.token_a),
        "reserveB": amount(pool.reserve_b, pool.token_b),
        "feeBps": format_amount(pool.fee_ppm, 2),
        "price": format_price(denominator, decimals[0], numerator, decimals[1]),
    }


def token_record(symbol: str) -> Record:
    """`oee.token/1`."""
    token = TOKENS[symbol]
    return {"schema": TOKEN, "symbol": token.symbol, "name": token.name, "mint": token.mint, "decimals": token.decimals}


def venue_record(name: str, pools: int, statistics: Mapping[str, Any]) -> Record:
    """`oee.venue/1`: a venue, how many pools it has and how it served: offers, choices, outcomes, latency, last trouble."""
    return {"schema": VENUE, "dex": name, "pools": pools} | dict(statistics)


def fault_record(standing: Any) -> Record:
    """`oee.fault/1`: a scripted fault, what it matches, how often it struck, and how long it can go on."""
    fault = standing.fault
    return {
        "schema": FAULT,
        "faultId": standing.fault_id,
        "kind": fault.kind,
        "key": fault.key,
        "pattern": fault.pattern,
        "pair": "/".join(fault.pair) if fault.pair else None,
        "venue": fault.venue,
        "pool": fault.pool,
        "slots": fault.slots,
        "code": fault.code,
        "ms": fault.ms,
        "ppm": fault.ppm,
        "at": fault.at,
        "active": standing.active,
        "struck": standing.struck,
        "times": fault.times,
        "timesLeft": standing.times_left,
        "forMs": fault.for_ms,
        "leftMs": standing.left_ms,
    }
