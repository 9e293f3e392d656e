"""The engine: its whole public surface. Submit, cancel, retry, compare, and read; `assembly` puts one together.

Everything here is safe to call from any thread. What is slow says so.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import NamedTuple

import uuid_utils
from msgspec.structs import replace

from order_engine import __version__, logbook, messages
from order_engine.amounts import BPS, div_ceil
from order_engine.checks import check_capacity, check_pair, check_size
from order_engine.clock import DAY_MS, Clock, timestamp
from order_engine.disk_room import DiskRoom
from order_engine.errors import Draining, DuplicateKey, NotFound, Refused, TooLateToCancel
from order_engine.events import Building, Cancelled, LogEntry, Pending, Recorded
from order_engine.failpoints import failpoint
from order_engine.feed import Feed
from order_engine.halt import Halt
from order_engine.journal import Journal, Superseded
from order_engine.journal import OrderQuery as OrderQuery
from order_engine.lifecycle import IllegalStep
from order_engine.lookout import Lookout
from order_engine.messages import Record
from order_engine.orders import Order, OrderRequest, Status
from order_engine.pace import MINUTE_MS, Pace
from order_engine.proofs import plan_of
from order_engine.quotes import Ask, Offer
from order_engine.recovery import Sweeper, requeue_missing
from order_engine.router import Limits, NoRoute, Route, ask_venues, best_route, planned
from order_engine.routes import NoPlan, Routing
from order_engine.routing.receipts import Receipt, unpack
from order_engine.settings import Settings
from order_engine.settlement import SettlementWatch
from order_engine.tally import Tally
from order_engine.venues.simulated.faults import Script
from order_engine.venues.venue import Chain, Venue
from order_engine.wallet import Wallet
from order_engine.work_queue import WorkQueue
from order_engine.workers import Hands, Workers

ROOM_BPS = 500  # beyond the price of now, for an order that says only what it wants to receive
EVENTS_OF_AN_ORDER = 1_000

_log = logging.getLogger(__name__)


class Submission(NamedTuple):
    """The answer to a submit. `created` is False when the same key had brought the same order before."""

    order: Order
    created: bool


class Comparison(NamedTuple):
    """Every venue's offer for an ask, the route that would be chosen, and why."""

    ask: Ask
    offers: tuple[Offer, ...]
    route: Route | None
    reason: str


class Page(NamedTuple):
    """Orders, newest last; `next` is the cursor of the page before it in time, or None."""

    items: list[Order]
    next: str | None


