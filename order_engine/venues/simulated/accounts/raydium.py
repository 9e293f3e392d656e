"""Pools of Raydium from their accounts: AMM v4, CPMM and CLMM.

Layouts: raydium-amm `program/src/state.rs` (AmmInfo), raydium-cp-swap `states/{pool,config}.rs`, raydium-clmm
`states/{pool,pool_fee,config,tick_array,tickarray_bitmap_extension}.rs`. AMM v4 and CPMM keep their reserves in vaults. Of a
CLMM all tick arrays are needed that its bitmaps say hold something, so that nothing of its liquidity is missing.
"""

from collections.abc import Iterator

from order_engine.errors import Malformed
from order_engine.venues import raydium, raydium_amm_v4, raydium_clmm, raydium_cpmm
from order_engine.venues.concentrated import RATE_ONE
from order_engine.venues.raydium_clmm import Tick
from order_engine.venues.simulated.accounts import addresses
from order_engine.venues.simulated.accounts.dump import ARRAYS_IN_BITMAP, TOKEN_PROGRAM, Account, Dump, Wanted, token_of
from order_engine.venues.simulated.accounts.layouts import Layout
from order_engine.venues.simulated.accounts.ticks import FAR, VOLATILITY_MAX, check_price, check_ticks, gap, is_start
from order_engine.venues.simulated.market import Listing
from order_engine.venues.tick_prices import RAYDIUM_SQRT_PRICE_MAX_X64, raydium_sqrt_price_x64

AMM_V4 = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
CPMM = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
CLMM = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"

AMM_INFO = Layout(
    "AmmInfo",
    "status:u64 _:120 _:48 swap_fee_numerator:u64 swap_fee_denominator:u64 need_take_pnl_coin:u64 need_take_pnl_pc:u64 "
    "_:128 coin_vault:key pc_vault:key coin_mint:key pc_mint:key _:160 _:64 _:32 _:32",
    AMM_V4,
    marked=False,
)
CPMM_POOL = Layout(
    "PoolState",
    "config:key _:32 vault_0:key vault_1:key _:32 mint_0:key mint_1:key program_0:key program_1:key _:32 _:1 status:u8 _:3 "
    "_:8 protocol_fees_0:u64 protocol_fees_1:u64 fund_fees_0:u64 fund_fees_1:u64 _:16 creator_fee_on:u8 "
    "enable_creator_fee:u8 _:6 creator_fees_0:u64 creator_fees_1:u64 _:224",
    CPMM,
)
CPMM_CONFIG = Layout(
    "AmmConfig",
    "_:4 trade_fee_rate:u64 protocol_fee_rate:u64 fund_fee_rate:u64 _:8 _:64 creator_fee_rate:u64 _:120",
    CPMM,
)
CLMM_POOL = Layout(
    "PoolState",
    "_:1 config:key _:32 mint_0:key mint_1:key vault_0:key vault_1:key _:32 _:2 tick_spacing:u16 liquidity:u128 "
    "sqrt_price_x64:u128 tick_current:i32 _:4 _:48 _:64 status:u8 fee_on:u8 _:6 _:507 tick_array_bitmap:128 _:32 _:16 _:16 "
    "dynamic_fee:80 _:368",
    CLMM,
)
CLMM_CONFIG = Layout(
    "AmmConfig",
    "_:35 protocol_fee_rate:u32 trade_fee_rate:u32 tick_spacing:u16 fund_fee_rate:u32 _:60",
    CLMM,
)
TICK_ARRAY = Layout("TickArrayState", "pool:key start:i32 ticks:10080 _:116", CLMM)
BITMAPS = Layout("TickArrayBitmapExtension", "pool:key positive:896 negative:896", CLMM)
_TICK = Layout(
    "TickState",
    "tick:i32 liquidity_net:i128 liquidity_gross:u128 _:80 _:8 orders:u64 part_filled_orders:u64 _:28",
)
_DYNAMIC_FEE = Layout(
    "DynamicFeeInfo",
    "filter_period:u16 decay_period:u16 reduction_factor:u16 dynamic_fee_control:u32 max_volatility_accumulator:u32 "
    "tick_spacing_index_reference:i32 volatility_reference:u32 volatility_accumulator:u32 last_update_timestamp:u64 _:46",
)

_AMM_V4_SWAPS = (1, 6, 7)  # state.rs, AmmStatus::swap_permission
_CPMM_NO_SWAP = 1 << 2  # pool.rs, PoolStatusBitIndex::Swap
_CLMM_NO_SWAP = 1 << 4
_TICK_SPACING_MAX = 1_000  # config.rs, MAX_TICK_SPACING
_TICKS_IN_ARRAY = 60  # tick_array.rs, TICK_ARRAY_SIZE


