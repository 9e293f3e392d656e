"""The pictures of the README, made from the running product: `python -m docs.pictures`.

A daemon of its own on a scratch home, real orders through a market with a few faults, the real dashboard without a terminal and the
real commands with colour. What changes with every run (ids, times, prices) changes here too: they are looked at, not compared.
"""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.text import Text

from cli.dashboard.app import Dashboard
from order_engine.client import Client
from order_engine.clock import SystemClock
from order_engine.home import Home

FOLDER = Path(__file__).parent / "pictures"
ROOT = FOLDER.parent.parent
CLOCK = SystemClock()
WATCH_MS = 4_500  # into the watching: one order is filled by then, one tries again, one has lost its answer
NAMES = ("yellow",)  # of colours, with as many letters as a number of one
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
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "OEE_ASCII": "0"}
        os.environ.pop("NO_COLOR", None)  # Textual obeys an empty one too
        home = Home.at(Path(folder))
        try:
            with Client(home) as client:
                for fault in FAULTS:
                    client.add_fault(fault)
                asyncio.run(_dashboard(client, lambda: Client(home, tell=lambda _: None)))
            _watch("watch", home, (80, 34), ("dca-w", "unlucky-w", "lost-w"))
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
        ("venues-120x40", (120, 40), ("2", "j", "j", "j", "j", "j")),
        ("wallet-80x24", (80, 24), ("3",)),
    ):
        _trade(client, f"-{name}")
        await _shoot(name, size, Dashboard(client_for, theme="oee-dark"), keys)


async def _shoot(name: str, size: tuple[int, int], app: Dashboard, keys: tuple[str, ...]) -> None:
    async with app.run_test(size=size) as pilot:
        await asyncio.sleep(3.0)  # so that some orders are over, some are not, and the prices have moved
        await pilot.press(*keys)
        await asyncio.sleep(6.0 if keys[:1] == ("2",) else 1.5)  # depths are searched for
        _write(name, app.export_screenshot(title="oee dashboard"))


def _watch(name: str, home: Home, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    """The live view in a terminal, while some of its orders are over and some are not."""
    width, height = size
    with Client(home) as client:
        asked = {"dca": ("SOL", "USDC", "1.5"), "jup": ("JUP", "USDC", "4000"), "unlucky": ("BONK", "SOL", "9100000")}
        ids = []
        for key in keys:
            sell, buy, amount = asked.get(key.partition("-")[0], ("SOL", "USDC", "2"))
            order = client.submit({"inputToken": sell, "outputToken": buy, "amount": amount}, key=key)
            ids.append(str(order["orderId"]))
            CLOCK.sleep_ms(300)
    child: pexpect.spawn[bytes] = pexpect.spawn(
        sys.executable,
        ["-m", "cli", "watch", *ids],
        cwd=str(ROOT),
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        dimensions=(height, width),
        encoding=None,
    )
    screen = pyte.Screen(width, height)
    stream = pyte.ByteStream(screen)
    begun = CLOCK.steady_ms()
    while CLOCK.steady_ms() - begun < WATCH_MS:
        with contextlib.suppress(pexpect.TIMEOUT):
            stream.feed(child.read_nonblocking(65_536, timeout=0.2))
    child.sendintr()
    child.close()
    console = Console(record=True, width=width, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text(f"$ oee watch {' '.join(order_id[-6:] for order_id in ids)}", style="bold"))
    lines = [_line_of(screen, y) for y in range(height)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    for line in lines:
        console.print(line)
    _write(name, console.export_svg(title="oee watch"))


def _line_of(screen: pyte.Screen, y: int) -> Text:
    """A line of the terminal with its colours."""
    line = Text(no_wrap=True)
    for x in range(screen.columns):
        cell = screen.buffer[y][x]
        color = f"#{cell.fg}" if len(cell.fg) == 6 and cell.fg not in NAMES else cell.fg
        line.append(cell.data, f"{'bold ' if cell.bold else ''}{'default' if color == 'default' else color}")
    line.rstrip()
    return line


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
