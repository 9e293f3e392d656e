"""The daemon's resident memory: idle, with 10,000 orders in flight, and over 200,000 orders.

In flight: transactions take 100 s to land here, so that all orders are sent and none has ended when the memory is read. Flat:
one daemon does order after order, in batches of which each is waited for; read after a tenth of the way and at the end. Each run
has daemons and homes of its own.
"""

from benchmarks.daemon import Failed, scratch_daemon, until
from benchmarks.report import Figure, Findings, Plan

ABOUT = "resident memory of the daemon"
SLOW = "quote_ms = 0\nslot_ms = 5000\nlanding_slots_min = 20\nlanding_slots_max = 20\nvalid_slots = 1000000\n"
BATCH = 2_000


def run(plan: Plan) -> Findings:
    """Memory at rest, at its fullest, and after a long time."""
    crowd, many = plan.size(10_000, 500), plan.size(200_000, 5_000)
    idle, full, early, late, growth = ([] for _ in range(5))
    for _ in range(plan.runs):
        with scratch_daemon(plan.folder, SLOW, OEE_SIM_SPEED="paper") as daemon:
            idle.append(daemon.memory_mib())
            accepted = sum(daemon.place(min(BATCH, crowd - placed)) for placed in range(0, crowd, BATCH))
            if accepted != crowd:
                raise Failed(f"{accepted} of {crowd} orders were accepted")
            until(lambda daemon=daemon: daemon.get("/api/status")["inFlight"] == crowd, "all orders in flight", 50)
            full.append(daemon.memory_mib("VmHWM"))
            daemon.kill()
        with scratch_daemon(plan.folder) as daemon:
            for placed in range(0, many, batch := min(BATCH, many // 10)):
                if placed == many // 10:
                    early.append(daemon.memory_mib())
                daemon.place(batch)
                daemon.settle()
            late.append(daemon.memory_mib())
            growth.append(late[-1] - early[-1])
    return Findings(
        f"{crowd:,} orders in flight at once; {many:,} orders in batches of {batch:,}, delays 0",
        [
            Figure("idle, after the start", "MiB", idle, at_most=90),
            Figure(f"the most, with {crowd:,} orders in flight", "MiB", full, at_most=300),
            Figure(f"after {many // 10:,} orders", "MiB", early),
            Figure(f"after {many:,} orders", "MiB", late),
            Figure("growth between the two", "MiB", growth),
        ],
    )
