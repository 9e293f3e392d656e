"""Submit to confirmed through `POST /api/orders/batch`: 20,000 orders in one request.

A run begins with the request and ends when the journal, looked at from outside, has no open order and all of this run's are
confirmed. What `oee batch` adds on its own side (blocks of 500, drawing) is not in it. In each run, one after the other: the
orders, and raw SQLite commits of 64 rows. The ratio to those is of events, five to an order, since each is a row.
"""

from benchmarks.daemon import CLOCK, Daemon, Failed, scratch_daemon
from benchmarks.reference import BATCH, commits
from benchmarks.report import Figure, Findings, Plan, ratio

ABOUT = "many orders in one request, submit to confirmed"
EVENTS = 5  # pending, routing, building, submitted, confirmed


def run(plan: Plan) -> Findings:
    """Throughput and cost of orders that come all at once."""
    orders = plan.size(20_000, 500)
    rates, accepted, events, cpu, raw = ([] for _ in range(5))
    with scratch_daemon(plan.folder) as daemon:
        through_batch(daemon, plan.size(3_000, 100))
        for _ in range(plan.runs):
            before = daemon.cpu_ms()
            answered, rate = through_batch(daemon, orders)
            cpu.append((daemon.cpu_ms() - before) / orders * 1_000)
            accepted.append(answered)
            rates.append(rate)
            events.append(rate * EVENTS)
            raw.append(commits(plan.folder, BATCH))
    rows = Figure(f"raw SQLite, {BATCH} rows per commit", "rows/s", raw)
    return Findings(
        f"{orders:,} orders in one request, delays 0, one daemon and one home for all runs",
        [
            Figure("orders submitted to confirmed", "orders/s", rates),
            Figure("orders submitted to answered", "orders/s", accepted),
            Figure("daemon, CPU per order", "µs", cpu),
            rows,
            ratio("events per raw row", Figure("events", "events/s", events), rows),
        ],
    )


def through_batch(daemon: Daemon, orders: int) -> tuple[float, float]:
    """Orders per second until all are answered, and until all are confirmed in the journal."""
    newest, begun = daemon.newest(), CLOCK.steady_ms()
    accepted = daemon.place(orders)
    answered_ms = CLOCK.steady_ms() - begun
    daemon.settle()
    took_ms = CLOCK.steady_ms() - begun
    confirmed = daemon.confirmed_since(newest)
    if not accepted == confirmed == orders:
        raise Failed(f"{orders} orders were sent, {accepted} accepted, {confirmed} confirmed")
    return orders / answered_ms * 1_000, orders / took_ms * 1_000
