"""What the engine counts as it goes: open orders, today's outcomes, how each venue serves. Fed by the feed, lost at a stop.

Everything here is derived from events and may be forgotten: the journal is where facts are.
"""

import threading
from collections import Counter
from typing import Any

from order_engine.clock import Clock
from order_engine.events import Building, Confirmed, Recorded
from order_engine.orders import Order, Settlement, Status
from order_engine.quotes import Quote

DAY_MS = 86_400_000


class Tally:
    """Counts of one daemon's life. Written by the journal's thread, read by any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Order] = {}
        self._ended: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._day = clock.now_ms() // DAY_MS
        self._venues: dict[str, Counter[str]] = {}

    @property
    def open(self) -> int:
        """How many orders are not final."""
        return len(self._open)

    def in_flight(self) -> int:
        """How many orders were sent and have no outcome yet."""
        with self._lock:
            return sum(order.status is Status.SUBMITTED for order in self._open.values())

    def opened(self, order: Order) -> None:
        """An unfinished order that was there before the start."""
        with self._lock:
            self._open[order.order_id] = order

    def count(self, recorded: Recorded) -> None:
        """Takes up one committed event."""
        order, event = recorded.order, recorded.event
        with self._lock:
            if order.status.final:
                self._open.pop(order.order_id, None)
                self._turn_the_day()
                self._ended[order.status.value] += 1
                self._today[order.status.value] += 1
            else:
                self._open[order.order_id] = order
            if isinstance(event, Building):
                for offer in event.quotes:
                    self._venue(offer.dex)["quoted" if isinstance(offer, Quote) else "declined"] += 1
                self._venue(event.routed_dex)["chosen"] += 1
            elif isinstance(event, Confirmed):
                self._venue(event.routed_dex)["confirmed"] += 1

    def venue(self, name: str) -> dict[str, Any]:
        """How a venue has served: offers made and declined, how often chosen and confirmed."""
        with self._lock:
            counts = self._venue(name)
            return {key: counts[key] for key in ("quoted", "declined", "chosen", "confirmed")}

    def status(self) -> dict[str, Any]:
        """The part of `oee.status/1` that is counted here."""
        with self._lock:
            self._turn_the_day()
            now = self._clock.now_ms()
            oldest = min((order.created_at for order in self._open.values()), default=None)
            return {
                "open": len(self._open),
                "inFlight": sum(order.status is Status.SUBMITTED for order in self._open.values()),
                "unknown": sum(order.settlement is Settlement.UNKNOWN for order in self._open.values()),
                "oldestOpenMs": None if oldest is None else max(now - oldest, 0),
                "today": {status.value: self._today[status.value] for status in Status if status.final},
            }

    def metrics(self) -> dict[str, int]:
        """Open orders, and ended ones by status."""
        with self._lock:
            return {"open": len(self._open)} | {f"ended_{status}": count for status, count in self._ended.items()}

    def _venue(self, name: str) -> "Counter[str]":
        return self._venues.setdefault(name, Counter())

    def _turn_the_day(self) -> None:
        day = self._clock.now_ms() // DAY_MS
        if day != self._day:
            self._day = day
            self._today.clear()
