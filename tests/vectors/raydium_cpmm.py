"""Rows of Raydium CPMM."""

from order_engine.venues import raydium_cpmm
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    given = row["pool"]
    a_to_b = row["direction"] == "zero_for_one"
    start = raydium_cpmm.Pool(
        int(given["reserve0"]),
        int(given["reserve1"]),
        given["trade_fee_rate"],
        given["protocol_fee_rate"],
        given["fund_fee_rate"],
        given["creator_fee_rate"],
        given["enable_creator_fee"],
        given["creator_fee_on"],
    )
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), a_to_b, 0)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), a_to_b, 0)
    reserve_in = start.reserves[0 if a_to_b else 1]
    return {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "trade_fee": str(swap.trade_fee),
        "protocol_fee": str(swap.protocol_fee),
        "fund_fee": str(swap.fund_fee),
        "creator_fee": str(swap.creator_fee),
        "new_input_vault_ex_fees": str(reserve_in + swap.amount_in - swap.fee),
        "new_output_vault": str(swap.after.reserves[1 if a_to_b else 0]),
    }
