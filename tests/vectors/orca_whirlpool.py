"""Rows of Orca Whirlpool."""

from order_engine.venues import concentrated, orca_whirlpool
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    start = whirlpool(row["pool"])
    a_to_b, now = row["direction"] == "a_to_b", row.get("current_timestamp", 0)
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), a_to_b, now)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), a_to_b, now)
    after = swap.after
    fields: Fields = {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "liquidity_after": str(after.liquidity),
        "sqrt_price_x64_after": str(after.sqrt_price_x64),
        "tick_current_index_after": after.tick_current_index,
        "fee_protocol": str(swap.fee_protocol),
        "fee_total": str(swap.fee),
    }
    if after.adaptive_fee is not None:
        fields["adaptive_fee_after"] = {
            "last_reference_update_timestamp": after.adaptive_fee.last_reference_update_timestamp,
            "last_major_swap_timestamp": after.adaptive_fee.last_major_swap_timestamp,
            "volatility_reference": after.adaptive_fee.volatility_reference,
            "tick_group_index_reference": after.adaptive_fee.tick_group_index_reference,
            "volatility_accumulator": after.adaptive_fee.volatility_accumulator,
        }
    return fields


def whirlpool(given: Fields) -> orca_whirlpool.Pool:
    """The pool of a row. The row's tick arrays are left out: ours follow from the tick (tests/venues compares them)."""
    return orca_whirlpool.Pool(
        orca_whirlpool.Parameters(given["tick_spacing"], given["fee_rate"], given["protocol_fee_rate"]),
        int(given["sqrt_price_x64"]),
        given["tick_current_index"],
        int(given["liquidity"]),
        tuple(concentrated.Tick(each["tick"], int(each["liquidity_net"])) for each in given["ticks"]),
        orca_whirlpool.AdaptiveFee(**given["adaptive_fee"]) if given["adaptive_fee"] else None,
    )
