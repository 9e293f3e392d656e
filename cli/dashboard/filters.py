"""The words of a filter and of a sorting: `status:failed venue:ray >30bps pair:SOL/USDC c5a0f1 text`. Pure.

All words must hold; `!` before one turns it round. A word that is not understood raises Malformed, which says what is.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from difflib import get_close_matches

from cli.dashboard.cells import slippage
from cli.paint import LOOKS
from cli.story import Story
from order_engine.errors import Malformed

Test = Callable[[Story], bool]

STATES = (
    "pending", "routing", "building", "submitted", "confirmed", "failed", "unknown", "cancelled", "expired",
)  # fmt: skip
_FIELDS = ("status", "venue", "pair", "id", "key", "error", "tx")
_BPS = re.compile(r"([<>])(=?)(-?[0-9]+(?:\.[0-9]+)?)bps", re.ASCII)


def parse(text: str) -> Test:
    """A test that holds for the orders that the text means. Raises Malformed."""
    tests = [_word(word) for word in text.split()]
    return lambda story: all(test(story) for test in tests)


def _word(word: str) -> Test:
    if word.startswith("!"):
        if len(word) == 1:
            raise Malformed("! needs a word after it.", hint="Such as !status:confirmed")
        inner = _word(word[1:])
        return lambda story: not inner(story)
    if word[0] in "<>":
        return _bps(word)
    name, colon, value = word.partition(":")
    if not colon:
        return _anything(word.lower())
    if name not in _FIELDS:
        near = get_close_matches(name, _FIELDS, n=1)
        hint = f"Did you mean {near[0]}:?" if near else f"Known: {', '.join(field + ':' for field in _FIELDS)}"
        raise Malformed(f"{name[:20]}: is not understood. {hint}")
    if not value:
        raise Malformed(f"{name}: needs a value after it.")
    return _field(name, value.lower())


def _field(name: str, value: str) -> Test:
    match name:
        case "status":
            return _status(value)
        case "venue":
            return lambda story: any(name.startswith(value) for name in _venues(story))
        case "pair":
            return _pair(value)
        case "id":
            return lambda story: story.order_id.endswith(value)
        case "key":
            return lambda story: str(story.request.get("clientOrderId", "")).lower().startswith(value)
        case "error":
            return lambda story: value in f"{story.error_code or ''} {story.error or ''}".lower()
        case _:
            return lambda story: (story.tx_hash or "").lower().startswith(value)


def _status(value: str) -> Test:
    wanted: set[str] = set()
    for part in value.split(","):
        if part == "open":
            wanted |= {"pending", "routing", "building", "submitted", "unknown"}
            continue
        found = [state for state in STATES if part and state.startswith(part)]
        if not found:
            near = get_close_matches(part, STATES, n=1)
            meant = f"Did you mean {near[0]}?" if near else f"Known: open, {', '.join(STATES)}"
            raise Malformed(f"{part[:20]!a} is not a status. {meant}")
        wanted.update(found)
    return lambda story: story.state in wanted


def _pair(value: str) -> Test:
    first, slash, second = value.replace(">", "/").replace("→", "/").partition("/")
    if not slash:
        return lambda story: first in (_token(story, "inputToken"), _token(story, "outputToken"))
    return lambda story: (
        (_token(story, "inputToken"), _token(story, "outputToken"))
        in (
            (first, second),
            (second, first),
        )
    )


def _venues(story: Story) -> set[str]:
    """Every venue that an order was routed to."""
    return {story.routed_dex or "", *(str(leg["dex"]) for leg in story.route or ())}


def _token(story: Story, side: str) -> str:
    return str(story.request.get(side, "")).lower()


def _bps(word: str) -> Test:
    match = _BPS.fullmatch(word)
    if match is None:
        raise Malformed(f"{word[:20]!a} is not a limit of slippage such as >30bps or <=5bps.")
    sign, equal, limit = match[1], match[2], Decimal(match[3])

    def holds(story: Story) -> bool:
        got = slippage(story)
        if got is None:
            return False
        return (got == limit and bool(equal)) or (got > limit if sign == ">" else got < limit)

    return holds


def _anything(text: str) -> Test:
    def holds(story: Story) -> bool:
        asked = story.request
        words = (
            story.order_id, story.state, *_venues(story), story.error_code or "", story.tx_hash or "",
            f"{asked.get('inputToken', '')}/{asked.get('outputToken', '')}", str(asked.get("clientOrderId", "")),
        )  # fmt: skip
        return any(text in word.lower() for word in words)

    return holds


# sorting


def _sold(story: Story) -> Decimal:
    """What is sold, as far as that is known; the route's figure where an order receives an amount."""
    return Decimal(story.request.get("amount") or story.amount_in or story.quoted_input or "0")


_NEED = {state: place for place, state in enumerate(("unknown", "failed", *reversed(STATES[:4])))}

SORTS: dict[str, Callable[[Story], tuple[object, ...]]] = {
    "age": lambda story: (story.started_at,),
    "pair": lambda story: (_token(story, "inputToken"), _token(story, "outputToken")),
    "sell": lambda story: (_token(story, "inputToken"), _sold(story)),
    "status": lambda story: (-_NEED.get(story.state, len(_NEED)),),
    "venue": lambda story: (story.routed_dex or "",),
    "slip": lambda story: (slippage(story) is not None, slippage(story) or Decimal(0)),
}
"""Sorted by these, largest first unless reversed: what is newest, needs somebody most or slipped most is on top."""

assert set(STATES) <= set(LOOKS)