class Engine:
    """Orders in, outcomes out. `assembly.assemble` makes one."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        journal: Journal,
        feed: Feed,
        halt: Halt,
        tally: Tally,
        queue: WorkQueue,
        hands: Hands,
        workers: Workers,
        settlement: SettlementWatch,
        wallet: Wallet,
        room: DiskRoom,
        venues: Sequence[Venue],
        chain: Chain,
        block_ms: int,
        faults: Script,
        comparing: Executor,
        start_chain: Callable[[], None],
        stop_chain: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.feed = feed
        self.faults = faults
        self._clock = clock
        self._journal = journal
        self._halt = halt
        self._tally = tally
        self._queue = queue
        self._hands = hands
        self._workers = workers
        self._settlement = settlement
        self._wallet = wallet
        self._room = room
        self._venues = venues
        self._chain = chain
        self._block_ms = block_ms
        self._comparing = comparing
        self._start_chain = start_chain
        self._stop_chain = stop_chain
        self._sweeper = Sweeper(journal, queue, hands)
        self._lookout = Lookout(venues, chain, clock, lambda: not self._tally.open)
        self._pace = Pace(settings.max_orders_per_minute, clock, self._accepted_lately())
        self._accepting = threading.Lock()  # between the check for room, or for a key, and the taking of it
        self._coming: dict[str, Future[Submission]] = {}  # by client order id: their commit is under way
        self._draining = False
        self._started_at = clock.now_ms()
        self._started_steady = clock.steady_ms()
        self._all_settled = threading.Condition()

    # life

    def start(self) -> None:
        """Takes up every unfinished order, then begins to work. Returns at once."""
        today = self._clock.now_ms() // DAY_MS
        self._tally.ended_before(self._journal.ended_on(today), today)
        unfinished = self._journal.open_orders()
        for order in unfinished:
            self._wallet.hold(order.order_id, order.request.input_token, order.most_in, checked=False)
            self._tally.opened(order)
            self.faults.learn(order)
        self.feed.subscribe(self._after_commit)
        self.feed.subscribe(logbook.note)
        self._start_chain()
        self._settlement.start()
        self._queue.begin()
        self._sweeper.start()  # and it puts them into the queue: with thousands of them nobody has to wait for that
        self._lookout.start()
        _log.info("engine started", extra={"facts": {"resumed": len(unfinished), "seq": self._journal.last_seq()}})

    def drain(self, timeout_ms: int) -> int:
        """Refuses new orders, lets the open ones finish for so long, then stops all work. Returns how many are left open.

        Those are safe: they are on disk, and the next start goes on with them.
        """
        self._draining = True
        failpoint("in-drain")
        with self._all_settled:
            self._all_settled.wait_for(lambda: self._moving() == 0, timeout_ms / 1_000)
        self._workers.stopping = True
        self._queue.end(timeout_s=1.0)
        return self._tally.open

    def close(self) -> None:
        """Stops everything and closes the files. Call `drain` first, unless a crash is to be played."""
        self._sweeper.stop()
        self._lookout.stop()
        self._settlement.stop()
        self._journal.close()
        self._queue.close()  # after the journal, whose last commits may put something into it
        self._stop_chain()
        self._comparing.shutdown(wait=False, cancel_futures=True)

    def _after_commit(self, recorded: Sequence[Recorded]) -> None:
        """In the journal's thread, after each commit: new orders go to the queue, finished ones give free what they held."""
        for each in recorded:
            self._tally.count(each)
            if each.order.status.final:
                self._wallet.release(each.order.order_id)
        new = [each.order for each in recorded if each.order.version == 1]
        if new:
            self._queue.put_all([order.order_id for order in new])  # if this fails, the sweeper finds the orders
            failpoint("after-enqueue")
            self._lookout.expect(new[-1].request)
        if self._moving() == 0:
            self._lookout.wake()
            with self._all_settled:
                self._all_settled.notify_all()

    def _moving(self) -> int:
        """How many orders may still change by themselves: all that are open, or those in flight while trading is halted."""
        return self._tally.in_flight() if self._halt.on else self._tally.open

    def _accepted_lately(self) -> list[int]:
        """When the orders of the last minute were accepted, as far as the limit asks for it."""
        if (limit := self.settings.max_orders_per_minute) is None:
            return []
        query = OrderQuery(since_ms=self._clock.now_ms() - MINUTE_MS, limit=limit)
        return [order.created_at for order in self._journal.orders(query)[0]]

    # orders

    def submit(self, request: OrderRequest, retry_of: str | None = None) -> "Future[Submission]":
        """Accepts an order: the future has it once it is on disk.

        Raises Draining, Halted, Busy, Refused or StorageUnavailable when nothing was stored, and DuplicateKey when the client order
        id belongs to another order (or fails with it, while that one is being written); the same order under the same id is
        given again. Slow, milliseconds, for a request that `is_open_ended`.
        """
        if self._draining:
            raise Draining(
                "The daemon is stopping and takes no new orders. Nothing was stored.", hint="Try again soon."
            )
        ceiling = None if request.receive is None else request.max_in
        if request.is_open_ended:  # planned before the lock is taken, in which all others would wait for it
            with self._accepting:
                if (known := self._known(request)) is not None:
                    return known
            self._check(request)
            ceiling = self._about(request)
        key, order_id, answer = request.client_order_id, str(uuid_utils.uuid7()), _promise()
        with self._accepting:
            if (known := self._known(request)) is not None:
                return known
            self._check(request)
            check_size(request, self.settings.max_order_usd)
            self._pace.check()
            check_capacity(len(self._wallet), self.settings.max_open_orders)
            self._room.check()
            if ceiling is None:
                self._wallet.hold(order_id, request.input_token, request.amount_in)
            else:
                self._wallet.hold(order_id, request.input_token, ceiling, field="receive")
            self._pace.note()
            if key is not None:
                self._coming[key] = answer

        def pass_on(outcome: Recorded | Exception) -> None:
            if key is not None:
                with self._accepting:
                    del self._coming[key]
            if isinstance(outcome, Recorded):
                answer.set_result(Submission(outcome.order, created=True))
            else:
                self._wallet.release(order_id)
                answer.set_exception(outcome)

        self._journal.accept(order_id, Pending(self._clock.now_ms(), request, retry_of, ceiling), pass_on)
        return answer

    def _known(self, request: OrderRequest) -> "Future[Submission] | None":
        """The answer where the client order id is known already; only to be asked under the lock.

        First those whose commit is under way, then those on disk: what is in neither is new.
        """
        if (key := request.client_order_id) is None:
            return None
        if (coming := self._coming.get(key)) is not None:
            return _once_it_came(coming, request)
        if (earlier := self._journal.order_by_key(key)) is None:
            return None
        answer = _promise()
        answer.set_result(_same_order(earlier, request))
        return answer

    def _check(self, request: OrderRequest) -> None:
        """Raises Halted, or Refused where no venue trades the pair."""
        self._halt.check()
        check_pair(request, self._venues)

    def _about(self, request: OrderRequest) -> int:
        """What an order that is to receive an amount may take at most, where its user does not say: what the pools ask for now, his
        slippage, and some room for a market that moves before he is served. Raises Refused where no pools have as much."""
        found = planned(request.ask, self._chain.snapshot(), single=request.routing == "single")
        if isinstance(found, NoPlan):
            raise Refused(f"Nobody sells {request.output_token}: {found.message}. Nothing was sent.", code="no_route")
        return div_ceil(found.plan.amount_in * (BPS + request.slippage_bps + ROOM_BPS), BPS)

    def retry(
        self, order_id: str, slippage_bps: int | None = None, client_order_id: str | None = None
    ) -> "Future[Submission]":
        """Submits the same order anew, linked to the old one, under a key of its own if one is given.

        Raises NotFound, Refused unless the old one is dead, and else as `submit`.
        """
        order = self.order(order_id)
        if order.status not in (Status.FAILED, Status.CANCELLED, Status.EXPIRED):
            raise Refused(
                f"Order {order_id} is {order.status}: only an order that was definitely not executed can be retried. "
                "Nothing was sent.",
                code="not_retryable",
                hint=f"oee wait {order_id}" if not order.status.final else None,
            )
        slippage = order.request.slippage_bps if slippage_bps is None else slippage_bps
        request = replace(order.request, slippage_bps=slippage, client_order_id=client_order_id)
        return self.submit(request, retry_of=order_id)

    def cancel(self, order_id: str) -> Order:
        """The cancelled order. Waits for the commit. Raises NotFound, or TooLateToCancel once it was sent or is over."""
        while True:
            order = self.order(order_id)
            if order.status is Status.CANCELLED:
                return order
            try:
                return self._journal.append(order, Cancelled(self._clock.now_ms(), "by request")).result().order
            except IllegalStep:
                raise _too_late(order) from None
            except Superseded:
                continue  # a worker was faster: look again at where it stands now

    def halt(self) -> None:
        """Stops trading at once, and for every start to come: nothing is accepted or sent once this returns.

        What was sent is watched to its end; the other open orders wait. Raises StorageUnavailable when only this start could
        be told.
        """
        self._halt.halt()
        _log.warning(
            "trading halted", extra={"facts": {"open": self._tally.open, "in_flight": self._tally.in_flight()}}
        )

    def resume(self) -> None:
        """Lets trading go on, and the orders that waited. Raises StorageUnavailable, still halted."""
        was_halted = self._halt.on
        self._halt.resume()
        if was_halted:
            waited = requeue_missing(self._journal, self._queue, self._hands)
            _log.info("trading resumed", extra={"facts": {"waited": waited}})

    def cancel_open(self) -> list[Order]:
        """Cancels every open order that was not sent; returns those. Waits for the commits, which are made together."""
        begun = []
        for order in self._journal.open_orders():
            with suppress(IllegalStep):
                begun.append((order, self._journal.append(order, Cancelled(self._clock.now_ms(), "by request"))))
        cancelled = []
        for order, done in begun:
            try:
                cancelled.append(done.result().order)
            except Superseded:  # a worker was faster: it may have been sent by now
                with suppress(TooLateToCancel):
                    cancelled.append(self.cancel(order.order_id))
        return cancelled

    def compare(self, ask: Ask, routing: Routing) -> Comparison:
        """Asks all venues and says how an order would be routed. Takes as long as they do; stores nothing."""
        settings = self.settings
        read = self._chain.snapshot if routing == "best" else None
        answers = ask_venues(self._venues, read, ask, settings.quote_deadline_ms, self._comparing)
        limits = Limits(settings.slippage_bps, settings.max_impact_bps, single=routing == "single")
        route = best_route(ask, answers, limits)
        if isinstance(route, NoRoute):
            return Comparison(ask, answers.offers, None, route.message)
        return Comparison(ask, answers.offers, route, route.reason)

    def receipt(self, order_id: str) -> Receipt:
        """The plan of an order's newest route, its proof, and the pools that it speaks of. Raises NotFound."""
        self.order(order_id)
        for entry in reversed(self._journal.events(0, EVENTS_OF_AN_ORDER, order_id)):
            event, ask = entry.event, entry.request.ask
            if isinstance(event, Building) and event.proof is not None:
                packed = self._journal.pools(event.proof.digest)
                if packed:
                    plan = plan_of(ask, (event.quoted_in or 0, event.quoted_out), event.legs, event.proof)
                    return Receipt(plan, event.proof, unpack(packed))
        raise NotFound(
            f"Order {order_id} has no receipt: it was not routed over all pools.",
            hint="Only routes that were sought over all pools have one: oee submit … --route best",
        )

    # reading

    def order(self, order_id: str) -> Order:
        """The order as it is on disk. Raises NotFound."""
        order = self._journal.order(order_id)
        if order is None:
            raise NotFound(f"No order {order_id} in this home.", hint="See them: oee list")
        return order

    def orders(self, query: OrderQuery) -> Page:
        """A page of orders, newest last."""
        items, cursor = self._journal.orders(query)
        return Page(items, None if cursor is None else str(cursor))

    def events(self, since: int, limit: int, order_id: str | None = None) -> list[LogEntry]:
        """Events after `since`, oldest first; of one order where an id is given."""
        return self._journal.events(since, limit, order_id)

    def seq_before(self, at_ms: int) -> int:
        """The number of the last event older than this wall time."""
        return self._journal.seq_before(at_ms)

    def last_seq(self) -> int:
        """The number of the newest event."""
        return self._journal.last_seq()

    def venues(self) -> list[Record]:
        """`oee.venue/1` of each venue, with how it has served since the start."""
        return [
            messages.venue_record(venue.name, len(venue.pools()), self._tally.venue(venue.name))
            for venue in self._venues
        ]

    def pools(self, pair: tuple[str, str] | None = None) -> list[Record]:
        """`oee.pool/1` of each pool, or of those that trade this pair in either direction."""
        wanted = frozenset(pair) if pair else None
        views = [view for venue in self._venues for view in venue.pools()]
        return [messages.pool_record(v) for v in views if wanted is None or wanted == {v.token_a, v.token_b}]

    def balances(self) -> list[Record]:
        """`oee.balance/1` of each token."""
        return [messages.balance_record(token, *units) for token, units in self._wallet.balances().items()]

    def metrics(self) -> dict[str, int]:
        """Counters and levels for `/metrics`, by name."""
        return {
            "commits": self._journal.commits,
            "seq": self._journal.last_seq(),
            "queue_depth": self._queue.depth(),
            "workers": self._queue.alive(),
            "in_hand": len(self._hands),
            "height": self._chain.height(),
        } | self._tally.metrics()

    def status(self) -> Record:
        """`oee.status/1`."""
        return {
            "schema": messages.STATUS,
            "version": __version__,
            "status": self._condition(),
            "halted": self._halt.on,
            "haltedAt": None if (since := self._halt.since_ms) is None else timestamp(since),
            "speed": self.settings.speed,
            "startedAt": timestamp(self._started_at),
            "uptimeMs": int(self._clock.steady_ms() - self._started_steady),
            "seq": self._journal.last_seq(),
            "height": self._chain.height(),
            "blockMs": self._block_ms,
            "queue": self._queue.depth(),
            "workers": self._queue.alive(),
            "attempts": self.settings.attempts,
        } | self._tally.status()

    def _condition(self) -> str:
        if self._draining:
            return "draining"
        if self._queue.hanging():
            return "unhealthy"
        return "halted" if self._halt.on else "ok"


