"""All that the screens show, in one place: orders, the log, what was read of the market, how the link is.

Plain Python without Textual, so that what is shown can be tested without a screen. Only the thread of the app touches it:
the link's threads hand events and readings over, and the app takes them in when its one timer ticks.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from cli.dashboard.prices import PriceHistory
from cli.story import Story
from cli.times import ms_of

Record = dict[str, Any]

STORIES = 1_000  # orders that are kept; those that are open are never dropped
EVENTS = 2_000  # of the log
HISTORIES = 64  # orders whose whole history is kept
DAY_MS = 86_400_000

CONNECTING, CONNECTED, RECONNECTING = "connecting", "connected", "reconnecting"


class LinkState(NamedTuple):
    """How the connection to the daemon is, and since when (unix ms)."""

    phase: str = CONNECTING
    since_ms: int = 0

    @property
    def stale(self) -> bool:
        """True when what is shown may be out of date."""
        return self.phase == RECONNECTING


class Reading(NamedTuple):
    """What was asked of the daemon at one time. None: not asked, or no answer."""

    at_ms: int
    status: Record | None = None
    daemon: Record | None = None
    venues: list[Record] | None = None
    pools: list[Record] | None = None
    balances: list[Record] | None = None
    tokens: list[Record] | None = None


class Desk:
    """What there is to show."""

    def __init__(self) -> None:
        self.stories: dict[str, Story] = {}  # by order id, newest last
        self.log: deque[Record] = deque(maxlen=EVENTS)
        self.status: Record = {}
        self.daemon: Record = {}
        self.venues: list[Record] = []
        self.pools: list[Record] = []
        self.balances: list[Record] = []
        self.tokens: list[Record] = []
        self.prices = PriceHistory()
        self.link = LinkState()
        self.loaded = False  # the orders of before are here
        self.now_ms = 0  # the time that is shown; the tick sets it
        self.version = 0  # grows with every change of a story
        self._seen: set[str] = set()
        self._retried: set[str] = set()
        self._filled_since = 0  # confirmed after `status` was read
        self._histories: dict[str, list[Record]] = {}

    # what comes in

    def load(self, orders: Iterable[Record], log: Iterable[Record] = ()) -> None:
        """Takes in the orders and the log of before, newest last. What is known of an order already and newer stays."""
        for event in reversed([*log]):
            if not self.log or event["seq"] < self.log[0]["seq"]:
                self.log.appendleft(event)
        loaded = {str(order["orderId"]): Story.of(order) for order in orders}
        for order_id, story in self.stories.items():
            if order_id not in loaded or loaded[order_id].seq < story.seq:
                loaded[order_id] = story
        self.stories = dict(sorted(loaded.items(), key=lambda item: item[1].started_at))
        self._retried |= {str(story.request["retryOf"]) for story in loaded.values() if story.request.get("retryOf")}
        self.loaded = True
        self.version += 1
        self._tell_from_log()
        self._drop()

    def _tell_from_log(self) -> None:
        """The stories whose every event is in the log: those that began since its beginning."""
        told: dict[str, Story] = {}
        for event in self.log:
            order_id = str(event["orderId"])
            if event["status"] == "pending":
                told[order_id] = Story(order_id)
            if order_id in told:
                told[order_id].add(event)
        for order_id, story in told.items():
            if order_id in self.stories and story.seq >= self.stories[order_id].seq:
                story.order = self.stories[order_id].order
                self.stories[order_id] = story

    def take(self, event: Record) -> None:
        """Takes in the next event of the log. One that it has already changes nothing."""
        if self.log and event["seq"] <= self.log[-1]["seq"]:
            return
        self.log.append(event)
        order_id = str(event["orderId"])
        story = self.stories.get(order_id)
        if story is None:
            if event["status"] != "pending":  # it ended long ago, or this is the log of before
                return
            story = self.stories[order_id] = Story(order_id)
            if event.get("retryOf"):
                self._retried.add(str(event["retryOf"]))
            self._drop()
        if event["seq"] <= story.seq:
            return
        story.add(event)
        self.version += 1
        if event["status"] == "confirmed" and event["seq"] > self.status.get("seq", 0):
            self._filled_since += 1

    def retell(self, order_id: str, events: Iterable[Record]) -> None:
        """Replaces a story by the one that its whole history tells: its record alone does not know the steps."""
        self._histories.pop(order_id, None)
        self._histories[order_id] = list(events)
        if len(self._histories) > HISTORIES:
            del self._histories[next(iter(self._histories))]
        story = Story(order_id)
        for event in self.history(order_id):
            story.add(event)
        known = self.stories.get(order_id)
        if story.seq and (known is None or story.seq >= known.seq):
            story.order = known.order if known else None
            self.stories[order_id] = story
            self.version += 1

    def refresh(self, reading: Reading) -> None:
        """Takes in what was read of the daemon; what was not read stays as it was."""
        if reading.status is not None:
            self.status = reading.status
            self._filled_since = 0
        if reading.daemon is not None:
            self.daemon = reading.daemon
        if reading.venues is not None:
            self.venues = reading.venues
        if reading.pools is not None:
            self.pools = reading.pools
            self.prices.take(reading.pools, reading.at_ms)
        if reading.balances is not None:
            self.balances = reading.balances
        if reading.tokens is not None:
            self.tokens = reading.tokens

    # what is made of it

    @property
    def open_count(self) -> int:
        """How many orders are not over."""
        return sum(not story.final for story in self.stories.values())

    @property
    def filled_today(self) -> int:
        """How many orders were confirmed since midnight UTC."""
        return int(self.status.get("today", {}).get("confirmed", 0)) + self._filled_since

    @property
    def halted(self) -> bool:
        """True when the engine takes no new orders."""
        return bool(self.status.get("halted"))

    def needs(self, story: Story) -> bool:
        """True when a person should look: the answer is lost, or it failed within a day and was neither seen nor retried."""
        if story.state == "unknown":
            return True
        if story.state != "failed" or story.order_id in self._seen or story.order_id in self._retried:
            return False
        return self.now_ms - story.updated_at < DAY_MS

    def needs_you(self) -> list[Story]:
        """The orders that a person should look at, newest first."""
        return [story for story in reversed(self.stories.values()) if self.needs(story)]

    def saw(self, order_id: str) -> None:
        """Notes that a person has looked at this order."""
        if order_id not in self._seen:
            self._seen.add(order_id)
            self.version += 1

    def history(self, order_id: str) -> list[Record]:
        """What is known here of all that happened to an order: all of it once `retell` has brought it."""
        history = list(self._histories.get(order_id, ()))
        last = history[-1]["seq"] if history else 0
        return history + [event for event in self.log if event["orderId"] == order_id and event["seq"] > last]

    def knows_all(self, order_id: str) -> bool:
        """True when the history of an order is here from its beginning."""
        history = self.history(order_id)
        return bool(history) and history[0]["status"] == "pending"

    def uptime_ms(self) -> int | None:
        """How long the daemon runs, or None when nobody said."""
        started = self.daemon.get("startedAt") or self.status.get("startedAt")
        return max(self.now_ms - ms_of(started), 0) if started else None

    def _drop(self) -> None:
        """Lets the oldest orders that are over go, when there are too many: those that need somebody last of all."""
        excess = len(self.stories) - STORIES
        if excess <= 0:
            return
        over = [story for story in self.stories.values() if story.final]
        for story in sorted(over, key=self.needs)[:excess]:
            del self.stories[story.order_id]
