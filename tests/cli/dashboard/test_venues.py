"""The venues and pools panes say how the market is: who answers, who is chosen, what pools cost and what orders do to them."""

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest
from textual.app import App, ComposeResult

from cli.dashboard import impact, pools, venues
from cli.dashboard.desk import Desk, Reading
from cli.dashboard.impact import Impacts
from cli.dashboard.pools import PoolsPane, View
from cli.dashboard.venues import VenuesPane
from order_engine.client import Client
from order_engine.home import Home
from tests.cli.dashboard.market import NOON_MS, POOLS, Record, a_desk, a_pool, a_venue, text
from tests.cli.records import paint
from tests.conftest import RunningDaemon

PAINT = paint()
TROUBLE: Record = {
    "answering": False,
    "lastTrouble": "no answer within 400 ms",
    "lastTroubleAt": "2026-11-20T11:59:18.000Z",
}


def moved(*prices: str) -> Desk:
    """A desk that read these prices of SOL/USDC, ten minutes apart, the last one at noon."""
    desk = Desk()
    for number, price in enumerate(prices):
        at_ms = NOON_MS - (len(prices) - 1 - number) * 600_000
        desk.refresh(Reading(at_ms, pools=[a_pool(price=price), *POOLS[1:]]))
    desk.now_ms = NOON_MS
    return desk


# venues


def test_every_venue_has_a_line_with_its_share_and_speed() -> None:
    found = [
        a_venue("meteora", chosen=61, confirmed=249, failed=1, quoteMsP50=38, quoteMsP99=91),
        a_venue("raydium", chosen=31, quoteMsP50=1_212, quoteMsP99=12_640),
        a_venue("orca", chosen=8, **TROUBLE),
    ]
    assert text(venues.lines(found, 80, NOON_MS, PAINT)) == (
        "   VENUE     STATE      p50     p99  CHOSEN  FAILED            LAST QUOTE   AGE\n"
        "   meteora   ● ok      38ms    91ms     61%    0.4%      149.942 SOL/USDC    2s\n"
        "   raydium   ! slow  1212ms     12s     31%    0.0%      149.942 SOL/USDC    2s\n"
        "   orca      ✗ down    41ms   120ms      8%    0.0%      149.942 SOL/USDC    2s\n"
        "   ✗ orca: no answer within 400 ms, 42s ago"
    )


@pytest.mark.parametrize(
    ("venue", "word"),
    [
        (a_venue(), "ok"),
        (a_venue(quoteMsP50=None), "ok"),
        (a_venue(quoteMsP50=1_000), "slow"),
        (a_venue(**TROUBLE), "down"),
        (a_venue(**(TROUBLE | {"answering": True})), "ok"),  # it was in trouble, and answers again
        (a_venue(answering=None), "idle"),
    ],
)
def test_health_is_a_word(venue: Record, word: str) -> None:
    assert venues.health(venue).word == word


def test_a_venue_that_nobody_asked_shows_no_figures_made_of_nothing() -> None:
    fresh = a_venue(quoted=0, declined=0, chosen=0, confirmed=0, answering=None, quoteMsP50=None, quoteMsP99=None)
    fresh |= {"lastQuotedAt": None, "lastPair": None, "lastPrice": None}
    drawn = text(venues.lines([fresh], 80, NOON_MS, PAINT)).splitlines()[1]
    assert drawn.split() == ["raydium", "○", "idle", "-", "-", "-", "-", "-", "-"]


def test_a_daemon_of_before_gets_dashes() -> None:
    old = {name: value for name, value in a_venue().items() if name in ("dex", "pools", "quoted", "declined", "chosen")}
    assert "idle" in text(venues.lines([old | {"confirmed": 3}], 80, NOON_MS, PAINT))


def test_one_failure_in_thousands_is_not_none() -> None:
    assert "<0.1%" in text(venues.lines([a_venue(confirmed=9_999, failed=1)], 80, NOON_MS, PAINT))


@pytest.mark.parametrize("width", [40, 60, 80, 90, 120, 200])
def test_the_venues_fit_and_columns_go_as_a_whole(width: int) -> None:
    drawn = text(venues.lines([a_venue(), a_venue("meteora")], width, NOON_MS, PAINT)).splitlines()
    assert max(map(len, drawn)) <= width
    assert "…" not in "".join(drawn)
    assert ("POOLS" in drawn[0]) == (width >= 120)


# pools


def test_the_pool_under_the_cursor_has_its_price_over_the_session() -> None:
    drawn, cursor = pools.lines(moved("149.2", "150", "150.2"), View(), 80, 20, PAINT)
    lines = text(drawn).splitlines()
    assert lines[0] == "   SOL/USDC  raydium raySOL…1111  150.200  20m +0.67%"
    assert lines[1].startswith("    150.200 ┤")
    assert lines[1].endswith("█")
    assert lines[-1 - len(POOLS)].split()[:3] == ["PAIR", "VENUE", "POOL"]
    assert cursor == len(lines) - len(POOLS)
    assert lines[cursor].startswith("▌  SOL/USDC")
    assert any(line.split() == ["11:40", "11:55", "12:10"] for line in lines)


