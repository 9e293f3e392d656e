"""The bots of `examples/`, run as their docstrings say: in the same trouble the naive one pays twice, the right one once."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from order_engine.client import Client
from order_engine.home import Home
from tests.conftest import ROOT, RunningDaemon
from tests.order_engine.given import rows

BOTS = {"naive_retry_bot.py": 2, "right_bot.py": 1}
TROUBLE = ("land-late", "lose-answer")


@pytest.fixture(scope="module")
def daemon_of_bots(
    start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory
) -> RunningDaemon:
    """Paper trading, four times as fast: a transaction lands after 0.6 to 0.7 s, one that is late after 2.1."""
    home = Home.at(tmp_path_factory.mktemp("bots"))
    home.make()
    home.config_file.write_text("slot_ms = 100\nquote_ms = 20\n")
    return start_daemon(home.data_dir.parent, OEE_SIM_SPEED="paper")


def executed(root: Path) -> int:
    """How often the chain swapped for us, by its own ledger."""
    return int(rows(Home.at(root).chain, "SELECT count(*) FROM ledger WHERE error_code IS NULL")[0][0])


def run(bot: str, daemon: RunningDaemon, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"examples/{bot}", *words],
        cwd=ROOT,
        env=daemon.env | {"PATIENCE_S": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("bot", BOTS)
def test_in_this_trouble_the_bot_pays_as_often_as_it_says(
    bot: str, trouble: str, daemon_of_bots: RunningDaemon
) -> None:
    times = BOTS[bot]
    before = executed(daemon_of_bots.root)
    done = run(bot, daemon_of_bots, trouble)
    assert done.stdout.splitlines()[-1] == f"wanted to sell 0.1 SOL once, sold it {times} times", done
    assert done.returncode == (0 if times == 1 else 1)
    assert executed(daemon_of_bots.root) - before == times, "the chain's ledger says something else"
    with Client(daemon_of_bots.home, autostart=False) as client:
        assert client.faults() == [], "a bot leaves its trouble behind"
        assert client.status()["open"] == 0


@pytest.mark.parametrize("bot", BOTS)
def test_a_bot_says_in_its_first_lines_how_it_is_run(bot: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / "examples" / bot).read_text(encoding="utf-8")))
    assert text is not None
    assert f"python examples/{bot}" in text
