from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from order_engine.errors import Refused, VenueUnavailable
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.router import Limits, NoRoute, Route, ask_venues, best_quote, best_route
from tests.order_engine.given import SOL, a_quote

ASK = Ask("SOL", "USDC", SOL)
OPEN_HANDED = Limits(slippage_bps=50, max_impact_bps=300, floor=None)
SILENT = Declined("meteora", "venue_unavailable", "no answer within 20 ms")
WITHOUT_POOL = Declined("meteora", "no_route", "no pool")


def route(*offers: Offer, slippage_bps: int = 50, max_impact_bps: int = 300, floor: int | None = None) -> Route:
    found = best_route(ASK, offers, Limits(slippage_bps, max_impact_bps, floor))
    assert isinstance(found, Route)
    return found


def no_route(*offers: Offer, slippage_bps: int = 50, max_impact_bps: int = 300, floor: int | None = None) -> NoRoute:
    found = best_route(ASK, offers, Limits(slippage_bps, max_impact_bps, floor))
    assert isinstance(found, NoRoute)
    return found


def test_the_best_net_output_wins_not_the_best_gross_one() -> None:
    dear = a_quote("raydium", 1_000_000, net_out=990_000)
    cheap = a_quote("meteora", 999_000, net_out=998_000)
    assert route(dear, cheap).quote is cheap
    assert route(cheap, dear).quote is cheap


def test_a_tie_goes_to_the_lower_impact_then_to_who_is_named_first() -> None:
    heavy, light = a_quote("raydium", impact_bps=20), a_quote("meteora", impact_bps=10)
    assert route(heavy, light).quote is light
    first, second = a_quote("raydium"), a_quote("meteora")
    assert route(first, second).quote is first
    assert route(second, first).quote is second


def test_dust_that_is_worth_less_than_its_fee_still_goes_to_whoever_pays_more() -> None:
    little, more = a_quote("raydium", 10, net_out=1, impact_bps=0), a_quote("meteora", 500, net_out=1, impact_bps=5)
    assert route(little, more).quote is more


def test_a_venue_that_declined_does_not_stand_in_the_way() -> None:
    assert route(a_quote("raydium"), SILENT).quote.dex == "raydium"
    assert best_quote([]) is None


def test_without_any_quote_trying_again_makes_sense_only_where_somebody_was_silent() -> None:
    silent = no_route(SILENT, Declined("raydium", "no_route", "no pool"))
    assert (silent.code, silent.again) == ("venue_unavailable", True)
    never = no_route(WITHOUT_POOL, Declined("raydium", "no_route", "no pool"))
    assert (never.code, never.again) == ("no_route", False)
    assert "raydium: no pool" in never.message
    assert "meteora: no pool" in never.message


def test_the_best_offer_within_the_impact_limit_wins() -> None:
    best, gentle = a_quote("raydium", 2_000_000, impact_bps=301), a_quote("meteora", 1_000_000, impact_bps=300)
    found = route(best, gentle)
    assert found.quote is gentle
    assert "raydium 1.999182 USDC, but it moves its pool by 301 bps, over the limit" in found.reason


def test_the_impact_limit_itself_is_allowed_and_one_bps_more_is_not() -> None:
    assert route(a_quote(impact_bps=300)).quote.impact_bps == 300
    refused = no_route(a_quote(impact_bps=301))
    assert (refused.code, refused.again) == ("price_impact_too_high", False)
    assert "301 bps, the limit is 300 bps" in refused.message


@given(st.integers(1, 2**64 - 1), st.integers(0, 5_000))
def test_min_out_is_rounded_for_the_user_and_never_above_the_quote(amount_out: int, slippage_bps: int) -> None:
    min_out = route(a_quote(amount_out=amount_out, net_out=1), slippage_bps=slippage_bps).min_out
    assert 0 < min_out <= amount_out
    assert min_out * 10_000 >= amount_out * (10_000 - slippage_bps)
    assert (min_out - 1) * 10_000 < amount_out * (10_000 - slippage_bps)


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 5_000))
def test_no_requote_ever_goes_below_the_users_own_floor(amount_out: int, floor: int, slippage_bps: int) -> None:
    found = best_route(ASK, [a_quote(amount_out=amount_out, net_out=1)], Limits(slippage_bps, 300, floor))
    if isinstance(found, Route):
        assert found.min_out >= floor
    else:
        assert amount_out < floor
        assert (found.code, found.again) == ("slippage_exceeded", True)


