"""Pools of Meteora from their accounts: DLMM and DAMM v2.

Layouts: dlmm-sdk `idls/dlmm.json` (LbPair, BinArray, BinArrayBitmapExtension), damm-v2 `state/{pool,fee}.rs` and
`base_fee/*.rs`. Of a DLMM all bin arrays are needed that its bitmaps say hold something. A DAMM v2 has everything in one
account.
"""

from collections.abc import Iterator, Mapping

from order_engine.venues import meteora, meteora_damm_v2, meteora_dlmm
from order_engine.venues.meteora_dlmm import Bin
from order_engine.venues.simulated.accounts import addresses
from order_engine.venues.simulated.accounts.dump import ARRAYS_IN_BITMAP, Account, Dump, Wanted, token_of
from order_engine.venues.simulated.accounts.layouts import Layout
from order_engine.venues.simulated.market import Listing

DLMM = "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo"
DAMM_V2 = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG"

BINS_MAX = 20_000  # from the lowest to the highest that holds something: the chain writes all of them down at each swap

PAIR = Layout(
    "LbPair",
    "base_factor:u16 filter_period:u16 decay_period:u16 reduction_factor:u16 variable_fee_control:u32 "
    "max_volatility_accumulator:u32 _:8 protocol_share:u16 base_fee_power_factor:u8 function_type:u8 collect_fee_mode:u8 _:3 "
    "volatility_accumulator:u32 volatility_reference:u32 index_reference:i32 _:4 last_update_timestamp:i64 _:8 "
    "_:4 active_id:i32 bin_step:u16 status:u8 _:5 mint_x:key mint_y:key reserve_x:key reserve_y:key _:16 _:32 "
    "reward_mint_0:key _:112 reward_mint_1:key _:112 _:32 bin_array_bitmap:128 _:8 _:32 _:64 _:32 _:32 program_x:u8 "
    "program_y:u8 version:u8 _:21",
    DLMM,
)
BIN_ARRAY = Layout("BinArray", "number:i64 version:u8 _:7 pool:key bins:10080", DLMM)
BITMAPS = Layout("BinArrayBitmapExtension", "pool:key positive:768 negative:768", DLMM)
_BIN = Layout(
    "Bin",
    "amount_x:u64 amount_y:u64 _:96 open_orders:u64 _:8 processed_orders:u64 _:4 orders_ask:u8 _:3",
)
POOL = Layout(
    "Pool",
    "cliff_fee_numerator:u64 mode:u8 _:5 number_of_period:u16 step:u32 duration:u32 reduction_factor:u64 _:8 "
    "protocol_fee_percent:u8 _:1 referral_fee_percent:u8 _:3 compounding_fee_bps:u16 dynamic_fee:96 initial_sqrt_price_x64:u128 "
    "mint_a:key mint_b:key vault_a:key vault_b:key _:64 liquidity:u128 _:48 sqrt_price_min_x64:u128 sqrt_price_max_x64:u128 "
    "sqrt_price_x64:u128 activation_point:u64 activation_type:u8 status:u8 program_a:u8 program_b:u8 collect_fee_mode:u8 _:1 "
    "fee_version:u8 _:1 _:64 _:16 _:80 _:32 token_a_amount:u64 token_b_amount:u64 _:32 _:384",
    DAMM_V2,
)
_DYNAMIC_FEE = Layout(
    "DynamicFeeStruct",
    "initialized:u8 _:7 max_volatility_accumulator:u32 variable_fee_control:u32 bin_step:u16 filter_period:u16 "
    "decay_period:u16 reduction_factor:u16 last_update_timestamp:u64 bin_step_x64:u128 sqrt_price_reference:u128 "
    "volatility_accumulator:u128 volatility_reference:u128",
)

_BINS_IN_ARRAY = 70  # constants.rs, MAX_BIN_PER_ARRAY
_BIN_STEP_MAX = 400
_UNDETERMINED, _LIMIT_ORDER = 0, 2  # function_type.rs
_NO_MINT = addresses.written(bytes(32))
_ARRAY_WITHOUT_COUNTERS = 2  # before, the amounts swapped in were counted where the orders are now
_BY_SLOT = 0  # activation_type.rs
_RATE_LIMITER = 2  # fee.rs, BaseFeeMode
_BIN_STEP_X64 = 1_844_674_407_370_955  # constants.rs, BIN_STEP_BPS_U128_DEFAULT: one basis point
_EMPTY = Bin(0, 0)


