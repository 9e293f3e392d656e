"""Rows of Meteora DLMM."""

from order_engine.venues import meteora_dlmm
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    given = row["pool"]
    start = dlmm_pool(given)
    a_to_b, now = row["direction"] == "x_to_y", row["current_timestamp"]
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), a_to_b, now)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), a_to_b, now)
    after = swap.after
    return {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "fee_total": str(swap.fee),
        "fee_lp_and_limit_order": str(swap.fee_lp),
        "fee_protocol": str(swap.fee_protocol),
        "active_id_after": after.active_id,
        "volatility_accumulator_after": after.volatility_accumulator,
        "volatility_reference_after": after.volatility_reference,
        "index_reference_after": after.index_reference,
        "last_update_timestamp_after": after.last_update_timestamp,
        "bins_changed": [
            {"bin_id": bin_id, "amount_x": str(now_in.amount_x), "amount_y": str(now_in.amount_y)}
            for bin_id, (was_in, now_in) in enumerate(zip(start.bins, after.bins, strict=True), start.first_bin_id)
            if (was_in.amount_x, was_in.amount_y) != (now_in.amount_x, now_in.amount_y)
        ],
    }


def dlmm_pool(given: Fields) -> meteora_dlmm.Pool:
    """The pool of a row. Its prices are left out: ours follow from the bin ids (tests/venues compares them)."""
    by_id = {
        each["bin_id"]: meteora_dlmm.Bin(
            int(each["amount_x"]),
            int(each["amount_y"]),
            int(each.get("processed_order_remaining_amount", 0)),
            int(each.get("open_order_amount", 0)),
            each.get("limit_order_ask_side", False),
        )
        for each in given["bins"]
    }
    first, last = min(by_id), max(by_id)
    return meteora_dlmm.Pool(
        meteora_dlmm.Parameters(
            given["bin_step"],
            given["base_factor"],
            given["base_fee_power_factor"],
            given["variable_fee_control"],
            given["max_volatility_accumulator"],
            given["filter_period"],
            given["decay_period"],
            given["reduction_factor"],
            given["protocol_share_bps"],
            given["collect_fee_mode"],
        ),
        given["active_id"],
        first,
        tuple(by_id.get(bin_id, meteora_dlmm.Bin(0, 0)) for bin_id in range(first, last + 1)),
        given["index_reference"],
        given["volatility_accumulator"],
        given["volatility_reference"],
        given["last_update_timestamp"],
    )