def test_the_reason_carries_the_figures_of_every_venue() -> None:
    best, other = a_quote("raydium", 2_000_000, net_out=2_000_000), a_quote("meteora", 1_999_000, net_out=1_999_000)
    assert route(best, other).reason == "raydium pays most after fees: 2 USDC; meteora 1.999 USDC, 5.0 bps less"
    assert "meteora gave no quote (no answer within 20 ms)" in route(best, SILENT).reason


class StandIn:
    """A venue of another process: answers what it is told to, when it is told to."""

    prompt = False

    def __init__(self, name: str, answer: Quote | Exception, after: Event | None = None) -> None:
        self.name = name
        self._answer = answer
        self._after = after

    def quote(self, ask: Ask) -> Quote:
        if self._after:
            assert self._after.wait(20)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def ask(*venues: StandIn, deadline_ms: int = 10_000) -> tuple[Offer, ...]:
    with ThreadPoolExecutor(4) as executor:
        return ask_venues(venues, ASK, deadline_ms, executor)  # type: ignore[arg-type]  # quotes are all that is asked for


def test_all_venues_are_asked_at_once() -> None:
    both = Event()

    class Second(StandIn):
        def quote(self, ask: Ask) -> Quote:
            both.set()
            return super().quote(ask)

    offers = ask(StandIn("raydium", a_quote("raydium"), after=both), Second("meteora", a_quote("meteora")))
    assert [offer.dex for offer in offers] == ["raydium", "meteora"]


def test_a_silent_venue_is_noted_as_declined_and_the_others_count() -> None:
    release = Event()
    with ThreadPoolExecutor(4) as executor:
        venues = (StandIn("raydium", a_quote("raydium"), after=release), StandIn("meteora", a_quote("meteora")))
        offers = ask_venues(venues, ASK, 20, executor)  # type: ignore[arg-type]
        release.set()
    assert offers == (Declined("raydium", "venue_unavailable", "no answer within 20 ms"), a_quote("meteora"))


def test_a_question_nobody_waits_for_any_more_is_not_asked() -> None:
    release, asked = Event(), list[str]()

    class Counted(StandIn):
        def quote(self, ask: Ask) -> Quote:
            asked.append(self.name)
            return super().quote(ask)

    with ThreadPoolExecutor(1) as executor:
        venues = (Counted("raydium", a_quote("raydium"), after=release), Counted("meteora", a_quote("meteora")))
        ask_venues(venues, ASK, 20, executor)  # type: ignore[arg-type]
        release.set()
    assert asked == ["raydium"]


def test_a_refusal_and_a_failure_keep_their_codes() -> None:
    offers = ask(StandIn("raydium", Refused("no pool")), StandIn("meteora", VenueUnavailable("down")))
    assert offers == (Declined("raydium", "no_route", "no pool"), Declined("meteora", "venue_unavailable", "down"))


@pytest.mark.parametrize("nonsense", [
    {"net_out": 0}, {"net_out": -1}, {"net_out": 2_000_000}, {"amount_out": 0, "net_out": 0}, {"amount_out": -5},
    {"dex": "meteora"},
], ids=str)  # fmt: skip
def test_a_quote_that_makes_no_sense_counts_as_no_answer(nonsense: dict[str, object]) -> None:
    (offer,) = ask(StandIn("raydium", replace(a_quote("raydium"), **nonsense)))
    assert isinstance(offer, Declined)
    assert offer.code == "venue_unavailable"


def test_a_venue_that_breaks_counts_as_no_answer_and_does_not_stop_the_others() -> None:
    class Broken(StandIn):
        def quote(self, ask: Ask) -> Quote:
            raise ZeroDivisionError("an adapter's bug")

    broken, sound = ask(Broken("raydium", a_quote("raydium")), StandIn("meteora", a_quote("meteora")))
    assert isinstance(broken, Declined)
    assert broken.code == "venue_unavailable"
    assert isinstance(sound, Quote)