def _promise() -> "Future[Submission]":
    """A future that its reader cannot take back: the order is stored, or not, whether or not anybody waits to hear of it."""
    answer: Future[Submission] = Future()
    answer.set_running_or_notify_cancel()
    return answer


def _once_it_came(coming: "Future[Submission]", request: OrderRequest) -> "Future[Submission]":
    """What the order that is being written under the same key answers to a second one."""
    answer = _promise()

    def pass_on(done: "Future[Submission]") -> None:
        try:
            answer.set_result(_same_order(done.result().order, request))
        except Exception as reason:
            answer.set_exception(reason)

    coming.add_done_callback(pass_on)
    return answer


def _same_order(earlier: Order, request: OrderRequest) -> Submission:
    if replace(earlier.request, routing=request.routing) != request:  # how a route is sought is not what was ordered
        raise DuplicateKey(
            f"The key {request.client_order_id} was used before for another order ({earlier.order_id}). Nothing was stored.",
            field="clientOrderId",
            hint=f"Use a new key, or look: oee show {earlier.order_id}",
        )
    return Submission(earlier, created=False)


def _too_late(order: Order) -> TooLateToCancel:
    if order.status.final:
        return TooLateToCancel(f"Order {order.order_id} is {order.status}: there is nothing left to cancel.")
    return TooLateToCancel(
        f"Too late: order {order.order_id} was already sent to {order.routed_dex}. Nothing was changed.",
        hint=f"oee wait {order.order_id}",
    )
