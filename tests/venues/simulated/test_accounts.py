"""Pools from raw accounts of the chain: exactly as they are there, or refused with what is missing.

The accounts are written here from pools of our own, at offsets counted in the real ones; some facts are of real accounts.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from order_engine.errors import EngineError, Malformed, Refused
from order_engine.tokens import TOKENS
from order_engine.venues import (
    meteora,
    meteora_damm_v2,
    meteora_dlmm,
    orca,
    orca_whirlpool,
    raydium,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from order_engine.venues.concentrated import Tick, first_above
from order_engine.venues.simulated.accounts import addresses
from order_engine.venues.simulated.accounts.meteora import bin_array_address
from order_engine.venues.simulated.accounts.meteora import bitmaps_address as dlmm_bitmaps_address
from order_engine.venues.simulated.accounts.orca import oracle_address
from order_engine.venues.simulated.accounts.orca import tick_array_address as orca_array_address
from order_engine.venues.simulated.accounts.raydium import bitmaps_address, tick_array_address
from order_engine.venues.simulated.chain import SimulatedChain
from order_engine.venues.simulated.importing import NEAR, read_pools
from order_engine.venues.simulated.openings import BEGAN_S, Opening, open_pool
from order_engine.venues.simulated.providing import refilled
from order_engine.venues.snapshot import AnyPool
from tests.order_engine.given import SOL, USDC, a_chain

Dumped = dict[str, Any]
Field = tuple[int, int, int | bytes]  # offset, bytes, and what is there

AMM_V4 = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
CPMM = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
CLMM = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"
DLMM = "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo"
DAMM = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG"
WHIRLPOOL = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

AT = 1_766_836_822  # when the accounts were last written, on the real chain
PRICE = (1_635, 10_000)  # base units of USDC per lamport
RESERVES = 40_000 * SOL, 6_540_000 * USDC
SIDES = ("SOL", "USDC")


def key(name: str) -> str:
    """An address that nothing derives."""
    return addresses.written(hashlib.sha256(name.encode()).digest())


def packed(size: int, kind: str, *fields: Field) -> bytes:
    content = bytearray(size)
    if kind:
        content[:8] = hashlib.sha256(f"account:{kind}".encode()).digest()[:8]
    for at, length, value in fields:
        text = value if isinstance(value, bytes) else value.to_bytes(length, "little", signed=value < 0)
        assert len(text) == length
        content[at : at + length] = text
    return bytes(content)


def at_key(at: int, address: str) -> Field:
    return at, 32, addresses.read(address)


def dumped(address: str, program: str, content: bytes) -> Dumped:
    """As `solana account ADDRESS --output json` writes it."""
    return {
        "pubkey": address,
        "account": {
            "lamports": 5_435_760,
            "data": [base64.b64encode(content).decode(), "base64"],
            "owner": program,
            "executable": False,
            "rentEpoch": 18_446_744_073_709_551_615,
            "space": len(content),
        },
    }


def vaults(pool: str, amounts: tuple[int, int], sides: tuple[str, str] = SIDES) -> list[Dumped]:
    return [
        dumped(
            key(pool + token),
            TOKEN,
            packed(165, "", at_key(0, TOKENS[token].mint), (64, 8, units), (108, 1, 1)),
        )
        for token, units in zip(sides, amounts, strict=True)
    ]


def keys(pool: str, mints: tuple[int, int], of_vaults: tuple[int, int], sides: tuple[str, str] = SIDES) -> list[Field]:
    return [
        *(at_key(at, TOKENS[token].mint) for at, token in zip(mints, sides, strict=True)),
        *(at_key(at, key(pool + token)) for at, token in zip(of_vaults, sides, strict=True)),
    ]


# one of each program


AMM_POOL = raydium_amm_v4.Pool(*RESERVES, 25, 10_000)
CPMM_POOL = raydium_cpmm.Pool(*RESERVES, 2_500, 120_000, 40_000, 500, True, 1)
AMM_ADDRESS = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"
CPMM_ADDRESS = key("a pool of CPMM")
CLMM_ADDRESS = "3ucNos4NbumPLZNWztqGHNFFgkHeRMBQAVemeeomsUxv"
DLMM_ADDRESS = "5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6"
DAMM_ADDRESS = "CGPxT5d1uf9a8cKVJuZaJAU76t2EfLGbTmRbfvLLZp5j"
ORCA_ADDRESS = "Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE"


def amm_v4(pool: raydium_amm_v4.Pool = AMM_POOL, status: int = 6, apart: tuple[int, int] = (7, 9)) -> list[Dumped]:
    content = packed(
        752,
        "",
        (0, 8, status), (176, 8, pool.swap_fee_numerator), (184, 8, pool.swap_fee_denominator), (192, 8, apart[0]),
        (200, 8, apart[1]), *keys(AMM_ADDRESS, (400, 432), (336, 368)),
    )  # fmt: skip
    held = pool.reserve_a + apart[0], pool.reserve_b + apart[1]
    return [dumped(AMM_ADDRESS, AMM_V4, content), *vaults(AMM_ADDRESS, held)]


def cpmm(pool: raydium_cpmm.Pool = CPMM_POOL, status: int = 0) -> list[Dumped]:
    config = key("config of CPMM")
    content = packed(
        637,
        "PoolState",
        at_key(8, config), at_key(232, TOKEN), at_key(264, TOKEN), (329, 1, status), (341, 8, 1), (349, 8, 10), (357, 8, 2),
        (365, 8, 20), (389, 1, pool.creator_fee_on), (390, 1, int(pool.enable_creator_fee)), (397, 8, 4), (405, 8, 40),
        *keys(CPMM_ADDRESS, (168, 200), (72, 104)),
    )  # fmt: skip
    rates = packed(
        236,
        "AmmConfig",
        (12, 8, pool.trade_fee_rate), (20, 8, pool.protocol_fee_rate), (28, 8, pool.fund_fee_rate),
        (108, 8, pool.creator_fee_rate),
    )  # fmt: skip
    held = pool.reserve_a + 7, pool.reserve_b + 70
    return [dumped(CPMM_ADDRESS, CPMM, content), *vaults(CPMM_ADDRESS, held), dumped(config, CPMM, rates)]


@cache
def a_clmm() -> raydium_clmm.Pool:
    """With a dynamic fee, limit orders, and ticks so far out that the pool's own bitmap does not reach them."""
    shape = {"tick_spacing": 1, "trade_fee_rate": 400, "positions": NEAR}
    pool = raydium.open_pool("raydium_clmm", shape, *RESERVES, PRICE)
    assert isinstance(pool, raydium_clmm.Pool)
    above = first_above(pool.ticks, pool.tick_current)
    ticks = list(pool.ticks)
    ticks[above] = replace(ticks[above], open_orders=5 * SOL, part_filled_orders=SOL)
    fee = raydium_clmm.DynamicFee(30, 600, 5_000, 4_000, 150_000, pool.tick_current - 2, 3_000, 23_000, AT)
    return replace(pool, ticks=tuple(ticks), dynamic_fee=fee)


