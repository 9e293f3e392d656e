"""Pools of Orca from their accounts: Whirlpools.

Layouts: whirlpools `state/{whirlpool,fixed_tick_array,dynamic_tick_array,tick,oracle}.rs`. A Whirlpool has no bitmap of its tick
arrays. So each array that a swap can see must be in the file, or be said not to exist, and the liquidity of all ticks must
add up to the pool's.
"""

from collections.abc import Iterator

from order_engine.errors import Malformed
from order_engine.venues import orca, orca_whirlpool
from order_engine.venues.concentrated import Tick
from order_engine.venues.orca_whirlpool import TICKS_IN_ARRAY
from order_engine.venues.simulated.accounts import addresses
from order_engine.venues.simulated.accounts.dump import Account, Dump, Wanted, token_of
from order_engine.venues.simulated.accounts.layouts import Layout, bits
from order_engine.venues.simulated.accounts.ticks import (
    FAR,
    VOLATILITY_MAX,
    Gap,
    check_price,
    check_ticks,
    gap,
    is_start,
    start_of,
)
from order_engine.venues.simulated.market import Listing
from order_engine.venues.tick_prices import ORCA_SQRT_PRICE_MAX_X64, TICK_MAX, TICK_MIN, orca_sqrt_price_x64

WHIRLPOOL = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"

POOL = Layout(
    "Whirlpool",
    "_:33 tick_spacing:u16 fee_tier:u16 fee_rate:u16 protocol_fee_rate:u16 liquidity:u128 sqrt_price_x64:u128 tick_current:i32 "
    "_:16 mint_a:key vault_a:key _:16 mint_b:key vault_b:key _:16 _:8 _:384",
    WHIRLPOOL,
)
TICK_ARRAY = Layout("TickArray", "start:i32 ticks:9944 pool:key", WHIRLPOOL)
DYNAMIC_TICK_ARRAY = Layout(  # a tick takes 1 byte, an initialised one 113
    "DynamicTickArray", "start:i32 pool:key bitmap:16 ticks:88", WHIRLPOOL, size_max=60 + 88 * 113
)
ORACLE = Layout(
    "Oracle",
    "pool:key _:8 filter_period:u16 decay_period:u16 reduction_factor:u16 adaptive_fee_control_factor:u32 "
    "max_volatility_accumulator:u32 tick_group_size:u16 major_swap_threshold_ticks:u16 _:16 "
    "last_reference_update_timestamp:u64 last_major_swap_timestamp:u64 volatility_reference:u32 "
    "tick_group_index_reference:i32 volatility_accumulator:u32 _:16 _:128",
    WHIRLPOOL,
)
_TICK = Layout("Tick", "initialized:u8 liquidity_net:i128 liquidity_gross:u128 _:80")

_FEE_RATE_MAX = 60_000  # math/mod.rs, MAX_FEE_RATE
_NOTHING = ' (if it does not exist on the chain: {"pubkey": ADDRESS, "account": null})'
_PROTOCOL_FEE_RATE_MAX = 2_500  # math/mod.rs, MAX_PROTOCOL_FEE_RATE


def whirlpool(dump: Dump, pool: Account) -> tuple[Listing, orca_whirlpool.Pool]:
    """A Whirlpool with all its ticks, and with its Oracle where its fee adapts."""
    fields = pool.fields
    spacing = fields["tick_spacing"]
    if spacing == 0 or fields["fee_rate"] > _FEE_RATE_MAX or fields["protocol_fee_rate"] > _PROTOCOL_FEE_RATE_MAX:
        raise pool.wrong("its tick spacing or its fee rates are none that the program would set")
    mints = fields.key("mint_a"), fields.key("mint_b")
    listing = Listing(pool.address, orca.NAME, token_of(pool, mints[0]), token_of(pool, mints[1]))
    check_price(pool, fields["sqrt_price_x64"], ORCA_SQRT_PRICE_MAX_X64, fields["tick_current"], orca_sqrt_price_x64)
    bare = orca_whirlpool.Pool(
        orca_whirlpool.Parameters(spacing, fields["fee_rate"], fields["protocol_fee_rate"]),
        fields["sqrt_price_x64"],
        fields["tick_current"],
        fields["liquidity"],
        (),
    )
    arrays = _arrays(dump, pool, spacing)
    _check_seen(dump, pool, bare, set(arrays))
    ticks = tuple(tick for _, array in sorted(arrays.items()) for tick in _ticks(array, spacing))
    lacking = gap(ticks, bare.tick_current_index, bare.liquidity)
    if any(lacking):
        raise _incomplete(dump, pool, bare, set(arrays), lacking)
    check_ticks(pool, ticks)
    state = orca_whirlpool.Pool(
        bare.parameters,
        bare.sqrt_price_x64,
        bare.tick_current_index,
        bare.liquidity,
        ticks,
        _adaptive_fee(dump, pool, spacing),
    )
    dump.check_vaults(pool, state.reserves, (fields.key("vault_a"), mints[0]), (fields.key("vault_b"), mints[1]))
    return listing, state


def tick_array_address(pool: str, start: int) -> str:
    """Where the tick array of a Whirlpool is that begins at this tick (initialize_tick_array.rs)."""
    return addresses.derived((b"tick_array", addresses.read(pool), str(start).encode()), WHIRLPOOL)


def oracle_address(pool: str) -> str:
    """Where the Oracle of a Whirlpool is, which keeps its adaptive fee (swap.rs)."""
    return addresses.derived((b"oracle", addresses.read(pool)), WHIRLPOOL)


