"""How routes and orders that receive an amount read: in one line, leg by leg, in lists, cards, quotes and events."""

from typing import Any

import pytest

from cli import cards, dry_run, quotes, render, routes
from cli.asking import asked
from cli.commands import list as list_command
from cli.output import ORDER_FIELDS
from cli.paint import Line
from cli.story import Story
from cli.times import ms_of
from order_engine.errors import Malformed, Refused
from tests.cli import records
from tests.cli.records import CIRCLE, HOPS, ID, RECEIVED, RECEIVES, RECEIVING, ROUTE, leg, order, paint

NOW = ms_of("2026-11-20T09:41:05.160Z")


def text(lines: list[Line]) -> str:
    return "\n".join(paint().text(line) for line in lines)


def told(*events: records.Record, order: records.Record | None = None) -> Story:
    story = Story(ID, order)
    for event in events:
        story.add(event)
    return story


# what is asked for


def test_an_order_says_what_it_sells_or_what_it_receives_and_never_both() -> None:
    assert asked("1.5", None, min_out="200") == {"amount": "1.5", "minOutput": "200"}
    assert asked(None, "200", max_in="1.3", routing="single") == {
        "receive": "200",
        "maxInput": "1.3",
        "routing": "single",
    }
    for amount, receive, min_out, max_in, says in (
        (None, None, None, None, "How much?"),
        ("1", "2", None, None, "not both"),
        ("1", None, None, "2", "--max-in goes with --receive"),
        (None, "1", "2", None, "--min-out goes with AMOUNT"),
    ):
        with pytest.raises(Malformed) as refused:
            asked(amount, receive, min_out=min_out, max_in=max_in)
        assert says in refused.value.message


# a route in one line and leg by leg


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        (None, "orca"),
        ([], "orca"),
        (ROUTE[:1], "raydium"),
        (ROUTE, "raydium 62% + meteora 38%"),
        (HOPS, "raydium + orca by SOL → USDC → BONK"),
        ([*HOPS, leg("meteora", "p6", "2", "12000000", "SOL/BONK")], "raydium + orca + meteora by SOL → USDC → BONK + SOL → BONK"),
        (CIRCLE, "raydium 60% + meteora 40% and a circle"),
        ([leg("orca", "p1", "1", "150"), leg("orca", "p2", "3", "450")], "orca 100%"),
    ],
)  # fmt: skip
def test_a_route_on_one_line(legs: list[dict[str, Any]] | None, said: str) -> None:
    assert routes.in_short(legs, "orca") == said


def test_no_route_and_no_venue_is_a_dash() -> None:
    assert routes.in_short(None, None) == "-"


def test_shares_are_of_what_there_is_of_a_token_and_a_circle_does_not_count_twice() -> None:
    assert routes.shares(ROUTE) == ["62%", "38%"]
    assert routes.shares(HOPS) == ["100%", "100%"]
    assert routes.shares(CIRCLE) == ["20%", "100%", "60%", "40%"]
    assert routes.shares([leg("a", "p", "999", "1"), leg("b", "q", "1", "1")]) == ["100%", "<1%"]
    around = [leg("a", "p", "5", "800"), leg("b", "q", "800", "5.1", "USDC/SOL"), leg("a", "p", "5.1", "810")]
    assert routes.shares(around) == ["100%", "100%", "100%"]


def test_how_near_a_route_is_to_the_best_is_said_with_the_figure_of_the_record() -> None:
    assert routes.gap({"gapBps": "0.0021"}) == "at most 0.0021 bps below the best possible"
    assert routes.gap({"gapBps": "0.0021", "receive": "200"}) == "at most 0.0021 bps above the least possible"
    assert routes.gap({"gapBps": "0"}) == "the best possible"
    assert routes.gap({"gapBps": None}) is routes.gap({}) is None
    assert "not proven" in str(routes.gap({"gapBps": "10000", "receive": "1"}))


