"""The rest of the market over HTTP and at the command line."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from cli.commands import sim_market
from cli.dashboard.charts import EIGHTHS
from daemon import schemas
from tests.cli.conftest import Oee
from tests.conftest import RunningDaemon
from tests.waiting import until

Start = Callable[..., RunningDaemon]


@pytest.fixture(scope="module")
def world(start_daemon: Start) -> RunningDaemon:
    return start_daemon()


@pytest.fixture(scope="module")
def oee(world: RunningDaemon) -> Oee:
    return Oee(world.env)


def test_a_chosen_regime_holds_from_a_height_on_and_over_a_restart(start_daemon: Start, tmp_path: Path) -> None:
    world = start_daemon(tmp_path)
    assert world.get("/api/sim/market")["regime"] == "calm"
    reply = world.call("PUT", "/api/sim/market?regime=thin")
    assert (reply.status, reply.record["regime"]) == (200, "thin")
    assert 0 < reply.record["since"] <= reply.record["height"]
    world.stop()
    again = start_daemon(tmp_path).get("/api/sim/market")
    assert (again["regime"], again["since"]) == ("thin", reply.record["since"])
    assert again["rules"]["liquidity_percent"] == 20


def test_the_record_is_what_the_document_says(world: RunningDaemon) -> None:
    record = world.get("/api/sim/market")
    msgspec.convert(record, schemas.Market, strict=True)
    assert tuple(record) == sim_market.FIELDS
    assert Decimal("100") < Decimal(record["fairUsd"]["SOL"]) < Decimal("250")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "regime"),
        ("regime=wild", "regime"),
        ("regime=calm&rules=name%3D%22x%22", "regime"),
        ("rules=%7B%7D", "rules"),
        ("rules=name%3D%22x%22%0Anoise_pm%3D1", "rules"),
        ("surprise=1", "surprise"),
        ("regime=", "regime"),
    ],
)
def test_what_is_not_understood_changes_nothing(world: RunningDaemon, query: str, field: str) -> None:
    before = world.get("/api/sim/market")["since"]
    reply = world.call("PUT", f"/api/sim/market?{query}")
    assert (reply.status, reply.record["field"]) == (400, field)
    assert world.get("/api/sim/market")["since"] == before


def test_rules_of_ones_own_hold_too(world: RunningDaemon) -> None:
    rules = quote('{"name": "mine", "noise_ppm": 20000}')
    record = world.call("PUT", f"/api/sim/market?rules={rules}").record
    assert (record["regime"], record["rules"]["noise_ppm"], record["rules"]["whale_times"]) == ("mine", 20_000, 12)


def test_a_pool_says_how_deep_it_is_and_what_it_cost(world: RunningDaemon) -> None:
    until(lambda: any(p["curve"]["prices"] for p in curves(world, "SOL")), "a trade of somebody's")
    for token in ("SOL", "USDC"):
        for pool in curves(world, token):
            msgspec.convert(pool, schemas.Pool, strict=True)
            curve = pool["curve"]
            assert (curve["sells"], curve["depth"]["bps"]) == (token, 50)
            sizes = [Decimal(impact["amount"]) for impact in curve["impacts"]]
            assert sizes == [sizes[0] * 10**n for n in range(4)]
            bps = [impact["priceImpactBps"] for impact in curve["impacts"] if "priceImpactBps" in impact]
            assert bps == sorted(bps)
            heights = [price["height"] for price in curve["prices"]]
            assert heights == sorted(set(heights))
    for query in ("curve=SOL", "pair=JUP/USDC&curve=SOL", "pair=SOL/USDC&curve=NOPE"):
        assert world.call("GET", f"/api/pools?{query}").record["field"] == "curve"
    assert "curve" not in world.get("/api/pools?pair=SOL/USDC")["items"][0]


def curves(world: RunningDaemon, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.get(f"/api/pools?pair=SOL/USDC&curve={token}")["items"]
    return found


def test_the_impact_is_the_one_of_the_quote(world: RunningDaemon) -> None:
    """In a market that stands still: the sums are the same."""
    pools = {pool["pool"]: pool for pool in world.get("/api/pools?pair=WIF/SOL&curve=WIF")["items"]}
    for offer in world.get("/api/quote?inputToken=WIF&outputToken=SOL&amount=1000")["quotes"]:
        if "pool" in offer:
            impact = next(each for each in pools[offer["pool"]]["curve"]["impacts"] if each["amount"] == "1000")
            assert abs(impact["priceImpactBps"] - offer["priceImpactBps"]) <= 3


def test_oee_sim_market_shows_and_chooses(oee: Oee, tmp_path: Path) -> None:
    chosen = oee("sim", "market", "choppy")
    assert (chosen.code, chosen.out) == (0, "choppy\n")
    assert chosen.err.startswith("The market is choppy from height ")
    shown = oee("sim", "market")
    assert shown.out.startswith("choppy since height ")
    assert "JitoSOL" in shown.out
    assert oee("sim", "market", "--field", "regime").out == "choppy\n"
    assert oee("sim", "market", "-q").out == "choppy\n"
    assert oee("sim", "market", "--json").record["schema"] == "oee.market/1"
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nwhale_odds = 3\n')
    assert oee("sim", "market", "--file", str(file)).out == "mine\n"
    file.write_text('name = "mine"\nwhale_od = 3\n')
    for words in (("wild",), ("calm", "--file", str(file)), ("--file", str(file)), ("--file", str(tmp_path / "no"))):
        assert oee("sim", "market", *words).code == 2, words


def test_oee_pools_of_a_pair_shows_depth_impact_and_the_price_over_time(oee: Oee) -> None:
    first, second = oee("pools", "SOL", "USDC").out.split("\n\n")
    assert first.startswith("VENUE")
    heading, *rows = second.splitlines()
    assert " ".join(heading.split()) == "VENUE POOL SOL FOR 50 bps 0.1 SOL 1 SOL 10 SOL 100 SOL PRICE LATELY"
    assert {row.split()[0] for row in rows} == {"raydium", "meteora", "orca"}
    assert "bps" in rows[0]
    assert len(oee("pools").out.split("\n\n")) == 1
    records = oee("pools", "SOL", "USDC", "--json").records
    assert {record["curve"]["sells"] for record in records} == {"SOL"}
    assert not set(oee("pools", "SOL", "USDC", OEE_ASCII="1").out) & set(EIGHTHS)