def test_the_impacts_are_those_of_the_pair_under_the_cursor() -> None:
    found = Impacts(("SOL", "USDC"), ("0.1", "1", "10", "100"), {"raydium": (1, 2, 5, 33), "meteora": (0, 0, 1, None)})
    desk = moved("150", "151")
    shown = text(pools.lines(desk, View(impacts=found), 80, 20, PAINT)[0])
    assert [line.split() for line in shown.splitlines() if line.startswith(("   raydium", "   meteora"))] == [
        ["meteora", "0", "0", "1", "-", "…"],
        ["raydium", "1", "2", "5", "33", "…"],
    ]
    elsewhere = text(pools.lines(desk, View(cursor=3, impacts=found), 80, 20, PAINT)[0])
    assert "IMPACT bps of selling BONK" in elsewhere
    assert "asking the venues" in elsewhere


def test_sizes_suit_what_the_token_costs() -> None:
    assert impact.sizes(POOLS, "SOL") == ("0.1", "1", "10", "100")
    assert impact.sizes(POOLS, "JUP") == ("100", "1000", "10000", "100000")
    assert impact.sizes(POOLS, "BONK") == ("1000000", "10000000", "100000000", "1000000000")


@pytest.mark.parametrize("height", [2, 5, 8, 12, 17, 24, 40, 60])
@pytest.mark.parametrize("width", [40, 60, 80, 91, 120, 200])
def test_the_pools_fit_at_every_size_and_the_cursor_is_among_them(width: int, height: int) -> None:
    desk = moved("149.2", "150", "150.2")
    for cursor_at in range(len(POOLS)):
        drawn, cursor = pools.lines(desk, View(cursor=cursor_at), width, height, PAINT)
        lines = text(drawn).splitlines()
        assert len(drawn) <= height
        assert max(map(len, lines)) <= width
        assert cursor is not None
        assert lines[cursor].startswith("▌")


def test_a_pool_is_as_deep_as_both_its_sides_are_worth() -> None:
    assert pools.depth(POOLS, POOLS[0]) == "12.0M"
    assert pools.depth(POOLS, POOLS[3]) == "270k"
    assert pools.depth([], POOLS[3]) == "-"
    assert [pools.short(Decimal(value)) for value in (7, 999, 1_000, 123_456, 10**10)] == [
        "7",
        "999",
        "1.00k",
        "123k",
        "10.0G",
    ]


def test_a_size_is_written_in_short() -> None:
    assert [pools.size(text) for text in ("0.1", "1", "100", "10000", "1000000", "10000000000")] == [
        "0.1", "1", "100", "10k", "1M", "10G",
    ]  # fmt: skip


def test_nothing_read_is_said_so() -> None:
    assert "nothing heard" in text(pools.lines(a_desk(), View(), 80, 20, PAINT)[0])
    assert "nothing heard" in text(venues.lines([], 80, NOON_MS, PAINT))


def test_hostile_names_stay_what_they_are() -> None:
    drawn = text(venues.lines([a_venue("[red]x[/]")], 80, NOON_MS, PAINT))
    assert "[red]x[" in drawn


# on the screen


class Holding(App[None]):
    """An app with the two panes."""

    CSS = "VenuesPane { height: 5; } PoolsPane { height: 1fr; }"

    def __init__(self, client: Client | None = None) -> None:
        super().__init__()
        self._client = client
        self.venues, self.pools = VenuesPane(), PoolsPane((lambda: client) if client else None)

    def compose(self) -> ComposeResult:
        yield self.venues
        yield self.pools


def test_the_cursor_moves_through_the_pools_and_stops_at_both_ends() -> None:
    async def use() -> None:
        app = Holding()
        async with app.run_test(size=(80, 24)):
            app.pools.show(a_desk(pools=POOLS))
            at = []
            for step in (1, 1, 7, -1, -9):
                app.pools.move(step)
                assert app.pools.pool is not None
                at.append(POOLS.index(app.pools.pool))
            assert at == [1, 2, 3, 2, 0]
            app.pools.bottom()
            assert app.pools.pool == POOLS[-1]
            app.pools.top()
            assert app.pools.pool == POOLS[0]

    asyncio.run(use())


def test_a_click_puts_the_cursor_there() -> None:
    async def use() -> None:
        app = Holding()
        async with app.run_test(size=(80, 24)) as pilot:
            app.pools.show(a_desk(pools=POOLS))
            row = next(y for y, line in enumerate(app.pools.text.splitlines()) if "BONK/SOL" in line)
            await pilot.click(PoolsPane, offset=(5, row))
            assert app.pools.pool == POOLS[3]

    asyncio.run(use())