def test_a_route_leg_by_leg() -> None:
    assert text(cards.legs(ROUTE)) == (
        "SHARE  VENUE    POOL         SELLS            GETS\n"
        "  62%  raydium  58oQCh…YQo2   0.93  SOL →  139.446  USDC\n"
        "  38%  meteora  HTvjzs…ashR   0.57  SOL →   85.567  USDC"
    )
    assert cards.legs(None) == []


# an order that receives an amount


def test_what_it_asks_for_in_words() -> None:
    assert render.request(RECEIVES) == "Buy exactly 200 USDC with SOL, at most 1.3 SOL (limit 50bps)"
    assert render.request(RECEIVES | {"maxInput": None}) == "Buy exactly 200 USDC with SOL (limit 50bps)"
    assert render.exchange(RECEIVES) == "Buy 200 USDC with SOL"


def test_what_came_of_it() -> None:
    assert text(render.outcome(RECEIVED, paint())) == (
        "● confirmed  got 200 USDC for 1.2231 SOL on raydium 62% + meteora 38%, 25.4bps worse than quoted\n"
        "  at 163.518927 USDC per SOL, fee 0.002 SOL + 0.1 USDC"
    )
    assert "24.6bps better than quoted" in text(render.outcome(RECEIVED | {"amountIn": "1.217"}, paint()))
    assert "as quoted" in text(render.outcome(RECEIVED | {"amountIn": "1.22"}, paint()))
    assert text(render.outcome(RECEIVES | {"status": "cancelled"}, paint())) == "⊘ cancelled  Nothing was bought."


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"maxInput": None}, "Nothing was bought. Again with more room: oee retry 994627 --slippage 80bps"),
        ({}, "Nothing was bought. Again: oee retry 994627"),
        ({"errorCode": "price_impact_too_high"}, "Buy less at a time, or allow more: --max-impact"),
    ],
)
def test_a_failed_one_says_what_has_a_chance(changes: dict[str, Any], says: str) -> None:
    failed = RECEIVES | {"status": "failed", "attempts": 3, "errorCode": "slippage_exceeded", "error": "too far"}
    assert text(render.outcome(failed | changes, paint())).endswith(says)


def test_its_events_in_a_few_words() -> None:
    assert [render.detail(event) for event in RECEIVING] == [
        "buy 200 USDC with SOL",
        "attempt 1",
        "raydium 62% + meteora 38% 200 for 1.22",
        records.TX,
        "200 for 1.2231",
    ]
    assert [render.detail(event) for event in records.LIFE][-1] == "224.841213"  # of an earlier version


def test_its_card_has_the_route_on_a_line_and_with_show_leg_by_leg() -> None:
    story = told(*RECEIVING, order=RECEIVED)
    drawn = text(cards.card(story, paint(), 120, NOW))
    assert drawn == (
        "994627  Buy exactly 200 USDC with SOL, at most 1.3 SOL (limit 50bps)\n"
        "  ● pending ─ ● routing ─ ● building ─ ● submitted ─ ● confirmed\n"
        "    0ms         12ms        61ms         140ms         1.9s\n"
        "  raydium  1.2301 SOL  +82.8bps  impact 2bps\n"
        "  meteora  1.2288 SOL  +72.1bps  impact 1bps\n"
        "  route    1.22   SOL  ◂ chosen  raydium 62% + meteora 38%; at most 0.0021 bps above the least possible\n"
        "  tx 4sGjTq…Wm2e\n"
        "  ● confirmed  got 200 USDC for 1.2231 SOL on raydium 62% + meteora 38%, 25.4bps worse than quoted\n"
        "    at 163.518927 USDC per SOL, fee 0.002 SOL + 0.1 USDC"
    )
    whole = text(cards.card(story, paint(), 120, NOW, whole=True))
    assert "  62%  raydium  58oQCh…YQo2   0.93  SOL →  139.446  USDC\n" in whole
    assert "=200" in text([cards.row(story, paint(), NOW)])


