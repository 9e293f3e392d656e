"""Throughput with the default delays of the venues: quotes take 200 ms, landing 2 to 3 s, ten workers.

Two figures: from the request to the last confirmation, which has the last order's own two to three seconds in it; and between
the first and the last confirmation by the journal's times, which is what a stream of orders gets. Ten workers that ask for 200 ms
cannot do more than 50 orders a second: the ratio to that is what the engine takes of its workers' time.
"""

from benchmarks.daemon import CLOCK, Failed, scratch_daemon
from benchmarks.report import Figure, Findings, Plan

ABOUT = "orders per second with the default delays"
LIMIT = 10 / 0.2  # workers by seconds per quote

_ENDS = "SELECT {}(e.at) FROM events e JOIN orders o ON o.id = e.order_id AND o.version = e.version WHERE o.n > ?"


def run(plan: Plan) -> Findings:
    """Throughput of a home as it comes."""
    orders = plan.size(1_000, 20)
    whole, steady, share = ([] for _ in range(3))
    with scratch_daemon(plan.folder, OEE_SIM_SPEED="paper") as daemon:
        for _ in range(plan.runs):
            newest, begun = daemon.newest(), CLOCK.steady_ms()
            daemon.place(orders)
            daemon.settle()
            whole.append(orders / (CLOCK.steady_ms() - begun) * 1_000)
            confirmed = daemon.confirmed_since(newest)
            if confirmed != orders:
                raise Failed(f"{confirmed} of {orders} orders are confirmed")
            first, last = (daemon.one(_ENDS.format(end), newest) for end in ("min", "max"))
            steady.append((orders - 1) / max(last - first, 1) * 1_000)
            share.append(steady[-1] / LIMIT)
    return Findings(
        f"{orders:,} orders in one request, speed = paper, 10 workers",
        [
            Figure("orders, first to last confirmation", "orders/s", steady, at_least=45),
            Figure("orders, request to last confirmation", "orders/s", whole),
            Figure("share of what the delays allow", "x", share),
        ],
    )
