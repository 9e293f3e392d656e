"""What the engine counts as it goes: open orders, today's outcomes, how each venue serves. Fed by the feed.

Everything here is derived from events and may be forgotten: the journal is where facts are.
"""

import threading
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from order_engine import messages
from order_engine.amounts import div_ceil
from order_engine.clock import DAY_MS, Clock, timestamp
from order_engine.errors import Refused, VenueUnavailable
from order_engine.events import Building, Confirmed, Failed, Recorded, Routing
from order_engine.orders import Order, OrderRequest, Settlement, Status
from order_engine.quotes import Ask, Declined, Quote
from order_engine.venues.venue import PoolView, Venue

TIMED = 512  # answers of a venue that its latency is reckoned from: the latest ones


class Tally:
    """Counts of one daemon's life, but for `today`, which begins with what the journal knows. Read by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Order] = {}
        self._ended: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._day = clock.now_ms() // DAY_MS
        self._venues: dict[str, _Service] = {}

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

    def ended_before(self, ended: Mapping[str, int], day: int) -> None:
        """Adds what ended on this day before this start."""
        with self._lock:
            self._turn_the_day()
            if day == self._day:
                self._today.update(ended)

    def count(self, recorded: Recorded) -> None:
        """Takes up one committed event."""
        order = recorded.order
        with self._lock:
            self._serve(recorded)
            if order.status.final:
                self._open.pop(order.order_id, None)
                self._turn_the_day()
                self._ended[order.status.value] += 1
                self._today[order.status.value] += 1
            else:
                self._open[order.order_id] = order

    def answered(self, dex: str, took_ms: float, trouble: str | None = None) -> None:
        """Notes how long a venue took to answer, and why it gave no answer if that was so."""
        with self._lock:
            service = self._venue(dex)
            service.took_ms.append(took_ms)
            service.heard(self._clock.now_ms(), trouble)

    def venue(self, name: str) -> dict[str, Any]:
        """How a venue has served: offers made and declined, how often chosen, confirmed and failed, how fast, and last."""
        with self._lock:
            return self._venue(name).record()

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

    def _serve(self, recorded: Recorded) -> None:
        """What this event says of the venues. Called before the order is taken up, as it was is needed too."""
        order, event = recorded.order, recorded.event
        match event:
            case Building():
                for offer in event.quotes:
                    self._venue(offer.dex).offered(offer, order.request, event.at)
                self._venue(event.routed_dex).counts["chosen"] += 1
            case Confirmed():
                self._venue(event.routed_dex).counts["confirmed"] += 1
            case Routing() if event.previous_error_code is not None:
                self._set_back(self._open.get(order.order_id))
            case Failed():
                self._set_back(order)

    def _set_back(self, order: Order | None) -> None:
        """An attempt came to nothing. That is the venue's that had it, if one had."""
        if order is not None and order.routed_dex is not None:
            self._venue(order.routed_dex).counts["failed"] += 1

    def _venue(self, name: str) -> "_Service":
        service = self._venues.get(name)
        if service is None:
            service = self._venues[name] = _Service()
        return service

    def _turn_the_day(self) -> None:
        day = self._clock.now_ms() // DAY_MS
        if day != self._day:
            self._day = day
            self._today.clear()


class _Service:
    """How one venue has served since the start."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.took_ms: deque[float] = deque(maxlen=TIMED)
        self._answering: bool | None = None  # whether it answered when it was asked last
        self._trouble: tuple[int, str] | None = None  # when it gave no answer last, and why
        self._quoted: tuple[int, OrderRequest, Quote] | None = None  # its last offer: when, for what, how much

    def heard(self, at_ms: int, trouble: str | None) -> None:
        """Notes that it answered when it was asked now, or why it did not."""
        self._answering = trouble is None
        if trouble is not None:
            self._trouble = (at_ms, trouble)

    def offered(self, offer: Quote | Declined, request: OrderRequest, at_ms: int) -> None:
        """Takes up its answer to one ask. That it has no pool for a pair is an answer too."""
        if isinstance(offer, Quote):
            self.counts["quoted"] += 1
            self._quoted = (at_ms, request, offer)
            self.heard(at_ms, None)
            return
        self.counts["declined"] += 1
        self.heard(at_ms, offer.reason if offer.code == VenueUnavailable.code else None)

    def record(self) -> dict[str, Any]:
        """Its part of `oee.venue/1`."""
        counts = {key: self.counts[key] for key in ("quoted", "declined", "chosen", "confirmed", "failed")}
        quoted_at, pair, price = None, None, None
        if self._quoted is not None:
            quoted_at, request, quote = self._quoted
            pair = f"{request.input_token}/{request.output_token}"
            price = messages.price(request, quote.amount_in or request.amount_in, quote.amount_out)
        trouble_at, trouble = self._trouble or (None, None)
        return counts | {
            "answering": self._answering,
            "quoteMsP50": percentile(self.took_ms, 50),
            "quoteMsP99": percentile(self.took_ms, 99),
            "lastQuotedAt": None if quoted_at is None else timestamp(quoted_at),
            "lastPair": pair,
            "lastPrice": price,
            "lastTroubleAt": None if trouble_at is None else timestamp(trouble_at),
            "lastTrouble": trouble,
        }


def percentile(values: Collection[float], percent: int) -> int | None:
    """The least of the values that `percent` per cent of them do not exceed, in whole numbers. None without any."""
    if not values:
        return None
    return round(sorted(values)[div_ceil(len(values) * percent, 100) - 1])


class TimedVenue:
    """A venue whose answers are timed for the tally. It promises what `venue.Venue` does.

    An answer after `deadline_ms` comes too late for everybody: that is trouble as silence is.
    """

    def __init__(self, venue: Venue, tally: Tally, clock: Clock, deadline_ms: int) -> None:
        self._venue = venue
        self._tally = tally
        self._clock = clock
        self._deadline_ms = deadline_ms

    @property
    def name(self) -> str:
        return self._venue.name

    @property
    def prompt(self) -> bool:
        return self._venue.prompt

    def serves(self, token: str, other: str) -> bool:
        """See Venue."""
        return self._venue.serves(token, other)

    def quote(self, ask: Ask) -> Quote:
        """See Venue. A refusal is an answer; what else is raised is trouble."""
        begun = self._clock.steady_ms()
        trouble: str | None = None
        try:
            return self._venue.quote(ask)
        except Refused:
            raise
        except Exception as error:
            trouble = str(error) or type(error).__name__
            raise
        finally:
            took_ms = self._clock.steady_ms() - begun
            if trouble is None and took_ms > self._deadline_ms:
                trouble = f"it took {took_ms:.0f} ms, the limit is {self._deadline_ms} ms"
            self._tally.answered(self.name, took_ms, trouble)

    def pools(self) -> Sequence[PoolView]:
        """See Venue."""
        return self._venue.pools()
