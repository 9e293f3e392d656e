"""Submit to confirmed, one POST per order over 64 keep-alive connections: throughput, latency of the POST, CPU per order.

A run begins with the first byte of the first POST and ends when the journal, looked at from outside, has no open order and all
of this run's are confirmed. One daemon serves all runs on one home, after a warm-up, with every delay of the venues at 0 and
the default durability. In each run, one after the other: the orders, raw SQLite commits of one row, and the same number of
posts to an empty Litestar route.
"""

import json

from benchmarks.daemon import CLOCK, ORDER, Daemon, Failed, scratch_daemon
from benchmarks.load import Load, drive, request
from benchmarks.reference import commits, empty_route, route
from benchmarks.report import Figure, Findings, Plan, percentile, ratio

ABOUT = "one POST per order, submit to confirmed"
CONNECTIONS = 64


def run(plan: Plan) -> Findings:
    """Throughput, latency and cost of orders that come one by one."""
    orders, warm = plan.size(5_000, 200), plan.size(3_000, 100)
    rates, halves, tails, cpu, raw, empty = ([] for _ in range(6))
    with scratch_daemon(plan.folder) as daemon, empty_route() as port:
        burst(daemon, warm)
        route(port, warm)
        for _ in range(plan.runs):
            before = daemon.cpu_ms()
            rate, load = burst(daemon, orders)
            cpu.append((daemon.cpu_ms() - before) / orders * 1_000)
            rates.append(rate)
            halves.append(percentile(load.took_ms, 50))
            tails.append(percentile(load.took_ms, 99))
            raw.append(commits(plan.folder, 1))
            empty.append(route(port, orders).per_second)
    ours, single, served = (
        Figure("orders submitted to confirmed", "orders/s", rates),
        Figure("raw SQLite, one row per commit", "rows/s", raw),
        Figure("empty Litestar route", "requests/s", empty),
    )
    return Findings(
        f"{orders:,} orders over {CONNECTIONS} connections, warm-up {warm:,}, delays 0, one daemon and one home for all runs",
        [
            ours,
            Figure("POST, p50", "ms", halves, at_most=18),
            Figure("POST, p99", "ms", tails, at_most=50),
            Figure("daemon, CPU per order", "µs", cpu),
            single,
            served,
            ratio("orders per raw commit", ours, single),
            ratio("orders per empty request", ours, served),
        ],
    )


def burst(daemon: Daemon, orders: int) -> tuple[float, Load]:
    """Orders per second from the first POST until the last is confirmed in the journal, and what the POSTs met."""
    raw = request("POST", "/api/orders", json.dumps(ORDER).encode(), daemon.authorization)
    newest, begun = daemon.newest(), CLOCK.steady_ms()
    load = drive(daemon.port, raw, orders, CONNECTIONS)
    daemon.settle()
    took_ms = CLOCK.steady_ms() - begun
    confirmed = daemon.confirmed_since(newest)
    if confirmed != orders:
        raise Failed(f"{confirmed} of {orders} orders are confirmed; the POSTs were answered {dict(load.statuses)}")
    return orders / took_ms * 1_000, load
