from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from order_engine.errors import OutcomeUnknown, Refused, VenueUnavailable
from order_engine.events import Building, Confirmed, Event, Failed, Pending, Routing, Submitted, Unanswered
from order_engine.execution import (
    AskVenues,
    Build,
    Effect,
    Height,
    Living,
    LookUp,
    NextBlock,
    Pause,
    Record,
    Rules,
    Send,
    backoff_ms,
)
from order_engine.lifecycle import apply, begin
from order_engine.orders import Order, Status, Transaction
from order_engine.quotes import Ask, Declined
from order_engine.router import Answers
from order_engine.routes import Fill
from order_engine.venues.venue import Landed
from tests.order_engine.given import SOL, TRANSACTION, a_quote, a_request, an_order

RULES = Rules(attempts=3, backoff_ms=500, resend_slots=10)
LAST = TRANSACTION.last_valid_height
LANDED = Landed(TRANSACTION.signature, height=7, network_fee=5_000, amount_out=999_000, fee=2_500, fee_token="SOL")
SLIPPED = Landed(
    TRANSACTION.signature, height=7, network_fee=5_000, error_code="slippage_exceeded", error="The chain refused."
)
SILENT = (Declined("raydium", "venue_unavailable", "down"), Declined("meteora", "venue_unavailable", "down"))
E = TypeVar("E", bound=Effect)
F = TypeVar("F", bound=Event)


class Driven:
    """A life whose effects the test performs. Records are kept, as the journal would."""

    def __init__(self, order: Order, rules: Rules = RULES) -> None:
        self.order = order
        self.living = Living(order, rules, lambda: 9_000)

    @property
    def over(self) -> bool:
        return self.living.effect is None

    def wants(self, kind: type[E]) -> E:
        effect = self.living.effect
        assert isinstance(effect, kind), f"{kind.__name__} expected, {effect} wanted"
        return effect

    def give(self, kind: type[E], result: Any = None) -> E:
        effect = self.wants(kind)
        if isinstance(result, Exception):
            self.living.throw(result)  # type: ignore[arg-type]  # expected errors only
        else:
            self.living.resume(result)
        return effect

    def records(self, kind: type[F]) -> F:
        effect = self.wants(Record)
        assert isinstance(effect.event, kind), f"{kind.__name__} expected, {effect.event} recorded"
        assert effect.order == self.order
        self.order = apply(self.order, effect.event)
        self.living.resume(self.order)
        return effect.event

    def quotes(self, *offers: Any) -> None:
        self.give(AskVenues, Answers(offers or (a_quote(),)))

    def builds(self, transaction: Transaction = TRANSACTION) -> None:
        self.records(Building)
        self.give(Build, transaction)
        self.records(Submitted)

    def looks(self, height: int, landed: Landed | None) -> None:
        self.give(Height, height)
        self.give(LookUp, landed)


def submitted(rules: Rules = RULES) -> Driven:
    """A life whose transaction has just been sent and taken."""
    driven = Driven(an_order(), rules)
    driven.records(Routing)
    driven.quotes()
    driven.builds()
    driven.give(Send)
    return driven


def test_the_whole_intent_is_on_disk_before_a_byte_leaves() -> None:
    driven = Driven(an_order())
    assert driven.records(Routing).attempt == 1
    driven.quotes(a_quote("raydium"), a_quote("meteora", 2_000_000))
    building = driven.records(Building)
    assert (building.routed_dex, len(building.quotes)) == ("meteora", 2)
    assert driven.give(Build, TRANSACTION).nonce == "order-1/1"
    intent = driven.records(Submitted)
    assert driven.order.status is Status.SUBMITTED
    assert driven.wants(Send).transaction == intent.transaction == TRANSACTION
    assert intent.min_out == 1_990_000


def test_the_height_is_asked_before_the_look_up() -> None:
    driven = submitted()
    driven.give(Height, 10)
    assert driven.give(LookUp).signature == TRANSACTION.signature


