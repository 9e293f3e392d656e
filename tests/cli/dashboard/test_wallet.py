"""The wallet pane: exact amounts, values where pools give them, and a day's figures that are those of its orders."""

import asyncio
from decimal import Decimal

import pytest
from textual.app import App, ComposeResult

from cli.dashboard import cells, wallet
from cli.dashboard.desk import Desk, Reading
from cli.dashboard.wallet import Day, WalletPane, day
from cli.story import Story
from order_engine.clock import timestamp
from tests.cli.dashboard.market import NOON_MS, POOLS, a_balance, a_desk, a_pool, text
from tests.cli.records import CONFIRMED, FAILED, LIFE, paint

PAINT = paint()
HOUR = 3_600_000
BALANCES = [a_balance("USDC", "1012.334901", "250"), a_balance("SOL", "21.20411805", "23.5"), a_balance("JUP", "120.5")]


def filled(number: int, at_ms: int, **changes: object) -> Story:
    """An order that was confirmed at this time: 1.5 SOL sold for 224.841213 USDC, 3.2 bps worse than quoted."""
    at = timestamp(at_ms)
    return Story.of(CONFIRMED | {"orderId": f"order-{number:06}", "createdAt": at, "updatedAt": at} | changes)


def test_the_most_valuable_token_comes_first_with_exact_amounts() -> None:
    drawn = text(wallet.lines(a_desk(balances=BALANCES, pools=POOLS), Day(), 80, 20, PAINT)).splitlines()
    assert drawn[0].strip() == "total 8022.18 USDC"
    assert [line.split()[:5] for line in drawn[1:5]] == [
        ["TOKEN", "FREE", "IN", "ORDERS", "VALUE"],
        ["SOL", "21.20411805", "23.5", "6705.62", "0.00%"],
        ["USDC", "1012.334901", "250", "1262.33", "0.00%"],
        ["JUP", "120.5", "0", "54.22", "0.00%"],
    ]
    assert [line.split()[-1].count("▇") for line in drawn[2:5]] == [12, 2, 1]  # against the largest, and never nothing


def test_values_move_with_the_prices_of_the_session() -> None:
    desk = Desk()
    desk.refresh(Reading(NOON_MS - HOUR, pools=[a_pool(price="150")], balances=[a_balance("SOL", "1")]))
    desk.refresh(Reading(NOON_MS, pools=[a_pool(price="153")]))
    desk.now_ms = NOON_MS
    drawn = text(wallet.lines(desk, Day(), 80, 20, PAINT))
    assert "prices of 1h +2.00%" in drawn


def test_a_token_without_a_pool_has_no_value_and_is_not_lost() -> None:
    drawn = text(wallet.lines(a_desk(balances=[*BALANCES, a_balance("WIF", "7")], pools=POOLS), Day(), 80, 20, PAINT))
    assert drawn.splitlines()[5].split() == ["WIF", "7", "0", "-", "-", "-"]
    assert drawn.splitlines()[0].strip() == "total 8022.18 USDC"


def test_a_day_is_what_was_filled_since_midnight() -> None:
    stories = [
        filled(1, NOON_MS - 13 * HOUR),  # yesterday
        filled(2, NOON_MS - HOUR),
        filled(3, NOON_MS),
        Story.of(FAILED | {"updatedAt": timestamp(NOON_MS)}),
    ]
    reckoned = day(stories, POOLS, NOON_MS)
    assert reckoned.fills == 2
    assert reckoned.volume == 2 * Decimal("224.841213")
    assert reckoned.fees == 2 * Decimal("0.003") * 150
    assert reckoned.slippage is not None
    assert cells.bps(reckoned.slippage) == "+3.2"


def test_fills_are_counted_by_the_hour_and_the_current_one_is_last() -> None:
    stories = [
        filled(n, at)
        for n, at in enumerate((NOON_MS, NOON_MS + 60_000, NOON_MS - 1, NOON_MS - 23 * HOUR, NOON_MS - 24 * HOUR))
    ]
    per_hour = day(stories, POOLS, NOON_MS + 120_000).per_hour
    assert (per_hour[-1], per_hour[-2], per_hour[0], sum(per_hour)) == (2, 1, 1, 4)


def test_savings_are_against_the_next_best_offer_where_the_offers_are_known() -> None:
    story = Story("order-1")
    for event in LIFE:
        story.add(event)
    now = story.updated_at
    assert day([story], POOLS, now).saved == Decimal("224.9126") - Decimal("224.4014")
    assert day([filled(1, now)], POOLS, now).saved is None


def test_a_fill_that_no_pool_prices_is_said_to_be_missing() -> None:
    reckoned = day([filled(1, NOON_MS), filled(2, NOON_MS, outputToken="WIF")], POOLS, NOON_MS)
    assert (reckoned.fills, reckoned.unvalued) == (2, 1)
    drawn = text(wallet.lines(a_desk(balances=BALANCES, pools=POOLS), reckoned, 80, 20, PAINT))
    assert "without 1 fills that no pool prices" in drawn


def test_figures_of_a_part_of_the_day_say_so() -> None:
    desk = a_desk(balances=BALANCES, pools=POOLS, status={"today": {"confirmed": 5_000}, "seq": 9, "unknown": 1})
    drawn = text(wallet.lines(desk, day([filled(1, NOON_MS)], POOLS, NOON_MS), 80, 24, PAINT))
    assert "filled 5000" in drawn
    assert "unknown 1" in drawn
    assert "of the newest 1 fills" in drawn


@pytest.mark.parametrize("height", [2, 4, 6, 9, 12, 20, 34, 56])
@pytest.mark.parametrize("width", [40, 60, 80, 91, 120, 200])
def test_the_wallet_fits_at_every_size(width: int, height: int) -> None:
    stories = [filled(n, NOON_MS - n * n * 60_000) for n in range(30)]
    desk = a_desk(balances=BALANCES * 3, pools=POOLS, status={"today": {"failed": 2, "cancelled": 1}, "unknown": 3})
    drawn = wallet.lines(desk, day(stories, POOLS, NOON_MS), width, height, PAINT)
    assert len(drawn) <= height
    assert max(len(line) for line in text(drawn).splitlines()) <= width


def test_what_does_not_fit_is_counted() -> None:
    desk = a_desk(
        balances=[a_balance(token, "1") for token in ("SOL", "USDC", "JUP", "BONK", "WIF", "RAY")], pools=POOLS
    )
    assert "and 3 tokens of less value" in text(wallet.lines(desk, Day(), 80, 9, PAINT))


def test_nothing_read_is_said_so() -> None:
    assert "nothing heard of the wallet" in text(wallet.lines(a_desk(), Day(), 80, 20, PAINT))


class Holding(App[None]):
    """An app with the wallet."""

    def compose(self) -> ComposeResult:
        yield WalletPane()


def test_the_pane_shows_the_desk() -> None:
    async def use() -> None:
        app = Holding()
        async with app.run_test(size=(80, 24)):
            pane = app.query_one(WalletPane)
            desk = a_desk(balances=BALANCES, pools=POOLS)
            desk.stories["order-1"] = filled(1, NOON_MS)
            pane.show(desk)
            assert "volume 224.84 USDC" in pane.text
            assert "FILLED PER HOUR" in pane.text

    asyncio.run(use())