def amm_v4(dump: Dump, pool: Account) -> tuple[Listing, raydium_amm_v4.Pool]:
    """An AMM v4: what its vaults hold, less what is set apart for the protocol (processor.rs, Calculator::calc_total_*)."""
    fields = pool.fields
    if fields["status"] not in _AMM_V4_SWAPS:
        raise pool.wrong(f"swaps are disabled (status {fields['status']})")
    mints = fields.key("coin_mint"), fields.key("pc_mint")
    numerator, denominator = fields["swap_fee_numerator"], fields["swap_fee_denominator"]
    if numerator >= denominator:
        raise pool.wrong(f"a fee of {numerator}/{denominator}")
    listing = _listing(pool, *mints)
    coin, pc = dump.vaults(pool, (fields.key("coin_vault"), mints[0]), (fields.key("pc_vault"), mints[1]))
    a = _left(pool, coin, fields["need_take_pnl_coin"])
    b = _left(pool, pc, fields["need_take_pnl_pc"])
    return listing, raydium_amm_v4.Pool(a, b, numerator, denominator)


def cpmm(dump: Dump, pool: Account) -> tuple[Listing, raydium_cpmm.Pool]:
    """A CPMM: what its vaults hold, less accrued fees (pool.rs, vault_amount_without_fee)."""
    fields = pool.fields
    if fields["status"] & _CPMM_NO_SWAP:
        raise pool.wrong("swaps are disabled")
    if {fields.key("program_0"), fields.key("program_1")} != {TOKEN_PROGRAM}:
        raise pool.wrong("a token of Token-2022, whose transfer fees are not modelled")
    if fields["creator_fee_on"] > raydium_cpmm.CREATOR_FEE_ON_B:
        raise pool.wrong(f"creator_fee_on {fields['creator_fee_on']} is not known")
    mints = fields.key("mint_0"), fields.key("mint_1")
    listing = _listing(pool, *mints)
    vaults = fields.key("vault_0"), fields.key("vault_1")
    wanted = Wanted("its AmmConfig", CPMM_CONFIG, fields.key("config"))
    held = dump.vaults(pool, (vaults[0], mints[0]), (vaults[1], mints[1]), beside=[wanted])
    rates = dump.take(pool, [wanted])[0].fields
    taken = rates["trade_fee_rate"] + rates["creator_fee_rate"]
    shared = rates["protocol_fee_rate"] + rates["fund_fee_rate"]
    if taken >= raydium_cpmm.RATE_ONE or shared > raydium_cpmm.RATE_ONE:
        raise pool.wrong("its AmmConfig takes more than there is")
    a, b = (
        _left(pool, units, sum(fields[f"{whose}_fees_{side}"] for whose in ("protocol", "fund", "creator")))
        for side, units in enumerate(held)
    )
    return listing, raydium_cpmm.Pool(
        a,
        b,
        rates["trade_fee_rate"],
        rates["protocol_fee_rate"],
        rates["fund_fee_rate"],
        rates["creator_fee_rate"],
        bool(fields["enable_creator_fee"]),
        fields["creator_fee_on"],
    )


def clmm(dump: Dump, pool: Account) -> tuple[Listing, raydium_clmm.Pool]:
    """A CLMM with all its ticks and limit orders."""
    fields = pool.fields
    if fields["status"] & _CLMM_NO_SWAP:
        raise pool.wrong("swaps are disabled")
    if fields["fee_on"] > raydium_clmm.FEE_ON_B:
        raise pool.wrong(f"fee_on {fields['fee_on']} is not known")
    spacing = fields["tick_spacing"]
    if not 1 <= spacing <= _TICK_SPACING_MAX:
        raise pool.wrong(f"a tick spacing of {spacing}")
    mints = fields.key("mint_0"), fields.key("mint_1")
    listing = _listing(pool, *mints)
    tick_current, price = fields["tick_current"], fields["sqrt_price_x64"]
    check_price(pool, price, RAYDIUM_SQRT_PRICE_MAX_X64, tick_current, raydium_sqrt_price_x64)
    wanted = Wanted("its AmmConfig", CLMM_CONFIG, fields.key("config"))
    arrays = _arrays(dump, pool, spacing, wanted)
    rates = dump.take(pool, [wanted])[0].fields
    shared = rates["protocol_fee_rate"] + rates["fund_fee_rate"]
    if rates["tick_spacing"] != spacing or rates["trade_fee_rate"] >= RATE_ONE or shared > RATE_ONE:
        raise pool.wrong("its AmmConfig does not fit")
    ticks = tuple(tick for _, array in sorted(arrays.items()) for tick in _ticks(array, spacing))
    if any(gap(ticks, tick_current, fields["liquidity"])):
        raise _incomplete(dump, pool)
    check_ticks(pool, ticks)
    state = raydium_clmm.Pool(
        raydium_clmm.Parameters(
            spacing, rates["trade_fee_rate"], rates["protocol_fee_rate"], rates["fund_fee_rate"], fields["fee_on"]
        ),
        price,
        tick_current,
        fields["liquidity"],
        ticks,
        _dynamic_fee(pool, spacing),
    )
    dump.check_vaults(pool, state.reserves, (fields.key("vault_0"), mints[0]), (fields.key("vault_1"), mints[1]))
    return listing, state