def test_what_landed_is_confirmed_with_the_ledgers_figures() -> None:
    driven = submitted()
    driven.looks(7, LANDED)
    confirmed = driven.records(Confirmed)
    assert (confirmed.tx_hash, confirmed.amount_out, confirmed.fee, confirmed.height) == (
        "signature",
        999_000,
        2_500,
        7,
    )
    assert confirmed.quoted_out == 1_000_000
    assert driven.over


@pytest.mark.parametrize("height", [0, 1, LAST - 1, LAST])
def test_not_found_up_to_the_last_valid_height_leads_to_no_new_attempt(height: int) -> None:
    driven = submitted()
    driven.looks(height, None)
    assert driven.give(NextBlock).beyond == height
    driven.wants(Height)
    assert driven.order.status is Status.SUBMITTED


def test_not_found_beyond_the_last_valid_height_is_proof_of_death() -> None:
    driven = submitted()
    driven.looks(LAST + 1, None)
    again = driven.records(Routing)
    assert (again.attempt, again.previous_error_code) == (2, "transaction_expired")
    assert f"did not land by height {LAST}, the chain is at {LAST + 1}" in (again.previous_error or "")


def test_found_beyond_the_last_valid_height_is_confirmed_all_the_same() -> None:
    driven = submitted()
    driven.looks(LAST + 100, LANDED)
    driven.records(Confirmed)


@pytest.mark.parametrize("silent", [Height, LookUp])
def test_an_unreachable_chain_keeps_the_order_submitted_for_ever(silent: type[Effect]) -> None:
    driven = submitted()
    for _ in range(1_000):
        if silent is LookUp:
            driven.give(Height, LAST + 1_000)
        driven.give(silent, VenueUnavailable("down"))
        driven.give(Pause)
    assert (driven.order.status, driven.order.attempts) == (Status.SUBMITTED, 1)
    driven.looks(LAST + 2_000, LANDED)
    driven.records(Confirmed)


def test_after_a_failed_look_up_the_height_is_asked_anew() -> None:
    driven = submitted()
    driven.give(Height, LAST + 1)
    driven.give(LookUp, VenueUnavailable("down"))
    driven.give(Pause)
    driven.wants(Height)


def test_what_landed_as_failed_leads_to_the_next_attempt_with_the_reason() -> None:
    driven = submitted()
    driven.looks(7, SLIPPED)
    again = driven.records(Routing)
    assert (again.attempt, again.previous_error_code, again.previous_error) == (
        2,
        "slippage_exceeded",
        "The chain refused.",
    )
    driven.give(Pause)
    driven.quotes()
    driven.records(Building)
    assert driven.give(Build, TRANSACTION).nonce == "order-1/2"


def test_three_dead_transactions_and_the_order_fails_once() -> None:
    driven = submitted()
    for _ in range(2):
        driven.looks(7, SLIPPED)
        driven.records(Routing)
        driven.give(Pause)
        driven.quotes()
        driven.builds()
        driven.give(Send)
    driven.looks(7, SLIPPED)
    failed = driven.records(Failed)
    assert (failed.error_code, failed.attempts) == ("slippage_exceeded", 3)
    assert driven.order.setbacks == ("slippage_exceeded", "slippage_exceeded")
    assert driven.over


def test_mixed_reasons_are_attempts_exhausted_and_all_are_named() -> None:
    driven = submitted()
    driven.looks(7, SLIPPED)
    driven.records(Routing)
    driven.give(Pause)
    driven.quotes(*SILENT)
    assert driven.records(Routing).previous_error_code == "venue_unavailable"
    driven.give(Pause)
    driven.quotes()
    driven.builds()
    driven.give(Send)
    driven.looks(LAST + 1, None)
    failed = driven.records(Failed)
    assert failed.error_code == "attempts_exhausted"
    assert "transaction signatur… did not land" in failed.error
    assert "Tried 3 times, earlier: slippage_exceeded, venue_unavailable" in failed.error


