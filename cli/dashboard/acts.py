"""What people do to orders from the dashboard: why it cannot be done, as far as that is known here, and what came of it. Pure.

The daemon decides. These words only spare it a question whose answer is on the screen already.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from cli.render import counted, short_id
from cli.story import Story
from order_engine.errors import EngineError

Severity = Literal["information", "warning", "error"]

READ_ONLY = "This dashboard is read-only (--readonly)."


class Outcome(NamedTuple):
    """What to tell, and how grave it is: information, warning or error. `instead_of`: how what it makes untrue begins."""

    text: str
    severity: Severity = "information"
    instead_of: str | None = None


def why_not_cancel(story: Story) -> str | None:
    """Why an order cannot be cancelled, or None when it can be tried."""
    match story.state:
        case "submitted":
            return f"Cannot cancel: already sent to {story.routed_dex}."
        case "unknown":
            return f"Cannot cancel: already sent to {story.routed_dex or 'a venue'}, and no answer came yet."
        case state if story.final:
            return f"Cannot cancel: it is {state}."
        case _:
            return None


def why_not_retry(story: Story) -> str | None:
    """Why an order cannot be placed again, or None when it can be tried."""
    match story.state:
        case "confirmed":
            return "Cannot retry: it is confirmed. n places a new order."
        case "unknown":
            return "Cannot retry: it may still land. Wait until the daemon knows."
        case state if not story.final:
            return f"Cannot retry: it is still {state}."
        case _:
            return None


Result = tuple[str, dict[str, Any] | EngineError]  # an order id, and what came of it


def cancelled(results: Sequence[Result]) -> Outcome:
    """What to tell after cancelling."""
    return _told(results, lambda order_id, _: f"{short_id(order_id)} cancelled.", "cancelled")


def retried(results: Sequence[Result]) -> Outcome:
    """What to tell after placing orders again."""
    return _told(results, lambda order_id, new: f"{short_id(order_id)} → {short_id(new['orderId'])}", "placed again")


def _told(results: Sequence[Result], one: Any, done: str) -> Outcome:
    failed = [(order_id, answer) for order_id, answer in results if isinstance(answer, EngineError)]
    good = [(order_id, answer) for order_id, answer in results if not isinstance(answer, EngineError)]
    if not failed:
        return Outcome(one(*good[0]) if len(good) == 1 else f"{counted(len(good), 'order')} {done}.")
    words = [f"{short_id(order_id)}: {error.message}" for order_id, error in failed[:3]]
    if len(failed) > 3:
        words.append(f"and {len(failed) - 3} more")
    if good:
        words.insert(0, f"{len(good)} {done}; not {len(failed)}:")
    return Outcome("\n".join(words), "warning")


def trouble(error: EngineError) -> Outcome:
    """An error in words: what is wrong, and what to do."""
    return Outcome(error.message + (f"\n{error.hint}" if error.hint else ""), "error")
