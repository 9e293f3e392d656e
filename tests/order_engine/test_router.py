from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from order_engine.errors import Refused, VenueUnavailable
from order_engine.proofs import plan_of
from order_engine.quotes import Ask, Declined, Offer, Quote
from order_engine.router import Answers, Limits, NoRoute, Route, ask_venues, best_quote, best_route, impact_of, planned
from order_engine.routes import Leg
from order_engine.routing.best import Found
from order_engine.routing.certificate import Receipt, verify
from order_engine.venues import meteora_dlmm
from order_engine.venues.pool import impact_bps
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.venue import SimulatedVenue
from order_engine.venues.snapshot import Snapshot
from tests.order_engine.given import SOL, USDC, HandClock, a_chain, a_quote

ASK = Ask("SOL", "USDC", SOL)
SILENT = Declined("meteora", "venue_unavailable", "no answer within 20 ms")
WITHOUT_POOL = Declined("meteora", "no_route", "no pool")


def route(*offers: Offer, slippage_bps: int = 50, max_impact_bps: int = 300, floor: int | None = None) -> Route:
    found = best_route(ASK, Answers(offers), Limits(slippage_bps, max_impact_bps, floor))
    assert isinstance(found, Route)
    return found


def no_route(*offers: Offer, slippage_bps: int = 50, max_impact_bps: int = 300, floor: int | None = None) -> NoRoute:
    found = best_route(ASK, Answers(offers), Limits(slippage_bps, max_impact_bps, floor))
    assert isinstance(found, NoRoute)
    return found


def test_the_best_net_output_wins_not_the_best_gross_one() -> None:
    dear = a_quote("raydium", 1_000_000, net_out=990_000)
    cheap = a_quote("meteora", 999_000, net_out=998_000)
    assert route(dear, cheap).dex == cheap.dex
    assert route(cheap, dear).dex == cheap.dex


def test_a_tie_goes_to_the_lower_impact_then_to_who_is_named_first() -> None:
    heavy, light = a_quote("raydium", impact_bps=20), a_quote("meteora", impact_bps=10)
    assert route(heavy, light).dex == light.dex
    first, second = a_quote("raydium"), a_quote("meteora")
    assert route(first, second).dex == first.dex
    assert route(second, first).dex == second.dex


def test_dust_that_is_worth_less_than_its_fee_still_goes_to_whoever_pays_more() -> None:
    little, more = a_quote("raydium", 10, net_out=1, impact_bps=0), a_quote("meteora", 500, net_out=1, impact_bps=5)
    assert route(little, more).dex == more.dex


def test_a_venue_that_declined_does_not_stand_in_the_way() -> None:
    assert route(a_quote("raydium"), SILENT).dex == "raydium"
    assert best_quote([], ASK) is None


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
    assert found.dex == gentle.dex
    assert "raydium 1.999182 USDC, but it moves its pool by 301 bps, over the limit" in found.reason


def test_the_impact_limit_itself_is_allowed_and_one_bps_more_is_not() -> None:
    assert route(a_quote(impact_bps=300)).impact_bps == 300
    refused = no_route(a_quote(impact_bps=301))
    assert (refused.code, refused.again) == ("price_impact_too_high", False)
    assert "301 bps, the limit is 300 bps" in refused.message


@given(st.integers(1, 2**64 - 1), st.integers(0, 5_000))
def test_min_out_is_rounded_for_the_user_and_never_above_the_quote(amount_out: int, slippage_bps: int) -> None:
    min_out = route(a_quote(amount_out=amount_out, net_out=1), slippage_bps=slippage_bps).limit
    assert 0 < min_out <= amount_out
    assert min_out * 10_000 >= amount_out * (10_000 - slippage_bps)
    assert (min_out - 1) * 10_000 < amount_out * (10_000 - slippage_bps)


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 5_000))
def test_no_requote_ever_goes_below_the_users_own_floor(amount_out: int, floor: int, slippage_bps: int) -> None:
    found = best_route(ASK, Answers((a_quote(amount_out=amount_out, net_out=1),)), Limits(slippage_bps, 300, floor))
    if isinstance(found, Route):
        assert found.limit >= floor
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
        # quotes are all that is asked for
        return ask_venues(venues, None, ASK, deadline_ms, executor).offers  # type: ignore[arg-type]


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
        offers = ask_venues(venues, None, ASK, 20, executor).offers  # type: ignore[arg-type]
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
        ask_venues(venues, None, ASK, 20, executor)  # type: ignore[arg-type]
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


