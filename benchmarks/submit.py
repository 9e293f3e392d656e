"""Submit to confirmed, one POST per order over 64 keep-alive connections: throughput, latency of the POST, CPU per order.

A run begins with the first byte of the first POST and ends when the journal, looked at from outside, has no open order and all
of this run's are confirmed. One daemon serves all runs on one home, after a warm-up, with every delay of the venues at 0 and
the default durability. In each run, one after the other: the orders, all of the same amount as the peer's load generator sends
them; as many of which no two are alike, so that no answer about a block serves two of them; raw SQLite commits of one row; and
the same number of posts to an empty Litestar route.
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
    rates, halves, tails, cpu, unlike, unlike_cpu, raw, empty = ([] for _ in range(8))
    with scratch_daemon(plan.folder) as daemon, empty_route() as port:
        burst(daemon, warm)
        route(port, warm)
        for _ in range(plan.runs):
            before = daemon.cpu_ms()
            rate, load = burst(daemon, orders)
            after = daemon.cpu_ms()
            cpu.append((after - before) / orders * 1_000)
            rates.append(rate)
            unlike.append(burst(daemon, orders, alike=False)[0])
            unlike_cpu.append((daemon.cpu_ms() - after) / orders * 1_000)
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
            Figure("orders of which no two are alike", "orders/s", unlike),
            Figure("daemon, CPU per order, no two alike", "µs", unlike_cpu),
            single,
            served,
            ratio("orders per raw commit", ours, single),
            ratio("orders per empty request", ours, served),
        ],
    )


def burst(daemon: Daemon, orders: int, *, alike: bool = True) -> tuple[float, Load]:
    """Orders per second from the first POST until the last is confirmed in the journal, and what the POSTs met."""
    amounts = [ORDER["amount"]] * orders if alike else [f"0.{1_000_000 + number:09}" for number in range(orders)]
    raws = [
        request("POST", "/api/orders", json.dumps(ORDER | {"amount": amount}).encode(), daemon.authorization)
        for amount in amounts
    ]
    newest, begun = daemon.newest(), CLOCK.steady_ms()
    load = drive(daemon.port, raws, CONNECTIONS)
    daemon.settle()
    took_ms = CLOCK.steady_ms() - begun
    confirmed = daemon.confirmed_since(newest)
    if confirmed != orders:
        raise Failed(f"{confirmed} of {orders} orders are confirmed; the POSTs were answered {dict(load.statuses)}")
    return orders / took_ms * 1_000, load
