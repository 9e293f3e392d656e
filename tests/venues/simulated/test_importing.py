"""Pools from a file of public records: exact where they are whole, refused by line and field where they are not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from order_engine.errors import EngineError, Malformed, Refused
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.importing import POOLS_MAX, Plan, fair_values, read_pools
from order_engine.venues.simulated.market import PPM, stray_ppm
from order_engine.venues.simulated.openings import open_pool
from tests.order_engine.given import SOL, USDC, a_chain, venues_of

MINT = {
    "SOL": "So11111111111111111111111111111111111111112",
    "USDC": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "JitoSOL": "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn",
}
NEW = "9wFFyRfZBsuAha4YcuxcXLKwMxJR43S7fPfQLusDBzvT"


def address(record: dict[str, Any]) -> str:
    return str(record.get("address") or record["id"])


def raydium(**changes: Any) -> dict[str, Any]:
    """As api-v3 answers at pools/info; SOL costs 84.47 here."""
    return {
        "type": "Standard",
        "programId": "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",
        "id": "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2",
        "mintA": {"address": MINT["SOL"], "symbol": "WSOL", "decimals": 9},
        "mintB": {"address": MINT["USDC"], "symbol": "USDC", "decimals": 6},
        "price": 84.47,
        "mintAmountA": 45890.814872617,
        "mintAmountB": 3876397.132,
        "feeRate": 0.0025,
        "tvl": 7752794.26,
    } | changes


CONFIG = {"id": "x", "index": 8, "protocolFeeRate": 120000, "tradeFeeRate": 400, "tickSpacing": 1, "fundFeeRate": 40000}
CLMM = raydium(
    type="Concentrated", programId="CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
    id="3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv", price=84.47078530884136, feeRate=0.0004, config=CONFIG,
)  # fmt: skip
CPMM = raydium(
    programId="CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C", id=NEW,
    config={**CONFIG, "tradeFeeRate": 2500, "tickSpacing": None},
)  # fmt: skip
ORCA = {
    "address": "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE",
    "tokenMintA": MINT["SOL"],
    "tokenMintB": MINT["USDC"],
    "tickSpacing": 4,
    "feeRate": 400,
    "protocolFeeRate": 1300,
    "sqrtPrice": "5361314112331873218",
    "tickCurrentIndex": -24712,
    "price": "84.47",
    "tokenBalanceA": "90000000000000",
    "tokenBalanceB": "9000000000000",
}
DLMM = {
    "address": "BGm1tav58oGcsQJehL9WXBFXF7D27vZsKefj4xJKD5Y",
    "name": "SOL-USDC",
    "token_x": {"address": MINT["SOL"], "symbol": "SOL", "decimals": 9},
    "token_y": {"address": MINT["USDC"], "symbol": "USDC", "decimals": 6},
    "reserve_x": "EYj9xKw6ZszwpyNibHY7JD5o3QgTVrSdcBp1fMJhrR9o",
    "token_x_amount": 45399.16,
    "token_y_amount": 2923625.76,
    "pool_config": {
        "bin_step": 10,
        "base_fee_pct": 0.1,
        "max_fee_pct": 10,
        "protocol_fee_pct": 5,
        "collect_fee_mode": 0,
    },
    "dynamic_fee_pct": 0.1,
    "current_price": 84.47,
}
DAMM = DLMM | {
    "address": "CGPxT5d1uf9a8cKVJuZaJAU76t2EfLGbTmRbfvLLZp5j",
    "pool_config": {"base_fee_pct": 0.25, "protocol_fee_pct": 20, "collect_fee_mode": 1},
}
BEFORE = {
    "address": "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6",
    "mint_x": MINT["SOL"],
    "mint_y": MINT["USDC"],
    "reserve_x_amount": 30318675000000,
    "reserve_y_amount": 1249165520000,
    "bin_step": 4,
    "base_fee_percentage": "0.04",
    "protocol_fee_percentage": "5",
    "current_price": 84.47,
}
OURS = {
    "address": NEW, "dex": "raydium", "model": "raydium_cpmm", "tokenA": "WIF", "tokenB": "USDC",
    "reserveA": "1000000000000", "reserveB": "850000000000", "parameters": {"trade_fee_rate": 10000}, "height": 40,
}  # fmt: skip
EVERY = {"clmm": CLMM, "amm v4": raydium(), "cpmm": CPMM, "orca": ORCA, "dlmm": DLMM, "damm": DAMM, "before": BEFORE}


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[SimulatedChain]:
    with a_chain(tmp_path / "chain.db") as chain:
        yield chain


def plan(*records: dict[str, Any], height: int = 0) -> Plan:
    return read_pools(json.dumps(records), height)


def total(chain: SimulatedChain, token: str) -> int:
    return sum(units for (_, each), units in chain.accounts().items() if each == token)


@pytest.mark.parametrize("name", EVERY)
def test_every_public_shape_opens_at_its_price_with_no_more_than_its_reserves(name: str) -> None:
    (opening,) = plan(EVERY[name]).openings
    pool = open_pool(opening)
    numerator, denominator = pool.spot_price(True)
    assert abs(numerator * 10**9 * 100 // (denominator * 10**6) - 8_447) <= 9  # a bin is 10 bps wide
    assert all(0 < held <= put for held, put in zip(pool.reserves, opening.reserves, strict=True))
    assert pool.swap_exact_in(SOL, True, 1_700_000_000).amount_out > 0


def test_digits_are_taken_as_they_stand_and_never_by_way_of_a_float() -> None:
    (opening,) = plan(raydium()).openings
    assert opening.reserves == (45_890_814_872_617, 3_876_397_132_000)
    text = json.dumps([CLMM]).replace("84.47078530884136", "84.470785308841361234567890123456789")
    (opening,) = read_pools(text).openings
    assert opening.price is not None
    assert opening.price[0] * 10**33 * 10**9 == 84470785308841361234567890123456789 * 10**6 * opening.price[1]
    (opening,) = plan(raydium(mintAmountB="1000000.0000009")).openings
    assert opening.reserve_b == 1_000_000 * USDC  # half a unit is not there


@pytest.mark.parametrize(
    "wrapped",
    [
        {"id": "q", "success": True, "data": [raydium()]},
        {"id": "q", "success": True, "data": {"count": 1, "data": [raydium()], "hasNextPage": False}},
        {"data": raydium()},
        [raydium()],
        raydium(),
    ],
)
def test_whatever_an_interface_wraps_its_pools_in_they_are_found(wrapped: Any) -> None:
    assert read_pools(json.dumps(wrapped)).openings == plan(raydium()).openings


def test_one_record_per_line_is_understood_too() -> None:
    text = "\n".join(json.dumps(record) for record in EVERY.values())
    assert len(read_pools(text).openings) == len(EVERY)


def refusal(text: str) -> EngineError:
    with pytest.raises(Malformed) as found:
        read_pools(text)
    assert "Nothing was changed." in found.value.message
    return found.value


def without(record: dict[str, Any], *path: str) -> dict[str, Any]:
    *outer, last = path
    copy: dict[str, Any] = json.loads(json.dumps(record))
    inner = copy
    for name in outer:
        inner = inner[name]
    del inner[last]
    return copy


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (raydium(), ("id",)), (raydium(), ("mintA", "address")), (raydium(), ("mintAmountB",)), (raydium(), ("feeRate",)),
        (raydium(), ("programId",)), (CLMM, ("config", "tickSpacing")), (CLMM, ("price",)), (CPMM, ("config", "tradeFeeRate")),
        (ORCA, ("sqrtPrice",)), (ORCA, ("tokenBalanceA",)), (ORCA, ("tickSpacing",)), (DLMM, ("token_x_amount",)),
        (DLMM, ("pool_config", "base_fee_pct")), (DLMM, ("current_price",)), (DLMM, ("pool_config",)),
        (BEFORE, ("reserve_y_amount",)), (BEFORE, ("bin_step",)), (OURS, ("reserveA",)), (OURS, ("parameters",)),
    ],
)  # fmt: skip
def test_a_partial_record_is_refused_by_its_line_and_the_field_that_is_missing(
    record: dict[str, Any], path: tuple[str, ...]
) -> None:
    text = json.dumps(
        {"data": [raydium(id="7XawhbbxtsRcQA8KTkHT9f9nc6d69UwqCDh6U5EEbEmX"), without(record, *path)]}, indent=1
    )
    error = refusal(text)
    assert error.field == f"data[1].{'.'.join(path)}"
    assert "is missing" in error.message
    line = int(error.message.split()[1].rstrip(":"))
    assert 1 < line <= text.count("\n")
    assert text.splitlines()[line - 1].rstrip().endswith("{")  # the object that lacks it


@pytest.mark.parametrize(
    ("changed", "field", "why"),
    [
        ({"mintAmountA": -1}, "mintAmountA", "at least zero"),
        ({"mintAmountA": 0}, "mintAmountA", "above zero"),
        ({"mintAmountA": "1e30"}, "mintAmountA", "64 bits"),
        ({"mintAmountA": "NaN"}, "mintAmountA", "at least zero"),
        ({"mintAmountA": True}, "mintAmountA", "at least zero"),
        ({"feeRate": 0.00251}, "feeRate", "whole number"),
        ({"id": "not an address"}, "id", "is not an address"),
        ({"id": 5}, "id", "text is needed"),
        ({"mintB": {"address": "nope"}}, "mintB.address", "is not a known token"),
        ({"programId": "11111111111111111111111111111111"}, "programId", "not modelled"),
        ({"mintB": {"address": MINT["SOL"]}}, None, "both tokens are SOL"),
    ],
)
def test_a_wrong_value_is_refused_by_its_own_line_and_field(
    changed: dict[str, Any], field: str | None, why: str
) -> None:
    text = json.dumps([raydium(**changed)], indent=1)
    error = refusal(text)
    assert why in error.message
    assert error.field == (f"[0].{field}" if field else "[0]")
    if field:
        line = int(error.message.split()[1].rstrip(":"))
        assert f'"{field.split(".")[-1]}"' in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1), ("[]", 1), ("{", 1), ('[\n{"id": 1,\n]', 3), ('{"a": 1\n"b": 2}', 2), ("nonsense", 1), ("[1]", 1),
        ('{"a": 1,\n "a": 2}', 2), ("[" * 40, 1), ('"text"', 1), ('{"what": "ever"}', 1), ('{"a": "\x01"}', 1),
    ],
)  # fmt: skip
def test_what_is_no_file_of_pools_is_refused_by_line(text: str, line: int) -> None:
    assert (refusal(text).message.startswith(f"line {line}: ")) or refusal(text).field == f"line {line}"


def test_too_many_pools_and_the_same_one_twice_are_refused() -> None:
    assert "the limit is" in refusal(json.dumps([raydium()] * (POOLS_MAX + 1))).message
    assert "is there twice" in refusal(json.dumps([raydium(), raydium()])).message


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"surprise": 1}, "is not known"), ({"dex": "phoenix"}, "known are"), ({"model": "orca_whirlpool"}, "raydium has"),
        ({"parameters": {"surprise": 1}}, "cannot be opened"), ({"parameters": {"trade_fee_rate": 0.5}}, "is not whole"),
        ({"parameters": 7}, "an object is needed"), ({"height": -1}, "at least zero"),
    ],
)  # fmt: skip
def test_a_record_of_our_own_is_read_as_strictly(changed: dict[str, Any], why: str) -> None:
    assert why in refusal(json.dumps([OURS | changed])).message


POSITIONED = OURS | {"model": "raydium_clmm", "price": "0.85"}
SPACED = {"tick_spacing": 1, "trade_fee_rate": 100}


@pytest.mark.parametrize(
    "record",
    [
        OURS | {"parameters": {"trade_fee_rate": 1_000_000}},
        OURS | {"parameters": {"trade_fee_rate": -1}},
        OURS | {"parameters": {"trade_fee_rate": "2500"}},
        OURS | {"parameters": {"trade_fee_rate": 10**39}},
        OURS | {"model": "raydium_amm_v4", "parameters": {"swap_fee_denominator": 0}},
        OURS | {"dex": "meteora", "model": "meteora_dlmm", "parameters": {"bin_step": 1, "bins_each_side": 10**9}},
        OURS | {"dex": "meteora", "model": "meteora_dlmm", "parameters": {"bin_step": 0, "bins_each_side": 10}},
        POSITIONED | {"parameters": SPACED | {"positions": [[-5, 5, 60, 60], [-5, 5, 60, 60]]}},
        POSITIONED | {"parameters": SPACED | {"positions": [[5, -5, 60, 60]]}},
        POSITIONED | {"parameters": SPACED | {"positions": [[-5, 5, 1, 1]] * 51}},
        POSITIONED | {"parameters": SPACED | {"positions": [[-(10**9), 10**9, 1, 1]]}},
        POSITIONED | {"parameters": SPACED | {"positions": [[-5, 5, 60, 60]], "tick_spacing": 0}},
        POSITIONED | {"parameters": SPACED | {"positions": 5}},
        *({**record, name: price} for record, name in ((CLMM, "price"), (DLMM, "current_price"), (DAMM, "current_price"),
          (BEFORE, "current_price")) for price in ("1e-99", "1e99")),
    ],
)  # fmt: skip
def test_a_pool_that_could_stop_the_chain_is_not_let_in(record: dict[str, Any]) -> None:
    assert refusal(json.dumps(record)).message.startswith("line 1: ")


# in the market


def test_imported_pools_stand_in_the_next_block_and_nothing_appears_or_vanishes(chain: SimulatedChain) -> None:
    before = {token: total(chain, token) for token in MINT}
    decided = chain.import_pools(plan(raydium(), CLMM, CPMM, ORCA, DLMM, DAMM, BEFORE))
    chain.make_block()
    assert decided.result(0) == chain.height() == 1
    assert {token: total(chain, token) for token in MINT} == before
    assert chain.pool(raydium()["id"]).reserves[0] // SOL == 45_890
    assert NEW in {listing.address for listing in chain.listings}
    (venue, _) = venues_of(chain)
    assert NEW in {view.pool for view in venue.pools()}
    for listing in chain.listings:
        held = [chain.accounts()[listing.address, token] for token in (listing.token_a, listing.token_b)]
        assert all(has >= of for has, of in zip(held, chain.pool(listing.address).reserves, strict=True)), listing


def test_the_market_takes_the_prices_of_the_file_for_fair(chain: SimulatedChain) -> None:
    decided = chain.import_pools(plan(*EVERY.values()))
    for _ in range(1_500):
        chain.make_block()
    assert decided.done()
    numerator, denominator = chain.pool(address(ORCA)).spot_price(True)
    assert 8_000 < numerator * 10**9 * 100 // (denominator * 10**6) < 8_900
    fair = chain._flow.fair(next(each for each in chain.listings if each.address == address(ORCA)), chain.height())
    for listing in chain.listings:  # those that were not in the file, too
        if {listing.token_a, listing.token_b} == {"SOL", "USDC"}:
            assert abs(stray_ppm(chain.pool(listing.address), fair)) < 60_000, listing


def test_the_deepest_pool_says_what_a_token_is_worth_and_dollars_stay_dollars() -> None:
    unchanged = dict.fromkeys(["SOL", "USDC", "USDT", "JUP", "BONK", "RAY", "WIF", "JitoSOL"], PPM)
    small = raydium(id=NEW, mintAmountA=1, mintAmountB=100)
    values = fair_values(plan(raydium(), small).openings, unchanged)
    assert (values["USDC"], values["JUP"]) == (PPM, PPM)
    assert abs(values["SOL"] - 84_470_000 // 163.5) < 50
    wif = OURS | {"tokenB": "SOL", "reserveB": str(5_000 * SOL)}
    values = fair_values(plan(wif).openings, unchanged)
    assert values["SOL"] == PPM
    assert abs(values["WIF"] - 817_500 * PPM // 850_000) < 5


def test_a_pool_opens_at_the_height_that_was_named_and_its_money_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "chain.db"
    with a_chain(path) as chain:
        before = total(chain, "WIF")
        decided = chain.import_pools(plan(OURS))
        for _ in range(20):
            chain.make_block()
        assert decided.result(0) == 1
        assert [opening.listing.address for opening in chain.coming] == [NEW]
        assert chain.accounts()[NEW, "WIF"] == 10**12
        assert total(chain, "WIF") == before
    with a_chain(path) as chain:
        assert [opening.height for opening in chain.coming] == [40]
        (venue, _) = venues_of(chain)
        assert not venue.serves("WIF", "USDC")
        while chain.height() < 39:
            chain.make_block()
        assert NEW not in {listing.address for listing in chain.listings}
        chain.make_block()
        assert venue.serves("WIF", "USDC")
        assert chain.coming == []
        assert total(chain, "WIF") == before
    with a_chain(path) as chain:
        assert chain.pool(NEW).model == "raydium_cpmm"
        assert chain.coming == []


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([raydium(), ORCA | {"address": raydium(id=BEFORE["address"])["id"]}], "is a pool of meteora for SOL/USDC"),
        ([raydium(), raydium(id=CLMM["id"])], "is a pool of the model raydium_clmm"),
        ([raydium(), raydium(id=NEW, mintAmountA=18_000_000, mintAmountB=1_520_460_000)], "the market has less SOL"),
        ([raydium(), raydium(id=NEW, mintAmountB=1)], "times off what the market pays"),
    ],
)
def test_a_file_that_contradicts_the_chain_changes_nothing(
    chain: SimulatedChain, records: list[dict[str, Any]], why: str
) -> None:
    listings, market = list(chain.listings), chain.market
    decided = chain.import_pools(plan(*records))
    chain.make_block()
    with pytest.raises(Refused, match=why) as error:
        decided.result(0)
    assert re.match("line [12]: ", error.value.message)
    assert "Nothing was changed." in error.value.message
    assert (list(chain.listings), chain.market) == (listings, market)
    assert chain.pool(raydium()["id"]).reserves[0] // SOL == 40_079


def test_a_pool_that_is_open_does_not_open_again_later(chain: SimulatedChain) -> None:
    decided = chain.import_pools(plan(raydium(), height=100))
    chain.make_block()
    with pytest.raises(Refused, match="is open already"):
        decided.result(0)
    chain.import_pools(plan(OURS))
    repeated = chain.import_pools(plan(OURS))
    again = chain.import_pools(plan(OURS | {"height": 50}))
    chain.make_block()
    with pytest.raises(Refused, match="opens at height 40 already"):
        again.result(0)
    assert repeated.result(0) == chain.height()
    assert chain.accounts()[NEW, "WIF"] == 10**12
