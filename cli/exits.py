"""The exit codes: an interface like any other, so that a script can decide by number. `oee help exit-codes` prints this."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    REFUSED = 5
    FAILED = 6
    UNKNOWN = 7
    PENDING = 8
    UNREACHABLE = 9
    CANCELLED = 10
    INTERRUPTED = 130
    READER_LEFT = 141
    TERMINATED = 143


class Meaning(NamedTuple):
    """What an exit code says, and what a script should do about it."""

    text: str
    advice: str


MEANINGS: Mapping[Exit, Meaning] = {
    Exit.OK: Meaning("done; with waiting: confirmed", "go on"),
    Exit.BUG: Meaning("unexpected; doctor: a check failed", "stop, report"),
    Exit.USAGE: Meaning("bad flag, request or config", "fix the script"),
    Exit.NOT_FOUND: Meaning("no such order, token, venue", "fix the input"),
    Exit.DENIED: Meaning("token refused, halted", "stop"),
    Exit.REFUSED: Meaning("our checks said no, nothing was sent", "change the order"),
    Exit.FAILED: Meaning("final failure; verify: does not hold", "maybe retry"),
    Exit.UNKNOWN: Meaning("sent, outcome not known yet", "oee wait; never resend"),
    Exit.PENDING: Meaning("not final when the time-out came", "oee wait"),
    Exit.UNREACHABLE: Meaning("no daemon that takes requests", "retry later"),
    Exit.CANCELLED: Meaning("cancelled or expired", "decide"),
    Exit.INTERRUPTED: Meaning("Ctrl-C; orders go on", "oee watch"),
    Exit.READER_LEFT: Meaning("the reader of the pipe left", "nothing"),
    Exit.TERMINATED: Meaning("SIGTERM; orders go on", "oee watch"),
}

# For several orders: the first of these that occurred. The contract fixes 7, 6, 10, 8, 5, 3, 0; the others stand where an
# order that may be resent can never hide one that may not.
_WORST_FIRST = (
    Exit.UNKNOWN,
    Exit.FAILED,
    Exit.CANCELLED,
    Exit.PENDING,
    Exit.BUG,
    Exit.UNREACHABLE,
    Exit.DENIED,
    Exit.REFUSED,
    Exit.NOT_FOUND,
    Exit.USAGE,
    Exit.OK,
)

_BY_ERROR_CODE: Mapping[str, Exit] = {
    "invalid_request": Exit.USAGE,
    "invalid_amount": Exit.USAGE,
    "same_token": Exit.USAGE,
    "unknown_token": Exit.NOT_FOUND,
    "insufficient_balance": Exit.REFUSED,
    "no_route": Exit.REFUSED,
    "price_impact_too_high": Exit.REFUSED,
    "duplicate_client_order_id": Exit.REFUSED,
    "too_late_to_cancel": Exit.REFUSED,
    "not_retryable": Exit.REFUSED,
    "over_capacity": Exit.REFUSED,
    "too_many_orders": Exit.REFUSED,
    "order_too_large": Exit.REFUSED,
    "draining": Exit.UNREACHABLE,
    "halted": Exit.DENIED,
    "slippage_exceeded": Exit.FAILED,
    "venue_unavailable": Exit.FAILED,
    "transaction_expired": Exit.FAILED,
    "transaction_rejected": Exit.FAILED,
    "attempts_exhausted": Exit.FAILED,
    "unauthorized": Exit.DENIED,
    "forbidden": Exit.DENIED,
    "not_found": Exit.NOT_FOUND,
    "ambiguous_id": Exit.NOT_FOUND,
    "method_not_allowed": Exit.USAGE,
    "unsupported_media_type": Exit.USAGE,
    "length_required": Exit.USAGE,
    "too_large": Exit.USAGE,
    "too_slow": Exit.UNREACHABLE,
    "too_many_requests": Exit.REFUSED,
    "unreachable": Exit.UNREACHABLE,
    "outcome_unknown": Exit.UNKNOWN,
    "storage_unavailable": Exit.UNREACHABLE,
    "internal": Exit.BUG,
}


def of_code(error_code: str) -> Exit:
    """The exit for an error with this code."""
    return _BY_ERROR_CODE.get(error_code, Exit.BUG)


def of_order(order: Mapping[str, Any]) -> Exit:
    """The exit for an order as it stands: its outcome, or that it has none yet."""
    match order["status"]:
        case "confirmed":
            return Exit.OK
        case "failed":
            return _of_failure(order)
        case "cancelled" | "expired":
            return Exit.CANCELLED
        case _:
            return Exit.UNKNOWN if order["settlement"] == "unknown" else Exit.PENDING


def _of_failure(order: Mapping[str, Any]) -> Exit:
    """REFUSED where our own checks ended it before anything was sent: it is to be changed, not to be tried again."""
    sent = order["attempts"] > 1 or order["txHash"] is not None
    refused = not sent and of_code(str(order["errorCode"])) is Exit.REFUSED
    return Exit.REFUSED if refused else Exit.FAILED


def worst(exits: Iterable[Exit]) -> Exit:
    """The one exit for several orders; OK for none."""
    occurred = set(exits)
    return next((exit_ for exit_ in _WORST_FIRST if exit_ in occurred), Exit.OK)