def _arrays(dump: Dump, pool: Account, spacing: int) -> dict[int, Account]:
    """The tick arrays of a pool that are in the file, by their first ticks."""
    arrays = [*dump.of_pool(TICK_ARRAY, pool), *dump.of_pool(DYNAMIC_TICK_ARRAY, pool)]
    for array in arrays:
        start = array.fields["start"]
        if not is_start(start, TICKS_IN_ARRAY * spacing) or tick_array_address(pool.address, start) != array.address:
            raise array.wrong(f"the pool {pool.address} has no tick array from {start} there")
    return {array.fields["start"]: array for array in arrays}


def _check_seen(dump: Dump, pool: Account, state: orca_whirlpool.Pool, starts: set[int]) -> None:
    """Raises Malformed unless every array that a swap can see is in the file, or is said not to exist."""
    lacking = list(_lacking(dump, pool, [*state.tick_array_starts(True), *state.tick_array_starts(False)], starts))
    if lacking:
        raise dump.missing(pool, lacking, advice=_NOTHING)


def _lacking(dump: Dump, pool: Account, wanted: list[int], starts: set[int]) -> Iterator[Wanted]:
    """Which of these arrays the file does not have and does not say not to exist either, in that order."""
    for start in dict.fromkeys(wanted):
        if start not in starts:
            address = tick_array_address(pool.address, start)
            if not dump.is_nothing(address):
                yield Wanted(f"the tick array from {start}", TICK_ARRAY, address)


def _ticks(array: Account, spacing: int) -> Iterator[Tick]:
    """The initialised ticks of an array."""
    for place, net, gross in _fixed(array) if array.layout is TICK_ARRAY else _dynamic(array):
        at = array.fields["start"] + place * spacing
        if abs(at) >= FAR:
            raise array.wrong(f"there is no tick {at}")
        if abs(net) > gross:
            raise array.wrong(f"tick {at} changes the liquidity by more than it has")
        yield Tick(at, net)


def _fixed(array: Account) -> Iterator[tuple[int, int, int]]:
    for place, each in enumerate(_TICK.each(array.fields.raw("ticks"))):
        if each["initialized"]:
            yield place, each["liquidity_net"], each["liquidity_gross"]


def _dynamic(array: Account) -> Iterator[tuple[int, int, int]]:
    """Ticks of one byte, or of 113 where the byte says that they are initialised; the bitmap says the same."""
    content, at = array.fields.rest("ticks"), 0
    initialized = set(bits(array.fields.raw("bitmap")))
    for place in range(TICKS_IN_ARRAY):
        size = _TICK.size if place in initialized else 1
        each = next(_TICK.each(content[at : at + size]), None) if size > 1 else None
        if at + size > len(content) or content[at] != (place in initialized):
            raise array.wrong(f"the tick in place {place} is not what the bitmap says")
        if each is not None:
            yield place, each["liquidity_net"], each["liquidity_gross"]
        at += size
    if max(initialized, default=0) >= TICKS_IN_ARRAY:
        raise array.wrong(f"the bitmap names more than {TICKS_IN_ARRAY} ticks")


def _incomplete(dump: Dump, pool: Account, state: orca_whirlpool.Pool, starts: set[int], lacking: Gap) -> Malformed:
    """The refusal of ticks whose liquidity is not the pool's. Which array is missing can only be guessed: that in which
    positions of the whole range end, or the next one out."""
    width = TICKS_IN_ARRAY * state.parameters.tick_spacing
    wanted: list[int] = []
    if lacking.below:
        wanted += [start_of(TICK_MIN, width), min(starts, default=0) - width]
    if lacking.above:
        wanted += [start_of(TICK_MAX, width), max(starts, default=0) + width]
    sides = " and ".join(side for side, lacks in zip(("below", "above"), lacking, strict=True) if lacks)
    why = f"{sides} the price the liquidity of its ticks does not add up to the pool's"
    found = list(_lacking(dump, pool, [start for start in wanted if is_start(start, width)], starts))
    if not found:
        return pool.wrong(f"{why}; get all its tick arrays by getProgramAccounts")
    return dump.missing(pool, found, f"{why}: among others perhaps ", advice="; getProgramAccounts gives all of them")


def _adaptive_fee(dump: Dump, pool: Account, spacing: int) -> orca_whirlpool.AdaptiveFee | None:
    """The fee that adapts, of a pool whose fee tier has one (whirlpool.rs, is_initialized_with_adaptive_fee_tier)."""
    address = oracle_address(pool.address)
    if pool.fields["fee_tier"] == spacing and dump.maybe(ORACLE, address) is None:
        return None
    (oracle,) = dump.take(pool, [Wanted("its Oracle", ORACLE, address)])
    fee = oracle.fields
    size, greatest = fee["tick_group_size"], fee["max_volatility_accumulator"]
    if not (  # oracle.rs, validate_constants
        fee.key("pool") == pool.address
        and 0 < fee["filter_period"] < fee["decay_period"]
        and fee["reduction_factor"] < 10_000
        and fee["adaptive_fee_control_factor"] < 100_000
        and size > 0
        and spacing % size == 0
        and 0 < fee["major_swap_threshold_ticks"] <= TICKS_IN_ARRAY * spacing
        and max(fee["volatility_reference"], fee["volatility_accumulator"]) <= greatest <= VOLATILITY_MAX
        and greatest * size < 1 << 32
        and abs(fee["tick_group_index_reference"]) * size < FAR + size
    ):
        raise oracle.wrong("it is none that the program would keep for this pool")
    return orca_whirlpool.AdaptiveFee(
        fee["filter_period"],
        fee["decay_period"],
        fee["reduction_factor"],
        fee["adaptive_fee_control_factor"],
        greatest,
        size,
        fee["major_swap_threshold_ticks"],
        fee["tick_group_index_reference"],
        fee["volatility_reference"],
        fee["volatility_accumulator"],
        fee["last_reference_update_timestamp"],
        fee["last_major_swap_timestamp"],
    )