def test_a_story_ends_with_the_legs_as_they_were_executed() -> None:
    planned = told(*RECEIVING[:4])
    assert (planned.quoted_input, planned.amount_in, planned.max_input, planned.gap_bps) == (
        "1.22",
        None,
        "1.2261",
        "0.0021",
    )
    executed = [leg | {"amountIn": "0.9"} for leg in ROUTE]
    ended = told(*RECEIVING[:4], RECEIVING[4] | {"route": executed})
    assert (ended.amount_in, ended.route, ended.fees) == ("1.2231", executed, RECEIVED["fees"])
    assert told(*records.LIFE).fees == [{"token": "SOL", "amount": "0.003"}]
    assert told(*RECEIVING[:4], records.AGAIN).route is None
    again = Story.of(RECEIVED)
    assert (again.route, again.gap_bps, again.amount_in, again.quoted_input) == (ROUTE, "0.0021", "1.2231", "1.22")


@pytest.mark.parametrize(
    ("changes", "sell", "venue", "get"),
    [
        ({}, "-", "-", "=200 USDC"),
        ({"quotedInput": "1.22", "routedDex": "raydium", "route": ROUTE}, "≈1.22", "raydium +1", "=200 USDC"),
        ({"amountIn": "1.2231", "amountOut": "200", "routedDex": "raydium", "route": ROUTE[:1]}, "1.2231", "raydium", "200 USDC"),
        ({"amount": "1.5", "receive": None, "amountIn": "1.5"}, "1.5", "-", "-"),
    ],
)  # fmt: skip
def test_its_line_in_a_list(changes: dict[str, Any], sell: str, venue: str, get: str) -> None:
    _, _, sold, _, where, got, _ = list_command._row(RECEIVES | changes, paint())
    assert (sold, where, got) == (sell, venue, get)


def test_a_list_takes_records_that_lack_the_new_fields() -> None:
    assert list_command._row(order(), paint())[2] == "1.5"
    assert {"receive", "maxInput", "routing", "quotedInput", "amountIn", "route", "fees", "gapBps"} <= set(ORDER_FIELDS)


# quotes

QUOTE: dict[str, Any] = {
    "schema": "oee.quote/1", "inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "receive": None,
    "routing": "best", "best": "raydium", "route": ROUTE, "quotedInput": "1.5", "quotedOutput": "225.013",
    "gapBps": "0.0021", "priceImpactBps": 2, "reason": "two swaps", "quotes": records.QUOTES,
}  # fmt: skip


def test_a_quote_compares_the_venues_with_a_route_over_several_pools() -> None:
    assert text(quotes.lines(QUOTE, paint())) == (
        "Sell 1.5 SOL for USDC\n"
        "   VENUE    OUT (USDC)  vs ROUTE        FEE  IMPACT\n"
        "▸  raydium  224.40221   -27.1bps  0.004 SOL    2bps\n"
        "▸  meteora  224.913401   -4.4bps  0.003 SOL    1bps\n"
        "orca: no quote: no answer within 400 ms\n"
        "\n"
        "Route: raydium 62% + meteora 38%, 1.5 SOL → 225.013 USDC\n"
        "SHARE  VENUE    POOL         SELLS            GETS\n"
        "  62%  raydium  58oQCh…YQo2   0.93  SOL →  139.446  USDC\n"
        "  38%  meteora  HTvjzs…ashR   0.57  SOL →   85.567  USDC\n"
        "At most 0.0021 bps below the best possible"
    )


def test_a_quote_for_an_amount_to_receive_compares_what_is_taken() -> None:
    offers = [quote | {"netInput": None} for quote in records.SPLIT_QUOTES]
    asks = QUOTE | {"amount": None, "receive": "200", "quotes": offers, "quotedInput": "1.22", "quotedOutput": "200"}
    lines = text(quotes.lines(asks, paint())).splitlines()
    assert lines[0] == "Buy 200 USDC with SOL"
    assert lines[1].split() == ["VENUE", "IN", "(SOL)", "vs", "ROUTE", "FEE", "IMPACT"]
    assert lines[2].split()[:4] == ["▸", "raydium", "1.2301", "+82.8bps"]
    assert lines[-1] == "At most 0.0021 bps above the least possible"
    single = asks | {"route": None, "best": "meteora", "gapBps": None}
    assert "▸  meteora    1.2288      best" in text(quotes.lines(single, paint()))
    assert "+10.6bps" in text(quotes.lines(single, paint()))
    assert text(quotes.lines(single, paint())).endswith("two swaps")