def bitmap(places: Iterator[int], size: int) -> bytes:
    return sum(1 << place for place in set(places)).to_bytes(size, "little")


def clmm(pool: raydium_clmm.Pool | None = None, status: int = 0) -> list[Dumped]:
    pool = pool or a_clmm()
    parameters, config = pool.parameters, key("config of CLMM")
    width = 60 * parameters.tick_spacing
    arrays: dict[int, list[Field]] = {}
    for tick in pool.ticks:
        number, at = divmod(tick.tick, width)
        at = 44 + at // parameters.tick_spacing * 168
        arrays.setdefault(number, []).extend([
            (at, 4, tick.tick), (at + 4, 16, tick.liquidity_net), (at + 20, 16, tick.liquidity_gross),
            (at + 124, 8, tick.open_orders), (at + 132, 8, tick.part_filled_orders),
        ])  # fmt: skip
    fee, dynamic = pool.dynamic_fee, b""
    if fee is not None:
        widths = (2, 2, 2, 4, 4, 4, 4, 4, 8)
        dynamic = b"".join(
            value.to_bytes(length, "little", signed=value < 0)
            for value, length in zip(msgspec.structs.astuple(fee), widths, strict=True)
        )
    content = packed(
        1544,
        "PoolState",
        at_key(9, config), (235, 2, parameters.tick_spacing), (237, 16, pool.liquidity), (253, 16, pool.sqrt_price_x64),
        (269, 4, pool.tick_current), (389, 1, status), (390, 1, parameters.fee_on), (1096, 80, dynamic.ljust(80, b"\0")),
        (904, 128, bitmap((number + 512 for number in arrays if -512 <= number < 512), 128)),
        *keys(CLMM_ADDRESS, (73, 105), (137, 169)),
    )  # fmt: skip
    rates = packed(
        117,
        "AmmConfig",
        (43, 4, parameters.protocol_fee_rate), (47, 4, parameters.trade_fee_rate), (51, 2, parameters.tick_spacing),
        (53, 4, parameters.fund_fee_rate),
    )  # fmt: skip
    further = packed(
        1832,
        "TickArrayBitmapExtension",
        at_key(8, CLMM_ADDRESS),
        (40, 896, bitmap((number - 512 for number in arrays if number >= 512), 896)),
        # tickarray_bitmap_extension.rs: its first 512 bits are arrays -1024 to -513 in that order, then -1536 to -1025
        (936, 896, bitmap(((-number - 513) // 512 * 512 + number % 512 for number in arrays if number < -512), 896)),
    )
    return [
        dumped(CLMM_ADDRESS, CLMM, content),
        *vaults(CLMM_ADDRESS, pool.reserves),
        dumped(config, CLMM, rates),
        dumped(bitmaps_address(CLMM_ADDRESS), CLMM, further),
        *(
            dumped(
                tick_array_address(CLMM_ADDRESS, number * width),
                CLMM,
                packed(10_240, "TickArrayState", at_key(8, CLMM_ADDRESS), (40, 4, number * width), *fields),
            )
            for number, fields in sorted(arrays.items())
        ),
    ]


@cache
def a_whirlpool() -> orca_whirlpool.Pool:
    shape = {"tick_spacing": 64, "fee_rate": 400, "protocol_fee_rate": 1_300, "positions": NEAR}
    pool = orca.open_pool(shape, *RESERVES, PRICE)
    group = pool.tick_current_index // 32
    fee = orca_whirlpool.AdaptiveFee(30, 600, 5_000, 20_000, 100_000, 32, 64, group - 1, 1_000, 11_000, AT - 5, AT)
    return replace(pool, adaptive_fee=fee)


def whirlpool(pool: orca_whirlpool.Pool | None = None, dynamic: bool = False) -> list[Dumped]:
    pool = pool or a_whirlpool()
    parameters, fee = pool.parameters, pool.adaptive_fee
    spacing = parameters.tick_spacing
    width = 88 * spacing
    starts = {*pool.tick_array_starts(True), *pool.tick_array_starts(False)}
    starts |= {tick.tick // width * width for tick in pool.ticks}
    nets = {tick.tick: tick.liquidity_net for tick in pool.ticks}
    array = _dynamic_array if dynamic else _fixed_array
    content = packed(
        653,
        "Whirlpool",
        (41, 2, spacing), (43, 2, spacing if fee is None else 1_025), (45, 2, parameters.fee_rate),
        (47, 2, parameters.protocol_fee_rate), (49, 16, pool.liquidity), (65, 16, pool.sqrt_price_x64),
        (81, 4, pool.tick_current_index), *keys(ORCA_ADDRESS, (101, 181), (133, 213)),
    )  # fmt: skip
    found = [dumped(ORCA_ADDRESS, WHIRLPOOL, content), *vaults(ORCA_ADDRESS, pool.reserves)]
    for start in sorted(starts):
        ticks = {place: nets[start + place * spacing] for place in range(88) if start + place * spacing in nets}
        found.append(dumped(orca_array_address(ORCA_ADDRESS, start), WHIRLPOOL, array(start, ticks)))
    if fee is not None:
        widths = (2, 2, 2, 4, 4, 2, 2)
        constants = msgspec.structs.astuple(fee)[:7]
        ends = [48 + sum(widths[:place]) for place in range(7)]
        oracle = packed(
            254,
            "Oracle",
            at_key(8, ORCA_ADDRESS), *zip(ends, widths, constants, strict=True),
            (82, 8, fee.last_reference_update_timestamp), (90, 8, fee.last_major_swap_timestamp),
            (98, 4, fee.volatility_reference), (102, 4, fee.tick_group_index_reference), (106, 4, fee.volatility_accumulator),
        )  # fmt: skip
        found.append(dumped(oracle_address(ORCA_ADDRESS), WHIRLPOOL, oracle))
    return found


def _tick(net: int) -> bytes:
    return b"\1" + net.to_bytes(16, "little", signed=True) + abs(net).to_bytes(16, "little") + bytes(80)


def _fixed_array(start: int, ticks: dict[int, int]) -> bytes:
    fields: list[Field] = [(12 + place * 113, 113, _tick(net)) for place, net in ticks.items()]
    return packed(9_988, "TickArray", (8, 4, start), at_key(9_956, ORCA_ADDRESS), *fields)


def _dynamic_array(start: int, ticks: dict[int, int]) -> bytes:
    body = b"".join(_tick(ticks[place]) if place in ticks else b"\0" for place in range(88))
    fields = (8, 4, start), at_key(12, ORCA_ADDRESS), (44, 16, bitmap(iter(ticks), 16)), (60, len(body), body)
    return packed(60 + len(body), "DynamicTickArray", *fields)


@cache
def a_dlmm() -> meteora_dlmm.Pool:
    """With limit orders on both sides."""
    pool = meteora.open_pool("meteora_dlmm", {"bin_step": 10, "bins_each_side": 90}, *RESERVES, PRICE)
    assert isinstance(pool, meteora_dlmm.Pool)
    bins = list(pool.bins)
    bins[100] = replace(bins[100], open_orders=3 * SOL, processed_orders=SOL, orders_ask=True)
    bins[80] = replace(bins[80], open_orders=7 * USDC)
    return replace(
        pool,
        bins=tuple(bins),
        index_reference=pool.active_id - 3,
        volatility_accumulator=34_000,
        volatility_reference=4_000,
        last_update_timestamp=AT,
    )


def dlmm(
    pool: meteora_dlmm.Pool | None = None,
    sides: tuple[str, str] = SIDES,
    status: int = 0,
    version: int = 1,
) -> list[Dumped]:
    pool = pool or a_dlmm()
    parameters = pool.parameters
    arrays: dict[int, list[Field]] = {}
    for bin_id, each in enumerate(pool.bins, pool.first_bin_id):
        number, at = divmod(bin_id, 70)
        at = 56 + at * 144
        arrays.setdefault(number, []).extend([
            (at, 8, each.amount_x), (at + 8, 8, each.amount_y), (at + 112, 8, each.open_orders),
            (at + 128, 8, each.processed_orders), (at + 140, 1, int(each.orders_ask)),
        ])  # fmt: skip
    content = packed(
        904,
        "LbPair",
        (8, 2, parameters.base_factor), (10, 2, parameters.filter_period), (12, 2, parameters.decay_period),
        (14, 2, parameters.reduction_factor), (16, 4, parameters.variable_fee_control),
        (20, 4, parameters.max_volatility_accumulator), (32, 2, parameters.protocol_share_bps),
        (34, 1, parameters.base_fee_power_factor), (35, 1, 2), (36, 1, parameters.collect_fee_mode),
        (40, 4, pool.volatility_accumulator), (44, 4, pool.volatility_reference), (48, 4, pool.index_reference),
        (56, 8, pool.last_update_timestamp), (76, 4, pool.active_id), (80, 2, parameters.bin_step), (82, 1, status),
        (584, 128, bitmap((number + 512 for number in arrays if -512 <= number < 512), 128)), (882, 1, version),
        *keys(DLMM_ADDRESS, (88, 120), (152, 184), sides),
    )  # fmt: skip
    further = packed(
        1576,
        "BinArrayBitmapExtension",
        at_key(8, DLMM_ADDRESS),
        (40, 768, bitmap((number - 512 for number in arrays if number >= 512), 768)),
        (808, 768, bitmap((-number - 513 for number in arrays if number < -512), 768)),
    )
    return [
        dumped(DLMM_ADDRESS, DLMM, content),
        dumped(dlmm_bitmaps_address(DLMM_ADDRESS), DLMM, further),
        *(
            dumped(
                bin_array_address(DLMM_ADDRESS, number),
                DLMM,
                packed(10_136, "BinArray", (8, 8, number), (16, 1, 2), at_key(24, DLMM_ADDRESS), *fields),
            )
            for number, fields in sorted(arrays.items())
        ),
    ]


@cache
def a_damm() -> meteora_damm_v2.Pool:
    shape = {
        "sqrt_price_min_x64": "4295048016",
        "sqrt_price_max_x64": "79226673521066979257578248091",
        "base_fee": {
            "cliff_fee_numerator": 50_000_000, "mode": 1, "number_of_period": 100, "period_frequency": 60,
            "reduction_factor": 300,
        },
        "dynamic_fee": {
            "sqrt_price_reference": 7_459_000_000_000_000_000, "volatility_accumulator": 40_000,
            "volatility_reference": 20_000, "last_update_timestamp": AT,
        },
        "collect_fee_mode": 1, "fee_version": 0, "activation_point": AT - 1_000,
    }  # fmt: skip
    pool = meteora.open_pool("meteora_damm_v2", shape, *RESERVES, PRICE)
    assert isinstance(pool, meteora_damm_v2.Pool)
    return pool


COMPOUNDING = meteora_damm_v2.Pool(
    10**30, 7_459_000_000_000_000_000, collect_fee_mode=2, compounding_fee_bps=5_000, token_a_amount=RESERVES[0],
    token_b_amount=RESERVES[1],
)  # fmt: skip


def damm(pool: meteora_damm_v2.Pool | None = None, status: int = 0, activation_type: int = 1) -> list[Dumped]:
    pool = pool or a_damm()
    base, fee = pool.base_fee, pool.dynamic_fee
    fields: list[Field] = [
        (8, 8, base.cliff_fee_numerator), (16, 1, base.mode), (22, 2, base.number_of_period), (24, 8, base.period_frequency),
        (32, 8, base.reduction_factor), (48, 1, pool.protocol_fee_percent), (50, 1, pool.referral_fee_percent),
        (54, 2, pool.compounding_fee_bps), (360, 16, pool.liquidity_x64), (424, 16, pool.sqrt_price_min_x64),
        (440, 16, pool.sqrt_price_max_x64), (456, 16, pool.sqrt_price_x64), (472, 8, pool.activation_point),
        (480, 1, activation_type), (481, 1, status), (484, 1, pool.collect_fee_mode), (486, 1, pool.fee_version),
        (680, 8, pool.token_a_amount), (688, 8, pool.token_b_amount), *keys(DAMM_ADDRESS, (168, 200), (232, 264)),
    ]  # fmt: skip
    if base.mode in (3, 4):
        fields += [(24, 4, base.period_frequency), (28, 4, base.expires_after), (152, 16, base.initial_sqrt_price_x64)]
    if fee is not None:
        fields += [
            (56, 1, 1), (64, 4, fee.max_volatility_accumulator), (68, 4, fee.variable_fee_control), (72, 2, 1),
            (74, 2, fee.filter_period), (76, 2, fee.decay_period), (78, 2, fee.reduction_factor),
            (80, 8, fee.last_update_timestamp), (88, 16, 1_844_674_407_370_955), (104, 16, fee.sqrt_price_reference),
            (120, 16, fee.volatility_accumulator), (136, 16, fee.volatility_reference),
        ]  # fmt: skip
    return [dumped(DAMM_ADDRESS, DAMM, packed(1112, "Pool", *fields))]


BY_MARKET_CAP = meteora_damm_v2.BaseFee(50_000_000, 3, 50, 200, 100_000, 7_000_000_000_000_000_000, 86_400)
ROUND_TRIPS: dict[str, Callable[[], tuple[AnyPool, list[Dumped]]]] = {
    "amm v4": lambda: (AMM_POOL, amm_v4()),
    "cpmm": lambda: (CPMM_POOL, cpmm()),
    "clmm": lambda: (a_clmm(), clmm()),
    "clmm with a plain fee": lambda: (bare := replace(a_clmm(), dynamic_fee=None), clmm(bare)),
    "whirlpool": lambda: (a_whirlpool(), whirlpool()),
    "whirlpool in dynamic arrays": lambda: (a_whirlpool(), whirlpool(dynamic=True)),
    "whirlpool with a plain fee": lambda: (bare := replace(a_whirlpool(), adaptive_fee=None), whirlpool(bare)),
    "dlmm": lambda: (a_dlmm(), dlmm()),
    "damm v2": lambda: (a_damm(), damm()),
    "damm v2, compounding": lambda: (COMPOUNDING, damm(COMPOUNDING)),
    "damm v2, by market cap": lambda: (bare := replace(a_damm(), base_fee=BY_MARKET_CAP), damm(bare)),
}


def read(accounts: list[Dumped]) -> Opening:
    (opening,) = read_pools(json.dumps(accounts)).openings
    return opening


def refusal(accounts: Any) -> EngineError:
    with pytest.raises(Malformed) as found:
        read_pools(json.dumps(accounts))
    assert "Nothing was changed." in found.value.message
    return found.value


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_pool_comes_out_of_its_accounts_exactly_as_it_is(name: str) -> None:
    state, accounts = ROUND_TRIPS[name]()
    opening = read(accounts)
    assert opening.state == state
    assert opening.model == state.model
    assert opening.reserves == state.reserves
    assert (opening.listing.token_a, opening.listing.token_b) == SIDES
    assert opening.listing.address == accounts[0]["pubkey"]


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_swap_after_the_import_is_the_swap_on_the_real_pool(name: str) -> None:
    state, accounts = ROUND_TRIPS[name]()
    opened = open_pool(read(accounts), BEGAN_S)
    for seconds in (0, 15, 100, 5_000):  # volatility is fresh, half gone, and forgotten
        for a_to_b in (True, False):
            ours = opened.swap_exact_in(2 * SOL, a_to_b, BEGAN_S + seconds)
            real = state.swap_exact_in(2 * SOL, a_to_b, AT + seconds)
            assert (ours.amount_out, ours.fee) == (real.amount_out, real.fee)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_an_opening_is_read_from_the_ledger_as_it_was_written(name: str) -> None:
    opening = read(ROUND_TRIPS[name]()[1])
    assert msgspec.json.decode(msgspec.json.encode(opening), type=Opening) == opening


def test_an_opening_of_a_ledger_from_before_has_no_state() -> None:
    listing = {"address": AMM_ADDRESS, "dex": "raydium", "token_a": "SOL", "token_b": "USDC"}
    text = json.dumps(
        {"listing": listing, "model": "raydium_amm_v4", "parameters": {}, "reserve_a": 10, "reserve_b": 20, "height": 0}
    )
    opening = msgspec.json.decode(text, type=Opening)
    assert opening.state is None
    assert open_pool(opening).reserves == (10, 20)


def test_the_newest_time_of_a_state_becomes_now_and_the_others_keep_their_distance() -> None:
    whirl = open_pool(read(whirlpool()), BEGAN_S + 70)
    assert isinstance(whirl, orca_whirlpool.Pool)
    assert whirl.adaptive_fee is not None
    assert whirl.adaptive_fee.last_major_swap_timestamp == BEGAN_S + 70
    assert whirl.adaptive_fee.last_reference_update_timestamp == BEGAN_S + 65
    damm_v2 = open_pool(read(damm()), BEGAN_S + 70)
    assert isinstance(damm_v2, meteora_damm_v2.Pool)
    assert damm_v2.activation_point == BEGAN_S + 70 - 1_000
    never = open_pool(read(dlmm(replace(a_dlmm(), last_update_timestamp=0))), BEGAN_S + 70)
    assert isinstance(never, meteora_dlmm.Pool)
    assert never.last_update_timestamp == 0


# how accounts are written down


def test_accounts_are_found_in_every_shape_in_which_they_are_answered() -> None:
    accounts, opening = amm_v4(), read(amm_v4())
    bare = [each["account"] for each in accounts]
    pubkeys = [each["pubkey"] for each in accounts]
    for text in (
        "\n".join(json.dumps(each) for each in accounts),
        "\n".join(json.dumps(each, indent=2) for each in reversed(accounts)),
        json.dumps({"jsonrpc": "2.0", "id": 1, "result": accounts}),
        json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"context": {"slot": 9}, "value": accounts}}),
        json.dumps({"pubkeys": pubkeys, "result": {"context": {"slot": 9}, "value": bare}}),
        json.dumps([*accounts, accounts[1]]),  # one is there twice, and the same
    ):
        assert read_pools(text).openings == (opening,)


def test_raw_accounts_and_public_records_may_stand_in_one_file() -> None:
    record = {
        "programId": AMM_V4, "id": key("another"), "mintA": {"address": TOKENS["SOL"].mint}, "price": 163.5,
        "mintB": {"address": TOKENS["USDC"].mint}, "mintAmountA": 100, "mintAmountB": 16_350, "feeRate": 0.0025,
    }  # fmt: skip
    found = read_pools(json.dumps([record, *cpmm(), *amm_v4()]))
    assert [opening.state is None for opening in found.openings] == [True, False, False]


def test_an_answer_without_addresses_says_how_to_add_them() -> None:
    assert '"pubkeys" beside the list' in refusal([each["account"] for each in amm_v4()]).message
    short = {"pubkeys": [AMM_ADDRESS], "result": {"value": [each["account"] for each in amm_v4()]}}
    assert "a list of 3 addresses is needed" in refusal(short).message


@pytest.mark.parametrize("encoded", [["KLUv", "base64+zstd"], ["3Qx", "base58"], "3Qx", {"parsed": {}}, [], ["AA=="]])
def test_another_encoding_is_refused_with_the_command_that_gives_the_right_one(encoded: Any) -> None:
    accounts = amm_v4()
    accounts[1]["account"]["data"] = encoded
    error = refusal(accounts)
    assert f"solana account {accounts[1]['pubkey']} --output json" in error.message
    assert error.field == "[1].account.data"


# what is missing


@pytest.mark.parametrize("name", ["amm v4", "cpmm", "clmm", "whirlpool", "dlmm"])
def test_every_account_that_is_missing_is_asked_for_by_its_address(name: str) -> None:
    accounts = ROUND_TRIPS[name]()[1]
    optional = {"clmm": 2, "whirlpool": 2, "dlmm": 0}.get(name, 0)  # vaults say nothing that the pool does not
    swaps_see = {*a_whirlpool().tick_array_starts(True), *a_whirlpool().tick_array_starts(False)}
    seen = {oracle_address(ORCA_ADDRESS), *(orca_array_address(ORCA_ADDRESS, start) for start in swaps_see)}
    bitmaps = dlmm_bitmaps_address(DLMM_ADDRESS), bitmaps_address(CLMM_ADDRESS)  # they only say what is missing
    for place, absent in enumerate(accounts[1 + optional :], 1 + optional):
        if absent["pubkey"] in bitmaps:
            continue
        error = refusal([each for each in accounts if each is not absent])
        assert "not in the file" in error.message
        assert error.message.startswith("line 1: ")
        # where else a Whirlpool has arrays nothing says, so that one far from the price can only be guessed
        far = name == "whirlpool" and absent["pubkey"] not in seen
        assert ("does not add up" if far else f"at {absent['pubkey']}") in error.message, place


def test_all_that_is_missing_is_named_at_once_as_far_as_it_goes() -> None:
    message = refusal(amm_v4()[:1]).message
    assert f"the vault of SOL at {key(AMM_ADDRESS + 'SOL')}, the vault of USDC at" in message
    pool, *_, config, further = clmm()[:5]
    message = refusal([pool, further]).message
    assert f"its AmmConfig at {config['pubkey']}, the tick array from" in message
    assert " more are not in the file" in message


def test_tick_arrays_beyond_the_first_bitmap_are_not_forgotten_with_the_second() -> None:
    accounts = [each for each in clmm() if each["pubkey"] != bitmaps_address(CLMM_ADDRESS)]
    far = {tick.tick // 60 * 60 for tick in a_clmm().ticks if abs(tick.tick) > 31_000}
    assert far
    gone = {tick_array_address(CLMM_ADDRESS, start) for start in far}
    error = refusal([each for each in accounts if each["pubkey"] not in gone])
    assert f"the bitmap extension at {bitmaps_address(CLMM_ADDRESS)} is not in the file" in error.message
    assert read(accounts).state == a_clmm()  # with all of the arrays it proves nothing more


def test_a_tick_array_that_does_not_exist_may_be_said_not_to() -> None:
    accounts = whirlpool()
    empty = [
        place for place, each in enumerate(accounts)
        if len(base64.b64decode(each["account"]["data"][0])) == 9_988
        and not any(base64.b64decode(each["account"]["data"][0])[12:9_956])
    ]  # fmt: skip
    assert empty
    for place in empty:
        assert "if it does not exist on the chain" in refusal(accounts[:place] + accounts[place + 1 :]).message
        accounts[place] = {"pubkey": accounts[place]["pubkey"], "account": None}
    assert read(accounts).state == a_whirlpool()


def test_a_full_range_position_is_missed_by_the_sum_of_liquidity() -> None:
    narrow = a_whirlpool()
    ends = Tick(-443_584, 10**12), Tick(443_584, -(10**12))
    pool = replace(narrow, liquidity=narrow.liquidity + 10**12, ticks=(ends[0], *narrow.ticks, ends[1]))
    accounts = whirlpool(pool)
    assert read(accounts).state == pool
    lowest = orca_array_address(ORCA_ADDRESS, -444_928)
    error = refusal([each for each in accounts if each["pubkey"] != lowest])
    assert "below the price the liquidity of its ticks does not add up" in error.message
    assert lowest in error.message


@pytest.mark.parametrize(("sides", "sign"), [(("USDC", "BONK"), 1), (("BONK", "USDC"), -1)])
def test_bin_arrays_far_from_price_one_are_found_by_the_bitmap_extension(sides: tuple[str, str], sign: int) -> None:
    active = sign * 88_200
    bins = tuple(meteora_dlmm.Bin(10**9 if each >= 70 else 0, 10**9 if each <= 70 else 0) for each in range(141))
    pool = meteora_dlmm.Pool(meteora_dlmm.Parameters(1), active, active - 70, bins, active)
    accounts = dlmm(pool, sides)
    assert read(accounts).state == pool
    for absent in accounts[2:]:
        assert absent["pubkey"] in refusal([each for each in accounts if each is not absent]).message


# what is not what it should be


PAUSED = {
    "amm v4": lambda: amm_v4(status=3),
    "cpmm": lambda: cpmm(status=4),
    "clmm": lambda: clmm(status=16),
    "dlmm": lambda: dlmm(status=1),
    "damm v2": lambda: damm(status=1),
}


@pytest.mark.parametrize("name", PAUSED)
def test_a_pool_whose_swaps_are_disabled_is_refused(name: str) -> None:
    assert "swaps are disabled" in refusal(PAUSED[name]()).message


def changed(accounts: list[Dumped], place: int, at: int, new: bytes) -> list[Dumped]:
    """The accounts with some bytes of one of them changed."""
    copy: list[Dumped] = json.loads(json.dumps(accounts))
    content = bytearray(base64.b64decode(copy[place]["account"]["data"][0]))
    content[at : at + len(new)] = new
    copy[place]["account"]["data"][0] = base64.b64encode(content).decode()
    return copy


@pytest.mark.parametrize(
    ("accounts", "why"),
    [
        (changed(amm_v4(), 0, 400, bytes(range(32))), "is not a known token"),
        (changed(amm_v4(), 1, 0, bytes(32)), "and the pool trades"),
        (changed(amm_v4(), 1, 108, b"\2"), "is frozen"),
        (changed(amm_v4(), 0, 192, b"\xff" * 8), "of them are set apart"),
        (changed(amm_v4(), 0, 176, b"\xff" * 8), "a fee of"),
        (changed(amm_v4(), 0, 432, addresses.read(TOKENS["SOL"].mint)), "pool trades"),
        (changed(cpmm(), 0, 232, bytes(64)), "Token-2022"),
        (changed(cpmm(), 3, 12, b"\xff" * 8), "takes more than there is"),
        (changed(cpmm(), 3, 0, b"\0"), "an account of another kind"),
        (changed(clmm(), 0, 269, b"\7\0\0\0"), "the current tick is 7"),
        (changed(clmm(), 0, 237, b"\7"), "are of different moments"),
        (changed(clmm(), 0, 253, bytes(16)), "the square-root price 0 is none"),
        (changed(clmm(), 0, 1096, b"\xff" * 80), "its dynamic fee"),
        (changed(clmm(), 0, 1031, b"\xff"), "not in the file"),
        (changed(clmm(), 5, 40, b"\1"), "has no tick array from"),
        (changed(clmm(), 1, 64, bytes(8)), "are of different moments"),
        (changed(whirlpool(), 0, 41, bytes(2)), "tick spacing"),
        (changed(whirlpool(), -1, 62, b"\7\0"), "none that the program would keep"),
        (changed(whirlpool(dynamic=True), 5, 44, b"\xff"), "is not what the bitmap says"),
        (changed(dlmm(), 0, 880, b"\1"), "Token-2022"),
        (changed(dlmm(), 0, 80, b"\0\0"), "of step 0 is none"),
        (changed(dlmm(), 2, 8, b"\x7f"), "has no bin array"),
        (changed(damm(), 0, 16, b"\2"), "rate limiter"),
        (changed(damm(), 0, 480, b"\0"), "number of slots"),
        (changed(damm(), 0, 80, bytes(8)), "nothing in the account says how much has passed"),
        (changed(damm(), 0, 72, b"\2"), "its dynamic fee"),
        (changed(damm(), 0, 360, bytes(16)), "cannot be opened"),
    ],
)
def test_what_is_not_as_the_program_would_have_it_is_refused(accounts: list[Dumped], why: str) -> None:
    assert why in refusal(accounts).message


def edited(place: int, **changes: Any) -> list[Dumped]:
    accounts = amm_v4()
    accounts[place]["account"] |= changes
    return accounts


SHORT = [base64.b64encode(bytes(751)).decode(), "base64"]


@pytest.mark.parametrize(
    ("accounts", "why", "field"),
    [
        (edited(0, data=SHORT), "751 bytes; AmmInfo has 752", "[0].account.data"),
        (edited(0, data=["A" * 40_000, "base64"]), "longer than", "[0].account.data"),
        (edited(0, data=["no base64!", "base64"]), "not valid base64", "[0].account.data"),
        (edited(1, owner="TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"), "Token-2022", "[1].account.owner"),
        (edited(0, owner=key("some program")), "is no program whose pools", "[0].account.owner"),
        (edited(0, owner="nobody"), "is not an address", "[0].account.owner"),
        ([*amm_v4(), *cpmm()[3:]], "belongs to no pool", "[3].account.data"),
        ([*amm_v4(), *clmm()[5:]], "belongs to no pool", "[3].account.data"),
        ([*amm_v4(), amm_v4(apart=(8, 8))[1]], "is there twice, and not the same", "[3]"),
        ([{"pubkey": "x", "account": None}], "is not an address", "[0].pubkey"),
        ([{"account": None}], "does not say its address", "[0]"),
        ([{"pubkey": AMM_ADDRESS, "account": 5}], "account.owner is missing", "[0].account.owner"),
        ([{"pubkey": AMM_ADDRESS, "account": None}], "has no pool", "line 1"),
    ],
)
def test_what_is_no_account_of_a_pool_is_refused_by_its_field(accounts: list[Dumped], why: str, field: str) -> None:
    error = refusal(accounts)
    assert why in error.message
    assert error.field == field


def test_counters_of_an_old_bin_array_are_no_limit_orders() -> None:
    old = dlmm(version=0)
    state = read(old).state
    assert isinstance(state, meteora_dlmm.Pool)
    assert not any(each.open_orders or each.processed_orders for each in state.bins)
    assert [each.amount_x for each in state.bins] == [each.amount_x for each in a_dlmm().bins]


# hostile files


SMALL: dict[str, list[Dumped]] = {
    "amm v4": amm_v4(),
    "cpmm": cpmm(),
    "clmm": clmm(),
    "whirlpool": whirlpool(dynamic=True),
    "dlmm": dlmm(),
    "damm v2": damm(),
}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_of_an_account_do_more_than_be_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SMALL)))
    accounts = SMALL[name]
    place = data.draw(st.one_of(st.just(0), st.integers(0, len(accounts) - 1)))
    size = len(base64.b64decode(accounts[place]["account"]["data"][0]))
    at = data.draw(st.integers(8, size - 1))
    new = data.draw(st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from([b"\xff" * 16, bytes(16), b"\x7f"])))
    found = changed(accounts, place, at, new[: size - at])
    if data.draw(st.booleans()):
        content = base64.b64decode(found[place]["account"]["data"][0])
        found[place]["account"]["data"][0] = base64.b64encode(content[: data.draw(st.integers(0, size))]).decode()
    with suppress(Malformed, Refused):
        assert read_pools(json.dumps(found)).openings[0].state is not None


