"""The story of one order as its events tell it: pure, so that what is drawn of it can be tested without a terminal."""

from typing import Any

from cli.paint import state_of
from cli.render import fees_of
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
        self.seq = 0  # of the newest event that is in here
        # Of the latest attempt: state, and when it was reached (unix ms).
        self.steps: list[tuple[str, int]] = [("pending", self.started_at)] if order else []
        self.attempt = 0
        self.setback: str | None = None
        self.quotes: list[Record] = []
        self.routed_dex: str | None = None
        self.pool: str | None = None
        self.route_reason: str | None = None
        self.reason: str | None = None  # why cancelled, why unanswered
        self.route: list[Record] | None = None  # its legs: as planned, then as executed
        self.gap_bps: str | None = None
        self.quoted_output: str | None = None
        self.quoted_input: str | None = None
        self.min_output: str | None = None  # what the transaction insists on
        self.max_input: str | None = None  # what it may take at most
        self.tx_hash: str | None = None
        self.last_valid_height: int | None = None
        self.amount_in: str | None = None
        self.amount_out: str | None = None
        self.executed_price: str | None = None
        self.fee: str | None = None
        self.fee_token: str | None = None
        self.fees: list[Record] = []
        self.error: str | None = None
        self.error_code: str | None = None

    @classmethod
    def of(cls, order: Record) -> "Story":
        """The story as far as an order's record tells it: where it stands, without the steps between."""
        story = cls(str(order["orderId"]), order)
        story.state = state_of(order)
        story.seq = int(order["seq"])
        story.updated_at = ms_of(order["updatedAt"])
        story.attempt = int(order["attempts"])
        story.routed_dex, story.quoted_output = order["routedDex"], order["quotedOutput"]
        story.route, story.gap_bps, story.quoted_input = (
            order.get("route"),
            order.get("gapBps"),
            order.get("quotedInput"),
        )
        story.tx_hash, story.last_valid_height = order["txHash"], order["lastValidHeight"]
        story.amount_out, story.executed_price = order["amountOut"], order["executedPrice"]
        story.amount_in = order.get("amountIn")
        story.fee, story.fee_token, story.fees = order["fee"], order["feeToken"], fees_of(order)
        story.error, story.error_code = order["error"], order["errorCode"]
        if story.state != "pending":
            story.steps.append((story.state, story.updated_at))
        return story

    @property
    def final(self) -> bool:
        """True when nothing more will happen."""
        return self.state in FINAL

    def add(self, event: Record) -> None:
        """Takes in the next event."""
        at = ms_of(event["timestamp"])
        self.state = state_of(event)
        self.updated_at = at
        self.seq = int(event["seq"])
        match event["status"]:
            case "pending":
                self.request, self.started_at, self.steps = event, at, [("pending", at)]
            case "routing":
                self._begin_attempt(event, at)
            case "building":
                self.quotes, self.routed_dex = event["quotes"], event["routedDex"]
                self.pool, self.route_reason, self.quoted_output = event["pool"], event["reason"], event["quotedOutput"]
                self.route, self.gap_bps = event.get("route"), event.get("gapBps")
                self.quoted_input = event.get("quotedInput")
                self.steps.append(("building", at))
            case "submitted" if self.state == "submitted":
                self.tx_hash, self.last_valid_height = event["txHash"], event["lastValidHeight"]
                self.min_output, self.max_input = event["minOutput"], event.get("maxInput")
                self.steps.append(("submitted", at))
            case "submitted":  # and its answer was lost
                self.reason = event["reason"]
                self.steps.append(("unknown", at))
            case final:
                self._end(event)
                self.steps.append((final, at))

    def _begin_attempt(self, event: Record, at: int) -> None:
        self.attempt = event["attempt"]
        if event.get("previousErrorCode"):
            self.setback = f"{event['previousErrorCode']}: {event['previousError']}"
        self.quotes, self.routed_dex, self.tx_hash, self.last_valid_height = [], None, None, None
        self.pool, self.route_reason, self.reason = None, None, None
        self.quoted_output, self.min_output, self.max_input = None, None, None
        self.route, self.gap_bps, self.quoted_input = None, None, None
        self.steps = [step for step in self.steps if step[0] == "pending"] + [("routing", at)]

    def _end(self, event: Record) -> None:
        match event["status"]:
            case "confirmed":
                self.amount_out, self.executed_price = event["amountOut"], event["executedPrice"]
                self.fee, self.fee_token, self.fees = event["fee"], event["feeToken"], fees_of(event)
                self.amount_in, self.route = event.get("amountIn"), event.get("route") or self.route
            case "failed":
                self.error, self.error_code, self.attempt = event["error"], event["errorCode"], event["attempts"]
            case _:
                self.reason = event.get("reason")
