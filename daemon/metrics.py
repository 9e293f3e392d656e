"""What the daemon counts, and how Prometheus reads it.

Counting is an addition to a plain integer, because it happens in every request and every commit. The Prometheus library is
imported when somebody first asks, and turns the numbers into text then: start-up and requests pay nothing for it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from order_engine.events import Recorded
from order_engine.feed import BATCH

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

BATCHES = tuple(1 << power for power in range(BATCH.bit_length()))


class Counts:
    """Counts since the daemon started. Each field is written by one thread only, and may be read by any."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()  # method, route, status
        self.lags = 0
        self.readers = 0
        self.statuses: Counter[str] = Counter()  # of events; written by the journal's thread, as are the next two
        self.events = 0
        self.batches = [0] * (len(BATCHES) + 1)

    def committed(self, batch: Sequence[Recorded]) -> None:
        """Takes up what one commit made true. A listener of the feed."""
        self.events += len(batch)
        self.batches[bisect_left(BATCHES, len(batch))] += 1
        for recorded in batch:
            if recorded.order.status.final:
                self.statuses[recorded.order.status.value] += 1


def text(counts: Counts, engine: Mapping[str, int]) -> bytes:
    """Everything counted, with the levels that the engine reports, in Prometheus text format."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - 40 ms of start-up for rare readers

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(counts, engine))
    return generate_latest(registry)


class _Reading:
    """One reading, in the shape that a Prometheus registry collects."""

    def __init__(self, counts: Counts, engine: Mapping[str, int]) -> None:
        self._counts = counts
        self._engine = engine

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import (  # noqa: PLC0415 - as above
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        counts = self._counts
        orders = CounterMetricFamily("oee_orders", "Orders that ended, by final status.", labels=["status"])
        for status, count in counts.statuses.items():
            orders.add_metric([status], count)
        yield orders
        requests = CounterMetricFamily("oee_http_requests", "HTTP requests.", labels=["method", "route", "status"])
        for (method, route, number), count in list(counts.requests.items()):
            requests.add_metric([method, route, str(number)], count)
        yield requests
        yield CounterMetricFamily("oee_events", "Events committed.", value=counts.events)
        yield CounterMetricFamily(
            "oee_lag_events", "Times that a WebSocket reader could not keep up.", value=counts.lags
        )
        buckets, total = [], 0
        for limit, count in zip((*map(str, BATCHES), "+Inf"), counts.batches, strict=True):
            total += count
            buckets.append((limit, total))
        yield HistogramMetricFamily("oee_commit_events", "Events per commit.", buckets=buckets, sum_value=counts.events)
        yield GaugeMetricFamily("oee_websocket_readers", "Open WebSocket connections.", value=counts.readers)
        for name, help_text in _LEVELS.items():
            yield GaugeMetricFamily(f"oee_{name}", help_text, value=self._engine[name])


_LEVELS = {
    "open": "Orders that are not final.",
    "queue_depth": "Orders that no worker has taken yet.",
    "workers": "Workers that are running.",
    "seq": "Number of the newest event of this home.",
    "height": "Newest block of the chain.",
}