# in the market


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[SimulatedChain]:
    with a_chain(tmp_path / "chain.db") as chain:
        yield chain


def total(chain: SimulatedChain, token: str) -> int:
    return sum(units for (_, each), units in chain.accounts().items() if each == token)


def test_imported_pools_can_pay_what_they_hold_and_nothing_appears_or_vanishes(chain: SimulatedChain) -> None:
    before = {token: total(chain, token) for token in SIDES}
    states = [ROUND_TRIPS[name]() for name in ("amm v4", "cpmm", "clmm", "whirlpool", "dlmm", "damm v2")]
    plan = read_pools(json.dumps([each for _, accounts in states for each in accounts]))
    decided = chain.import_pools(plan)
    chain.make_block()
    assert decided.result(0) == 1
    assert {token: total(chain, token) for token in SIDES} == before
    for opening in plan.openings:
        address = opening.listing.address
        held = [chain.accounts()[address, token] for token in SIDES]
        assert all(has >= of for has, of in zip(held, chain.pool(address).reserves, strict=True)), address


def test_a_pool_opens_as_if_its_newest_time_were_that_of_the_block(chain: SimulatedChain) -> None:
    for _ in range(99):
        chain.make_block()
    chain.import_pools(read_pools(json.dumps(whirlpool())))
    chain.make_block()
    pool = chain.pool(ORCA_ADDRESS)
    assert isinstance(pool, orca_whirlpool.Pool)
    assert pool.adaptive_fee is not None
    assert pool.adaptive_fee.last_major_swap_timestamp == chain.block_time() == BEGAN_S + 40


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_the_providers_of_a_real_pool_leave_it_alone(name: str) -> None:
    opening = read(ROUND_TRIPS[name]()[1])
    moved = open_pool(opening).swap_exact_in(5_000 * SOL, True, BEGAN_S).after
    assert refilled(moved, opening, 50, PRICE) is None