def test_attempts_are_not_called_exhausted_while_some_are_left() -> None:
    driven = submitted()
    driven.looks(7, SLIPPED)
    driven.records(Routing)
    driven.give(Pause)
    driven.quotes(a_quote(impact_bps=9_000))
    failed = driven.records(Failed)
    assert (failed.error_code, failed.attempts) == ("price_impact_too_high", 2)


def test_where_trying_again_is_pointless_the_first_attempt_is_the_last() -> None:
    driven = Driven(an_order())
    driven.records(Routing)
    driven.quotes(Declined("raydium", "no_route", "no pool"))
    assert driven.records(Failed).error_code == "no_route"
    assert driven.over


def test_a_failed_build_sends_nothing_and_costs_an_attempt() -> None:
    driven = Driven(an_order())
    driven.records(Routing)
    driven.quotes()
    driven.records(Building)
    driven.give(Build, VenueUnavailable("down"))
    assert driven.records(Routing).attempt == 2


def test_a_lost_answer_is_recorded_as_unknown_and_still_looked_up() -> None:
    driven = Driven(an_order())
    driven.records(Routing)
    driven.quotes()
    driven.builds()
    driven.give(Send, OutcomeUnknown("no answer"))
    assert driven.records(Unanswered).reason == "no answer"
    assert (driven.order.status, driven.order.settlement) == (Status.SUBMITTED, "unknown")
    driven.looks(7, LANDED)
    driven.records(Confirmed)


@pytest.mark.parametrize("error", [Refused("bad bytes", code="transaction_rejected"), VenueUnavailable("down")])
def test_whatever_the_chain_says_to_the_sending_only_the_ledger_decides(error: Exception) -> None:
    driven = Driven(an_order())
    driven.records(Routing)
    driven.quotes()
    driven.builds()
    driven.give(Send, error)
    driven.records(Unanswered)
    for height in range(LAST + 1):
        driven.looks(height, None)
        if isinstance(driven.living.effect, Send):
            driven.give(Send, error)
        driven.give(NextBlock)
    assert driven.order.attempts == 1
    driven.looks(LAST + 1, None)
    assert driven.records(Routing).attempt == 2


def test_without_a_trace_the_same_bytes_are_sent_again_every_ten_blocks() -> None:
    driven = submitted()
    sent = []
    for height in range(36):
        driven.looks(height, None)
        if isinstance(driven.living.effect, Send):
            sent.append((height, driven.give(Send, OutcomeUnknown("lost again")).transaction))
        driven.give(NextBlock)
    assert sent == [(10, TRANSACTION), (20, TRANSACTION), (30, TRANSACTION)]


def test_an_order_found_submitted_is_looked_up_first_then_sent_again_at_once_as_it_was() -> None:
    driven = Driven(an_order(Status.SUBMITTED))
    driven.looks(5, None)
    assert driven.give(Send).transaction == TRANSACTION
    driven.give(NextBlock)
    driven.looks(6, None)
    driven.wants(NextBlock)


def test_an_order_found_submitted_that_has_landed_is_not_sent_again() -> None:
    driven = Driven(an_order(Status.SUBMITTED))
    driven.looks(5, LANDED)
    driven.records(Confirmed)


def test_an_order_found_submitted_that_is_dead_is_not_sent_again() -> None:
    driven = Driven(an_order(Status.SUBMITTED))
    driven.looks(LAST + 1, None)
    assert driven.records(Routing).attempt == 2


def test_an_order_found_pending_begins() -> None:
    assert Driven(an_order(Status.PENDING)).records(Routing).attempt == 1


def test_an_order_found_building_routes_again_in_the_same_attempt() -> None:
    driven = Driven(an_order(Status.BUILDING))
    assert (driven.records(Routing).attempt, driven.order.setbacks) == (1, ())
    driven.wants(AskVenues)


def test_an_order_found_routing_its_second_attempt_goes_on_with_it() -> None:
    second = apply(an_order(Status.SUBMITTED), Routing(1, 2, "transaction_expired", "It did not land."))
    driven = Driven(second)
    driven.give(Pause)
    driven.quotes()
    driven.records(Building)
    assert driven.give(Build, TRANSACTION).nonce == "order-1/2"


