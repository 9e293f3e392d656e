"""What the dashboard draws of routes over several pools and of orders that receive an amount."""

from decimal import Decimal
from typing import Any

import pytest

from cli.dashboard import cells, detail, exporting, filters, log, obeying, orders, wallet
from cli.dashboard.desk import Desk
from cli.dashboard.listing import Listing
from cli.story import Story
from cli.times import ms_of
from tests.cli.dashboard import market, scene
from tests.cli.dashboard.market import text
from tests.cli.records import HOPS, ID, LIFE, QUOTES, RECEIVED, RECEIVES, RECEIVING, ROUTE, paint

NOW = ms_of("2026-11-20T09:41:06.000Z")


def a_desk(events: list[dict[str, Any]]) -> Desk:
    desk = scene.a_desk(events)
    desk.now_ms = NOW
    return desk


def the_row(events: list[dict[str, Any]], width: int = 160) -> str:
    desk = a_desk(events)
    return text([orders.row(desk.stories[ID], desk, paint(), width, here=False, marked=False)])


def test_the_line_of_an_order_that_receives_an_amount_says_it_until_it_is_known_what_was_taken() -> None:
    for count in (1, 2, 3, 4):
        assert "  =200 " in the_row(RECEIVING[:count])
    assert "raydium+" in the_row(RECEIVING[:3])
    ended = the_row(RECEIVING)
    assert "1.2231" in ended
    assert "+25.4" in ended
    assert "0.002 SOL +" in ended


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_its_line_is_as_wide_as_others(width: int) -> None:
    for count in range(1, 6):
        assert len(the_row(RECEIVING[:count], width)) <= width


def test_amounts_that_are_too_long_for_their_column_are_cut() -> None:
    long = RECEIVING[0] | {"receive": "123456789012.123456"}
    assert "=1.23e11" in the_row([long])


def test_its_page_has_the_route_leg_by_leg_and_how_near_it_is_to_the_best() -> None:
    desk = a_desk(RECEIVING)
    page = text(detail.page(desk.stories[ID], desk, paint(), 120))
    assert page.startswith(" Buy 200 USDC with 1.2231 SOL")
    assert "got 200 USDC for 1.2231 SOL on raydium 62% + meteora 38%" in page
    assert "  62%  raydium  58oQCh…YQo2   0.93  SOL →  139.446  USDC\n" in page
    assert "at most 0.0021 bps above the least possible" in page
    assert "VENUE IN (SOL) vs ROUTE FEE IMPACT" in " ".join(page.split())
    assert "1.2301     +82.8" in page
    assert "fee 0.002 SOL + 0.1 USDC" in " ".join(page.split())
    open_ = a_desk(RECEIVING[:4])
    assert detail.title(open_.stories[ID]) == "buy 200 USDC with ≈ 1.22 SOL, at most 1.2261"
    assert detail.title(a_desk(RECEIVING[:1]).stories[ID]) == "buy 200 USDC with SOL, at most 1.3"


def test_its_five_lines_name_the_route_first() -> None:
    desk = a_desk(RECEIVING[:4])
    drawn = text(detail.strip(desk.stories[ID], desk, paint(), 120)).splitlines()
    assert "buy 200 USDC with ≈ 1.22 SOL, at most 1.2261" in drawn[0]
    assert drawn[1].endswith("route    1.22 ◂ raydium 62% + meteora 38%")
    assert drawn[2].endswith("raydium  1.2301 +82.8bps")
    assert "sent to raydium 62% + meteora 38%, waiting to land" in drawn[4]
    narrow = text(detail.strip(desk.stories[ID], desk, paint(), 80)).splitlines()
    assert narrow[1].endswith("route    1.22 ◂ raydium 62% +…")


def test_an_order_that_failed_says_that_nothing_was_bought() -> None:
    failed = RECEIVING[1] | {
        "seq": 3, "status": "failed", "error": "too far. Nothing was bought.", "errorCode": "no_route", "attempts": 1,
    }  # fmt: skip
    desk = a_desk([*RECEIVING[:2], failed])
    assert text([detail.said(desk.stories[ID], desk)]) == "no_route: too far. Nothing was bought; r tries again."


def test_the_log_and_the_exported_table_have_it_too() -> None:
    assert log._said(RECEIVING[4]) == "200 for 1.2231 on raydium 62% + meteora 38% at 163.518927"
    sheet = exporting.orders([a_desk(RECEIVING).stories[ID]])
    row = dict(zip(sheet.columns, sheet.rows[0], strict=True))
    assert (row["amount"], row["receive"], row["maxInput"], row["amountIn"]) == ("", "200", "1.2261", "1.2231")
    assert (row["route"], row["gapBps"], row["slippageBpsGot"]) == ("raydium 62% + meteora 38%", "0.0021", "+25.4")


def test_it_is_found_by_every_venue_of_its_route_and_sorted_by_what_it_takes() -> None:
    story = a_desk(RECEIVING).stories[ID]
    assert filters.parse("venue:meteora")(story)
    assert filters.parse("meteora")(story)
    assert not filters.parse("venue:orca")(story)
    assert filters.SORTS["sell"](story) == ("sol", Decimal("1.2231"))
    assert filters.SORTS["sell"](a_desk(RECEIVING[:1]).stories[ID]) == ("sol", Decimal(0))
    listing = Listing()
    listing.sort_by("sell")
    listing.update(a_desk(RECEIVING[:1]))
    assert len(listing.rows) == 1


def test_slippage_is_what_was_taken_beyond_the_quote() -> None:
    assert cells.bps(cells.slippage(a_desk(RECEIVING).stories[ID]) or Decimal(0)) == "+25.4"
    assert cells.slippage(a_desk(RECEIVING[:4]).stories[ID]) is None
    assert cells.slippage(Story.of(RECEIVED)) is not None
    assert cells.slippage(Story.of(RECEIVES)) is None


def test_what_was_saved_is_against_the_best_single_offer() -> None:
    assert wallet._better(a_desk(RECEIVING).stories[ID]) == (Decimal("0.0088"), "SOL")  # 1.2288 less 1.22
    assert wallet._better(a_desk(LIFE).stories[ID]) == (Decimal("0.5112"), "USDC")
    split = LIFE[2] | {"route": ROUTE, "quotedOutput": "225.013"}
    assert wallet._better(a_desk([*LIFE[:2], split, *LIFE[3:]]).stories[ID]) == (Decimal("0.099599"), "USDC")
    reckoned = wallet.day([a_desk(RECEIVING).stories[ID]], market.POOLS, NOW)
    assert (reckoned.fills, reckoned.volume) == (1, Decimal(200))
    assert reckoned.fees == Decimal("0.002") * 150 + Decimal("0.1")


def test_a_quote_of_the_command_line_names_the_route() -> None:
    quote = {
        "inputToken": "USDC", "outputToken": "BONK", "amount": "10", "quotes": QUOTES, "best": "raydium", "route": HOPS,
        "quotedInput": "10", "quotedOutput": "90000000",
    }  # fmt: skip
    lines = obeying._quoted(quote).text.splitlines()
    assert lines[:3] == [
        "10 USDC → BONK",
        "route    90000000  ◂ best",
        "  raydium + orca by SOL → USDC → BONK",
    ]
    assert sum("best" in line for line in lines) == 1