def tick_array_address(pool: str, start: int) -> str:
    """Where the tick array of a CLMM is that begins at this tick (tick_array.rs, TickArrayState::key)."""
    return addresses.derived((b"tick_array", addresses.read(pool), start.to_bytes(4, "big", signed=True)), CLMM)


def bitmaps_address(pool: str) -> str:
    """Where the bitmaps are of a CLMM's tick arrays that are far from tick 0 (TickArrayBitmapExtension::key)."""
    return addresses.derived((b"pool_tick_array_bitmap_extension", addresses.read(pool)), CLMM)


def _listing(pool: Account, mint_a: str, mint_b: str) -> Listing:
    return Listing(pool.address, raydium.NAME, token_of(pool, mint_a), token_of(pool, mint_b))


def _left(pool: Account, held: int, apart: int) -> int:
    """What of a vault is the pool's."""
    if apart > held:
        raise pool.wrong(f"a vault has {held} base units, and {apart} of them are set apart")
    return held - apart


def _arrays(dump: Dump, pool: Account, spacing: int, config: Wanted) -> dict[int, Account]:
    """The tick arrays by their first ticks: at least those that the bitmaps say hold something."""
    width = _TICKS_IN_ARRAY * spacing
    found = {array.fields["start"]: array for array in dump.of_pool(TICK_ARRAY, pool)}
    for start, array in found.items():
        if not is_start(start, width) or tick_array_address(pool.address, start) != array.address:
            raise array.wrong(f"the pool {pool.address} has no tick array from {start} there")
    filled = [
        number * width
        for number in dump.filled(pool, "tick_array_bitmap", BITMAPS, bitmaps_address(pool.address), _below)
    ]
    if any(not is_start(start, width) for start in filled):
        raise pool.wrong("its bitmap names ticks that do not exist")
    current = pool.fields["tick_current"]
    lacking = sorted((start for start in filled if start not in found), key=lambda start: abs(start - current))
    if lacking:
        arrays = [
            Wanted(f"the tick array from {start}", TICK_ARRAY, tick_array_address(pool.address, start))
            for start in lacking[:9]
        ]
        first = [config] if dump.maybe(CLMM_CONFIG, config.address) is None else []
        raise dump.missing(pool, [*first, *arrays], also=len(lacking) - len(arrays))
    return found


def _below(place: int) -> int:
    """The number of a tick array in the negative part of the extension: each bitmap counts upwards."""
    further, bit = divmod(place, ARRAYS_IN_BITMAP)  # floor
    return bit - (further + 2) * ARRAYS_IN_BITMAP


def _ticks(array: Account, spacing: int) -> Iterator[Tick]:
    """The initialised ticks of an array."""
    for place, each in enumerate(_TICK.each(array.fields.raw("ticks"))):
        gross, orders, part_filled = each["liquidity_gross"], each["orders"], each["part_filled_orders"]
        if gross or orders or part_filled:
            at = array.fields["start"] + place * spacing
            if each["tick"] != at or abs(at) >= FAR:
                raise array.wrong(f"tick {each['tick']} is in the place of {at}")
            if abs(each["liquidity_net"]) > gross:
                raise array.wrong(f"tick {at} changes the liquidity by more than it has")
            yield Tick(at, each["liquidity_net"], gross, orders, part_filled)


def _incomplete(dump: Dump, pool: Account) -> Malformed:
    """The refusal of ticks whose liquidity is not the pool's."""
    extension = Wanted("the bitmap extension", BITMAPS, bitmaps_address(pool.address))
    why = "the liquidity of its ticks does not add up to the pool's: "
    if dump.maybe(BITMAPS, extension.address) is None:
        return dump.missing(pool, [extension], why)
    return pool.wrong(f"{why}the accounts are of different moments")


def _dynamic_fee(pool: Account, spacing: int) -> raydium_clmm.DynamicFee | None:
    """The fee on volatility, if the pool has one (pool.rs, get_dynamic_fee_info; pool_fee.rs, validate_params)."""
    content = pool.fields.raw("dynamic_fee")
    if not any(content):
        return None
    (fee,) = _DYNAMIC_FEE.each(content)
    greatest = fee["max_volatility_accumulator"]
    if not (
        0 < fee["filter_period"] < fee["decay_period"]
        and 0 < fee["reduction_factor"] < 10_000
        and 0 < fee["dynamic_fee_control"] < 100_000
        and max(fee["volatility_reference"], fee["volatility_accumulator"]) <= greatest <= VOLATILITY_MAX
        and greatest * spacing < 1 << 32
        and abs(fee["tick_spacing_index_reference"]) * spacing < FAR + spacing
    ):
        raise pool.wrong("its dynamic fee is none that the program would set")
    return raydium_clmm.DynamicFee(
        fee["filter_period"],
        fee["decay_period"],
        fee["reduction_factor"],
        fee["dynamic_fee_control"],
        greatest,
        fee["tick_spacing_index_reference"],
        fee["volatility_reference"],
        fee["volatility_accumulator"],
        fee["last_update_timestamp"],
    )