# facts of real accounts


def test_addresses_are_derived_as_on_the_chain() -> None:
    orca_pool, clmm_pool = (
        "HJPjoWUrhoZzkNfRpHuieeFk9WcZWjwy6PBjZ81ngndJ",
        "CYbD9RaToYMtWKA7QZyoLahnHdWq553Vm62Lh6qWtuxq",
    )
    assert oracle_address(orca_pool) == "4GkRbcYg1VKsZropgai4dMf2Nj2PkXNLf43knFpavrSi"
    assert orca_array_address(orca_pool, -33_792) == "2Eh8HEeu45tCWxY6ruLLRN6VcTSD7bfshGj7bZA87Kne"
    assert bitmaps_address(clmm_pool) == "72jQFwjd14BEhyDfdQsH7D2hS5dN1H6bzsikjkyHyx2D"


def test_an_address_is_read_as_it_is_written() -> None:
    system = "1" * 32
    assert addresses.read(system) == bytes(32)
    for address in (system, AMM_ADDRESS, WHIRLPOOL, "So11111111111111111111111111111111111111112"):
        assert addresses.written(addresses.read(address)) == address
    for text in ("", "1" * 31, "1" * 45, "0" * 32, "z" * 44, "l" * 32, "é" * 32):
        with pytest.raises(ValueError, match="is not an address"):
            addresses.read(text)


