"""The life of an order, as one plain generator.

It yields effects and receives their results; it does no I/O and reads no clock. A worker thread and the settlement thread
perform the effects in production, a simulator performs them on a virtual clock: the same life in both. It starts from
whatever the journal knows, so going on after a crash is the same code as going on.

    pending ─► ask the venues ─► build ─► record `submitted` ─► send ─► look until the ledger decides
                    ▲                                                        │
                    └────────── only when the transaction is provably dead ──┘
"""

import hashlib
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import msgspec

from order_engine.errors import EngineError, VenueUnavailable
from order_engine.events import Building, Confirmed, Event, Failed, Routing, Submitted, Unanswered
from order_engine.journal import Write
from order_engine.orders import Order, Status, Transaction
from order_engine.quotes import Ask
from order_engine.router import Answers, Limits, NoRoute, Route, best_route
from order_engine.routes import Leg
from order_engine.venues.snapshot import Snapshot
from order_engine.venues.venue import Landed


class Record(msgspec.Struct, frozen=True):
    """Commit `event` to the journal. Gives the order as it is then; the life ends here if somebody else moved the order.

    `wait` False: what comes next does no harm if this is never stored, so the life may go on before it is. If it was not
    stored, the next record that is waited for cannot be either, and the life ends there. `snapshot`: the pools that the proof in
    the event speaks of, to be kept with it.
    """

    order: Order
    event: Event
    wait: bool = True
    snapshot: Snapshot | None = None


class AskVenues(msgspec.Struct, frozen=True):
    """Ask every venue, and read the pools where they are wanted. Gives Answers."""

    ask: Ask
    pools: bool


class Build(msgspec.Struct, frozen=True):
    """Build and sign, send nothing. Gives a Transaction; VenueUnavailable is thrown in."""

    ask: Ask
    legs: tuple[Leg, ...]
    limit: int
    nonce: str


class Send(msgspec.Struct, frozen=True):
    """Hand the signed bytes to the chain. Gives nothing worth knowing; any EngineError may be thrown in."""

    transaction: Transaction


class Height(msgspec.Struct, frozen=True):
    """Gives the newest block height; VenueUnavailable is thrown in."""


class LookUp(msgspec.Struct, frozen=True):
    """Gives what the ledger says of a signature, or None; VenueUnavailable is thrown in."""

    signature: str


class NextBlock(msgspec.Struct, frozen=True):
    """Gives control back once the chain is beyond this height."""

    beyond: int


class Pause(msgspec.Struct, frozen=True):
    """Gives control back after this many milliseconds."""

    duration_ms: int


Effect = Record | AskVenues | Build | Send | Height | LookUp | NextBlock | Pause


def leads_to_sending(effect: Effect) -> bool:
    """True for the steps of an attempt before its sending; not for those by which a sent order is seen to its end."""
    if isinstance(effect, Record):
        return not effect.wait or isinstance(effect.event, Submitted)
    return isinstance(effect, AskVenues | Build)


Life = Generator[Effect, Any, None]
Step = Generator[Effect, Any, Order]


class Rules(msgspec.Struct, frozen=True):
    """How hard to try. `resend_slots`: the same bytes are sent again after so many blocks without a trace of them."""

    attempts: int = 3
    backoff_ms: int = 500
    resend_slots: int = 10


def life(order: Order, rules: Rules, now: Callable[[], int]) -> Life:
    """Lives `order` to its end, from wherever it stands. `now` gives the wall time that is written on events."""
    unsure = order.status is Status.SUBMITTED  # a crash may have come between the record and the sending
    while not order.status.final:
        if order.status is Status.SUBMITTED:
            order = yield from _settle(order, rules, now, send_again=unsure)
            unsure = False
        else:
            order = yield from _attempt(order, rules, now)


def _attempt(order: Order, rules: Rules, now: Callable[[], int]) -> Step:
    """Route, build, write down, send: the order afterwards, submitted or at its next attempt or failed."""
    if order.status is not Status.ROUTING:
        order = yield Record(order, Routing(now(), attempt=max(order.attempts, 1)), wait=False)
    if order.attempts > 1:
        yield Pause(backoff_ms(order, rules))
    request = order.request
    ask = request.ask
    answers: Answers = yield AskVenues(ask, pools=request.routing == "best")
    route = best_route(ask, answers, limits_of(order))
    if isinstance(route, NoRoute):
        return (yield from _set_back(order, rules, now, route.code, route.message, again=route.again))
    order = yield Record(order, _building(now(), route, answers), wait=False, snapshot=route.snapshot)
    try:
        transaction: Transaction = yield Build(ask, route.legs, route.limit, f"{order.order_id}/{order.attempts}")
    except VenueUnavailable as error:
        return (yield from _set_back(order, rules, now, error.code, error.message))
    # The point of no return. The whole intent is on disk before a byte leaves, so that no crash can forget a signature.
    order = yield Record(order, _submitted(now(), ask, route, transaction))
    try:
        yield Send(transaction)
    except EngineError as error:  # whatever the answer was: from here on the ledger alone decides
        order = yield Record(order, Unanswered(now(), error.message))
    return order


