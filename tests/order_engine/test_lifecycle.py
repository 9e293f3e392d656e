from pathlib import Path

import pytest
from msgspec.structs import replace

from order_engine.events import Event, Routing, Unanswered
from order_engine.lifecycle import TRANSITIONS, IllegalStep, apply, begin
from order_engine.orders import FINAL, OPEN, Settlement, Status
from tests.order_engine.given import (
    BUILDING,
    CANCELLED,
    CONFIRMED,
    EXPIRED,
    FAILED,
    PENDING,
    ROUTING,
    SUBMITTED,
    a_journal,
    an_order,
    write,
)

UNANSWERED = Unanswered(1_004, "no answer")
NEXT = Routing(1_010, attempt=2, previous_error_code="transaction_expired", previous_error="It did not land.")
EVENTS: tuple[Event, ...] = (
    PENDING, ROUTING, BUILDING, SUBMITTED, UNANSWERED, CONFIRMED, FAILED, CANCELLED, EXPIRED,
)  # fmt: skip

# Said once more, independently of the table in the product.
LEADS_TO: dict[Status, dict[Event, Status]] = {
    Status.PENDING: {ROUTING: Status.ROUTING, CANCELLED: Status.CANCELLED, EXPIRED: Status.EXPIRED},
    Status.ROUTING: {
        ROUTING: Status.ROUTING,
        BUILDING: Status.BUILDING,
        FAILED: Status.FAILED,
        CANCELLED: Status.CANCELLED,
        EXPIRED: Status.EXPIRED,
    },
    Status.BUILDING: {
        ROUTING: Status.ROUTING,
        SUBMITTED: Status.SUBMITTED,
        FAILED: Status.FAILED,
        CANCELLED: Status.CANCELLED,
    },
    Status.SUBMITTED: {
        UNANSWERED: Status.SUBMITTED,
        NEXT: Status.ROUTING,
        CONFIRMED: Status.CONFIRMED,
        FAILED: Status.FAILED,
    },
}
LEGAL = [(status, event, after) for status, steps in LEADS_TO.items() for event, after in steps.items()]
ILLEGAL = [
    (status, event)
    for status in Status
    for event in EVENTS
    if not any(type(event) is type(legal) for legal in LEADS_TO.get(status, {}))
]


def named(value: object) -> str:
    return value.value if isinstance(value, Status) else type(value).__name__


def test_every_pair_of_status_and_event_is_tried() -> None:
    assert len(LEGAL) + len(ILLEGAL) == len(Status) * len(EVENTS)
    assert {(status, type(event)) for status, event, _ in LEGAL} == set(TRANSITIONS)


@pytest.mark.parametrize(("status", "event", "after"), LEGAL, ids=named)
def test_a_legal_step_leads_where_the_contract_says(status: Status, event: Event, after: Status) -> None:
    before = an_order(status)
    order = apply(before, event)
    assert order.status is after
    assert order.version == before.version + 1
    assert order.updated_at == event.at
    assert (order.order_id, order.request, order.created_at) == (before.order_id, before.request, before.created_at)


@pytest.mark.parametrize(("status", "event"), ILLEGAL, ids=named)
def test_an_illegal_step_raises_and_changes_nothing(status: Status, event: Event) -> None:
    order = an_order(status)
    twin = replace(order)
    with pytest.raises(IllegalStep, match=f"order-1 is {status}"):
        apply(order, event)
    assert order == twin


def test_what_is_final_takes_no_event_at_all() -> None:
    assert {status for status, _ in TRANSITIONS} == set(OPEN)
    assert frozenset({Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED}) == FINAL


def test_a_sent_order_can_be_neither_cancelled_nor_expired() -> None:
    for event in (CANCELLED, EXPIRED):
        with pytest.raises(IllegalStep):
            apply(an_order(Status.SUBMITTED), event)


@pytest.mark.parametrize("attempt", [0, 2, 3])
def test_the_first_attempt_is_number_one(attempt: int) -> None:
    with pytest.raises(IllegalStep):
        apply(an_order(Status.PENDING), Routing(1, attempt=attempt))


@pytest.mark.parametrize("attempt", [0, 1, 3])
def test_after_something_was_sent_only_the_next_attempt_can_follow(attempt: int) -> None:
    with pytest.raises(IllegalStep):
        apply(an_order(Status.SUBMITTED), Routing(1, attempt=attempt))


@pytest.mark.parametrize("status", [Status.ROUTING, Status.BUILDING])
@pytest.mark.parametrize("attempt", [0, 3, -1])
def test_no_attempt_is_skipped_or_taken_back(status: Status, attempt: int) -> None:
    with pytest.raises(IllegalStep):
        apply(an_order(status), Routing(1, attempt=attempt))


def test_the_same_attempt_may_begin_again_while_nothing_was_sent() -> None:
    again = apply(an_order(Status.BUILDING), Routing(1, attempt=1))
    assert (again.attempts, again.routed_dex, again.quoted_out, again.setbacks) == (1, None, None, ())


def test_the_next_attempt_forgets_the_dead_transaction_and_remembers_why_it_died() -> None:
    order = apply(an_order(Status.SUBMITTED), NEXT)
    assert (order.attempts, order.setbacks) == (2, ("transaction_expired",))
    assert (order.transaction, order.routed_dex, order.settlement) == (None, None, Settlement.NONE)


def test_settlement_says_what_is_known_of_the_transaction() -> None:
    sent = an_order(Status.SUBMITTED)
    assert an_order(Status.BUILDING).settlement is Settlement.NONE
    assert sent.settlement is Settlement.IN_FLIGHT
    assert apply(sent, UNANSWERED).settlement is Settlement.UNKNOWN
    assert apply(sent, CONFIRMED).settlement is Settlement.SETTLED
    assert apply(sent, FAILED).settlement is Settlement.SETTLED
    assert an_order(Status.FAILED).settlement is Settlement.NONE  # nothing was ever sent


@pytest.mark.parametrize("status", sorted(FINAL))
def test_only_an_end_has_a_time_of_ending(status: Status) -> None:
    assert an_order(status).ended_at is not None
    assert all(an_order(open_).ended_at is None for open_ in OPEN)


@pytest.mark.parametrize("events", [
    (ROUTING, BUILDING, SUBMITTED, CONFIRMED),
    (ROUTING, ROUTING, BUILDING, SUBMITTED, UNANSWERED, NEXT, BUILDING, SUBMITTED, FAILED),
    (ROUTING, BUILDING, CANCELLED),
    (EXPIRED,),
], ids=lambda events: "-".join(map(named, events)))  # fmt: skip
def test_folding_the_events_on_disk_gives_the_order_on_disk(tmp_path: Path, events: tuple[Event, ...]) -> None:
    with a_journal(tmp_path / "journal.db") as journal:
        write(journal, "other")
        write(journal, "order-1", *events)
        first, *later = journal.events(0, 100, "order-1")
        assert type(first.event) is type(PENDING)
        folded = begin(first.order_id, first.event)
        for entry in later:
            folded = apply(folded, entry.event)
        assert replace(folded, seq=([first, *later])[-1].seq) == journal.order("order-1")
