"""A restart after a crash, with a million finished orders and 10,000 open ones: ready when, and all of those resumed?

The open orders are real ones: a daemon whose transactions take long to land accepts and sends them, and is killed with SIGKILL when
all are in flight. The next start has no delays. Ready: from the start of the process until it has said where it is (what `oee`
waits for). Resumed: until the journal has no open order, and every one of them is confirmed, which may begin before the daemon
is ready. Transactions are valid for long here: the chain goes from a block each 5 s to blocks as fast as it can, and none shall
die of that jump. The same is done on a home without a history, and `python -c pass` is the least that any start takes.
"""

from pathlib import Path

from benchmarks.daemon import CLOCK, Daemon, Failed, configure, until
from benchmarks.homes import with_history
from benchmarks.memory import BATCH, SLOW
from benchmarks.reference import bare_python
from benchmarks.report import Figure, Findings, Plan

ABOUT = "start after a kill -9 with open orders"

STAYS_VALID = "valid_slots = 1000000\n"


def run(plan: Plan) -> Findings:
    """The time to be back."""
    finished, crowd = plan.size(1_000_000, 20_000), plan.size(10_000, 300)
    ready, short, resumed, bare = ([] for _ in range(4))
    without = plan.folder / "restart-empty"
    for _ in range(plan.runs):
        short.append(restart(without, crowd)[0])
        took = restart(with_history(plan.folder, finished), crowd)
        ready.append(took[0])
        resumed.append(took[1])
        bare.append(bare_python())
    return Findings(
        f"{finished:,} finished orders, {crowd:,} in flight when the daemon before was killed; then all delays 0",
        [
            Figure("start to ready", "ms", ready, at_most=2_000),
            Figure("start to ready, no history", "ms", short),
            Figure(f"start to all {crowd:,} confirmed", "ms", resumed),
            Figure("python -c pass", "ms", bare),
        ],
    )


def restart(root: Path, crowd: int) -> tuple[float, float]:
    """Milliseconds from the start until ready, and until every open order is confirmed."""
    configure(root, SLOW)
    with Daemon(root, OEE_SIM_SPEED="paper") as before:
        newest = before.newest()
        accepted = sum(before.place(min(BATCH, crowd - placed)) for placed in range(0, crowd, BATCH))
        if accepted != crowd:
            raise Failed(f"{accepted} of {crowd} orders were accepted")
        until(lambda: before.get("/api/status")["inFlight"] == crowd, "all orders in flight", 50)
        before.kill()
    configure(root, STAYS_VALID)
    with Daemon(root) as daemon:
        begun = CLOCK.steady_ms() - daemon.ready_ms
        daemon.settle()
        took_ms = CLOCK.steady_ms() - begun
        confirmed = daemon.confirmed_since(newest)
        if confirmed != crowd:
            raise Failed(f"{confirmed} of {crowd} open orders are confirmed")
        return daemon.ready_ms, took_ms
