"""One order in full: how it got where it is, what the venues offered, what came of it. Pure lines, and the pane that shows them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cli import durations, routes
from cli.cards import legs, less
from cli.dashboard import cells
from cli.dashboard.desk import Desk
from cli.dashboard.orders import may_land
from cli.dashboard.scrolled import Scrolled
from cli.paint import Line, Paint, Span, state_of, wrap
from cli.render import detail as in_short
from cli.render import exchanged, nothing, setback, short_hash, short_id
from cli.story import PATH, Story
from cli.times import clock_time, ms_of

Record = dict[str, Any]

STRIP_LINES = 5
PRICE = 12  # cells of a price among words; the whole of it is in the order's history
BAR = 10  # cells of the bar of an impact
IMPACT_MAX = 100  # bps at which that bar is full


def title(story: Story, *, floor: bool = True) -> str:
    """What the order asks for, with what it can expect, and unless told otherwise what it insists on."""
    asked = story.request
    if not asked:
        return short_id(story.order_id)
    if asked.get("receive"):
        return _buys(story, floor=floor)
    out = asked["outputToken"]
    if story.amount_out is not None:
        expected = f"{story.amount_out} {out}"
    elif story.quoted_output is not None and not story.final:
        expected = f"≈ {story.quoted_output} {out}"
    else:
        expected = out
    least = story.min_output or asked.get("minOutput")
    at_least = f", at least {least}" if floor and least and not story.final else ""
    return f"sell {asked['amount']} {asked['inputToken']} → {expected}{at_least}"


def _buys(story: Story, *, floor: bool) -> str:
    """The same of an order that is to receive an amount."""
    asked = story.request
    if story.amount_in is not None:
        given = f"{story.amount_in} {asked['inputToken']}"
    elif story.quoted_input is not None and not story.final:
        given = f"≈ {story.quoted_input} {asked['inputToken']}"
    else:
        given = asked["inputToken"]
    most = story.max_input or asked.get("maxInput")
    at_most = f", at most {most}" if floor and most and not story.final else ""
    return f"buy {asked['receive']} {asked['outputToken']} with {given}{at_most}"


def _attempt(story: Story, desk: Desk, of: str) -> str:
    most = desk.status.get("attempts")
    return f"try {story.attempt}{f'{of}{most}' if most else ''}" if story.attempt else ""


def strip(story: Story, desk: Desk, paint: Paint, width: int) -> list[Line]:
    """The order in five lines: what it asks, the steps with their times beside the offers, what is to be said."""
    limit = story.request.get("slippageBps")
    limit_text = f"  limit {limit} bps" if limit is not None else ""
    head = f"{title(story)}{limit_text}"
    if len(head) > width - 18:
        head = f"{title(story, floor=False)}{limit_text}"
    tries = _attempt(story, desk, "/")
    lines: list[Line] = [
        [
            (f" {short_id(story.order_id)}  ", "strong"),
            (cells.fit(head, max(width - 18, 10)), ""),
            (f" {tries:>8}", "dim"),
        ]
    ]
    left = steps(story, desk, paint)
    right = offers(story)
    edge = 48 if width < 100 else 60
    for number in range(3):
        line = left[number] if number < len(left) else []
        used = sum(len(text) for text, _ in line)
        offered = _whole_words(right[number], width - max(edge, used + 1)) if number < len(right) else []
        lines.append([*line, (" " * max(edge - used, 1), ""), *offered] if offered else line)
    lines.append([(" ", ""), *_whole_words(said(story, desk), width - 2)])
    return lines


def _whole_words(line: Line, width: int) -> Line:
    """As much of the line as fits, cut between words: half a number is another number."""
    kept: Line = []
    for text, tone in line:
        if len(text) > width:
            room = text[: max(width - 1, 0)]
            return [*kept, (f"{room.rpartition(' ')[0].rstrip(' ,;:')}…", tone)]
        kept.append((text, tone))
        width -= len(text)
    return kept


def steps(story: Story, desk: Desk, paint: Paint) -> list[Line]:
    """The path of the latest attempt in three lines: symbols, words, how long after the beginning."""
    symbols: Line = [(" ", "")]
    words: Line = [(" ", "")]
    times: Line = [(" ", "")]
    path = _path(story)
    for number, (state, at, place) in enumerate(path):
        wide = len(state) + 1
        sign = paint.symbol({HERE: state, BEHIND: "confirmed", AHEAD: "pending"}[place])
        tone = {HERE: state, BEHIND: "", AHEAD: "dim"}[place]
        last = number == len(path) - 1
        joint = " " if last or path[number + 1][2] == AHEAD else "─"
        symbols += [(sign, tone), (joint * (wide - 1), "dim")]
        words.append((f"{state:<{wide}}", tone))
        times.append((f"{_since_start(story, state, at, desk):<{wide}}", "dim"))
    return [symbols, words, times]


BEHIND, HERE, AHEAD = "behind", "here", "ahead"


def _path(story: Story) -> list[tuple[str, int | None, str]]:
    """The states of the path, when each was reached as far as is known, and which the order stands on."""
    known: dict[str, int] = dict(story.steps)
    if story.final:
        states = [state for state in PATH[: cells.reached(story)] if state != story.state]
        rest: list[str] = []
    else:
        after = PATH.index("submitted" if story.state == "unknown" else story.state)
        states, rest = list(PATH[:after]), list(PATH[after + 1 :])
    return [
        *((state, known.get(state), BEHIND) for state in states),
        (story.state, known.get(story.state, story.updated_at), HERE),
        *((state, None, AHEAD) for state in rest),
    ]


def _since_start(story: Story, state: str, at: int | None, desk: Desk) -> str:
    if state == story.state and not story.final:
        return f"{durations.short(desk.now_ms - story.started_at)}…"
    return "" if at is None else durations.short(at - story.started_at)


def offers(story: Story) -> list[Line]:
    """What the venues offered, one line each."""
    if not story.quotes:
        return []
    best, several, amount = _reference(story)
    lines: list[Line] = []
    if several:
        said = routes.in_short(story.route, story.routed_dex)
        lines.append([(f"{'route':<8} {best.get(amount)}", "strong"), (f" ◂ {said}", "confirmed")])
    for quote in _best_first(story):
        name = f"{quote['dex']:<8}"
        if "amountOut" not in quote:
            lines.append([(f"{name} no quote: {quote['reason']}", "dim")])
        elif quote is best:
            lines.append([(f"{name} {quote[amount]}", "strong"), (" ◂ chosen", "confirmed")])
        else:
            lines.append([(f"{name} {quote[amount]} ", ""), (_less(story, quote, best), "dim")])
    return lines


def _reference(story: Story) -> tuple[Record, bool, str]:
    """What the offers are compared with, whether that is a route over several pools, and the field that is compared."""
    several = len(story.route or ()) > 1
    amount = "amountIn" if story.request.get("receive") else "amountOut"
    if several:
        return {"amountOut": story.quoted_output, "amountIn": story.quoted_input}, True, amount
    return next((quote for quote in story.quotes if quote["dex"] == story.routed_dex), {}), False, amount


def _less(story: Story, quote: Record, best: Record) -> str:
    return less(quote, best, receives=bool(story.request.get("receive")))


def _best_first(story: Story) -> list[Record]:
    return sorted(story.quotes, key=lambda quote: quote["dex"] != story.routed_dex)


def said(story: Story, desk: Desk) -> Line:
    """What there is to say of it now: the result, why it failed, what it waits for."""
    asked = story.request
    match story.state:
        case "confirmed":
            slip = cells.slippage(story)
            against = f", {cells.bps(slip)} bps vs quote" if slip is not None else ""
            fees = " + ".join(f"{fee['amount']} {fee['token']}" for fee in story.fees)
            fee = f", fee {fees}" if fees else ""
            paid = f" for {story.amount_in} {asked['inputToken']}" if asked.get("receive") else ""
            where = routes.in_short(story.route, story.routed_dex)
            return [
                (f"got {story.amount_out} {asked.get('outputToken', '')}{paid} on {where}", "confirmed"),
                (f" at {cells.price(story.executed_price or '0', PRICE).strip()}{against}{fee}", ""),
            ]
        case "failed":
            why = (story.error or "").removesuffix(f" {nothing(asked)}").rstrip(".")
            return [(f"{story.error_code}: ", "fail"), (f"{why}. {nothing(asked)[:-1]}; r tries again.", "")]
        case "unknown":
            return [
                ("no answer came; ", "unknown"),
                (f"it {may_land(story, desk)}. Do not send it again; the daemon keeps looking.", ""),
            ]
        case "cancelled" | "expired":
            return [(f"{story.reason or story.state}. {nothing(asked)}", "dim")]
        case "submitted":
            where = routes.in_short(story.route, story.routed_dex)
            return [(f"tx {short_hash(story.tx_hash or '')} sent to {where}, waiting to land", "dim")]
        case _ if story.setback:
            return [(f"the attempt before ended with {story.setback}", "dim")]
        case _:
            return [(story.route_reason or "the venues are asked", "dim")]


# the whole page


def page(story: Story, desk: Desk, paint: Paint, width: int) -> list[Line]:
    """All there is to know of an order."""
    asked = story.request
    head = title(story)
    limit = f"limit {asked['slippageBps']} bps" if asked else ""
    tries = _attempt(story, desk, " of ")
    lines: list[Line] = [
        *wrap([(f" {head[:1].upper()}{head[1:]}", "strong"), (f"   {limit}   {tries}", "dim")], width, " "),
        [(" ", ""), paint.state(story.state), ("  ", ""), *said(story, desk)],
        [],
        *_lifecycle(story, desk, paint, width),
        [],
        *_route(story, width),
        *_gauge(story, width),
        *_names(story, width),
    ]
    return [part for line in lines for part in (wrap(line, width - 1, "    ") if line else [[]])]


def _lifecycle(story: Story, desk: Desk, paint: Paint, width: int) -> list[Line]:
    history = desk.history(story.order_id)
    right = 26  # took, and at
    lines: list[Line] = [[(" LIFECYCLE", "head"), (f"{'took':>{width - 10 - 20}}    at (UTC)", "head")]]
    for number, event in enumerate(history):
        state = state_of(event)
        newest = number == len(history) - 1
        following = history[number + 1]["timestamp"] if not newest else None
        at = ms_of(event["timestamp"])
        if following is not None:
            took = durations.short(ms_of(following) - at)
        elif story.final:
            took = ""
        else:
            took = f"{durations.short(desk.now_ms - at)}…"
        here = newest
        sign = paint.symbol(state if here or state == "unknown" else "confirmed")
        what = cells.fit(_facts(event), max(width - 15 - right, 10))
        lines.append(
            [
                (f"  {sign} {state:<10} ", state if here else ""),
                (what, "" if here else "dim"),
                (f" {took:>7}", ""),
                (f"  {clock_time(event['timestamp'])}", "dim"),
            ]
        )
    if not history:
        lines.append([("  asking the daemon for its history …", "dim")])
    elif not story.final:
        after = "submitted" if story.state == "unknown" else story.state
        lines += [[(f"  {paint.symbol('pending')} {state}", "dim")] for state in PATH[PATH.index(after) + 1 :]]
    return lines


def _facts(event: Record) -> str:
    match event["status"]:
        case "pending":
            of = f", again for {short_id(event['retryOf'])}" if event.get("retryOf") else ""
            return f"key {event['clientOrderId']}{of}"
        case "routing":
            return f"try {event['attempt']}{setback(event) or ': the venues are asked'}"
        case "building":
            several = len(event.get("route") or ()) > 1
            where = (
                routes.in_short(event["route"], None)
                if several
                else f"{event['routedDex']} {short_hash(event['pool'])}"
            )
            return f"{where}, quoted {exchanged(event['quotedOutput'], event.get('quotedInput'))}"
        case "submitted" if event.get("txHash"):
            return f"tx {short_hash(event['txHash'])}, until height {event['lastValidHeight']}"
        case "confirmed":
            got = exchanged(event["amountOut"], event.get("amountIn"))
            return f"got {got} at {event['executedPrice']}, height {event['height']}"
        case _:
            return in_short(event)


def _route(story: Story, width: int) -> list[Line]:
    if not story.quotes:
        return []
    best, several, amount = _reference(story)
    of = (
        f"IN ({story.request['inputToken']})"
        if amount == "amountIn"
        else f"OUT ({story.request.get('outputToken', '')})"
    )
    bar = max(min(BAR, width - 71), 0)
    against_what = "vs ROUTE" if several else "vs BEST"
    lines: list[Line] = [
        [(" ROUTE", "head"), (f"  {story.route_reason or ''}", "dim")],
        *_legs(story),
        [(f"   {'VENUE':<9} {of:>18} {against_what:>9} {'FEE':>16}   IMPACT", "head")],
    ]
    for quote in _best_first(story):
        chosen = quote is best
        lead: Span = (f" {'▸' if chosen else ' '} {quote['dex']:<9} ", "strong" if chosen else "")
        if "amountOut" not in quote:
            lines.append([lead, (f"no quote: {quote['reason']}", "dim")])
            continue
        against = "chosen" if chosen else _less(story, quote, best).removesuffix("bps")
        fee = f"{quote['fee']} {quote['feeToken']}"
        filled = min(bar, -(-bar * int(quote["priceImpactBps"]) // IMPACT_MAX))
        lines.append(
            [
                lead,
                (f"{quote[amount]:>18} ", "strong" if chosen else ""),
                (f"{against:>9} ", "confirmed" if chosen else ""),
                (f"{fee:>16}   ", ""),
                (f"{'▇' * filled:<{bar}}", "routing"),
                (f" {quote['priceImpactBps']} bps", ""),
            ]
        )
    return [*lines, []]


def _legs(story: Story) -> list[Line]:
    """The route leg by leg, and how near it is to the best there can be."""
    near = routes.gap({"gapBps": story.gap_bps, "receive": story.request.get("receive")})
    drawn = legs(story.route, "   ")
    head = [[(text, "head") for text, _ in line] for line in drawn[:1]]
    return [*head, *drawn[1:], *([[(f"   {near}", "dim")]] if near else ()), *([[]] if drawn or near else ())]


def _gauge(story: Story, width: int) -> list[Line]:
    slip, limit = cells.slippage(story), story.request.get("slippageBps")
    if slip is None or not limit:
        return []
    wide = max(min(width - 50, 50), 8)
    at = min(max(int(slip / Decimal(limit) * wide), 0), wide - 1)
    bar = "─" * at + "●" + "─" * (wide - 1 - at)
    return [
        [
            (" SLIPPAGE", "head"),
            (f"  0 ├{bar}┤ {limit} bps   ", ""),
            (cells.bps(slip), "strong"),
            (" against the quote", "dim"),
        ],
        [],
    ]


def _names(story: Story, width: int) -> list[Line]:
    asked = story.request
    rows = [("order", story.order_id), ("key", asked.get("clientOrderId")), ("retry of", asked.get("retryOf"))]
    rows += [("tx", story.tx_hash), ("pool", story.pool)]
    lines: list[Line] = [[(" NAMES", "head")]]
    room = max(width - 13, 8)
    for name, value in rows:
        for start in range(0, len(str(value or "")), room):  # a transaction is longer than a narrow terminal
            lines.append([(f"  {'' if start else name:<9} ", "dim"), (str(value)[start : start + room], "")])
    return lines


class DetailPane(Scrolled):
    """The selected order: five lines where there is little room, else the whole page, which scrolls."""

    def __init__(self, desk: Desk, paint: Paint, id: str) -> None:
        super().__init__(id=id)
        self._desk, self._paint = desk, paint
        self.order_id: str | None = None
        self._offset = 0
        self._whole: Sequence[Line] = ()

    def look_at(self, order_id: str | None) -> None:
        """Shows this order from now on."""
        if order_id != self.order_id:
            self.order_id, self._offset = order_id, 0
        self.show(self._desk)

    def show(self, desk: Desk) -> None:
        """Draws what there is by now."""
        story = desk.stories.get(self.order_id or "")
        width, height = self.size
        if story is None or not width:
            self.put([])
            return
        if height <= STRIP_LINES + 2:
            self.put(strip(story, desk, self._paint, width))
            return
        self._whole = page(story, desk, self._paint, width)
        self._offset = max(min(self._offset, len(self._whole) - height), 0)
        shown = list(self._whole[self._offset : self._offset + height])
        if self._offset + height < len(self._whole) and shown:
            shown[-1] = [(f" ↓ {len(self._whole) - self._offset - height + 1} more lines (j)", "dim")]
        self.put(shown)

    def move(self, by: int) -> None:
        """Scrolls."""
        self._offset += by
        self.show(self._desk)

    def top(self) -> None:
        """To the beginning."""
        self.move(-self._offset)

    def bottom(self) -> None:
        """To the end."""
        self.move(len(self._whole))

    def again(self) -> None:
        """Another size may be another drawing."""
        self.show(self._desk)
