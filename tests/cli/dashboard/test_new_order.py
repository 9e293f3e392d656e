"""The card for a new order: live quotes of what is typed, one order per submit, and a refusal that closes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from cli.dashboard import new_order
from cli.dashboard.new_order import Draft, NewOrder, read, shell, worst
from cli.dashboard.painted import Painted
from cli.paint import Line
from order_engine.client import Client
from order_engine.errors import Malformed, OutcomeUnknown
from order_engine.home import Home
from tests.cli.dashboard.market import a_balance, a_desk, text
from tests.cli.records import QUOTES, ROUTE
from tests.conftest import RunningDaemon

Record = dict[str, Any]

QUOTE: Record = {
    "schema": "oee.quote/1", "inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "quotes": QUOTES,
    "best": "meteora", "reason": "meteora pays most",
}  # fmt: skip
BUYS = {"inputToken": "SOL", "outputToken": "USDC", "receive": "200"}
ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}

# what the fields mean


def test_the_fields_are_an_order_and_a_command() -> None:
    assert read(Draft(" 1.5 ", "sol", "USDC", "")) == ORDER
    assert read(Draft("1.5", "SOL", "USDC", "0.5%")) == ORDER | {"slippageBps": 50}
    assert shell(ORDER) == "oee submit SOL USDC 1.5"
    assert read(Draft("= 200", "SOL", "USDC", "")) == BUYS
    assert shell(BUYS | {"slippageBps": 50}) == "oee submit SOL USDC --receive 200 --slippage 50bps"
    assert shell(ORDER | {"slippageBps": 50}) == "oee submit SOL USDC 1.5 --slippage 50bps"


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft("x", "SOL", "USDC", ""), "is not a plain positive decimal number"),
        (Draft("0", "SOL", "USDC", ""), "must be greater than zero"),
        (Draft("1.1234567", "USDC", "SOL", ""), "1.1234567 has 7 digits after the point, the token has 6"),
        (Draft("=1.1234567", "SOL", "USDC", ""), "1.1234567 has 7 digits after the point, the token has 6"),
        (Draft("=", "SOL", "USDC", ""), "is not a plain positive decimal number"),
        (Draft("==1", "SOL", "USDC", ""), "'=1' is not a plain positive decimal number"),
        (Draft("1", "SOLL", "USDC", ""), "SOLL is not a known token. Close: SOL"),
        (Draft("1", "SOL", "sol", ""), "Both are SOL."),
        (Draft("1", "SOL", "USDC", "9999"), "5000"),
        (Draft("[/]", "SOL", "USDC", ""), "'[/]' is not a plain positive decimal number"),
    ],
)
def test_what_is_not_an_order_is_refused_with_its_values(draft: Draft, words: str) -> None:
    with pytest.raises(Malformed, match=r".*") as refused:
        read(draft)
    assert words in refused.value.message


def test_the_least_is_the_best_offer_less_the_limit_rounded_for_the_user() -> None:
    assert worst(ORDER | {"slippageBps": 50}, QUOTE) == "at least 223.788834 USDC"  # of 224.913401: 223.788833995
    assert worst(ORDER, QUOTE) is None
    assert worst(ORDER | {"slippageBps": 50}, QUOTE | {"best": None}) is None


def test_offers_stand_under_each_other_with_the_chosen_one_marked() -> None:
    assert text(new_order.offers(QUOTE, 62)) == (
        "  raydium  224.40221  USDC   -22.7bps  impact 2 bps\n"
        "▸ meteora  224.913401 USDC       best  impact 1 bps\n"
        "  orca     no quote: no answer within 400 ms"
    )


def test_of_an_amount_to_get_the_most_is_said_rounded_for_the_user() -> None:
    quote = QUOTE | {
        "amount": None,
        "receive": "200",
        "route": ROUTE,
        "quotedInput": "1.223333333",
        "quotedOutput": "200",
    }
    assert worst(BUYS | {"slippageBps": 50}, quote) == "at most 1.229449999 SOL"  # 1.229449999665
    offers = [offer | {"amountIn": "1.2301"} for offer in QUOTES[:2]]
    assert worst(BUYS | {"slippageBps": 50}, QUOTE | {"quotes": offers}) == "at most 1.2362505 SOL"


def test_the_route_stands_on_a_line_below_the_offers_that_are_compared_with_it() -> None:
    quote = QUOTE | {"best": "raydium", "route": ROUTE, "quotedInput": "1.5", "quotedOutput": "225.013"}
    assert text(new_order.route(quote, 62)) == "▸ 225.013 USDC by raydium 62% + meteora 38%"
    assert text(new_order.offers(quote, 62)) == (
        "  raydium  224.40221  USDC   -27.1bps  impact 2 bps\n"
        "  meteora  224.913401 USDC    -4.4bps  impact 1 bps\n"
        "  orca     no quote: no answer within 400 ms"
    )
    assert new_order.route(QUOTE, 62) == []
    assert len(text(new_order.route(quote | {"route": [each | {"dex": "x" * 99} for each in ROUTE]}, 62))) == 62


# the card in use


class Trading(App[None]):
    """An app that opens the card at once."""

    def __init__(self, client_for: Callable[[], Client], **begins: str) -> None:
        super().__init__()
        desk = a_desk(balances=[a_balance("SOL", "9.5"), a_balance("USDC", "1000")])
        self.card = NewOrder(desk, client_for, **begins)
        self.results: list[Record | None] = []

    def on_mount(self) -> None:
        self.push_screen(self.card, self.results.append)

    def says(self, name: str) -> str:
        """What a part of the card says."""
        return self.card.query_one(f"#{name}", Painted).text

    @property
    def everything(self) -> str:
        return "\n".join(self.says(name) for name in ("free", "offers", "route", "says", "same", "acts"))


async def until(pilot: Pilot[None], condition: Callable[[], object], app: Trading) -> None:
    for _ in range(2_000):
        if condition():
            return
        await pilot.pause(0.005)
    raise AssertionError(app.everything)


def use(app: Trading, steps: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await steps(pilot)

    asyncio.run(run())


@pytest.fixture
def client_for(daemon: RunningDaemon) -> Callable[[], Client]:
    return lambda: Client(daemon.home, autostart=False)


def orders_of(daemon: RunningDaemon, key: str) -> list[Record]:
    with Client(daemon.home, autostart=False) as client:
        return list(client.orders(key=key))


def test_what_is_typed_is_quoted_by_every_venue(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        assert "once there is an amount" in app.says("offers")
        await pilot.press(*"1.5")
        await until(pilot, lambda: "▸" in app.says("route"), app)
        with client_for() as client:
            assert app.says("offers").count("USDC") == len(client.venues())
        assert app.says("same") == " Same as: oee submit SOL USDC 1.5"
        assert app.says("free") == "free 9.5"
        await pilot.press("tab", "down")  # another token to sell
        assert app.card.query_one("#sell", Input).value == "USDC"
        assert app.says("says").strip() == "! Both are USDC."
        assert "▸" not in app.says("route")

    use(app, steps)


def test_a_limit_says_what_there_is_at_least(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for, amount="2")

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("tab", "tab", "tab", *"50")
        await until(pilot, lambda: "at least" in app.says("says"), app)
        assert app.says("same").endswith("--slippage 50bps")

    use(app, steps)


def test_submit_places_one_order_with_a_fresh_key_and_closes(
    client_for: Callable[[], Client], daemon: RunningDaemon
) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press(*"0.01", "ctrl+s", "ctrl+s", "ctrl+s")
        await until(pilot, lambda: app.results, app)

    use(app, steps)
    (order,) = app.results
    assert order is not None
    assert (order["inputToken"], order["outputToken"], order["amount"]) == ("SOL", "USDC", "0.01")
    assert [found["orderId"] for found in orders_of(daemon, order["clientOrderId"])] == [order["orderId"]]
    daemon.settle()


def test_an_amount_after_an_equals_sign_is_what_is_to_be_got(
    client_for: Callable[[], Client], daemon: RunningDaemon
) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("=", *"2")
        await until(pilot, lambda: "▸" in app.says("route"), app)
        assert " SOL by " in app.says("route")
        assert app.says("same") == " Same as: oee submit SOL USDC --receive 2"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.results, app)

    use(app, steps)
    (order,) = app.results
    assert order is not None
    assert (order["amount"], order["receive"]) == (None, "2")
    daemon.settle()


def test_more_than_there_is_of_what_it_takes_is_said(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for, amount="=5000")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "only 9.5 free" in app.says("free"), app)

    use(app, steps)


def test_a_refusal_is_said_and_closes_nothing(client_for: Callable[[], Client], daemon: RunningDaemon) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press(*"99999")
        assert app.says("free") == "! only 9.5 free"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "✗" in app.says("says"), app)
        assert "99999" in app.says("says")
        assert app.screen is app.card
        assert app.card.query_one("#amount", Input).value == "99999"

    use(app, steps)
    assert app.results == []


def test_an_order_of_nothing_is_asked_for_its_amount(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+s")
        assert "How much" in app.says("says")
        await pilot.press(*"1e5", "ctrl+s")
        assert "is not a plain positive decimal number" in app.says("says")

    use(app, steps)
    assert app.results == []


class Forgetful(Client):
    """A client whose answer to the first order gets lost, after the daemon took it."""

    lost = 0

    def place(self, order: Mapping[str, Any], *, key: str | None = None) -> tuple[Record, bool]:
        answer = super().place(order, key=key)
        if not Forgetful.lost:
            Forgetful.lost = 1
            raise OutcomeUnknown("The connection broke.", hint=f"Look: oee list --key {key}")
        return answer


def test_an_answer_that_was_lost_never_makes_a_second_order(daemon: RunningDaemon) -> None:
    Forgetful.lost = 0
    app = Trading(lambda: Forgetful(daemon.home, autostart=False))

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press(*"0.01", "ctrl+s")
        await until(pilot, lambda: "asks again, and never for a second" in app.says("says"), app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: app.results, app)

    use(app, steps)
    (order,) = app.results
    assert order is not None
    assert len(orders_of(daemon, order["clientOrderId"])) == 1
    daemon.settle()


def test_an_older_answer_never_replaces_what_is_asked_now(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press(*"1.5")
        await until(pilot, lambda: "▸" in app.says("route"), app)
        now = app.says("offers")
        app.card._quoted(ORDER, QUOTE | {"amount": "7"})  # an answer to a question of before
        assert app.says("offers") == now
        await pilot.press("0", "0")  # 1.500: the same amount, so its quotes stay
        assert "▸" in app.says("route")
        await pilot.press("1")
        assert "asking the venues" in app.says("offers")

    use(app, steps)


def test_a_pair_that_nobody_trades_says_why(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for, sell="RAY", buy="BONK", amount="1")

    async def steps(pilot: Pilot[None]) -> None:
        nobody = QUOTE | {"inputToken": "RAY", "outputToken": "BONK", "amount": "1", "quotes": [], "best": None}
        app.card._asked = app.card._order
        assert app.card._order is not None
        app.card._quoted(app.card._order, nobody)
        assert "✗ No venue makes an offer for RAY to BONK." in app.says("says")

    use(app, steps)


def test_without_a_daemon_the_card_says_so_and_stays(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home.at(tmp_path_factory.mktemp("empty"))
    app = Trading(lambda: Client(home, autostart=False), amount="1")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "No daemon runs" in app.says("says"), app)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "No daemon runs" in app.says("says"), app)
        await pilot.press("escape")

    use(app, steps)
    assert app.results == [None]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 15), (200, 60)])
def test_the_card_fits_the_terminal(size: tuple[int, int], client_for: Callable[[], Client]) -> None:
    app = Trading(client_for, amount="1")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "▸" in app.says("route"), app)
        card = app.card.query_one("#card")
        assert card.region.right <= size[0]
        assert card.region.bottom <= size[1]
        acts = app.card.query_one("#acts")
        assert acts.region.bottom <= card.region.bottom

    use(app, steps, size)


def test_its_buttons_can_be_clicked(client_for: Callable[[], Client]) -> None:
    app = Trading(client_for)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.click("#acts", offset=(4, 0))

    use(app, steps)
    assert app.results == [None]


def test_lines_of_the_card_are_cut_to_its_width() -> None:
    long: list[Line] = new_order.offers(QUOTE | {"quotes": [{"dex": "orca", "reason": "x" * 200}]}, 62)
    assert len(text(long)) <= 62
