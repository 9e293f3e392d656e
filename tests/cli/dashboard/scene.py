"""A desk with orders in every state, a clock that stands still, and ways to look at an app that shows them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from cli.dashboard.app import Dashboard
from cli.dashboard.desk import CONNECTED, Desk, LinkState, Reading
from cli.dashboard.link import Link
from cli.times import ms_of
from order_engine.client import Client
from order_engine.clock import timestamp
from order_engine.home import Home
from tests.cli.dashboard import market

Record = dict[str, Any]

NOW = ms_of("2026-11-20T09:41:20.000Z")
TX = "4sGjTqVZ9hYx3b7eR1mKc5nPw8fLs2dUoXaWtNqJk6HvBgEyCzMrWm2e"
POOLS = {
    "raydium": "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2",
    "meteora": "HTvjzsfX3yU6BUodCjZ5vZkUrAxMDTrBs3CJaq43ashR",
}
STATUS: Record = {
    "schema": "oee.status/1", "version": "0.1.0", "status": "ok", "speed": "paper", "startedAt": "2026-11-20T06:29:20.000Z",
    "uptimeMs": 11_520_000, "seq": 0, "height": 200, "blockMs": 400, "queue": 0, "workers": 10, "attempts": 3, "open": 0,
    "unknown": 0, "oldestOpenMs": None, "today": {"confirmed": 118, "failed": 2, "cancelled": 1, "expired": 0}, "halted": False,
}  # fmt: skip


class Teller:
    """Makes the events of orders, numbered as a daemon numbers them."""

    def __init__(self) -> None:
        self.seq = 0
        self.events: list[Record] = []

    def say(self, order_id: str, at_ms: int, status: str, **facts: Any) -> None:
        """The next event."""
        self.seq += 1
        self.events.append(
            {
                "schema": "oee.event/1",
                "seq": self.seq,
                "orderId": order_id,
                "status": status,
                "timestamp": timestamp(at_ms),
            }
            | facts
        )

    def order(
        self, number: int, state: str, ago_ms: int, sell: tuple[str, str, str] = ("1.5", "SOL", "USDC"), **more: Any
    ) -> str:
        """The life of an order up to a state, begun so long ago. `more`: quoted, got, dex."""
        order_id = an_id(number)
        begun = NOW - ago_ms
        amount, token, out = sell
        dex, quoted = more.get("dex", "meteora"), more.get("quoted", "224.913401")
        path = _PATHS[state]
        self.say(
            order_id, begun, "pending", clientOrderId=f"bot-{number}", type="market", inputToken=token, outputToken=out,
            amount=amount, slippageBps=50, minOutput=None, maxImpactBps=300, retryOf=more.get("retry_of"),
        )  # fmt: skip
        if "routing" in path:
            self.say(order_id, begun + 12, "routing", attempt=1)
        if "building" in path:
            quotes = [
                _offer(dex, quoted, "best"),
                _offer("raydium" if dex == "meteora" else "meteora", "224.402210", ""),
            ]
            self.say(
                order_id, begun + 61, "building", routedDex=dex, pool=POOLS[dex], quotedOutput=quoted, quotes=quotes,
                reason=f"{dex} pays most after fees",
            )  # fmt: skip
        if "submitted" in path:
            self.say(
                order_id, begun + 140, "submitted", settlement="in_flight", routedDex=dex, txHash=f"{number}{TX}",
                lastValidHeight=230, minOutput="223.788846",
            )  # fmt: skip
        match path[-1]:
            case "unknown":
                self.say(order_id, begun + 900, "submitted", settlement="unknown", reason="the connection broke")
            case "confirmed":
                got = more.get("got", "224.841213")
                self.say(
                    order_id, begun + 1_900, "confirmed", settlement="settled", routedDex=dex, txHash=f"{number}{TX}",
                    executedPrice="149.894142", amountOut=got, fee="0.003", feeToken=token, networkFee="0.000005",
                    height=214, slippageBps=3,
                )  # fmt: skip
            case "failed":
                self.say(
                    order_id, begun + 1_900, "failed", error="moved 62 bps, the limit is 50 bps",
                    errorCode="slippage_exceeded", attempts=3,
                )  # fmt: skip
            case "cancelled":
                self.say(order_id, begun + 900, "cancelled", reason="cancelled on request")
        return order_id


_PATHS = {
    "pending": ("pending",),
    "routing": ("pending", "routing"),
    "building": ("pending", "routing", "building"),
    "submitted": ("pending", "routing", "building", "submitted"),
    "unknown": ("pending", "routing", "building", "submitted", "unknown"),
    "confirmed": ("pending", "routing", "building", "submitted", "confirmed"),
    "failed": ("pending", "routing", "building", "submitted", "failed"),
    "cancelled": ("pending", "cancelled"),
}


def an_id(number: int) -> str:
    """A UUIDv7 that ends in the number."""
    return f"01a1f8b6-27b6-7533-a321-c8a69f{number:06d}"


def _offer(dex: str, amount: str, best: str) -> Record:
    return {
        "dex": dex, "pool": POOLS[dex], "amountOut": amount, "fee": "0.003", "feeToken": "SOL",
        "networkFee": "0.000005", "priceImpactBps": 1 if best else 2, "netOutput": amount,
    }  # fmt: skip


def some_events() -> list[Record]:
    """Orders in every state."""
    teller = Teller()
    teller.order(100009, "cancelled", 150_000, ("100", "USDC", "JUP"))
    teller.order(100008, "confirmed", 80_000, dex="raydium", quoted="224.402210", got="223.482161")
    teller.order(100007, "confirmed", 70_000)
    teller.order(100006, "unknown", 41_000, ("2", "SOL", "USDC"))
    teller.order(100005, "failed", 14_000, ("9100000", "BONK", "SOL"), dex="raydium", quoted="0.820743")
    teller.order(100004, "pending", 3_000, ("250", "USDC", "SOL"))
    teller.order(100003, "building", 3_000, ("4000", "JUP", "USDC"), dex="raydium", quoted="3249.2")
    teller.order(100002, "routing", 2_000, ("20", "SOL", "USDC"))
    teller.order(100001, "submitted", 2_000)
    return teller.events


def a_desk(events: list[Record] | None = None) -> Desk:
    """A desk with these events, connected, at the time that stands still."""
    desk = Desk()
    fill(desk, events)
    return desk


def fill(desk: Desk, events: list[Record] | None = None) -> None:
    """Puts the events on a desk, and what a daemon says of itself."""
    events = some_events() if events is None else events
    desk.now_ms = NOW
    desk.link = LinkState(CONNECTED, NOW - 60_000)
    desk.load([])
    for event in events:
        desk.take(event)
    desk.refresh(
        Reading(
            NOW,
            status=STATUS | {"seq": len(events)},
            venues=[market.a_venue(), market.a_venue("meteora", quoteMsP50=38, chosen=61)],
            pools=market.POOLS,
            balances=[market.a_balance("SOL", "21.20411805", "23.5"), market.a_balance("USDC", "1012.334901", "250")],
        )
    )


class Still(Link):
    """A link that hears nothing: the desk stays as the test filled it."""

    def start(self) -> None:
        pass


def nobody() -> Client:
    """A client of a home where no daemon is."""
    return Client(Home.from_environment(), autostart=False, tell=lambda _: None)


def an_app(
    events: list[Record] | None = None,
    *,
    readonly: bool = False,
    screen: str = "orders",
    other_keys: Mapping[str, str] = MappingProxyType({}),
) -> Dashboard:
    """The app with a filled desk. `other_keys`: by the name of the action, as keymap.toml gives them."""
    still = Still(nobody)
    app = Dashboard(nobody, readonly, "oee-dark", screen, clock=lambda: NOW, link=still, other_keys=other_keys)
    fill(app.desk, events)
    return app


Script = Callable[[Pilot[None]], Awaitable[None]]


def play(app: Dashboard, script: Script, size: tuple[int, int] = (80, 24)) -> None:
    """Runs the app without a terminal and the script in it."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await script(pilot)

    asyncio.run(run())


