"""Many daemons of one home that start at the same moment: `python -m tests.proofs.crowd ROOT N` prints how each of them ended.

Forked from a process that has imported everything, and held back until all are there, so that they truly race for the lock.
The one that is left is told to stop once the others are gone. Prints one JSON line: exit codes, and what the losers said.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

from order_engine.client import find_daemon
from order_engine.home import Home
from order_engine.simulation.crash_life import ended, fork, import_the_daemon, kill, runs_the_daemon
from tests.waiting import until


def main(root: Path, count: int) -> None:
    import_the_daemon()
    waiting, open_the_door = os.pipe()
    environment = {"OEE_HOME": str(root), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0"}
    started = [fork(partial(_starts, waiting, open_the_door, environment), root / f"out{n}") for n in range(count)]
    os.close(waiting)
    os.close(open_the_door)  # everybody reads the end of the pipe at once
    codes: dict[int, int] = {}

    def all_but_one() -> bool:
        for process in started:
            if process not in codes and (code := ended(process, 0)) is not None:
                codes[process] = code
        return len(codes) >= count - 1

    try:
        until(all_but_one, "the end of all but one", 40)
        (survivor,) = [process for process in started if process not in codes]
        until(lambda: (found := find_daemon(Home.at(root))) is not None and found.pid == survivor, "the survivor")
        losers = [(root / f"out{n}").read_text() for n, process in enumerate(started) if process in codes]
        os.kill(survivor, signal.SIGTERM)
        code = ended(survivor, 10_000)
        if code is not None:
            codes[survivor] = code
    finally:
        for process in started:  # whatever happened: nobody is left behind
            if process not in codes:
                codes[process] = kill(process)
    print(json.dumps({"codes": sorted(codes.values()), "said": sorted(set(losers))}))


def _starts(waiting: int, door: int, environment: dict[str, str]) -> int:
    os.close(door)
    os.read(waiting, 1)
    return runs_the_daemon(environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
