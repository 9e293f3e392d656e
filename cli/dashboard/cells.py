"""How single facts are written in a cell of a fixed width: numbers that do not lie when they are cut, ages, the strip of a life."""

from decimal import Decimal
from functools import lru_cache

from cli import durations
from cli.paint import Line, Paint
from cli.story import PATH, Story

DIGITS = 6  # of a price, of those that mean something


def fit(text: str, width: int, align: str = "<") -> str:
    """The text in exactly this width, with … where it was cut."""
    if len(text) > width:
        text = text[: max(width - 1, 0)] + "…"[:width]
    return text.ljust(width) if align == "<" else text.rjust(width)


def number(text: str | None, width: int) -> str:
    """An amount on the right of a cell. Decimals may be cut, and then … says so; whole digits never are."""
    if text is None:
        return "-".rjust(width)
    if len(text) <= width:
        return text.rjust(width)
    whole = text.partition(".")[0]
    if len(whole) + 2 <= width:
        return (text[: width - 1] + "…").rjust(width)
    return fit(f"{Decimal(text):.2e}".replace("e+", "e"), width, ">")


@lru_cache(4_096)
def price(text: str, width: int) -> str:
    """A price with six digits that mean something, on the right of a cell."""
    value = Decimal(text)
    if not value:
        return "0".rjust(width)
    places = DIGITS - 1 - value.adjusted()
    shown = f"{value:.{max(places, 0)}f}"
    if len(shown) > width:
        shown = f"{value:.{max(width - 6, 0)}e}".replace("e-0", "e-")
    return fit(shown, width, ">")


@lru_cache(4_096)
def quotient(amount_out: str, amount_in: str) -> str:
    """How much one gets for each given, to twelve digits."""
    return f"{Decimal(amount_out) / Decimal(amount_in):.12g}" if Decimal(amount_in) else "0"


@lru_cache(4_096)
def worse_bps(quoted: str, got: str) -> Decimal:
    """By how many bps less was got than quoted; negative is better."""
    return (Decimal(quoted) - Decimal(got)) / Decimal(quoted) * 10_000 if Decimal(quoted) else Decimal(0)


def slippage(story: Story) -> Decimal | None:
    """By how many bps a fill was worse than its quote, or None before it: less was got, or more was taken."""
    if story.request.get("receive"):
        if story.quoted_input is None or story.amount_in is None:
            return None
        return -worse_bps(story.quoted_input, story.amount_in)
    if story.quoted_output is None or story.amount_out is None:
        return None
    return worse_bps(story.quoted_output, story.amount_out)


def bps(value: Decimal) -> str:
    """Basis points with their sign: +3.2, -0.4, 0.0."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def age(ms: int) -> str:
    """How long ago, without the parts of a second: a table that flickers is not read."""
    return f"{max(ms, 0) // 1_000}s" if ms < 60_000 else durations.short(ms)


def reached(story: Story) -> int:
    """How many steps of the path an order has behind it or stands on, 1 to 5."""
    known = max((PATH.index(state) + 1 for state, _ in story.steps if state in PATH), default=1)
    if story.state == "confirmed":
        return len(PATH)
    if story.tx_hash is not None or story.state == "unknown":
        return max(known, 4)
    return max(known, 3 if story.routed_dex else 2 if story.attempt else 1)


def life(story: Story, paint: Paint) -> Line:
    """The strip of an order's life in nine cells: ●─●─●─◕ ○."""
    done = reached(story)
    here = "submitted" if story.state == "unknown" else story.state
    on_path = here in PATH
    before = (PATH.index(here) if on_path else done) if story.state != "confirmed" else 4
    before = min(before, 4)
    line: Line = [(f"{paint.symbol('confirmed')}─" * before, "")] if before else []
    line.append((paint.symbol(story.state), story.state))
    ahead = 0 if story.final else 4 - before
    if ahead:
        line.append((f" {paint.symbol('pending')}" * ahead, "dim"))
    used = 2 * before + 1 + 2 * ahead
    line.append((" " * max(9 - used, 0), ""))
    return line
