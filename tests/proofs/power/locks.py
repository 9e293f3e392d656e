"""Another process locks the journal, callers wait: `python -m tests.proofs.power.locks SECONDS…` says how long, and what for."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from order_engine.clock import SystemClock
from order_engine.errors import StorageUnavailable
from order_engine.home import Home
from tests.order_engine.given import SOL, a_request, an_engine, rows

CLIENTS = 4
HOLDER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
db.execute("ROLLBACK")
print("free", flush=True)
"""


class Held(NamedTuple):
    """What happened while the lock was held."""

    seconds: float
    accepted: int
    refused: int
    stored: int
    stall_ms_max: float  # the longest that a caller waited for his answer
    read_ms_max: float  # the longest that a reader waited
    resumed_ms: float  # from the end of the lock to the next accepted order
    left_open: int


def hold(root: Path, seconds: float) -> Held:
    """Callers that submit and read without a pause, while another process holds BEGIN EXCLUSIVE."""
    clock = SystemClock()
    stalls: list[float] = []
    reads: list[float] = []
    accepted: list[str] = []
    refused: list[str] = []
    released: list[float] = []
    resumed: list[float] = []
    path = Home.at(root).journal
    with ExitStack() as stack:
        engine = stack.enter_context(an_engine(root, workers=2))
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        first = engine.submit(a_request(amount_in=SOL // 10)).result(20).order
        command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
        holder = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"

        def call(client: int) -> None:
            for number in range(10_000):
                begun = clock.steady_ms()
                try:
                    order = (
                        engine.submit(a_request(client_order_id=f"{client}-{number}", amount_in=SOL // 10))
                        .result(30)
                        .order
                    )
                except StorageUnavailable:
                    refused.append(f"{client}-{number}")
                    stalls.append(clock.steady_ms() - begun)
                else:
                    accepted.append(order.order_id)
                    stalls.append(clock.steady_ms() - begun)
                    resumed.append(clock.steady_ms())
                begun = clock.steady_ms()
                engine.order(first.order_id)
                reads.append(clock.steady_ms() - begun)
                if released:
                    return

        calls = [pool.submit(call, client) for client in range(CLIENTS)]
        assert holder.stdout.readline() == "free\n"
        released.append(clock.steady_ms())
        for each in calls:
            each.result(60)
        left = engine.drain(30_000)
    keys = {key for (key,) in rows(path, "SELECT client_order_id FROM orders WHERE client_order_id IS NOT NULL")}
    ids = {order_id for (order_id,) in rows(path, "SELECT id FROM orders")}
    assert set(accepted) <= ids, "an accepted order is not there"
    assert not keys & set(refused), "a refused order is there"
    after = [at for at in resumed if at >= released[0]]
    return Held(
        seconds,
        len(accepted),
        len(refused),
        len(keys),
        max(stalls),
        max(reads),
        min(after) - released[0] if after else 0.0,
        left,
    )


if __name__ == "__main__":
    for text in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            print(hold(Path(folder), float(text)))
