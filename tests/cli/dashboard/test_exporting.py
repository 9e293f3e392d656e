"""What `e` writes: every value whole, as CSV that other programs read."""

import csv
from pathlib import Path

from cli.dashboard import exporting
from cli.dashboard.exporting import Sheet
from tests.cli.dashboard import market
from tests.cli.dashboard.scene import NOW, a_desk, an_id


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_orders_are_written_as_they_are_shown_and_whole(tmp_path: Path) -> None:
    stories = [*reversed(a_desk().stories.values())]
    rows = rows_of(exporting.write(exporting.orders(stories), tmp_path / "orders.csv"))
    assert [row["orderId"] for row in rows] == [an_id(100_000 + number) for number in range(1, 10)]
    filled = rows[6]
    assert (filled["amount"], filled["amountOut"], filled["slippageBpsGot"]) == ("1.5", "224.841213", "+3.2")
    assert filled["executedPrice"] == "149.894142"
    assert rows[4]["errorCode"] == "slippage_exceeded"
    assert rows[0]["createdAt"] == "2026-11-20T09:41:18.000Z"


def test_the_log_has_a_row_for_each_event(tmp_path: Path) -> None:
    desk = a_desk()
    rows = rows_of(exporting.write(exporting.events(desk.log), tmp_path / "log.csv"))
    assert [int(row["seq"]) for row in rows] == [event["seq"] for event in desk.log]
    assert "unknown" in {row["status"] for row in rows}


def test_the_wallet_says_what_it_is_worth_where_that_is_known() -> None:
    desk = a_desk()
    desk.balances = [market.a_balance("SOL", "2"), market.a_balance("XYZ", "3")]
    sheet = exporting.wallet(desk)
    values = {row[0]: row[4] for row in sheet.rows}
    assert float(values["SOL"]) > 0
    assert values["XYZ"] == ""


def test_records_have_a_column_for_each_field_and_no_control_characters() -> None:
    sheet = exporting.records("venues", [{"dex": "a\x1b[31m", "n": 1}, {"dex": "b", "more": None}])
    assert sheet == Sheet("venues", ("dex", "n", "more"), [["a[31m", "1", ""], ["b", "", ""]])


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    sheet, path = Sheet("log", ("a",), [["1"]]), tmp_path / "log.csv"
    assert exporting.write(sheet, path) == path
    assert exporting.write(sheet, path) == tmp_path / "log-2.csv"
    assert path.read_text() == "a\n1\n"


def test_the_name_of_a_file_says_what_and_when() -> None:
    assert exporting.file_name(Sheet("orders", (), []), NOW) == "oee-orders-20261120-094120.csv"