# exact-out


BUY = Ask("SOL", "USDC", 1_000_000, "out")


def buys(
    *offers: Offer, slippage_bps: int = 50, max_impact_bps: int = 300, ceiling: int | None = None
) -> Route | NoRoute:
    return best_route(BUY, Answers(offers), Limits(slippage_bps, max_impact_bps, ceiling=ceiling))


def test_for_what_is_to_be_received_the_lowest_net_input_wins() -> None:
    cheap_but_dear_to_send = a_quote("raydium", amount_in=900, net_in=1_200)
    cheapest = a_quote("meteora", amount_in=1_000, net_in=1_100)
    found = buys(cheap_but_dear_to_send, cheapest)
    assert isinstance(found, Route)
    assert (found.dex, found.amount_in, found.amount_out) == ("meteora", 1_000, 1_000_000)
    assert found.legs == (Leg("meteora", "meteora pool", "SOL", "USDC", 1_000, 1_000_000),)
    expected = "meteora takes least with fees: 0.0000011 SOL; raydium 0.0000012 SOL, 909.0 bps more"
    assert found.reason == expected
    assert best_quote((cheapest, cheap_but_dear_to_send), BUY) is cheapest


@given(st.integers(1, 2**62), st.integers(0, 5_000))
def test_max_in_is_rounded_for_the_user_and_never_below_the_quote(amount_in: int, slippage_bps: int) -> None:
    found = buys(a_quote(amount_in=amount_in, net_in=amount_in), slippage_bps=slippage_bps)
    assert isinstance(found, Route)
    assert found.limit >= amount_in
    assert found.limit * 10_000 <= amount_in * (10_000 + slippage_bps)
    assert (found.limit + 1) * 10_000 > amount_in * (10_000 + slippage_bps)


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 5_000))
def test_no_requote_ever_takes_more_than_the_users_own_ceiling(amount_in: int, ceiling: int, slippage_bps: int) -> None:
    found = buys(a_quote(amount_in=amount_in, net_in=amount_in), slippage_bps=slippage_bps, ceiling=ceiling)
    if isinstance(found, Route):
        assert amount_in <= found.limit <= ceiling
    else:
        assert amount_in > ceiling
        assert (found.code, found.again) == ("slippage_exceeded", True)
        assert "is above the order's own maximum" in found.message


@pytest.mark.parametrize("nonsense", [
    {"amount_in": 0, "net_in": 0}, {"net_in": 1}, {"amount_out": 999_999}, {"amount_out": 1_000_001},
], ids=str)  # fmt: skip
def test_a_quote_for_another_amount_than_is_to_be_received_counts_as_no_answer(nonsense: dict[str, int]) -> None:
    with ThreadPoolExecutor(1) as executor:
        venues = (StandIn("raydium", replace(a_quote("raydium"), **nonsense)),)
        (offer,) = ask_venues(venues, None, BUY, 10_000, executor).offers  # type: ignore[arg-type]
    assert isinstance(offer, Declined)
    assert offer.code == "venue_unavailable"


