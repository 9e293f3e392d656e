"""What is counted of the venues: offers, choices, fills and failures each go to the venue whose they are."""

from collections.abc import Sequence
from typing import Any

import pytest

from order_engine.errors import Refused, VenueUnavailable
from order_engine.events import Building, Event, Failed, Recorded, Routing, Submitted
from order_engine.lifecycle import apply, begin
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.tally import Tally, TimedVenue, percentile
from tests.order_engine.given import BUILDING, CONFIRMED, PENDING, ROUTING, SUBMITTED, HandClock, a_quote

ASK = Ask("SOL", "USDC", 1)


def tell(tally: Tally, *events: Event, order_id: str = "order-1") -> None:
    """The life of one order, as the feed tells it."""
    order = begin(order_id, PENDING)
    tally.count(Recorded(1, PENDING, order))
    for seq, event in enumerate(events, 2):
        order = apply(order, event)
        tally.count(Recorded(seq, event, order))


def built(dex: str, *offers: Offer) -> Building:
    return Building(1_002, dex, f"{dex} pool", 1_000_000, offers or (a_quote(dex),), "best")


@pytest.fixture
def tally() -> Tally:
    return Tally(HandClock())


def test_a_venue_that_was_never_asked_has_nothing_to_show(tally: Tally) -> None:
    assert tally.venue("raydium") == {
        "quoted": 0, "declined": 0, "chosen": 0, "confirmed": 0, "failed": 0, "answering": None, "quoteMsP50": None,
        "quoteMsP99": None, "lastQuotedAt": None, "lastPair": None, "lastPrice": None, "lastTroubleAt": None, "lastTrouble": None,
    }  # fmt: skip


def test_a_fill_counts_for_the_venue_that_was_chosen(tally: Tally) -> None:
    tell(tally, ROUTING, built("raydium", a_quote("raydium"), a_quote("meteora")), SUBMITTED, CONFIRMED)
    raydium, meteora = tally.venue("raydium"), tally.venue("meteora")
    assert (raydium["quoted"], raydium["chosen"], raydium["confirmed"], raydium["failed"]) == (1, 1, 1, 0)
    assert (meteora["quoted"], meteora["chosen"], meteora["confirmed"], meteora["failed"]) == (1, 0, 0, 0)


def test_an_attempt_that_came_to_nothing_counts_for_the_venue_that_had_it(tally: Tally) -> None:
    dead = Routing(1_010, attempt=2, previous_error_code="slippage_exceeded", previous_error="moved")
    meteora = Submitted(1_011, "meteora", SUBMITTED.transaction, 1)
    tell(
        tally, ROUTING, BUILDING, SUBMITTED, dead, built("meteora"), meteora, Failed(1_012, "slippage_exceeded", "", 2)
    )
    assert tally.venue("raydium")["failed"] == 1
    assert tally.venue("meteora")["failed"] == 1


def test_an_order_that_no_venue_had_is_nobodys_failure(tally: Tally) -> None:
    tell(tally, ROUTING, Failed(1_005, "no_route", "No venue quoted.", 1))
    again = Routing(1_010, attempt=2, previous_error_code="venue_unavailable", previous_error="silence")
    tell(tally, ROUTING, again, built("meteora"), order_id="order-2")
    assert (tally.venue("raydium")["failed"], tally.venue("meteora")["failed"]) == (0, 0)


def test_going_on_after_a_start_is_no_failure(tally: Tally) -> None:
    tell(tally, ROUTING, BUILDING, Routing(1_010, attempt=1))
    assert tally.venue("raydium")["failed"] == 0


def test_the_last_quote_has_its_time_pair_and_price(tally: Tally) -> None:
    tell(tally, ROUTING, built("raydium", a_quote("raydium", amount_out=163_500_000)))
    venue = tally.venue("raydium")
    assert (venue["lastQuotedAt"], venue["lastPair"], venue["lastPrice"]) == (
        "1970-01-01T00:00:01.002Z",
        "SOL/USDC",
        "163.5",
    )


@pytest.mark.parametrize(("code", "trouble"), [("venue_unavailable", "no answer within 400 ms"), ("no_route", None)])
def test_only_silence_is_trouble(tally: Tally, code: str, trouble: str | None) -> None:
    tell(tally, ROUTING, built("raydium", a_quote("raydium"), Declined("meteora", code, "no answer within 400 ms")))
    assert tally.venue("meteora")["declined"] == 1
    assert tally.venue("meteora")["lastTrouble"] == trouble
    assert tally.venue("meteora")["answering"] is (trouble is None)


class Answering:
    """A venue that takes its time, and then answers or raises as it is told."""

    name = "raydium"

    def __init__(self, clock: HandClock, took_ms: Sequence[float], raises: Exception | None = None) -> None:
        self._clock = clock
        self._took_ms = iter(took_ms)
        self._raises = raises

    def quote(self, ask: Ask) -> Quote:
        self._clock.sleep_ms(next(self._took_ms))
        if self._raises is not None:
            raise self._raises
        return a_quote()


def timed(took_ms: Sequence[float], raises: Exception | None = None) -> tuple[Tally, Any]:
    clock = HandClock()
    tally = Tally(clock)
    venue: Any = Answering(clock, took_ms, raises)
    return tally, TimedVenue(venue, tally, clock, deadline_ms=500)


def test_latency_is_that_of_the_answers() -> None:
    tally, venue = timed(range(1, 101))
    for _ in range(100):
        assert venue.quote(ASK) == a_quote()
    assert (tally.venue("raydium")["quoteMsP50"], tally.venue("raydium")["quoteMsP99"]) == (50, 99)
    assert tally.venue("raydium")["quoted"] == 0  # that counts what orders were offered, and nobody placed one


@pytest.mark.parametrize(
    ("error", "trouble"),
    [(VenueUnavailable("busy"), "busy"), (KeyError("price"), "'price'"), (Refused("no pool"), None)],
)
def test_a_venue_that_breaks_is_in_trouble_and_one_that_refuses_is_not(error: Exception, trouble: str | None) -> None:
    tally, venue = timed([7], error)
    with pytest.raises(type(error)):
        venue.quote(ASK)
    assert tally.venue("raydium")["lastTrouble"] == trouble
    assert tally.venue("raydium")["answering"] is (trouble is None)
    assert tally.venue("raydium")["quoteMsP99"] == 7


def test_a_late_answer_is_no_answer_and_the_next_good_one_heals() -> None:
    tally, venue = timed([700, 3])
    venue.quote(ASK)
    assert tally.venue("raydium")["lastTrouble"] == "it took 700 ms, the limit is 500 ms"
    assert tally.venue("raydium")["answering"] is False
    venue.quote(ASK)
    assert tally.venue("raydium")["answering"] is True


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([3.0], 99, 3), ([1.0, 2.0], 50, 1), ([1.0, 2.0], 99, 2), ([9.0, 1.0, 5.0], 50, 5)],
)
def test_a_percentile_is_one_of_the_values(values: list[float], percent: int, expected: int | None) -> None:
    assert percentile(values, percent) == expected