def test_a_real_oracle_says_what_it_says() -> None:
    """Of a SOL/USDC Whirlpool, December 2025: 20 000 in the accumulator, group 152 of 128 ticks each."""
    real = "i8KDs4yz5fTyL5MQp9RFVK38fpgddAeEPkj5Nf7TAl/qe/yaQ/yJNQAAAAAAAAAAHgBYAogTIE4AAKCGAQCAAIAAAAAAAAAAAAAAAAAA" \
        "AAAAAFbKT2kAAAAAVspPaQAAAAAAAAAAmAAAACBOAAAAAAAA"  # fmt: skip
    theirs = base64.b64decode(real).ljust(254, b"\0")
    fee = orca_whirlpool.AdaptiveFee(30, 600, 5_000, 20_000, 100_000, 128, 128, 152, 0, 20_000, AT, AT)
    pool = replace(a_whirlpool(), adaptive_fee=fee)
    ours = base64.b64decode(whirlpool(pool)[-1]["account"]["data"][0])
    assert ours[:8] == theirs[:8]
    assert ours[48:] == theirs[48:]


def test_a_real_pool_of_raydium_has_its_price_where_ours_has() -> None:
    """Bytes 235 to 273 of a SOL/USDC CLMM: tick spacing, liquidity, square root of the price, and the tick it is in."""
    theirs = "0100c55cb4f8550d0000000000000000000000b83634a40f2f4900000000000000002a9effff"
    pool = raydium_clmm.Pool(
        raydium_clmm.Parameters(1, 200), 5_273_450_886_599_194_624, -25_046, 14_662_895_951_045, ()
    )
    ours = base64.b64decode(clmm(pool)[0]["account"]["data"][0])
    assert ours[235:273].hex() == theirs