async def settled(pilot: Pilot[None]) -> None:
    """Returns when what was pressed is done and drawn."""
    app = pilot.app
    assert isinstance(app, Dashboard)
    for _ in range(3):
        await pilot.pause()
    app.tick()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Presses the keys and waits for what they do."""
    await pilot.press(*keys)
    await settled(pilot)


async def type_in(pilot: Pilot[None], text: str) -> None:
    """Types a text into the line at the bottom, and enter. All letters in one go, as a slow line delivers them."""
    send(pilot, text)
    field = pilot.app.screen.query_one("#prompt-input", Input)
    await soon(pilot, lambda: field.value == text, f"{text} in the line")
    await press(pilot, "enter")


def send(pilot: Pilot[None], text: str) -> None:
    """Gives the app the keys for a text, as its driver does, and waits for nothing."""
    driver = pilot.app._driver
    assert driver is not None
    for sign in text:
        driver.process_message(Key(_character_to_key(sign), sign))


async def soon(pilot: Pilot[None], holds: Callable[[], object], what: str) -> None:
    """Returns as soon as the condition holds; other threads may be at it."""
    for _ in range(2_000):
        if holds():
            return
        await pilot.pause(0.01)
    raise AssertionError(f"{what} did not come about:\n{screen_text(pilot)}")


def screen_text(pilot: Pilot[None]) -> str:
    """The characters of the screen, row by row, without blanks at the ends."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def toasts(pilot: Pilot[None]) -> str:
    """All that was told since the start."""
    return "\n".join(notification.message for notification in pilot.app._notifications)
