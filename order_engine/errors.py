"""What can go wrong, sorted by what to do next.

Every error carries a code of the one table below, the values that led to it, and the next step. An error is *definite* (it
says what did and did not happen) unless it is OutcomeUnknown: then the answer is to look, never to send again.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

# code -> what it means. docs/errors.md is generated from this table and a test keeps it so.
ERROR_CODES: Mapping[str, str] = MappingProxyType(
    {
        # malformed: the request could not be understood
        "invalid_request": "The request is not understood: malformed JSON, a missing, unknown or mistyped field.",
        "invalid_amount": "An amount, a slippage or a limit is not a plain decimal number in its range.",
        "unknown_token": "No token with this symbol or mint is known.",
        "same_token": "Input and output are the same token.",
        # refused: our checks said no, nothing was sent
        "insufficient_balance": "The wallet has less of a token free than the order needs.",
        "no_route": "No venue has a pool for this pair, or none could fill this amount.",
        "price_impact_too_high": "The order alone would move the best pool by more than the limit.",
        "duplicate_client_order_id": "This key was used before for another order.",
        "too_late_to_cancel": "The transaction was already sent, or the order is final.",
        "not_retryable": "Only an order that definitely was not executed can be retried.",
        "over_capacity": "More open orders than this home admits. Nothing was stored.",
        "too_many_orders": "More orders in a minute than this home admits. Nothing was stored.",
        "order_too_large": "The order is worth more than this home admits for one order. Nothing was stored.",
        "draining": "The daemon is stopping and takes no new orders.",
        "halted": "Trading is halted in this home: nothing is accepted or sent until `oee resume`.",
        # failed: the order was tried and definitely not executed
        "slippage_exceeded": "The price moved further than the order allows; the chain refused the swap.",
        "venue_unavailable": "No venue answered in time.",
        "transaction_expired": "The transaction did not land before its last valid height.",
        "transaction_rejected": "The chain refused the transaction for a reason other than slippage.",
        "attempts_exhausted": "All attempts were used; the last reason is in the message.",
        # access
        "unauthorized": "The token is missing or wrong.",
        "forbidden": "The Host or Origin of the request is not allowed.",
        "not_found": "No such order, token, venue or page.",
        "ambiguous_id": "More than one order ends in these characters.",
        "method_not_allowed": "This address does not take this method.",
        "unsupported_media_type": "The body must be application/json.",
        "length_required": "The request needs exactly one Content-Length.",
        "too_large": "The request is larger than the limit.",
        "too_slow": "The request did not arrive in time.",
        "too_many_requests": "Too many requests. Wait as long as Retry-After says.",
        "unreachable": "No daemon answered.",
        "outcome_unknown": "Sent, and the answer was lost. It may still happen. Look, do not send again.",
        "storage_unavailable": "The journal could not be written. Nothing was stored.",
        "internal": "A bug. The details are in the daemon's log.",
    }
)


class EngineError(Exception):
    """The root of all expected errors. `code` is a key of ERROR_CODES; `hint` is the next step; `field` the culprit."""

    code = "internal"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = hint
        self.field = field
        if self.code not in ERROR_CODES:
            raise ValueError(f"{self.code} is not in ERROR_CODES")


class Malformed(EngineError):
    """The request could not be understood. Fix it; the same bytes will never work."""

    code = "invalid_request"


class UnknownToken(Malformed):
    """No token of this name. The message names those that are close."""

    code = "unknown_token"

    def __init__(self, text: str, close: Iterable[str] = (), field: str | None = None) -> None:
        shown = ascii(text[:40])[1:-1]
        near = ", ".join(close)
        super().__init__(
            f"{shown} is not a known token." + (f" Close: {near}." if near else ""),
            hint="See them all: oee tokens",
            field=field,
        )


class Refused(EngineError):
    """Our own checks said no, before anything was stored or sent. Change the order."""

    code = "no_route"


class DuplicateKey(Refused):
    """The client order id was used for another order. Nothing was stored."""

    code = "duplicate_client_order_id"


class TooLateToCancel(Refused):
    """The transaction is out, or the order is over. Nothing was changed."""

    code = "too_late_to_cancel"


class Busy(Refused):
    """Over the admission limit. Nothing was stored; the same order may be sent again after `retry_after_s`."""

    code = "over_capacity"

    def __init__(self, message: str, *, retry_after_s: int, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after_s = retry_after_s


class Halted(Refused):
    """Trading is halted in this home. Nothing was stored, nothing was sent."""

    code = "halted"


class Draining(Refused):
    """The engine is stopping. Nothing was stored."""

    code = "draining"


class NotFound(EngineError):
    """There is no such thing."""

    code = "not_found"


class VenueUnavailable(EngineError):
    """A venue did not answer, or answered nonsense, before anything was sent. Try again."""

    code = "venue_unavailable"


class OutcomeUnknown(EngineError):
    """Something was sent and the answer was lost. Look it up before anything else; never send again on this."""

    code = "outcome_unknown"


class StorageUnavailable(EngineError):
    """The journal took nothing (disk full, locked). Definite: nothing was stored."""

    code = "storage_unavailable"


class Unreachable(EngineError):
    """No daemon answered. Definite: nothing was asked of one."""

    code = "unreachable"
