"""How records read: one-line answers and tables, as lines of spans. Pure; nothing here prints or asks.

Numbers are written as the record has them, never grouped or rounded, so that what is copied is exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cli import routes
from cli.paint import Line, Paint, Span, state_of

SHORT = 6  # characters of an order id that are shown; any four that are unambiguous are understood

Record = Mapping[str, Any]


def short_id(order_id: str) -> str:
    """The end of an order id, enough to type it again."""
    return order_id[-SHORT:]


def short_hash(text: str) -> str:
    """A transaction, recognisable but not in the way."""
    return text if len(text) <= 14 else f"{text[:6]}…{text[-4:]}"


def request(order: Record) -> str:
    """What an order asks for, in words."""
    return f"{exchange(order, exactly='exactly ')}{_own_limit(order)} (limit {order['slippageBps']}bps)"


def exchange(order: Record, *, exactly: str = "") -> str:
    """What is given for what: Sell 1.5 SOL for USDC, or Buy 200 USDC with SOL."""
    if order.get("receive"):
        return f"Buy {exactly}{order['receive']} {order['outputToken']} with {order['inputToken']}"
    return f"Sell {order['amount']} {order['inputToken']} for {order['outputToken']}"


def _own_limit(order: Record) -> str:
    if order.get("maxInput") and order.get("receive"):
        return f", at most {order['maxInput']} {order['inputToken']}"
    return f", at least {order['minOutput']} {order['outputToken']}" if order.get("minOutput") else ""


def outcome(order: Record, paint: Paint) -> list[Line]:
    """How an order stands or ended, what came of it, and what to do next."""
    state = state_of(order)
    first, *more = _sentences(order, state)
    return [[paint.state(state), (f"  {first}", "")], *([("  " + text, "")] for text in more)]


def outcome_line(order: Record, paint: Paint) -> Line:
    """The same on one line that begins with the order, for when there are several."""
    state = state_of(order)
    return [
        (f"{short_id(order['orderId'])}  ", ""),
        paint.state(state),
        (f"  {'; '.join(_sentences(order, state))}", ""),
    ]


def _sentences(order: Record, state: str) -> list[str]:
    match state:
        case "confirmed":
            paid = f" for {order['amountIn']} {order['inputToken']}" if order.get("receive") else ""
            where = routes.in_short(order.get("route"), order["routedDex"])
            return [
                f"got {order['amountOut']} {order['outputToken']}{paid} on {where}{_against_quote(order)}",
                f"at {order['executedPrice']} {order['outputToken']} per {order['inputToken']}{_fee(order)}",
            ]
        case "failed":
            return [
                f"{order['errorCode']} after {counted(order['attempts'], 'attempt')}: {order['error']}",
                f"{nothing(order)} {_next_step(order)}",
            ]
        case "cancelled" | "expired":
            return [nothing(order)]
        case "unknown":
            where = routes.in_short(order.get("route"), order["routedDex"])
            return [
                f"sent to {where} as {short_hash(order['txHash'] or '?')}, and no answer came.",
                may_still_land(order),
            ]
        case _:
            return ["The order goes on."]


def nothing(order: Record) -> str:
    """What became of the money of an order that was not executed."""
    return "Nothing was bought." if order.get("receive") else "Nothing was sold."


def _fee(order: Record) -> str:
    fees = [f"{fee['amount']} {fee['token']}" for fee in fees_of(order)]
    return f", fee {' + '.join(fees)}" if fees else ""


def fees_of(record: Record) -> list[dict[str, Any]]:
    """What was taken as fees, by token; from what an earlier version noted too, and empty where nothing was."""
    if record.get("fees"):
        return list(record["fees"])
    return [{"token": record["feeToken"], "amount": record["fee"]}] if record.get("fee") else []


def _next_step(order: Record) -> str:
    """What a person can do about a failed order: what has a chance, not the same once more."""
    again = f"oee retry {short_id(order['orderId'])}"
    match order["errorCode"]:
        case "slippage_exceeded" if not (order["minOutput"] or order.get("maxInput")):
            from order_engine.amounts import MAX_SLIPPAGE_BPS

            more = order["slippageBps"] * 3 // 20 * 10 + 10  # half as much again, in whole tens
            return f"Again with more room: {again} --slippage {min(more, MAX_SLIPPAGE_BPS)}bps"
        case "price_impact_too_high":
            less = "Buy less" if order.get("receive") else "Sell less"
            return f"{less} at a time, or allow more: --max-impact"
        case _:
            return f"Again: {again}"


def _against_quote(order: Record) -> str:
    buys = bool(order.get("receive"))
    names = ("amountIn", "quotedInput") if buys else ("quotedOutput", "amountOut")
    more, less = (order.get(name) for name in names)  # where the first is the larger one, it went worse
    if not more or not less:
        return ""
    from decimal import Decimal

    quoted = Decimal(less if buys else more)
    bps = (Decimal(more) - Decimal(less)) / quoted * 10_000
    if abs(bps) < Decimal("0.05"):
        return ", as quoted"
    return f", {abs(bps):.1f}bps {'worse' if bps > 0 else 'better'} than quoted"


def may_still_land(order: Record, status: Record | None = None) -> str:
    """The warning for an order whose answer is lost. With the engine's status, also how long that is."""
    last = order["lastValidHeight"]
    about = ""
    if status is not None and "blockMs" in status:  # an older daemon does not say
        about = f", about {-(-max(last - status['height'], 0) * status['blockMs'] // 1_000)} s"
    return f"It may still land until height {last}{about}; do not resubmit; oee wait {short_id(order['orderId'])}"