def limits_of(order: Order) -> Limits:
    """What the order demands of every route it may take."""
    request = order.request
    single = request.routing == "single"
    return Limits(request.slippage_bps, request.max_impact_bps, request.min_out, order.ceiling, single)


def _building(at: int, route: Route, answers: Answers) -> Building:
    return Building(
        at,
        route.dex,
        route.pool,
        route.amount_out,
        answers.offers,
        route.reason,
        quoted_in=route.amount_in,
        legs=route.legs,
        proof=route.proof,
    )


def _submitted(at: int, ask: Ask, route: Route, transaction: Transaction) -> Submitted:
    if ask.exact == "out":
        return Submitted(at, route.dex, transaction, ask.amount, max_in=route.limit)
    return Submitted(at, route.dex, transaction, route.limit)


def _settle(order: Order, rules: Rules, now: Callable[[], int], *, send_again: bool) -> Step:
    """Watch a sent transaction until the ledger decides: confirmed, or provably dead and so at the next attempt or failed."""
    transaction = order.transaction
    assert transaction is not None  # a submitted order has one: lifecycle.apply puts it there
    sent_at: int | None = None
    while True:
        height: int | None = None
        landed: Landed | None = None
        try:
            # First the height, then the ledger. Only in this order does "not found" prove anything: whatever could
            # still land at that height has been seen by a look that came later.
            height = yield Height()
            landed = yield LookUp(transaction.signature)
        except VenueUnavailable:
            yield Pause(rules.backoff_ms or 50)  # silence is not failure: the order stays as it is
            continue
        if landed is not None:
            return (yield from _decided(order, rules, now, landed))
        if height > transaction.last_valid_height:
            words = (
                f"transaction {transaction.signature[:8]}… did not land by height {transaction.last_valid_height}, "
                f"the chain is at {height}. Nothing was sold."
            )
            return (yield from _set_back(order, rules, now, "transaction_expired", words))
        sent_at = height if sent_at is None else sent_at
        if send_again or height - sent_at >= rules.resend_slots:
            send_again, sent_at = False, height
            with suppress(EngineError):  # the ledger will tell
                yield Send(transaction)  # the same signature: it cannot land twice
        yield NextBlock(height)


def _decided(order: Order, rules: Rules, now: Callable[[], int], landed: Landed) -> Step:
    """The ledger knows the transaction: it did its swap, or it failed there and can never do it."""
    if landed.error_code is not None:
        return (yield from _set_back(order, rules, now, landed.error_code, landed.error or landed.error_code))
    assert order.routed_dex is not None  # both were recorded with the route
    assert order.quoted_out is not None
    confirmed: Order = yield Record(
        order,
        Confirmed(
            now(),
            tx_hash=landed.signature,
            routed_dex=order.routed_dex,
            quoted_out=order.quoted_out,
            amount_out=landed.amount_out,
            fee=landed.fee,
            fee_token=landed.fee_token,
            network_fee=landed.network_fee,
            height=landed.height,
            quoted_in=order.quoted_in,
            amount_in=landed.amount_in,
            fills=landed.fills,
        ),
    )
    return confirmed


def _set_back(
    order: Order, rules: Rules, now: Callable[[], int], code: str, message: str, *, again: bool = True
) -> Step:
    """This attempt is dead for certain: the next one, or `failed` when none is left or trying again is pointless."""
    step: Event
    if again and order.attempts < rules.attempts:
        step = Routing(now(), order.attempts + 1, previous_error_code=code, previous_error=message)
    else:
        mixed = again and any(earlier != code for earlier in order.setbacks)
        words = f"{message} Tried {order.attempts} times, earlier: {', '.join(order.setbacks)}." if mixed else message
        step = Failed(now(), "attempts_exhausted" if mixed else code, words, order.attempts)
    after: Order = yield Record(order, step)
    return after


def backoff_ms(order: Order, rules: Rules) -> int:
    """The pause before this attempt: doubling from `rules.backoff_ms`, ±20 % by order and attempt so that a crowd spreads."""
    base = rules.backoff_ms << max(order.attempts - 2, 0)
    digest = hashlib.blake2b(f"{order.order_id}/{order.attempts}".encode(), digest_size=4).digest()
    return base * (80 + int.from_bytes(digest, "big") % 41) // 100


class Living:
    """A life together with the effect that it waits for. Drivers perform `effect` and answer with `resume` or `throw`.

    `unwaited` is the driver's: the last record that it did not wait for, on which the next one depends.
    """

    __slots__ = ("_life", "effect", "order_id", "unwaited")

    def __init__(self, order: Order, rules: Rules, now: Callable[[], int]) -> None:
        self.order_id = order.order_id
        self.unwaited: Write | None = None
        self._life = life(order, rules, now)
        self.effect: Effect | None = None
        self.resume(None)

    def resume(self, result: object) -> None:
        """Answers the effect; `effect` is then the next one, or None at the end of this life."""
        try:
            self.effect = self._life.send(result)
        except StopIteration:
            self.effect = None

    def throw(self, error: EngineError) -> None:
        """Answers the effect with an expected error."""
        try:
            self.effect = self._life.throw(error)
        except StopIteration:
            self.effect = None
