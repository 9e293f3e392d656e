"""Rows of Raydium AMM v4."""

from order_engine.venues import raydium_amm_v4
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    given = row["pool"]
    start = raydium_amm_v4.Pool(
        int(given["base_reserve"]),
        int(given["quote_reserve"]),
        given["swap_fee_numerator"],
        given["swap_fee_denominator"],
    )
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), row["direction"] == "base_to_quote", 0)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), row["direction"] == "base_to_quote", 0)
    return {"amount_in": str(swap.amount_in), "amount_out": str(swap.amount_out), "fee": str(swap.fee)}
