"""A nursery of engines that are killed: `python -m tests.order_engine.crashing HOME KILLS SEED`.

Imports everything once, opens nothing and starts no thread; each engine is a fork that trades as fast as it can until it is
killed at a random moment. Every id is written to HOME/accepted after `submit` has answered. The last engine lives until all
its orders have ended. Exit code 0 means that it came to that.
"""

import contextlib
import gc
import os
import signal
import sys
import time  # noqa: TID251 - the moment of a crash is real
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

from order_engine.assembly import assemble
from order_engine.engine import Engine, Submission
from order_engine.errors import Refused
from order_engine.home import Home
from tests.order_engine.given import SOL, USDC, a_request, settings

AT_ONCE = 40  # orders that wait for their answer at most


def fatal(reason: str) -> None:
    os.write(2, f"the journal stopped: {reason}\n".encode())
    os._exit(70)


def an_engine(home: Home) -> Engine:
    """Fast, but with every kind of ending: some transactions expire, some slip, some are too large."""
    engine = assemble(home, settings(home, landing_slots_max=4, valid_slots=3, workers=4), fatal)
    engine.start()
    return engine


def trade(home: Home, dice: Random) -> None:
    """Submits orders until the process is killed."""
    accepted = os.open(home.data_dir.parent / "accepted", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    engine = an_engine(home)
    answers: deque[Future[Submission]] = deque()
    while True:
        amount = dice.randrange(1, 50)
        request = dice.choice((
            a_request(amount_in=amount * SOL // 100),
            a_request(amount_in=amount * SOL // 100, slippage_bps=0),
            a_request(input_token="USDC", output_token="JUP", amount_in=amount * USDC),
            a_request(amount_in=amount * SOL, max_impact_bps=0),
        ))  # fmt: skip
        with contextlib.suppress(Refused):
            answers.append(engine.submit(request))
        while len(answers) >= AT_ONCE or (answers and answers[0].done()):
            os.write(accepted, f"{answers.popleft().result().order.order_id}\n".encode())
        if len(engine._hands) > 4 * AT_ONCE:
            engine._clock.sleep_ms(5)


def finish(home: Home) -> None:
    """Takes up what is left and sees it to its end."""
    engine = an_engine(home)
    left = engine.drain(60_000)
    engine.close()
    os._exit(0 if left == 0 else 1)


def fork(child: Callable[[], None]) -> int:
    process = os.fork()
    if process == 0:
        try:
            child()
        finally:
            os._exit(99)
    return process


def main(home: Home, kills: int, seed: int) -> int:
    dice = Random(seed)
    gc.freeze()
    for number in range(kills):
        process = fork(lambda number=number: trade(home, Random(seed + number)))  # type: ignore[misc]
        time.sleep(dice.uniform(0.03, 0.6))  # not a wait for anything: the moment of the crash
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            return 2  # it ended by itself
    _, status = os.waitpid(fork(lambda: finish(home)), 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Home.at(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])))
