"""Rows of Raydium CLMM."""

from order_engine.venues import raydium_clmm
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    start = clmm_pool(row["pool"])
    a_to_b, now = row["direction"] == "zero_for_one", row.get("block_timestamp", 0)
    limit = int(row["sqrt_price_limit_x64"]) if "sqrt_price_limit_x64" in row else None
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), a_to_b, now, limit)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), a_to_b, now, limit)
    after = swap.after
    fields: Fields = {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "amount_specified_remaining": str(swap.left),
        "fee_total": str(swap.fee),
        "fee_lp": str(swap.fee_lp),
        "fee_protocol": str(swap.fee_protocol),
        "fee_fund": str(swap.fee_fund),
        "sqrt_price_x64_after": str(after.sqrt_price_x64),
        "tick_after": after.tick_current,
        "liquidity_after": str(after.liquidity),
        "ticks_crossed": swap.ticks_crossed,
    }
    if after.dynamic_fee is not None:
        fields["dynamic_fee_after"] = {
            "volatility_accumulator": after.dynamic_fee.volatility_accumulator,
            "volatility_reference": after.dynamic_fee.volatility_reference,
            "tick_spacing_index_reference": after.dynamic_fee.tick_spacing_index_reference,
            "last_update_timestamp": after.dynamic_fee.last_update_timestamp,
        }
    return fields


def clmm_pool(given: Fields) -> raydium_clmm.Pool:
    return raydium_clmm.Pool(
        raydium_clmm.Parameters(
            given["tick_spacing"],
            given["trade_fee_rate"],
            given["protocol_fee_rate"],
            given["fund_fee_rate"],
            given["fee_on"],
        ),
        int(given["sqrt_price_x64"]),
        given["tick_current"],
        int(given["liquidity"]),
        tuple(
            raydium_clmm.Tick(
                each["tick"],
                int(each["liquidity_net"]),
                int(each["liquidity_gross"]),
                int(each.get("orders_amount", 0)),
                int(each.get("part_filled_orders_remaining", 0)),
            )
            for each in given["ticks"]
        ),
        raydium_clmm.DynamicFee(**given["dynamic_fee"]) if given["dynamic_fee"] else None,
    )