def test_a_venue_asked_the_same_in_one_block_gives_the_same_quote_and_in_the_next_what_its_pools_pay_then(
    tmp_path: Path,
) -> None:
    with a_chain(tmp_path / "chain.db") as chain:
        venue = SimulatedVenue("raydium", chain, HandClock(), 0)
        asks = [
            Ask("SOL", "USDC", SOL),
            Ask("SOL", "USDC", SOL + 1),
            Ask("USDC", "SOL", SOL),
            Ask("SOL", "USDC", SOL, "out"),
        ]
        seen = set[Quote]()
        for _ in range(100):
            quotes = [venue.quote(ask) for ask in asks]
            assert len(set(quotes)) == len(asks)
            assert [venue.quote(ask) for ask in reversed(asks)] == quotes[::-1]
            assert [SimulatedVenue("raydium", chain, HandClock(), 0).quote(ask) for ask in asks] == quotes
            seen.add(quotes[0])
            chain.make_block()
        assert len(seen) > 1


# over all pools


NAMES = ("raydium", "meteora", "orca")
LARGE = Ask("SOL", "USDC", 3_000 * SOL)
GENEROUS = Limits(slippage_bps=50, max_impact_bps=10_000, single=False)
ONE_POOL = Limits(slippage_bps=50, max_impact_bps=10_000)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedChain]:
    with a_chain(tmp_path_factory.mktemp("chain") / "chain.db") as chain:
        yield chain


def answers(chain: SimulatedChain, ask: Ask) -> Answers:
    venues = [SimulatedVenue(name, chain, HandClock(), 0) for name in NAMES]
    with ThreadPoolExecutor(1) as executor:
        return ask_venues(venues, chain.snapshot, ask, 10_000, executor)


def found(ask: Ask, answers: Answers, limits: Limits) -> Route:
    route = best_route(ask, answers, limits)
    assert isinstance(route, Route), route
    return route


