"""The pictures of the README, made from the running product: `python -m docs.pictures`.

A daemon of its own on a scratch home, real orders through a market with a few faults, the real dashboard without a terminal and the
real commands with colour. What changes with every run (ids, times, prices) changes here too: they are looked at, not compared.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text
from textual.pilot import Pilot

from cli.dashboard.app import Dashboard
from order_engine.client import Client
from order_engine.clock import SystemClock
from order_engine.home import Home

FOLDER = Path(__file__).parent / "pictures"
ROOT = FOLDER.parent.parent
CLOCK = SystemClock()
FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)  # a picture fetches nothing from anywhere

FAULTS = (
    {"kind": "reject", "code": "slippage_exceeded", "pattern": "unlucky-*"},
    {"kind": "lose-answer", "pattern": "lost-*"},
    {"kind": "never-land", "pattern": "lost-*"},
)
MARKET = (
    ("SOL", "USDC", "1.5", "dca-1"),
    ("SOL", "USDC", "20", "rebalance-1"),
    ("JUP", "USDC", "4000", "jup-1"),
    ("USDC", "SOL", "250", "dca-2"),
    ("BONK", "SOL", "9100000", "unlucky-1"),
    ("RAY", "SOL", "120", "ray-1"),
    ("WIF", "SOL", "500", "wif-1"),
    ("SOL", "USDC", "2", "lost-1"),
)


def main() -> None:
    """Makes every picture anew."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"OEE_HOME": folder, "OEE_PORT": "0", "OEE_SIM_SPEED": "paper"}
        home = Home.at(Path(folder))
        try:
            with Client(home) as client:
                for fault in FAULTS:
                    client.add_fault(fault)
                asyncio.run(_dashboard(client, lambda: Client(home, tell=lambda _: None)))
            _command("routing", "quote", "SOL", "USDC", "50")
            _command("submit", "submit", "SOL", "USDC", "1.5", "--wait")
        finally:
            subprocess.run([sys.executable, "-m", "cli", "daemon", "stop", "--now"], cwd=ROOT, check=False)


def _trade(client: Client, tag: str) -> None:
    for sell, buy, amount, key in MARKET:
        order = {"inputToken": sell, "outputToken": buy, "amount": amount}
        client.submit(order, key=f"{key}{tag}")


async def _dashboard(client: Client, client_for: Callable[[], Client]) -> None:
    _trade(client, "a")
    await asyncio.to_thread(_until, lambda: client.status()["open"] <= 1)
    for name, size, keys in (
        ("dashboard-80x24", (80, 24), ()),
        ("dashboard-120x40", (120, 40), ()),
        ("dashboard-200x60", (200, 60), ()),
        ("order-80x24", (80, 24), ("down", "down", "enter")),
        ("venues-120x40", (120, 40), ("2",)),
        ("wallet-80x24", (80, 24), ("3",)),
    ):
        _trade(client, f"-{name}")
        await _shoot(name, size, Dashboard(client_for), _pressing(keys))


def _pressing(keys: tuple[str, ...]) -> Callable[[Pilot[None]], Awaitable[None]]:
    async def press(pilot: Pilot[None]) -> None:
        if keys:
            await pilot.press(*keys)

    return press


async def _shoot(
    name: str, size: tuple[int, int], app: Dashboard, act: Callable[[Pilot[None]], Awaitable[None]]
) -> None:
    async with app.run_test(size=size) as pilot:
        await asyncio.sleep(3.0)  # so that some orders are over, some are not, and the prices have moved
        await act(pilot)
        await asyncio.sleep(1.5)
        _write(name, app.export_screenshot(title="oee dashboard"))


def _command(name: str, *words: str) -> None:
    """A command's output with its colours."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=ROOT,
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    console = Console(record=True, width=80, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text(f"$ oee {' '.join(words)}", style="bold"))
    console.print(Text.from_ansi(done.stdout))
    _write(name, console.export_svg(title="oee"))


def _write(name: str, svg: str) -> None:
    (FOLDER / f"{name}.svg").write_text(FONT.sub("", svg), encoding="utf-8")
    print(f"docs/pictures/{name}.svg")


def _until(condition: Callable[[], object]) -> None:
    begun = CLOCK.steady_ms()
    while not condition() and CLOCK.steady_ms() - begun < 15_000:
        CLOCK.sleep_ms(100)


if __name__ == "__main__":
    main()
