"""Our pools do what the chain did, for every row of the reference vectors."""

import json
from pathlib import Path

import pytest

from order_engine.venues import meteora_dlmm
from tests import vectors
from tests.vectors import orca_whirlpool
from tests.vectors.row import Row

FILES = [vectors.FILES / f"{model}.jsonl" for model in vectors.MODELS]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_row_is_exactly_what_the_chain_did(file: Path) -> None:
    rows = vectors.rows_of(file)
    assert len(rows) > 0
    assert [difference for row in rows for difference in vectors.compare(row)] == []


def test_no_file_of_vectors_is_left_out() -> None:
    assert sorted(vectors.FILES.glob("*.jsonl")) == sorted(FILES)


def test_the_prices_of_bins_follow_from_their_ids() -> None:
    for row in vectors.rows_of(vectors.FILES / "meteora_dlmm.jsonl"):
        for each in row["pool"]["bins"]:
            price = meteora_dlmm.bin_price_x64(each["bin_id"], row["pool"]["bin_step"])
            assert price == int(each["price_x64"])


def test_the_tick_arrays_of_a_whirlpool_swap_follow_from_its_tick() -> None:
    for row in vectors.rows_of(vectors.FILES / "orca_whirlpool.jsonl"):
        starts = orca_whirlpool.whirlpool(row["pool"]).tick_array_starts(row["direction"] == "a_to_b")
        assert list(starts) == row["tick_array_start_indexes"]


def test_the_runner_counts_rows_per_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, a_row("raydium_amm_v4"), a_row("raydium_cpmm"), a_row("raydium_amm_v4"))
    assert vectors.main([file]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "raydium_amm_v4: rows 2, exact 2",
        "raydium_cpmm: rows 1, exact 1",
    ]


@pytest.mark.parametrize("model", vectors.MODELS)
def test_the_runner_reports_an_altered_row(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = a_row(model)
    field = "output" if model == "tick_math" else "amount_out"
    altered = str(int(row["expected"][field]) + 1)
    row["expected"][field] = altered
    assert vectors.main([written(tmp_path, row)]) == 1
    counts, difference = capsys.readouterr().out.splitlines()
    assert counts == f"{model}: rows 1, exact 0"
    assert difference.startswith(f"{row['id']} {field}: expected {altered}, got ")


@pytest.mark.parametrize("model", vectors.MODELS)
def test_no_expected_field_goes_uncompared(model: str) -> None:
    row = a_row(model)
    fields = [field for field in row["expected"] if field != "onchain_status"]
    row["expected"] |= dict.fromkeys(fields, "altered")
    assert [difference.field for difference in vectors.compare(row)] == fields


def test_the_runner_reports_a_swap_that_should_have_been_rejected(tmp_path: Path) -> None:
    row = a_row("raydium_cpmm")
    row["expected"] = {"onchain_status": "rejected", "reject_class": "zero_output"}
    assert vectors.main([written(tmp_path, row)]) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"model": "of no kind"}'])
def test_the_runner_refuses_what_it_cannot_judge(text: str, tmp_path: Path) -> None:
    file = tmp_path / "strange.jsonl"
    file.write_text(text, encoding="utf-8")
    assert vectors.main([file]) == 2
    assert vectors.main([tmp_path / "missing.jsonl"]) == 2


def a_row(model: str) -> Row:
    rows = vectors.rows_of(vectors.FILES / f"{model}.jsonl")
    return next(row for row in rows if row["expected"].get("onchain_status", "ok") == "ok")


def written(folder: Path, *rows: Row) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file
