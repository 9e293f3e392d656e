"""How records read: one-line answers and tables, as lines of spans. Pure; nothing here prints or asks.

Numbers are written as the record has them, never grouped or rounded, so that what is copied is exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
    floor = f", at least {order['minOutput']} {order['outputToken']}" if order.get("minOutput") else ""
    return (
        f"Sell {order['amount']} {order['inputToken']} for {order['outputToken']}{floor}"
        f" (limit {order['slippageBps']}bps)"
    )


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
            fee = f", fee {order['fee']} {order['feeToken']}" if order.get("fee") else ""
            return [
                f"got {order['amountOut']} {order['outputToken']} on {order['routedDex']}{_against_quote(order)}",
                f"at {order['executedPrice']} {order['outputToken']} per {order['inputToken']}{fee}",
            ]
        case "failed":
            return [
                f"{order['errorCode']} after {counted(order['attempts'], 'attempt')}: {order['error']}",
                f"Nothing was sold. {_next_step(order)}",
            ]
        case "cancelled" | "expired":
            return ["Nothing was sold."]
        case "unknown":
            return [
                f"sent to {order['routedDex']} as {short_hash(order['txHash'] or '?')}, and no answer came.",
                may_still_land(order),
            ]
        case _:
            return ["The order goes on."]


def _next_step(order: Record) -> str:
    """What a person can do about a failed order: what has a chance, not the same once more."""
    again = f"oee retry {short_id(order['orderId'])}"
    match order["errorCode"]:
        case "slippage_exceeded" if not order["minOutput"]:
            from order_engine.amounts import MAX_SLIPPAGE_BPS

            more = order["slippageBps"] * 3 // 20 * 10 + 10  # half as much again, in whole tens
            return f"Again with more room: {again} --slippage {min(more, MAX_SLIPPAGE_BPS)}bps"
        case "price_impact_too_high":
            return "Sell less at a time, or allow more: --max-impact"
        case _:
            return f"Again: {again}"


def _against_quote(order: Record) -> str:
    quoted, got = order.get("quotedOutput"), order.get("amountOut")
    if not quoted or not got:
        return ""
    from decimal import Decimal

    bps = (Decimal(quoted) - Decimal(got)) / Decimal(quoted) * 10_000
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
            return f"sell {event['amount']} {event['inputToken']} for {event['outputToken']}"
        case "routing":
            return f"attempt {event['attempt']}{setback(event)}"
        case "building":
            return f"{event['routedDex']} {event['quotedOutput']}"
        case "submitted":
            return str(event.get("txHash") or event.get("reason"))
        case "confirmed":
            return str(event["amountOut"])
        case "failed":
            return f"{event['errorCode']}: {event['error']}"
        case _:
            return str(event.get("reason", ""))


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
