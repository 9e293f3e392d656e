"""One order drawn: the strip of its life with symbols, words and times, the routing decision, the result.

Pure: a story, what the terminal can show and the time of day in, lines out. `watch` and `show` draw the same card.
"""

from collections.abc import Sequence
from decimal import Decimal

from cli import durations, render, routes
from cli.paint import Line, Paint, Span, wrap
from cli.story import FINAL, PATH, Record, Story

STRIP_WIDTH = 68  # of a strip with words; narrower terminals get symbols and one word
INDENT = "  "


def card(
    story: Story, paint: Paint, width: int, now_ms: int, status: Record | None = None, *, whole: bool = False
) -> list[Line]:
    """Everything about one order; its route leg by leg where the `whole` is wanted.

    With the engine's status also how long it may still land, if its answer is lost.
    """
    title: Line = [(render.short_id(story.order_id), "strong")]
    if story.request:
        title.append((f"  {render.request(story.request)}", ""))
    words = [
        *_setback(story),
        *route(story),
        *(legs(story.route, INDENT) if whole else ()),
        *_result(story, paint, status),
    ]
    return [
        *wrap(title, width, INDENT),
        *strip(story, paint, width, now_ms),
        *(part for line in words for part in wrap(line, width, INDENT * 2)),
    ]


def row(story: Story, paint: Paint, now_ms: int) -> Line:
    """One order on one line, for when there are many."""
    asked = story.request
    pair = f"{asked['inputToken']}/{asked['outputToken']}" if asked else ""
    amount = str(asked.get("amount") or (f"={asked['receive']}" if asked.get("receive") else ""))
    return [
        (f"{render.short_id(story.order_id)}  {pair:<12.12} {amount:>12.12}  ", ""),
        *_symbols(story, paint),
        (f"  {story.state:<9}", story.state),
        (f"  {story.routed_dex or '-':<8.8} {_elapsed(story, now_ms):>6}", ""),
    ]


def strip(story: Story, paint: Paint, width: int, now_ms: int) -> list[Line]:
    """Where the order is on its way, and how long each step took to reach."""
    if width < STRIP_WIDTH:
        return [
            [
                (INDENT, ""),
                *_symbols(story, paint),
                (f" {story.state}", story.state),
                (f" {_elapsed(story, now_ms)}", ""),
            ]
        ]
    states: Line = [(INDENT, "")]
    times: Line = [(INDENT, "")]
    cells = _cells(story, paint)
    for number, (state, (text, tone), at) in enumerate(cells):
        link = "" if number == 0 else " ─ "
        states += [(link, "dim"), (text, tone)]
        if at is None:
            time = ""
        elif state == story.state and not story.final:
            time = f"{_elapsed(story, now_ms)}…"
        else:
            time = durations.short(at - story.started_at)
        times.append((f"{'' if number == 0 else '   '}  {time:<{max(len(text) - 2, 0)}}", "dim"))
    return [states, times]


def route(story: Story) -> list[Line]:
    """What each venue offered, and what was chosen: one of the offers, or a route over several pools that is better.

    The others by how much worse they are.
    """
    if not story.quotes:
        return []
    receives = bool(story.request.get("receive"))
    token = story.request.get("inputToken" if receives else "outputToken", "")
    name = "amountIn" if receives else "amountOut"
    several = len(story.route or ()) > 1
    chosen = None if several else next((quote for quote in story.quotes if quote["dex"] == story.routed_dex), None)
    best = {"amountOut": story.quoted_output, "amountIn": story.quoted_input} if several else chosen
    wide = max(len(quote["dex"]) for quote in story.quotes)
    texts = [str(quote.get(name, "")) for quote in story.quotes]
    *amounts, together = render.on_the_point([*texts, str((best or {}).get(name) or "") if several else ""])
    widest = max(map(len, (*amounts, together)))
    offers = [
        _offer(quote, chosen, amount.rjust(widest), wide, token, less(quote, best, receives=receives))
        for quote, amount in zip(story.quotes, amounts, strict=True)
    ]
    return [*offers, *(_together(story, together.rjust(widest), wide, token) if several else ())]


