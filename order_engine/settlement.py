"""Watches everything in flight, all orders in one thread, and never waits for any single one of them.

It performs the quick effects of a life: records, without waiting for their commit; the sending, once it is recorded; heights,
look-ups and pauses. When a life wants a worker again (another attempt), it is parked and its id goes back to the queue.
"""

import heapq
import itertools
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial

from order_engine.clock import Clock
from order_engine.errors import EngineError
from order_engine.events import Recorded
from order_engine.execution import (
    AskVenues,
    Build,
    Height,
    Living,
    LookUp,
    NextBlock,
    Pause,
    Record,
    Send,
    leads_to_sending,
)
from order_engine.failpoints import failpoint
from order_engine.halt import Halt
from order_engine.journal import Journal, Superseded
from order_engine.venues.venue import Chain
from order_engine.workers import Hands

_log = logging.getLogger(__name__)

_Message = Callable[[], None]


class SettlementWatch:
    """One thread that sends what is recorded and carries it to the ledger's decision. `back_to_queue` gets ids that want a
    worker."""

    def __init__(
        self,
        journal: Journal,
        chain: Chain,
        clock: Clock,
        hands: Hands,
        back_to_queue: Callable[[str], None],
        halt: Halt,
    ) -> None:
        self._journal = journal
        self._chain = chain
        self._clock = clock
        self._hands = hands
        self._back_to_queue = back_to_queue
        self._halt = halt
        self._inbox: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._for_block: list[tuple[int, Living]] = []  # the height to get beyond, and who waits
        self._pauses: list[tuple[float, int, Living]] = []  # heap by due time
        self._tie = itertools.count()
        self._thread = threading.Thread(target=self._run, name="settlement", daemon=True)

    def start(self) -> None:
        """Begins to watch, and listens to the chain's blocks."""
        self._chain.on_block(lambda height: self._inbox.put(partial(self._on_block, height)))
        self._thread.start()

    def stop(self) -> None:
        """Stops watching. What is in flight is on disk; the next start goes on with it."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def watch(self, living: Living) -> None:
        """Takes over a life. Returns at once; callable from any thread."""
        self._inbox.put(partial(self._advance, living))

    def _run(self) -> None:
        while True:
            try:
                message = self._inbox.get(timeout=self._until_next_pause())
            except queue.Empty:
                self._end_pauses()
                continue
            if message is None:
                return
            message()
            self._end_pauses()

    def _until_next_pause(self) -> float | None:
        if not self._pauses:
            return None
        return max(self._pauses[0][0] - self._clock.steady_ms(), 0) / 1_000

    def _end_pauses(self) -> None:
        now = self._clock.steady_ms()
        while self._pauses and self._pauses[0][0] <= now:
            self._advance(heapq.heappop(self._pauses)[2], answer=(None,))

    def _on_block(self, height: int) -> None:
        waiting, self._for_block = self._for_block, []
        for beyond, living in waiting:
            if height > beyond:
                self._advance(living, answer=(height,))
            else:
                self._for_block.append((beyond, living))

    def _advance(self, living: Living, answer: tuple[object] | None = None) -> None:
        """Gives the life the answer it waited for, if there is one, and performs effects until it has to wait again, is
        handed on, or is over. A bug ends here, loudly, and for this life alone."""
        try:
            if answer is not None:
                living.resume(answer[0])
            while (effect := living.effect) is not None:
                if self._halt.on and leads_to_sending(effect):
                    self._hands.hold_back(living.order_id)
                    return
                match effect:
                    case Height() | LookUp() | Send():
                        self._ask_chain(living, effect)
                    case NextBlock(beyond=beyond):
                        # No block is missed: the chain shows a height before it announces it, and the announcement
                        # of any later one than this life has seen is still in the inbox, or to come.
                        self._for_block.append((beyond, living))
                        return
                    case Pause(duration_ms=duration_ms):
                        due = self._clock.steady_ms() + duration_ms
                        heapq.heappush(self._pauses, (due, next(self._tie), living))
                        failpoint("in-backoff")
                        return
                    case Record():
                        failpoint("outcome-seen", [effect])
                        then = partial(self._committed, living)
                        self._journal.record(effect.order, effect.event, then, before=living.unwaited)
                        living.unwaited = None
                        return
                    case AskVenues() | Build():
                        self._hands.park(living)
                        self._back_to_queue(living.order_id)
                        return
            self._hands.drop(living.order_id)
        except Exception:
            _log.exception("a life broke off", extra={"facts": {"order": living.order_id}})
            self._hands.drop(living.order_id)

    def _ask_chain(self, living: Living, effect: Height | LookUp | Send) -> None:
        result: object
        try:
            match effect:
                case Height():
                    result = self._chain.height()
                case LookUp():
                    result = self._chain.look_up(effect.signature)
                case Send():
                    with self._halt.sending():
                        failpoint("before-send")
                        self._chain.send(effect.transaction)
                        failpoint("mid-submit")
                    result = None
        except EngineError as error:
            living.throw(error)
        else:
            living.resume(result)

    def _committed(self, living: Living, answer: Recorded | Exception) -> None:
        """In the journal's thread: passes the answer on to this one."""
        self._inbox.put(partial(self._after_commit, living, answer))

    def _after_commit(self, living: Living, answer: Recorded | Exception) -> None:
        if isinstance(answer, Recorded):
            self._advance(living, answer=(answer.order,))
            return
        if isinstance(answer, Superseded):
            _log.info("order moved elsewhere", extra={"facts": {"order": living.order_id}})
        else:
            _log.error("a record was not taken", extra={"facts": {"order": living.order_id, "error": str(answer)}})
        self._hands.drop(living.order_id)  # the sweeper takes it up again from the journal
