"""Charts are pictures of numbers: their order and their gaps are the numbers' own, and letters draw them as well as blocks."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.dashboard import charts

VALUES = st.lists(st.one_of(st.none(), st.integers(-(10**12), 10**12), st.decimals(-1000, 1000)), max_size=60)


def test_a_sparkline_reaches_from_the_lowest_to_the_highest() -> None:
    assert charts.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert charts.sparkline([Decimal("149.2"), Decimal("150.2")]) == "▁█"


def test_letters_draw_the_same_heights() -> None:
    assert charts.sparkline([0, 1, 2, 3, 4, 5, 6, 7], ascii_only=True) == ".:-=+*#@"


def test_what_is_not_known_is_a_gap_and_what_is_all_the_same_lies_at_the_bottom() -> None:
    assert charts.sparkline([None, 5, None, 5]) == " ▁ ▁"
    assert charts.sparkline([None, None]) == "  "
    assert charts.sparkline([]) == ""


def test_with_a_floor_zero_is_zero() -> None:
    assert charts.sparkline([7, 14], floor=0) == "▅█"
    assert charts.sparkline([0, 0], floor=0) == "▁▁"


@given(VALUES, st.booleans())
def test_every_value_gets_one_mark_and_a_greater_one_never_a_lower_mark(
    values: list[Decimal | int | None], ascii_only: bool
) -> None:
    drawn = charts.sparkline(values, ascii_only=ascii_only)
    marks = charts.RAMP if ascii_only else charts.EIGHTHS
    assert len(drawn) == len(values)
    known = sorted((value, marks.index(mark)) for value, mark in zip(values, drawn, strict=True) if value is not None)
    heights = [height for _, height in known]
    assert heights == sorted(heights)


def test_an_area_fills_the_columns_from_below() -> None:
    assert charts.area([0, 1, 2, None], 2) == [" ▁█ ", "▁██ "]
    assert charts.area([0, 1, 2], 2, floor=0) == ["  █", " ██"]
    assert charts.area([0, 1, 2], 2, ascii_only=True) == ["  #", "###"]


@given(VALUES, st.integers(1, 12), st.booleans())
def test_an_area_is_as_wide_as_its_values_and_as_high_as_asked(
    values: list[Decimal | int | None], height: int, ascii_only: bool
) -> None:
    rows = charts.area(values, height, ascii_only=ascii_only)
    assert len(rows) == height
    assert {len(row) for row in rows} == {len(values)}
    for column, value in enumerate(values):
        filled = [row[column] != " " for row in reversed(rows)]
        assert filled == sorted(filled, reverse=True)  # nothing hangs in the air
        assert any(filled) == (value is not None)


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, ""), (Decimal("0.0001"), "▇"), (0.5, "▇▇▇▇▇"), (1, "▇▇▇▇▇▇▇▇▇▇"), (7, "▇▇▇▇▇▇▇▇▇▇"), (-1, "")],
)
def test_a_bar_shows_a_little_as_something_and_too_much_as_all(share: Decimal | float, drawn: str) -> None:
    assert charts.bar(share, 10) == drawn
    assert charts.bar(share, 10, ascii_only=True) == "#" * len(drawn)


def test_columns_carry_the_last_value_on_and_know_nothing_before_the_first() -> None:
    points = [(20, 5), (24, 6), (60, 7)]
    assert charts.columns(points, 0, 100, 10) == [None, None, 6, 6, 6, 6, 7, 7, 7, 7]


def test_a_value_from_before_the_span_counts_and_one_from_after_it_does_not() -> None:
    assert charts.columns([(1, 5), (50, 6), (200, 9)], 10, 110, 5) == [5, 5, 6, 6, 6]


def test_a_span_without_time_or_room_has_no_columns() -> None:
    assert charts.columns([(1, 5)], 10, 10, 3) == [None, None, None]
    assert charts.columns([(1, 5)], 0, 10, 0) == []


def test_the_last_point_lasts_as_long_as_the_others() -> None:
    begin, end = charts.span([(0, 1), (10, 2)])
    assert (begin, end) == (0, 20)
    assert charts.columns([(0, 1), (10, 2)], begin, end, 4) == [1, 1, 2, 2]


def test_counts_go_into_the_span_where_they_happened() -> None:
    assert charts.counts([0, 9, 10, 29, 30, -1], 0, 30, 3) == [2, 1, 1]
