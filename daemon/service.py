"""What the routes reach through Litestar's state: the engine, the hub, and the facts about this daemon.

One value under one name, so that a route has one line to get all that it may use, and no other way to get more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

from daemon.live import Hub
from daemon.metrics import Counts
from order_engine.engine import Engine, Submission
from order_engine.messages import Record
from order_engine.orders import OrderRequest

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32  # a comparison holds one as long as the slowest venue takes


class Service:
    """Everything that a request can touch."""

    def __init__(self, engine: Engine, hub: Hub, counts: Counts, daemon: Record) -> None:
        self.engine = engine
        self.hub = hub
        self.counts = counts
        self.daemon = daemon
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._loop = asyncio.get_running_loop()
        self._answered: deque[asyncio.Future[None]] = deque()
        self._crossing = False  # into the event loop: called, and not come yet

    async def in_thread(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """The result of a call that blocks, without blocking anybody else."""
        return await self._loop.run_in_executor(self._threads, lambda: call(*arguments, **named))

    async def submit(self, request: OrderRequest) -> "Future[Submission]":
        """As `Engine.submit`, which plans some orders first: those do not hold up the others."""
        if request.is_open_ended:
            return await self.in_thread(self.engine.submit, request)
        return self.engine.submit(request)

    async def committed(self, answer: "Future[T]") -> T:
        """What the engine answers once it is on disk. Giving up the wait does not call it back: it may be there already."""
        if not answer.done():
            here = self._loop.create_future()
            answer.add_done_callback(lambda _: self._came(here))
            await here
        return answer.result()

    def _came(self, here: "asyncio.Future[None]") -> None:
        """In another thread. One crossing into the event loop serves everything that was answered until it comes."""
        self._answered.append(here)
        if not self._crossing:
            self._crossing = True
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._crossing = False  # before looking: what comes from now on calls again
        while self._answered:
            here = self._answered.popleft()
            if not here.done():
                here.set_result(None)


def service_of(scope: Mapping[str, Any]) -> Service:
    """The service behind a request or a WebSocket."""
    return cast(Service, scope["litestar_app"].state.service)