def dlmm(dump: Dump, pool: Account) -> tuple[Listing, meteora_dlmm.Pool]:
    """A DLMM with all its bins and limit orders."""
    fields = pool.fields
    _check_open(pool, "program_x", "program_y")
    bin_step, active = fields["bin_step"], fields["active_id"]
    if not 1 <= bin_step <= _BIN_STEP_MAX or abs(active) > meteora_dlmm.BIN_ID_MAX:
        raise pool.wrong(f"bin {active} of step {bin_step} is none")
    if fields["collect_fee_mode"] > meteora_dlmm.FEE_ON_Y:
        raise pool.wrong(f"collect_fee_mode {fields['collect_fee_mode']} is not known")
    mints = fields.key("mint_x"), fields.key("mint_y")
    listing = Listing(pool.address, meteora.NAME, token_of(pool, mints[0]), token_of(pool, mints[1]))
    bins: dict[int, Bin] = {}
    for number, array in _arrays(dump, pool).items():
        bins.update(_bins(array, number * _BINS_IN_ARRAY, _has_orders(pool, array)))
    first, last = min([*bins, active]), max([*bins, active])
    if last - first >= BINS_MAX:
        raise pool.wrong(f"its bins reach from {first} to {last}, the limit is {BINS_MAX}")
    for outermost in (first, last):
        try:
            meteora_dlmm.bin_price_x64(outermost, bin_step)
        except ValueError as error:
            raise pool.wrong(str(error)) from error
    state = meteora_dlmm.Pool(
        meteora_dlmm.Parameters(
            bin_step,
            fields["base_factor"],
            fields["base_fee_power_factor"],
            fields["variable_fee_control"],
            fields["max_volatility_accumulator"],
            fields["filter_period"],
            fields["decay_period"],
            fields["reduction_factor"],
            fields["protocol_share"],
            fields["collect_fee_mode"],
        ),
        active,
        first,
        tuple(bins.get(each, _EMPTY) for each in range(first, last + 1)),
        fields["index_reference"],
        fields["volatility_accumulator"],
        fields["volatility_reference"],
        max(fields["last_update_timestamp"], 0),
    )
    if max(state.parameters.reduction_factor, state.parameters.protocol_share_bps) > 10_000:
        raise pool.wrong("its reduction factor or its protocol share is more than the whole")
    dump.check_vaults(pool, state.reserves, (fields.key("reserve_x"), mints[0]), (fields.key("reserve_y"), mints[1]))
    return listing, state


def damm_v2(dump: Dump, pool: Account) -> tuple[Listing, meteora_damm_v2.Pool]:
    """A DAMM v2."""
    fields = pool.fields
    _check_open(pool, "program_a", "program_b")
    mode, version = fields["collect_fee_mode"], fields["fee_version"]
    if mode > meteora_damm_v2.COMPOUNDING or version >= len(meteora_damm_v2.FEE_MAX):
        raise pool.wrong(f"collect_fee_mode {mode} of fee version {version} is not known")
    mints = fields.key("mint_a"), fields.key("mint_b")
    listing = Listing(pool.address, meteora.NAME, token_of(pool, mints[0]), token_of(pool, mints[1]))
    low, price, high = (fields[name] for name in ("sqrt_price_min_x64", "sqrt_price_x64", "sqrt_price_max_x64"))
    compounding = mode == meteora_damm_v2.COMPOUNDING
    if price == 0 or (not compounding and not 0 < low <= price <= high):
        raise pool.wrong(f"the square-root price {price} is not from {low} to {high}")
    if (
        max(fields["protocol_fee_percent"], fields["referral_fee_percent"]) > 100
        or fields["compounding_fee_bps"] > 10_000
    ):
        raise pool.wrong("its fees are shared out beyond the whole")
    dynamic_fee = _dynamic_fee(pool)
    base_fee, timed = _base_fee(pool)
    if timed and (dynamic_fee is None or dynamic_fee.last_update_timestamp < fields["activation_point"]):
        raise pool.wrong("its fee falls with time, and nothing in the account says how much has passed")
    state = meteora_damm_v2.Pool(
        fields["liquidity"],
        price,
        low,
        high,
        base_fee,
        dynamic_fee,
        mode,
        fields["compounding_fee_bps"],
        fields["protocol_fee_percent"],
        fields["referral_fee_percent"],
        version,
        0 if fields["activation_type"] == _BY_SLOT else fields["activation_point"],
        fields["token_a_amount"] if compounding else 0,
        fields["token_b_amount"] if compounding else 0,
    )
    dump.check_vaults(pool, state.reserves, (fields.key("vault_a"), mints[0]), (fields.key("vault_b"), mints[1]))
    return listing, state


def bin_array_address(pool: str, number: int) -> str:
    """Where the bin array of a DLMM with this number is: 0 begins at bin 0 (pda.rs, derive_bin_array_pda)."""
    return addresses.derived((b"bin_array", addresses.read(pool), number.to_bytes(8, "little", signed=True)), DLMM)


def bitmaps_address(pool: str) -> str:
    """Where the bitmaps are of a DLMM's bin arrays that are far from bin 0 (pda.rs, derive_bin_array_bitmap_extension)."""
    return addresses.derived((b"bitmap", addresses.read(pool)), DLMM)


def _check_open(pool: Account, *programs: str) -> None:
    """Raises Malformed for a pool that is disabled, or whose tokens are not plain SPL tokens."""
    if pool.fields["status"]:
        raise pool.wrong(f"swaps are disabled (status {pool.fields['status']})")
    if any(pool.fields[program] for program in programs):
        raise pool.wrong("a token of Token-2022, whose transfer fees are not modelled")