def test_a_quote_of_an_earlier_version_reads_as_it_did() -> None:
    old = {name: QUOTE[name] for name in ("schema", "inputToken", "outputToken", "amount", "quotes", "reason")}
    assert text(quotes.lines(old | {"best": "meteora"}, paint())) == (
        "Sell 1.5 SOL for USDC\n"
        "   VENUE    OUT (USDC)   vs BEST        FEE  IMPACT\n"
        "   raydium  224.40221   -22.7bps  0.004 SOL    2bps\n"
        "▸  meteora  224.913401      best  0.003 SOL    1bps\n"
        "orca: no quote: no answer within 400 ms\n"
        "two swaps"
    )


def test_an_explanation_says_of_every_pool_why() -> None:
    pool = {"dex": "raydium", "pool": ROUTE[0]["pool"], "inputToken": "SOL", "outputToken": "USDC"}
    prices = {"priceFirst": "150.2", "priceLast": "150", "priceElsewhere": "150"}
    why = {"dex": "orca", "reason": "price", "words": "it pays less", "priceFirst": "149", "gain": "0"}
    explanation = {
        "bound": "225.01301",
        "gapBps": "0.0021",
        "used": [pool | prices | {"amountIn": "1", "amountOut": "150"}],
        "unused": [pool | prices | why],
        "leftOut": ["Fees of the network."],
    }
    assert text(quotes.explained(QUOTE | {"explanation": explanation})) == (
        "\n"
        "Used; the last unit pays the same on all, a bin the same to its end (output per input, fees inside):\n"
        "VENUE    POOL         PAIR        FIRST UNIT  LAST UNIT  ELSEWHERE\n"
        "raydium  58oQCh…YQo2  SOL → USDC       150.2        150        150\n"
        "\n"
        "Not used, and why:\n"
        "VENUE  POOL         PAIR        FIRST UNIT  ELSEWHERE  WHY\n"
        "orca   58oQCh…YQo2  SOL → USDC         149        150  it pays less\n"
        "\n"
        "No route could pay more than 225.01301 USDC (gap 0.0021 bps). It leaves out:\n"
        "- Fees of the network."
    )
    asks = QUOTE | {"amount": None, "receive": "200", "explanation": explanation}
    assert "No route could take less than 225.01301 SOL" in text(quotes.explained(asks))
    assert quotes.explained(QUOTE) == quotes.explained(QUOTE | {"explanation": None}) == []


# a dry run


def test_a_dry_run_takes_the_route_and_within_an_own_limit_of_impact_what_is_left() -> None:
    asks = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
    assert dry_run._deal(QUOTE, asks) == ("1.5", "225.013", "raydium")
    assert dry_run._deal(QUOTE, asks | {"maxImpactBps": 1}) == ("1.5", "224.913401", "meteora")
    with pytest.raises(
        Refused, match=r"Selling 1\.5 SOL moves even the deepest pool .meteora. by 1 bps, the limit is 0 bps"
    ):
        dry_run._deal(QUOTE, asks | {"maxImpactBps": 0})
    offers = {
        "quotes": records.SPLIT_QUOTES,
        "amount": None,
        "receive": "200",
        "quotedInput": "1.22",
        "quotedOutput": "200",
    }
    buys = QUOTE | offers
    assert dry_run._deal(buys, asks) == ("1.22", "200", "raydium")
    assert dry_run._deal(buys, asks | {"maxImpactBps": 1}) == ("1.2288", "200", "meteora")
    with pytest.raises(Refused, match=r"above the order's own maximum of 1\.2"):
        dry_run._check_own_limits(dry_run.Deal("1.22", "200", "raydium"), buys, {"maxInput": "1.2"})
