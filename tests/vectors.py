"""Compares the pool models with reference vectors: `python -m tests.vectors FILE…`, or no FILE for tests/data/vectors.

A row is one swap with what the chain did. Status and every expected field are compared; the class of a rejection too,
except that `insufficient_liquidity` and `overflow_u64` overlap when a pool is drained. Exit code 1 means differences, 2
an unreadable file or a model without an entry in MODELS.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from order_engine.venues import meteora_dlmm, pool, raydium_amm_v4, raydium_cpmm

FILES = Path(__file__).parent / "data" / "vectors"
SHOWN = 20  # differences printed at most
EXHAUSTED = {"insufficient_liquidity", "overflow_u64"}

Row = dict[str, Any]
Fields = dict[str, Any]


class Difference(NamedTuple):
    row_id: str
    field: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"{self.row_id} {self.field}: expected {self.expected}, got {self.got}"


class Unreadable(Exception):
    """The file is no file of vectors that we have a model for."""


def on_raydium_amm_v4(row: Row) -> Fields:
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


def on_raydium_cpmm(row: Row) -> Fields:
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


def on_meteora_dlmm(row: Row) -> Fields:
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


MODELS: dict[str, Callable[[Row], Fields]] = {
    "raydium_amm_v4": on_raydium_amm_v4,
    "raydium_cpmm": on_raydium_cpmm,
    "meteora_dlmm": on_meteora_dlmm,
}


def compare(row: Row) -> list[Difference]:
    """Everything in which our answer to this row is not what the chain did."""
    expected = row["expected"]
    try:
        got = {"onchain_status": "ok", **MODELS[row["model"]](row)}
    except pool.SwapRefused as refused:
        got = {"onchain_status": "rejected", "reject_class": refused.kind}
    if expected["onchain_status"] != got["onchain_status"]:
        return [Difference(row["id"], "onchain_status", expected["onchain_status"], got["onchain_status"])]
    if expected["onchain_status"] == "rejected":
        classes = {expected["reject_class"], got["reject_class"]}
        if len(classes) == 1 or classes == EXHAUSTED:
            return []
        return [Difference(row["id"], "reject_class", expected["reject_class"], got["reject_class"])]
    return [
        Difference(row["id"], field, value, got.get(field))
        for field, value in expected.items()
        if in_order(value) != in_order(got.get(field))
    ]


def in_order(value: object) -> object:
    """A list of bins by id, so that only what is in it counts; anything else as it is."""
    return sorted(value, key=lambda each: int(each["bin_id"])) if isinstance(value, list) else value


def rows_of(file: Path) -> list[Row]:
    try:
        rows: list[Row] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        unknown = {row["model"] for row in rows} - MODELS.keys()
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise Unreadable(f"{file}: {problem!r}") from problem
    if unknown:
        raise Unreadable(f"{file}: no model for {', '.join(sorted(unknown))}; known are {', '.join(MODELS)}")
    return rows


def main(files: Iterable[Path]) -> int:
    rows: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    differences: list[Difference] = []
    try:
        for file in files:
            for row in rows_of(file):
                found = compare(row)
                rows[row["model"]] += 1
                exact[row["model"]] += not found
                differences += found
    except Unreadable as problem:
        print(problem, file=sys.stderr)
        return 2
    for model, count in rows.items():
        print(f"{model}: rows {count}, exact {exact[model]}")
    for difference in differences[:SHOWN]:
        print(difference)
    if len(differences) > SHOWN:
        print(f"and {len(differences) - SHOWN} more differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]] or sorted(FILES.glob("*.jsonl"))))
