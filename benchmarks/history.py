"""Whether a home wears out: throughput, and the time of `list` and `show`, with a million finished orders against none.

Two daemons, one on an empty home and one on a home with a history (see `homes`), both with all delays 0. In each run both do
the same, one after the other: the burst of `submit`; then, one at a time on one connection, the newest 50 orders, and orders
picked evenly from the whole history. The time of an answer is the client's, so the way through the loopback is in it.
"""

import asyncio

from benchmarks.daemon import CLOCK, Daemon, Failed, scratch_daemon
from benchmarks.homes import with_history
from benchmarks.load import Exchange, request
from benchmarks.report import Figure, Findings, Plan, percentile, ratio
from benchmarks.submit import CONNECTIONS, burst

ABOUT = "a home with a long history against an empty one"


def run(plan: Plan) -> Findings:
    """Throughput, list and show, with and without a history."""
    finished, orders, asked = plan.size(1_000_000, 20_000), plan.size(5_000, 200), plan.size(300, 30)
    root = with_history(plan.folder, finished)
    with scratch_daemon(plan.folder) as empty, Daemon(root) as full:
        burst(empty, plan.size(3_000, 100))  # as many as make a page, and warm
        burst(full, plan.size(3_000, 100))
        measured = [[measure(each, orders, asked) for each in (empty, full)] for _ in range(plan.runs)]
    names = ("orders submitted to confirmed", "list --limit 50, p50", "list --limit 50, p99", "show, p50", "show, p99")
    figures = []
    for column, name in enumerate(names):
        unit = "ms" if column else "orders/s"
        without, with_ = (
            Figure(f"{name}, {what}", unit, [run_[home][column] for run_ in measured], at_most=limit)
            for home, what, limit in ((0, "empty", None), (1, f"{finished:,}", 5 if column in (1, 3) else None))
        )
        figures += [without, with_]
        if column == 0:
            figures.append(ratio(f"{name}, ratio", with_, without, at_least=0.9))
    size = (root / "data" / "journal.db").stat().st_size / 1024**3
    return Findings(
        f"{finished:,} finished orders, journal {size:.2f} GiB, {orders:,} orders over {CONNECTIONS} connections, "
        f"{asked} lists and {asked} shows one at a time, delays 0",
        figures,
    )


def measure(daemon: Daemon, orders: int, asked: int) -> tuple[float, ...]:
    """Orders per second, and p50 and p99 of list and of show."""
    rate, _ = burst(daemon, orders)
    step = max(daemon.newest() // asked, 1)
    ids = [
        daemon.reader.execute("SELECT id FROM orders WHERE n = ?", (1 + n * step,)).fetchone()[0] for n in range(asked)
    ]
    lists = asyncio.run(times(daemon, ["/api/orders?limit=50"] * asked))
    shows = asyncio.run(times(daemon, [f"/api/orders/{order_id}" for order_id in ids]))
    return rate, *(percentile(each, percent) for each in (lists, shows) for percent in (50, 99))


async def times(daemon: Daemon, paths: list[str]) -> list[float]:
    """The milliseconds of each of these, one at a time on one connection."""
    exchange = await Exchange.open(daemon.port)
    took = []
    for path in [paths[0], *paths]:
        raw = request("GET", path, b"", daemon.authorization)
        begun = CLOCK.steady_ms()
        status, body = await exchange.send(raw)
        took.append(CLOCK.steady_ms() - begun)
        if status != 200:
            raise Failed(f"GET {path}: {status} {body[:200]!r}")
    exchange.close()
    return took[1:]  # the first one warms up
