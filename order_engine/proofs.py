"""A route's reasons and its receipt as records: what each pool would have paid, and why it is used or left alone."""

from order_engine.amounts import format_price
from order_engine.messages import Record, amount, gap_bps
from order_engine.quotes import Ask
from order_engine.router import Route
from order_engine.routes import Leg, Plan, Proof
from order_engine.routing.certificate import LEFT_OUT, PRICE_ONE, Receipt
from order_engine.routing.explanation import Reason, Unused, Used, explain
from order_engine.routing.receipts import receipt_record
from order_engine.tokens import TOKENS

WORDS: dict[Reason, str] = {
    "price": "its first unit pays no more than the route's last",
    "cost": "what it could add is less than a further swap costs",
    "cap": "a transaction has no room for a further swap",
    "rounding": "what it could add is lost in whole units",
    "path": "no path of the allowed length leads through it, or only a circle",
    "empty": "it has nothing to sell",
}


def plan_of(ask: Ask, amounts: tuple[int, int], legs: tuple[Leg, ...], proof: Proof) -> Plan:
    """The plan that a proof speaks of, from what an order or a route keeps of it: (input, output) and the legs."""
    cost = proof.terms.plan_cost + proof.terms.leg_cost * len(legs)
    return Plan(ask.exact, ask.input_token, ask.output_token, *amounts, cost, legs)


def proof_record(ask: Ask, route: Route | None, explained: bool, with_receipt: bool) -> Record:
    """`explanation` and `receipt`, as far as they are wanted; null where there is no proof, as for a single pool."""
    told: Record = {"explanation": None} if explained else {}
    if with_receipt:
        told["receipt"] = None
    if route is None or route.proof is None or route.snapshot is None:
        return told
    plan = plan_of(ask, (route.amount_in, route.amount_out), route.legs, route.proof)
    receipt = Receipt(plan, route.proof, route.snapshot.listings)
    if explained:
        told["explanation"] = explanation_record(receipt)
    if with_receipt:
        told["receipt"] = receipt_record(receipt)
    return told


def explanation_record(receipt: Receipt) -> Record:
    """Why the plan uses what it uses. Prices are output per input in whole tokens, fees inside."""
    plan, proof = receipt.plan, receipt.proof
    found = explain(plan, receipt.states, proof.prices, proof.now, proof.terms)
    bounded = plan.token_out if plan.exact == "in" else plan.token_in
    return {
        "bound": amount(proof.bound, bounded),
        "gapBps": gap_bps(proof.gap_ppb),
        "used": [_used(each) for each in found.used],
        "unused": [_unused(each, plan.token_out) for each in found.unused],
        "leftOut": list(LEFT_OUT),
    }


def _used(each: Used) -> Record:
    pair = each.token_in, each.token_out
    return {
        "dex": each.dex,
        "pool": each.pool,
        "inputToken": each.token_in,
        "outputToken": each.token_out,
        "amountIn": amount(each.amount_in, each.token_in),
        "amountOut": amount(each.amount_out, each.token_out),
        "priceFirst": _price(each.before_x64, *pair),
        "priceLast": _price(each.last_x64, *pair),
        "priceElsewhere": _price(each.common_x64, *pair),
    }


def _unused(each: Unused, token_out: str) -> Record:
    pair = each.token_in, each.token_out
    return {
        "dex": each.dex,
        "pool": each.pool,
        "inputToken": each.token_in,
        "outputToken": each.token_out,
        "reason": each.reason,
        "words": WORDS[each.reason],
        "priceFirst": _price(each.first_x64, *pair),
        "priceElsewhere": _price(each.common_x64, *pair),
        "gain": amount(each.gain, token_out),
    }


def _price(x64: int, token_in: str, token_out: str) -> str:
    return format_price(PRICE_ONE, TOKENS[token_in].decimals, x64, TOKENS[token_out].decimals)
