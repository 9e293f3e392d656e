"""Rows of tick and bin prices: no swaps, only what a function answers."""

from order_engine.venues import meteora_dlmm
from order_engine.venues.tick_prices import orca_sqrt_price_x64, raydium_sqrt_price_x64, tick_at_or_below
from tests.vectors.row import Fields, Row


def answer(row: Row) -> Fields:
    given = row["input"]
    match row["function"].split("."):
        case ["meteora_dlmm", "price_x64_of_bin"]:
            return {"output": str(meteora_dlmm.bin_price_x64(given["bin_id"], given["bin_step"]))}
        case ["raydium_clmm", "sqrt_price_x64_at_tick"]:
            return {"output": str(raydium_sqrt_price_x64(given["tick"]))}
        case ["raydium_clmm", "tick_at_sqrt_price_x64"]:
            return {"output": tick_at_or_below(int(given["sqrt_price_x64"]), raydium_sqrt_price_x64)}
        case ["orca_whirlpool", "sqrt_price_x64_at_tick"]:
            return {"output": str(orca_sqrt_price_x64(given["tick"]))}
        case ["orca_whirlpool", "tick_at_sqrt_price_x64"]:
            return {"output": tick_at_or_below(int(given["sqrt_price_x64"]), orca_sqrt_price_x64)}
        case _:
            raise ValueError(f"{row['id']}: no function {row['function']}")