class Curves:
    """A client whose venues move by so many bps for each token that is sold, and offer nothing beyond what they hold."""

    def __init__(self, **venues: tuple[str, str]) -> None:
        self.venues = {dex: (Decimal(per_token), Decimal(most)) for dex, (per_token, most) in venues.items()}
        self.asked: list[str] = []

    def quote(self, _sell: str, _buy: str, amount: str, *, routing: str) -> dict[str, Any]:
        self.asked.append(amount)
        offers = [
            {"dex": dex, "priceImpactBps": int(per_token * Decimal(amount))}
            if Decimal(amount) <= most
            else {"dex": dex, "reason": "too much"}
            for dex, (per_token, most) in self.venues.items()
        ]
        return {"quotes": offers}


@pytest.mark.parametrize(
    ("per_token", "most", "least", "at_most"),
    [("0.25", "1e9", 170, 204), ("5", "1e9", 8, 11), ("0.0005", "2000", 1_700, 2_000), ("300", "1e9", 0.1, 0.17)],
)
def test_a_depth_is_found_with_few_questions(per_token: str, most: str, least: float, at_most: float) -> None:
    client = Curves(raydium=(per_token, most))
    found = impact.ask(cast(Client, client), ("SOL", "USDC"), ("0.1", "1", "10", "100"))
    depth = impact.deepened(cast(Client, client), found).depth
    assert depth is not None
    sign, amount = depth["raydium"]
    assert sign == "≈"
    assert least <= float(amount) <= at_most
    assert len(client.asked) <= 4 + impact.QUESTIONS


def test_a_depth_out_of_reach_is_said_to_be_so() -> None:
    client = Curves(raydium=("1000", "1e9"), meteora=("0", "1e30"))
    found = impact.ask(cast(Client, client), ("SOL", "USDC"), ("0.1", "1", "10", "100"))
    depth = impact.deepened(cast(Client, client), found).depth
    assert depth is not None
    assert depth["raydium"] == ("<", "0.1")
    assert depth["meteora"][0] == ">"


def test_the_depth_stands_beside_the_impacts_where_there_is_room() -> None:
    desk = a_desk(pools=POOLS)
    found = Impacts(("SOL", "USDC"), ("0.1", "1", "10", "100"), {"raydium": (0, 1, 9, 88)})
    shown = text(pools.lines(desk, View(impacts=found), 80, 20, PAINT)[0])
    assert "50 bps at" in shown
    assert "…" in next(line for line in shown.split("\n") if "raydium" in line and "88" in line)
    deep = found._replace(depth={"raydium": ("≈", "58000")})
    assert "≈ 58k" in text(pools.lines(desk, View(impacts=deep), 80, 20, PAINT)[0])
    assert "50 bps at" not in text(pools.lines(desk, View(impacts=deep), 60, 20, PAINT)[0])


def test_a_change_says_over_how_long_it_is() -> None:
    desk = a_desk(pools=POOLS)
    assert "IN -" in text(pools.lines(desk, View(), 80, 20, PAINT)[0])
    desk.refresh(Reading(NOON_MS + 90_000, pools=POOLS))
    desk.now_ms = NOON_MS + 90_000
    assert "IN 1m" in text(pools.lines(desk, View(), 80, 20, PAINT)[0])
    desk.now_ms = NOON_MS + 2 * 86_400_000
    assert " 24h" in text(pools.lines(desk, View(), 80, 20, PAINT)[0])


def test_impacts_are_asked_of_the_daemon_and_shown(daemon: RunningDaemon) -> None:
    async def use() -> None:
        client = Client(daemon.home, autostart=False)
        app = Holding(client)
        async with app.run_test(size=(100, 40)) as pilot:
            venues_there = sorted(venue["dex"] for venue in client.venues())
            desk = a_desk(pools=client.pools())
            app.pools.show(desk)
            for _ in range(2_000):
                if "asking the venues" not in app.pools.text and "…\n" not in app.pools.text:
                    break
                await pilot.pause(0.005)
            below = app.pools.text.split("IMPACT", 1)[1].splitlines()[1 : 1 + len(venues_there)]
            rows = [line.split() for line in below]
            assert [row[0] for row in rows] == venues_there
            assert all(len(row) == 7 and row[5] in ("≈", ">", "<") for row in rows)
            assert any(all(bps.isdigit() for bps in row[1:5]) for row in rows)

    asyncio.run(use())


def test_a_daemon_that_is_gone_is_said_where_the_impacts_would_be(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def use() -> None:
        app = Holding(Client(Home.at(tmp_path_factory.mktemp("empty")), autostart=False))
        async with app.run_test(size=(100, 40)) as pilot:
            app.pools.show(a_desk(pools=POOLS))
            for _ in range(2_000):
                if "No daemon runs" in app.pools.text:
                    return
                await pilot.pause(0.005)
            raise AssertionError(app.pools.text)

    asyncio.run(use())