def _arrays(dump: Dump, pool: Account) -> Mapping[int, Account]:
    """The bin arrays by their numbers: at least those that the bitmaps say hold something."""
    found = {array.fields["number"]: array for array in dump.of_pool(BIN_ARRAY, pool)}
    for number, array in found.items():
        if bin_array_address(pool.address, number) != array.address:
            raise array.wrong(f"the pool {pool.address} has no bin array {number} there")
        if abs(number) * _BINS_IN_ARRAY > meteora_dlmm.BIN_ID_MAX + _BINS_IN_ARRAY:
            raise array.wrong(f"there are no bins from {number * _BINS_IN_ARRAY} on")
    current = pool.fields["active_id"] // _BINS_IN_ARRAY  # floor
    filled = dump.filled(pool, "bin_array_bitmap", BITMAPS, bitmaps_address(pool.address), _below)
    lacking = sorted((number for number in filled if number not in found), key=lambda number: abs(number - current))
    if lacking:
        wanted = [
            Wanted(f"bin array {number}", BIN_ARRAY, bin_array_address(pool.address, number)) for number in lacking[:8]
        ]
        raise dump.missing(pool, wanted, also=len(lacking) - len(wanted))
    return found


def _below(place: int) -> int:
    """The number of a bin array in the negative part of the extension: each bitmap counts downwards (lb_pair.rs)."""
    return -(place + ARRAYS_IN_BITMAP) - 1


def _has_orders(pool: Account, array: Account) -> bool:
    """Whether limit orders are in the bins of this array (lb_pair.rs, is_support_limit_order).

    Of a pool and of an array with an old version number, other counters are still where orders would be.
    """
    fields = pool.fields
    if fields["version"] == 0 or array.fields["version"] < _ARRAY_WITHOUT_COUNTERS:
        return False
    unrewarded = fields.key("reward_mint_0") == fields.key("reward_mint_1") == _NO_MINT
    return fields["function_type"] == _LIMIT_ORDER or (fields["function_type"] == _UNDETERMINED and unrewarded)


def _bins(array: Account, first: int, with_orders: bool) -> Iterator[tuple[int, Bin]]:
    """The bins of an array that hold something, and their ids."""
    for bin_id, each in enumerate(_BIN.each(array.fields.raw("bins")), first):
        processed, waiting = (each["processed_orders"], each["open_orders"]) if with_orders else (0, 0)
        ask = bool(each["orders_ask"]) and bool(processed or waiting)
        found = Bin(each["amount_x"], each["amount_y"], processed, waiting, ask)
        if found != _EMPTY:
            yield bin_id, found


def _base_fee(pool: Account) -> tuple[meteora_damm_v2.BaseFee, bool]:
    """The fee before volatility, and whether time still has a part in it."""
    fields = pool.fields
    mode, periods, reduction = fields["mode"], fields["number_of_period"], fields["reduction_factor"]
    step, duration, cliff = fields["step"], fields["duration"], fields["cliff_fee_numerator"]
    if mode == _RATE_LIMITER:
        if periods or step or duration or reduction:
            raise pool.wrong("its base fee is a rate limiter, which is not modelled")
        return meteora_damm_v2.BaseFee(cliff), False
    by_market_cap = mode in (meteora_damm_v2.MARKET_CAP_LINEAR, meteora_damm_v2.MARKET_CAP_EXPONENTIAL)
    frequency = step if by_market_cap else step + (duration << 32)
    try:
        fee = meteora_damm_v2.BaseFee(
            cliff,
            mode,
            periods,
            frequency,
            reduction,
            fields["initial_sqrt_price_x64"] if by_market_cap else 0,
            duration if by_market_cap else 0,
        )
    except ValueError as error:
        raise pool.wrong(str(error)) from error
    linear = mode in (meteora_damm_v2.TIME_LINEAR, meteora_damm_v2.MARKET_CAP_LINEAR)
    if (reduction * periods > cliff if linear else reduction > 10_000) or (
        by_market_cap and not fields["initial_sqrt_price_x64"]
    ):
        raise pool.wrong("its base fee falls below nothing")
    timed = bool(frequency and periods and reduction)
    if timed and fields["activation_type"] == _BY_SLOT:
        raise pool.wrong("its fee falls with the number of slots, which is not modelled")
    return fee, timed


def _dynamic_fee(pool: Account) -> meteora_damm_v2.DynamicFee | None:
    """The fee on volatility, if the pool has one."""
    (fee,) = _DYNAMIC_FEE.each(pool.fields.raw("dynamic_fee"))
    if not fee["initialized"]:
        return None
    greatest = fee["max_volatility_accumulator"]
    if (
        (fee["bin_step"], fee["bin_step_x64"]) != (1, _BIN_STEP_X64)
        or max(fee["volatility_accumulator"], fee["volatility_reference"]) > greatest
        or fee["reduction_factor"] > 10_000
    ):
        raise pool.wrong("its dynamic fee is none that the program would set")
    return meteora_damm_v2.DynamicFee(
        fee["variable_fee_control"],
        greatest,
        fee["filter_period"],
        fee["decay_period"],
        fee["reduction_factor"],
        fee["sqrt_price_reference"],
        fee["volatility_accumulator"],
        fee["volatility_reference"],
        fee["last_update_timestamp"],
    )