@pytest.mark.parametrize("status", [status for status in Status if status.final])
def test_a_final_order_has_no_life_left(status: Status) -> None:
    assert Driven(an_order(status)).over


def test_the_pause_doubles_and_spreads_by_a_fifth() -> None:
    for attempt, base in ((2, 500), (3, 1_000), (4, 2_000), (5, 4_000)):
        pauses = {backoff_ms(replace(an_order(order_id=f"o{n}"), attempts=attempt), RULES) for n in range(500)}
        assert base * 80 // 100 <= min(pauses) < base * 83 // 100
        assert base * 117 // 100 < max(pauses) <= base * 120 // 100
    assert backoff_ms(replace(an_order(), attempts=2), RULES) == backoff_ms(replace(an_order(), attempts=2), RULES)


def test_the_users_own_floor_goes_into_every_transaction() -> None:
    driven = Driven(an_order(min_out=999_999))
    driven.records(Routing)
    driven.quotes(a_quote(amount_out=1_000_000))
    driven.records(Building)
    assert driven.give(Build, TRANSACTION).limit == 999_999
    driven.records(Submitted)
    driven.give(Send)
    driven.looks(7, SLIPPED)
    driven.records(Routing)
    driven.give(Pause)
    driven.quotes(a_quote(amount_out=999_998))
    assert driven.records(Routing).previous_error_code == "slippage_exceeded"


# over all pools, and for what is to be received


@pytest.mark.parametrize(("routing", "pools"), [("single", False), ("best", True)])
def test_only_an_order_over_all_pools_has_them_read(routing: str, pools: bool) -> None:
    driven = Driven(an_order(routing=routing))
    driven.records(Routing)
    assert driven.wants(AskVenues).pools is pools


def test_what_is_to_be_received_and_what_it_may_take_go_into_the_intent_and_the_transaction() -> None:
    pending = Pending(1_000, a_request(amount_in=0, receive=1_000_000), ceiling=1_004 * SOL // 1_000)
    driven = Driven(begin("order-1", pending))
    driven.records(Routing)
    assert driven.wants(AskVenues).ask == Ask("SOL", "USDC", 1_000_000, "out")
    driven.quotes(a_quote(amount_in=SOL, net_in=SOL + 5_000))
    building = driven.records(Building)
    assert (building.quoted_in, building.quoted_out) == (SOL, 1_000_000)
    build = driven.give(Build, TRANSACTION)
    assert (build.ask.exact, build.limit, build.legs) == ("out", 1_004 * SOL // 1_000, building.legs)
    intent = driven.records(Submitted)
    assert (intent.min_out, intent.max_in) == (1_000_000, 1_004 * SOL // 1_000)
    driven.give(Send)
    fill = Fill("raydium", "raydium pool", "SOL", "USDC", SOL + 7, 1_000_000, 9, "SOL")
    driven.looks(7, replace(LANDED, amount_out=1_000_000, amount_in=SOL + 7, fills=(fill,)))
    confirmed = driven.records(Confirmed)
    assert (confirmed.amount_in, confirmed.fills, confirmed.quoted_in) == (SOL + 7, (fill,), SOL)
    assert (driven.order.amount_in, driven.order.fills, driven.order.most_in) == (
        SOL + 7,
        (fill,),
        1_004 * SOL // 1_000,
    )


def test_no_later_attempt_takes_more_than_the_ceiling() -> None:
    driven = Driven(begin("order-1", Pending(1_000, a_request(amount_in=0, receive=1_000_000), ceiling=SOL)))
    driven.records(Routing)
    driven.quotes(a_quote(amount_in=SOL, net_in=SOL + 5_000))
    driven.records(Building)
    assert driven.give(Build, TRANSACTION).limit == SOL
    driven.records(Submitted)
    driven.give(Send)
    driven.looks(7, SLIPPED)
    driven.records(Routing)
    driven.give(Pause)
    driven.quotes(a_quote(amount_in=SOL + 1, net_in=SOL + 5_001))
    assert driven.records(Routing).previous_error_code == "slippage_exceeded"
