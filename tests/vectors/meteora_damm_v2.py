"""Rows of Meteora DAMM v2."""

from order_engine.venues import meteora_damm_v2
from tests.vectors.row import Fields, Row


def swap(row: Row) -> Fields:
    start = damm_v2_pool(row["pool"])
    a_to_b, now, referred = row["direction"] == "a_to_b", row["current_timestamp"], row["has_referral"]
    if row["swap_mode"] == "exact_in":
        swap = start.swap_exact_in(int(row["amount_in"]), a_to_b, now, referred)
    elif row["swap_mode"] == "partial_fill":
        swap = start.swap_partial_fill(int(row["amount_in"]), a_to_b, now, referred)
    else:
        swap = start.swap_exact_out(int(row["amount_out"]), a_to_b, now, referred)
    after = swap.after
    fields = {
        "amount_in": str(swap.amount_in),
        "amount_out": str(swap.amount_out),
        "sqrt_price_after": str(after.sqrt_price_x64),
        "fee_protocol": str(swap.fee_protocol),
        "fee_lp": str(swap.fee_lp + swap.fee_compounding),
        "fee_referral": str(swap.fee_referral),
    }
    if start.collect_fee_mode == meteora_damm_v2.COMPOUNDING:
        fields["token_a_amount_after"] = str(after.token_a_amount)
        fields["token_b_amount_after"] = str(after.token_b_amount)
    if after.dynamic_fee is None:
        return fields
    return fields | {
        "dynamic_fee_after": {
            "volatility_accumulator": str(after.dynamic_fee.volatility_accumulator),
            "volatility_reference": str(after.dynamic_fee.volatility_reference),
            "sqrt_price_reference": str(after.dynamic_fee.sqrt_price_reference),
            "last_update_timestamp": str(after.dynamic_fee.last_update_timestamp),
        }
    }


def damm_v2_pool(given: Fields) -> meteora_damm_v2.Pool:
    base, dynamic = given["base_fee"], given["dynamic_fee"]
    return meteora_damm_v2.Pool(
        int(given["liquidity"]),
        int(given["sqrt_price"]),
        int(given["sqrt_min_price"]),
        int(given["sqrt_max_price"]),
        meteora_damm_v2.BaseFee(
            base["cliff_fee_numerator"],
            base["base_fee_mode"],
            base["number_of_period"],
            base["period_frequency"],
            base["reduction_factor"],
        ),
        dynamic
        and meteora_damm_v2.DynamicFee(
            dynamic["variable_fee_control"],
            dynamic["max_volatility_accumulator"],
            dynamic["filter_period"],
            dynamic["decay_period"],
            dynamic["reduction_factor"],
            int(dynamic["sqrt_price_reference"]),
            int(dynamic["volatility_accumulator"]),
            int(dynamic["volatility_reference"]),
            dynamic["last_update_timestamp"],
        ),
        given["collect_fee_mode"],
        given["compounding_fee_bps"],
        given["protocol_fee_percent"],
        given["referral_fee_percent"],
        given["fee_version"],
        given["activation_point"],
        int(given["token_a_amount"]),
        int(given["token_b_amount"]),
    )
