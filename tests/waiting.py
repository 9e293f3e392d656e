"""Waits for a condition, never for a duration. Tests sleep nowhere else."""

import threading
from collections.abc import Callable

_STEP_S = 0.005
_pause = threading.Event()


def until(condition: Callable[[], object], what: str = "the condition", deadline_s: float = 20.0) -> None:
    """Returns as soon as `condition` holds. Fails, naming `what`, when that takes longer than `deadline_s`."""
    for _ in range(int(deadline_s / _STEP_S)):
        if condition():
            return
        _pause.wait(_STEP_S)
    raise AssertionError(f"{what} did not come about within {deadline_s} s")
