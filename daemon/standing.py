"""What everything in the daemon is doing at this moment, for the log: `kill -USR1 PID` asks for it, and nothing else changes.

For the day on which something stands still and nobody knows why. Only places in the code and numbers of events: the line may be
shown to anybody.
"""

import asyncio
import logging
from collections.abc import Iterator
from types import CoroutineType, FrameType
from typing import Any

from daemon.live import Hub
from order_engine.stacks import thread_stacks

log = logging.getLogger("daemon.standing")


def tell(loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
    """Writes one line with the stacks of all threads and all tasks, and how far each reader of events has come."""
    tasks = sorted(" < ".join(_places(task.get_coro())) for task in asyncio.all_tasks(loop))
    facts = {"threads": thread_stacks(), "tasks": tasks, "readers": hub.standing(), "seq": hub.engine.last_seq()}
    log.warning("where everything stands", extra={"facts": facts})


def _places(waiting: Any) -> Iterator[str]:
    """From what a task began with down to what it waits for."""
    while isinstance(waiting, CoroutineType):
        frame: FrameType | None = waiting.cr_frame
        if frame is not None:
            yield f"{waiting.__qualname__}:{frame.f_lineno}"
        waiting = waiting.cr_await
