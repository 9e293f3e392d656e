"""Compares the pool models with reference vectors: `python -m tests.vectors FILE…`, or no FILE for tests/data/vectors.

A row is one swap (in tick_math one price) with what the chain did; a file per model here says what our pool makes of it.
Status and every expected field are compared; the class of a rejection too, except that `insufficient_liquidity` and
`overflow_u64` overlap when a pool is drained. Exit code 1 means differences, 2 an unreadable file or a model without an
entry in MODELS.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from order_engine.venues.pool import SwapRefused
from tests.vectors import (
    meteora_damm_v2,
    meteora_dlmm,
    orca_whirlpool,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
    tick_math,
)
from tests.vectors.row import Fields, Row

FILES = Path(__file__).parent.parent / "data" / "vectors"
SHOWN = 20  # differences printed at most
EXHAUSTED = {"insufficient_liquidity", "overflow_u64"}


class Difference(NamedTuple):
    row_id: str
    field: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"{self.row_id} {self.field}: expected {self.expected}, got {self.got}"


class Unreadable(Exception):
    """The file is no file of vectors that we have a model for."""


MODELS: dict[str, Callable[[Row], Fields]] = {
    "raydium_amm_v4": raydium_amm_v4.swap,
    "raydium_cpmm": raydium_cpmm.swap,
    "meteora_dlmm": meteora_dlmm.swap,
    "meteora_damm_v2": meteora_damm_v2.swap,
    "raydium_clmm": raydium_clmm.swap,
    "orca_whirlpool": orca_whirlpool.swap,
    "tick_math": tick_math.answer,
}


def compare(row: Row) -> list[Difference]:
    """Everything in which our answer to this row is not what the chain did."""
    expected = row["expected"]
    try:
        got = {"onchain_status": "ok", **MODELS[row["model"]](row)}
    except SwapRefused as refused:
        got = {"onchain_status": "rejected", "reject_class": refused.kind}
    status = expected.get("onchain_status", "ok")  # rows of tick_math are no swaps and have none
    if status != got["onchain_status"]:
        return [Difference(row["id"], "onchain_status", status, got["onchain_status"])]
    if status == "rejected":
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