@pytest.mark.parametrize("ask", [LARGE, Ask("SOL", "USDC", 400_000 * USDC, "out")], ids=str)
def test_a_plan_over_several_pools_is_preferred_to_the_best_single_pool(chain: SimulatedChain, ask: Ask) -> None:
    given = answers(chain, ask)
    plan, single = found(ask, given, GENEROUS), found(ask, given, ONE_POOL)
    assert len(plan.legs) > 1
    assert (len(single.legs), single.proof, single.snapshot) == (1, None, None)
    if ask.exact == "in":
        assert plan.amount_in == single.amount_in == ask.amount
        assert plan.amount_out > single.amount_out
        assert plan.limit == -(-plan.amount_out * 9_950 // 10_000)
    else:
        assert plan.amount_out == single.amount_out == ask.amount
        assert plan.amount_in < single.amount_in
        assert plan.limit == plan.amount_in * 10_050 // 10_000
    assert f"the best single pool ({single.dex})" in plan.reason
    assert "could be better by more than" in plan.reason


def test_a_plan_has_a_proof_that_holds_and_names_its_largest_share(chain: SimulatedChain) -> None:
    route = found(LARGE, answers(chain, LARGE), GENEROUS)
    assert route.proof is not None
    assert route.snapshot is not None
    plan = plan_of(LARGE, (route.amount_in, route.amount_out), route.legs, route.proof)
    assert verify(Receipt(plan, route.proof, route.snapshot.listings)) == []
    shares = {name: sum(leg.amount_in for leg in route.legs if leg.dex == name) for name in NAMES}
    assert shares[route.dex] == max(shares.values())
    assert route.pool in {leg.pool for leg in route.legs if leg.dex == route.dex}


def test_an_order_for_a_single_pool_is_routed_as_ever_whatever_the_pools_say(chain: SimulatedChain) -> None:
    given = answers(chain, LARGE)
    assert found(LARGE, given, ONE_POOL) == found(LARGE, given._replace(snapshot=None), ONE_POOL)


def test_without_the_pools_the_best_single_one_is_taken(chain: SimulatedChain) -> None:
    given = answers(chain, LARGE)._replace(snapshot=None)
    assert found(LARGE, given, GENEROUS) == found(LARGE, given, ONE_POOL)


def test_pools_that_cannot_be_read_are_none_and_the_offers_count_all_the_same() -> None:
    def unreadable() -> Snapshot:
        raise VenueUnavailable("down")

    with ThreadPoolExecutor(1) as executor:
        venues = (StandIn("raydium", a_quote("raydium")),)
        given = ask_venues(venues, unreadable, ASK, 10_000, executor)  # type: ignore[arg-type]
    assert given == Answers((a_quote("raydium"),), None)


@pytest.mark.parametrize("silent", NAMES)
def test_the_pools_of_a_silent_venue_are_not_used(chain: SimulatedChain, silent: str) -> None:
    given = answers(chain, LARGE)
    assert silent in {leg.dex for leg in found(LARGE, given, GENEROUS).legs}
    refusal = Declined(silent, "venue_unavailable", "no answer within 20 ms")
    without = given._replace(offers=tuple(refusal if each.dex == silent else each for each in given.offers))
    route = found(LARGE, without, GENEROUS)
    assert silent not in {leg.dex for leg in route.legs}
    assert route.snapshot is not None
    assert silent not in {each.dex for each in route.snapshot.listings}
    assert f"{silent} gave no quote (no answer within 20 ms)" in route.reason


def test_a_venue_without_a_pool_for_the_pair_still_serves_on_the_way(chain: SimulatedChain) -> None:
    ask = Ask("USDT", "BONK", 10_000 * 10**6)
    given = answers(chain, ask)
    assert all(isinstance(offer, Declined) and offer.code == "no_route" for offer in given.offers)
    assert len(found(ask, given, GENEROUS).legs) > 1


@pytest.mark.parametrize("ask", [
    Ask("WIF", "BONK", 500 * 10**6), Ask("WIF", "BONK", 10**11, "out"), Ask("USDT", "JitoSOL", 10**9),
], ids=str)  # fmt: skip
def test_a_pair_that_no_pool_trades_is_routed_over_others(chain: SimulatedChain, ask: Ask) -> None:
    given = answers(chain, ask)
    route = found(ask, given, GENEROUS)
    assert (route.legs[0].token_in, route.legs[-1].token_out) == (ask.input_token, ask.output_token)
    assert len(route.legs) > 1
    refusal = best_route(ask, given, ONE_POOL)
    assert isinstance(refusal, NoRoute)
    assert (refusal.code, refusal.again) == ("no_route", False)


@pytest.mark.parametrize("limit_bps", [0, 5, 30, 100])
@pytest.mark.parametrize("exact", ["in", "out"])
def test_no_pool_of_a_plan_is_moved_by_more_than_the_limit(
    chain: SimulatedChain, limit_bps: int, exact: Literal["in", "out"]
) -> None:
    limits = replace(GENEROUS, max_impact_bps=limit_bps)
    taken = Counter[str]()
    for amount in (1, 100, 10_000, 30_000, 60_000, 100_000):
        ask = Ask("SOL", "USDC", amount * (SOL if exact == "in" else 160 * USDC), exact)
        route = best_route(ask, answers(chain, ask), limits)
        if isinstance(route, NoRoute):
            assert route.code == "price_impact_too_high"
            assert f"the limit is {limit_bps} bps" in route.message
            taken["refused"] += 1
        else:
            assert all(impact <= limit_bps for impact in impacts(route, chain.snapshot(), exact))
            taken["taken"] += 1
    assert taken["refused"]
    assert taken["taken"] or not limit_bps


def impacts(route: Route, snapshot: Snapshot, exact: str) -> Iterator[int]:
    """How far each swap of a route without circles moves its pool, in bps."""
    pools = {each.pool: each for each in snapshot.listings}
    assert len({leg.pool for leg in route.legs}) == len(route.legs)
    for leg in route.legs:
        pool, a_to_b = pools[leg.pool].state, pools[leg.pool].token_a == leg.token_in
        if exact == "in":
            yield impact_bps(pool, pool.swap_exact_in(leg.amount_in, a_to_b, snapshot.now), a_to_b)
        else:
            yield impact_bps(pool, pool.swap_exact_out(leg.amount_out, a_to_b, snapshot.now), a_to_b)


def test_the_impact_of_a_plan_is_that_on_the_pool_that_is_moved_most(chain: SimulatedChain) -> None:
    elsewhere = 0
    for pair, amount in (
        (("WIF", "BONK"), 3_000 * 10**6),
        (("BONK", "WIF"), 10**13),
        (("USDT", "JUP"), 30_000 * 10**6),
    ):
        ask = Ask(*pair, amount)
        given = answers(chain, ask)
        route = found(ask, given, GENEROUS)
        each = list(impacts(route, chain.snapshot(), "in"))
        assert route.impact_bps == max(each)
        elsewhere += each[0] < max(each)
        assert found(ask, given, replace(GENEROUS, max_impact_bps=max(each))) == route
        refusal = best_route(ask, given, replace(GENEROUS, max_impact_bps=max(each) - 1))
        assert isinstance(refusal, NoRoute)
        assert refusal.code == "price_impact_too_high"
    assert elsewhere


def test_rounding_a_swap_of_a_few_units_is_no_impact(chain: SimulatedChain) -> None:
    """Eight lamports for a millionth of a dollar cost an eighth more than the price: such a leg once undid the whole plan."""
    snapshot = chain.snapshot()
    bins = next(each for each in snapshot.listings if isinstance(each.state, meteora_dlmm.Pool) and each[2] == "SOL")
    swap = bins.state.swap_exact_out(1, True, snapshot.now)
    assert impact_bps(bins.state, swap, True) > 300
    given = answers(chain, BUY)
    found_plan = planned(BUY, snapshot)
    assert isinstance(found_plan, Found)
    dust = Leg(bins.dex, bins.pool, "SOL", "USDC", swap.amount_in, 1)
    with_dust = replace(found_plan, plan=replace(found_plan.plan, legs=(*found_plan.plan.legs, dust)))
    assert impact_of(with_dust, snapshot) == impact_of(found_plan, snapshot) <= 1
    assert found(BUY, given, replace(GENEROUS, max_impact_bps=1)).proof is not None


def test_where_no_venue_quotes_a_plan_that_moves_a_pool_too_far_is_refused_for_that(chain: SimulatedChain) -> None:
    ask = Ask("WIF", "BONK", 200_000 * 10**6)
    refusal = best_route(ask, answers(chain, ask), replace(GENEROUS, max_impact_bps=1))
    assert isinstance(refusal, NoRoute)
    assert (refusal.code, refusal.again) == ("price_impact_too_high", False)
    assert "moves the pools on the way by" in refusal.message


def test_a_plan_below_the_floor_or_above_the_ceiling_is_refused_and_at_them_it_is_taken(chain: SimulatedChain) -> None:
    given = answers(chain, LARGE)
    pays = found(LARGE, given, GENEROUS).amount_out
    assert found(LARGE, given, replace(GENEROUS, floor=pays)).limit == pays
    refusal = best_route(LARGE, given, replace(GENEROUS, floor=pays + 1))
    assert isinstance(refusal, NoRoute)
    assert (refusal.code, refusal.again) == ("slippage_exceeded", True)
    ask = Ask("SOL", "USDC", 400_000 * USDC, "out")
    given = answers(chain, ask)
    takes = found(ask, given, GENEROUS).amount_in
    assert found(ask, given, replace(GENEROUS, ceiling=takes)).limit == takes
    refusal = best_route(ask, given, replace(GENEROUS, ceiling=takes - 1))
    assert isinstance(refusal, NoRoute)
    assert (refusal.code, refusal.again) == ("slippage_exceeded", True)


def test_more_than_all_pools_hold_has_no_route_and_trying_again_is_pointless(chain: SimulatedChain) -> None:
    ask = Ask("SOL", "USDC", 10**9 * USDC, "out")
    refusal = best_route(ask, answers(chain, ask), GENEROUS)
    assert isinstance(refusal, NoRoute)
    assert (refusal.code, refusal.again) == ("no_route", False)
