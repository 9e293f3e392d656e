"""Importing over HTTP and at the command line, and the market that a home begins with."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cli.commands import sim_import
from daemon import schemas
from order_engine.home import Home
from tests.cli.conftest import Oee
from tests.cli.test_golden import check
from tests.conftest import RunningDaemon, run_daemon
from tests.venues.simulated.test_importing import CLMM, NEW, OURS, address, raydium
from tests.waiting import until

Start = Callable[..., RunningDaemon]


@pytest.fixture
def world(start_daemon: Start, tmp_path: Path) -> RunningDaemon:
    return start_daemon(tmp_path)


def reserve(world: RunningDaemon) -> str:
    pools = world.get("/api/pools?pair=SOL/USDC")["items"]
    return str(next(pool["reserveA"] for pool in pools if pool["pool"] == address(raydium())))


def test_a_file_is_imported_and_a_pool_comes_at_its_height(world: RunningDaemon, tmp_path: Path) -> None:
    oee = Oee(world.env)
    file = tmp_path / "pools.json"
    file.write_text(json.dumps({"data": [raydium(), CLMM]}))
    done = oee("sim", "import", str(file))
    assert (done.code, done.out.split()) == (0, [address(raydium()), address(CLMM)]), done
    assert "2 pools as in the file from height" in done.err
    assert reserve(world).startswith("4589")
    new = json.dumps({name: value for name, value in OURS.items() if name != "height"})
    record = oee("sim", "import", "-", "--at", "+100000", "--json", stdin=new).record
    check(record)
    msgspec.convert(record, schemas.Imported, strict=True)
    assert tuple(record) == sim_import.FIELDS
    assert record["coming"] == [NEW]
    (coming,) = world.get("/api/sim/market")["coming"]
    assert coming["pool"] == NEW
    assert f"{NEW} opens at height {coming['height']}" in oee("sim", "market").out
    soon = json.dumps(json.loads(new) | {"address": NEW.replace("9", "8")})
    assert oee("sim", "import", "-", "--at", "+5", "-q", stdin=soon).code == 0
    until(lambda: NEW.replace("9", "8") in str(world.get("/api/pools")), "the new pool")


def test_a_bad_file_is_refused_by_line_and_field_and_changes_nothing(world: RunningDaemon) -> None:
    oee = Oee(world.env)
    before = world.get("/api/sim/market")["since"]
    text = json.dumps([raydium(), CLMM | {"price": "cheap"}], indent=1)
    done = oee("sim", "import", "-", "--json", stdin=text)
    line = 1 + next(n for n, words in enumerate(text.splitlines()) if "cheap" in words)
    assert (done.code, done.error["field"]) == (2, "[1].price")
    assert done.error["message"].startswith(f"line {line}: [1].price: a number")
    assert world.get("/api/sim/market")["since"] == before
    refused = world.call("POST", "/api/sim/pools", {"text": json.dumps([raydium(id=CLMM["id"])])})
    assert (refused.status, refused.record["field"]) == (400, "line 1")
    for words in (("-", "--at", "soon"), ("/nowhere.json",)):
        assert oee("sim", "import", *words, stdin=text).code == 2
    for body in ({}, {"text": 5}, {"text": "[]", "more": 1}, {"text": json.dumps(raydium()), "height": -1}):
        assert world.call("POST", "/api/sim/pools", body).status == 400, body
    assert not reserve(world).startswith("4589")


def test_a_file_of_a_megabyte_is_taken_and_a_larger_body_than_a_batch_is_not(world: RunningDaemon) -> None:
    text = json.dumps([raydium()]) + " " * 1_000_000
    assert world.call("POST", "/api/sim/pools", {"text": text}).status == 200
    assert world.call("POST", "/api/sim/pools", b" " * (16 * 1024 * 1024 + 1)).status == 413


def test_a_home_begins_with_the_market_of_its_settings_and_keeps_what_was_chosen(
    start_daemon: Start, tmp_path: Path
) -> None:
    home = Home.at(tmp_path)
    home.make()
    (home.config_dir / "mine.toml").write_text('name = "mine"\nwhale_odds = 3\n')
    home.config_file.write_text('market = "mine.toml"\n')  # from the folder of config.toml
    world = start_daemon(tmp_path)
    until(lambda: world.get("/api/sim/market")["regime"] == "mine", "the first block")
    world.stop()
    world = start_daemon(tmp_path, OEE_SIM_MARKET="crash")
    assert world.get("/api/sim/market")["regime"] == "mine"


@pytest.mark.parametrize("market", ["wild", "nowhere.toml"])
def test_a_market_that_cannot_be_had_is_said_at_the_start(tmp_path: Path, market: str) -> None:
    done = run_daemon(tmp_path, OEE_SIM_MARKET=market)
    assert done.returncode != 0
    assert "cannot be used" in done.stderr + done.stdout
