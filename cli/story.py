"""The story of one order as its events tell it: pure, so that what `watch` and `show` draw can be tested without either."""

from typing import Any

from cli.paint import state_of
from cli.times import ms_of

Record = dict[str, Any]

PATH = ("pending", "routing", "building", "submitted", "confirmed")
FINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})


class Story:
    """What is known of one order so far. `order` is its record, once somebody looked it up."""

    def __init__(self, order_id: str, order: Record | None = None) -> None:
        self.order_id = order_id
        self.order = order
        self.state = "pending"
        self.request: Record = order or {}
        self.started_at = ms_of(order["createdAt"]) if order else 0
        self.updated_at = self.started_at
        # Of the latest attempt: state, and when it was reached (unix ms).
        self.steps: list[tuple[str, int]] = [("pending", self.started_at)] if order else []
        self.attempt = 0
        self.setback: str | None = None
        self.quotes: list[Record] = []
        self.routed_dex: str | None = None
        self.tx_hash: str | None = None
        self.last_valid_height: int | None = None

    @property
    def final(self) -> bool:
        """True when nothing more will happen."""
        return self.state in FINAL

    def add(self, event: Record) -> None:
        """Takes in the next event."""
        at = ms_of(event["timestamp"])
        self.state = state_of(event)
        self.updated_at = at
        match event["status"]:
            case "pending":
                self.request, self.started_at, self.steps = event, at, [("pending", at)]
            case "routing":
                self._begin_attempt(event, at)
            case "building":
                self.quotes, self.routed_dex = event["quotes"], event["routedDex"]
                self.steps.append(("building", at))
            case "submitted" if self.state == "submitted":
                self.tx_hash, self.last_valid_height = event["txHash"], event["lastValidHeight"]
                self.steps.append(("submitted", at))
            case "submitted":  # and its answer was lost
                self.steps.append(("unknown", at))
            case final:
                self.steps.append((final, at))

    def _begin_attempt(self, event: Record, at: int) -> None:
        self.attempt = event["attempt"]
        if event.get("previousErrorCode"):
            self.setback = f"{event['previousErrorCode']}: {event['previousError']}"
        self.quotes, self.routed_dex, self.tx_hash, self.last_valid_height = [], None, None, None
        self.steps = [step for step in self.steps if step[0] == "pending"] + [("routing", at)]