def still_open(order: Record, waited: str, status: Record | None = None) -> str:
    """What to say of an order that is not final when the time-out comes."""
    if state_of(order) == "unknown":
        return f"{short_id(order['orderId'])}: no answer after {waited}. {may_still_land(order, status)}"
    name = short_id(order["orderId"])
    return f"{name}: still {order['status']} after {waited}. The order goes on: oee wait {name}"


def detail(event: Record) -> str:
    """What matters of an event, in a few words."""
    match event["status"]:
        case "pending":
            asks = exchange(event)
            return f"{asks[:1].lower()}{asks[1:]}"
        case "routing":
            return f"attempt {event['attempt']}{setback(event)}"
        case "building":
            where = routes.in_short(event.get("route"), event["routedDex"])
            return f"{where} {exchanged(event['quotedOutput'], event.get('quotedInput'))}"
        case "submitted":
            return str(event.get("txHash") or event.get("reason"))
        case "confirmed":
            return exchanged(event["amountOut"], event.get("amountIn"))
        case "failed":
            return f"{event['errorCode']}: {event['error']}"
        case _:
            return str(event.get("reason", ""))


def exchanged(amount_out: object, amount_in: object) -> str:
    """What was or is to be got, and for how much, where that is known: 200 for 1.2231."""
    return f"{amount_out} for {amount_in}" if amount_in else str(amount_out)


def setback(event: Record) -> str:
    """With what the attempt before ended, of the beginning of another; else nothing."""
    return f", before: {event['previousErrorCode']}" if event.get("previousErrorCode") else ""


def counted(count: int, what: str) -> str:
    """So many of them, in words: 1 order, 2 orders."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


# tables

Column = tuple[str, str]  # heading, "<" left, ">" right, "." on the decimal point


def table(columns: Sequence[Column], rows: Iterable[Sequence[Span | str]]) -> list[Line]:
    """Rows under headings, each column as wide as its widest cell."""
    cells = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
    for number, (_, alignment) in enumerate(columns):
        if alignment == ".":
            texts = on_the_point([row[number][0] for row in cells])
            for row, text in zip(cells, texts, strict=True):
                row[number] = (text, row[number][1])
    widths = [max([len(heading), *(len(row[n][0]) for row in cells)]) for n, (heading, _) in enumerate(columns)]
    heads: list[Span] = [(heading, "dim") for heading, _ in columns]
    return [_row(columns, widths, row) for row in [heads, *cells]]


def _row(columns: Sequence[Column], widths: Sequence[int], row: Sequence[Span]) -> Line:
    line: Line = []
    for (_, alignment), width, (text, tone) in zip(columns, widths, row, strict=True):
        space = " " * (width - len(text))
        line += [(space, ""), (text, tone)] if alignment != "<" else [(text, tone), (space, "")]
        line.append(("  ", ""))
    return line[:-1]


def on_the_point(numbers: Sequence[str]) -> list[str]:
    """Numbers padded on the right so that their points stand under each other once they are right-aligned."""
    tails = [len(number.partition(".")[2]) + ("." in number) for number in numbers]
    longest = max(tails, default=0)
    return [number + " " * (longest - tail) for number, tail in zip(numbers, tails, strict=True)]