def _offer(quote: Record, chosen: Record | None, amount: str, wide: int, token: str, against: str) -> Line:
    name = f"{INDENT}{quote['dex']:<{wide}}  "
    if "amountOut" not in quote:
        return [(f"{name}no quote: {quote['reason']}", "dim")]
    impact = f"  impact {quote['priceImpactBps']}bps"
    if quote is chosen:
        return [(name, "strong"), (f"{amount} {token}", "strong"), ("  ◂ chosen", "confirmed"), (impact, "dim")]
    return [(f"{name}{amount} {token}", ""), (f"  {against:>8}", ""), (impact, "dim")]


def _together(story: Story, amount: str, wide: int, token: str) -> list[Line]:
    """The line of a route over several pools, and how good it is."""
    near = routes.gap({"gapBps": story.gap_bps, "receive": story.request.get("receive")})
    name = f"{INDENT}{'route':<{wide}}  "
    return [
        [
            (f"{name}{amount} {token}", "strong"),
            ("  ◂ chosen", "confirmed"),
            (f"  {routes.in_short(story.route, story.routed_dex)}", ""),
            (f"; {near}" if near else "", "dim"),
        ]
    ]


def less(quote: Record, best: Record | None, *, receives: bool = False) -> str:
    """By how many bps an offer falls short of the best one, fees included; or takes more, for an order that receives."""
    names = ("netInput", "amountIn") if receives else ("netOutput", "amountOut")
    name = next((name for name in names if best is not None and best.get(name) and quote.get(name)), None)
    if best is None or name is None or not Decimal(best[name]):
        return ""
    bps = (Decimal(quote[name]) - Decimal(best[name])) / Decimal(best[name]) * 10_000
    return f"{bps:+.1f}bps"


LEG_COLUMNS = [("SHARE", ">"), ("VENUE", "<"), ("POOL", "<"), ("SELLS", "."), ("", "<"), ("GETS", "."), ("", "<")]


def legs(route: routes.Legs | None, indent: str = "") -> list[Line]:
    """A route leg by leg, in the order in which they run."""
    if not route:
        return []
    rows = [
        (
            share, str(leg["dex"]), render.short_hash(str(leg["pool"])), str(leg["amountIn"]), f"{leg['inputToken']} →",
            str(leg["amountOut"]), str(leg["outputToken"]),
        )
        for leg, share in zip(route, routes.shares(route), strict=True)
    ]  # fmt: skip
    return [[(indent, ""), *line] for line in render.table(LEG_COLUMNS, rows)]


def _setback(story: Story) -> list[Line]:
    if story.setback is None or story.final:
        return []
    return [[(f"{INDENT}attempt {story.attempt}; the one before ended with {story.setback}", "dim")]]


def _result(story: Story, paint: Paint, status: Record | None) -> list[Line]:
    lines: list[Line] = []
    if story.tx_hash:
        by = "" if story.final else f", can land until height {story.last_valid_height}"
        lines.append([(f"{INDENT}tx {render.short_hash(story.tx_hash)}{by}", "dim")])
    order = story.order
    if order is not None and order["status"] == story.state and story.final:
        lines += [[(INDENT, ""), *line] for line in render.outcome(order, paint)]
    elif story.state == "unknown":
        known = {"orderId": story.order_id, "lastValidHeight": story.last_valid_height}
        lines.append([(f"{INDENT}Sent, and no answer came. {render.may_still_land(known, status)}", "unknown")])
    return lines


Cell = tuple[str, Span, int | None]  # state, how it is written, when it was reached


def _cells(story: Story, paint: Paint) -> list[Cell]:
    cells: list[Cell] = []
    for state, at in story.steps:
        if state == "unknown" and cells and cells[-1][0] == "submitted":
            cells.pop()  # the same step, of which less is known
        cells.append((state, _reached(state, story, paint), at))
    if not story.final:
        after = "submitted" if story.state == "unknown" else story.state
        ahead: Sequence[str] = PATH[PATH.index(after) + 1 :] if after in PATH else ()
        cells += [(state, (f"{paint.symbol('pending')} {state}", "dim"), None) for state in ahead]
    return cells


def _reached(state: str, story: Story, paint: Paint) -> Span:
    if state == story.state:
        return paint.state(state)
    return f"{paint.symbol('confirmed')} {state}", ""


def _symbols(story: Story, paint: Paint) -> Line:
    return [(text[0], tone) for _, (text, tone), _ in _cells(story, paint)]


def _elapsed(story: Story, now_ms: int) -> str:
    until = story.updated_at if story.state in FINAL else now_ms
    return durations.short(until - story.started_at) if story.started_at else ""
