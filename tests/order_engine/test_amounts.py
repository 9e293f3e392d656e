import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_engine.amounts import (
    MAX_SLIPPAGE_BPS,
    U64_MAX,
    InvalidAmount,
    div_ceil,
    div_floor,
    format_amount,
    format_price,
    parse_amount,
    parse_slippage,
    parse_slippage_fraction,
)

DECIMALS = st.integers(0, 18)


@given(st.integers(1, U64_MAX), DECIMALS)
def test_what_is_written_out_reads_back_as_the_same_units(units: int, decimals: int) -> None:
    assert parse_amount(format_amount(units, decimals), decimals) == units


@given(st.integers(-U64_MAX, U64_MAX), DECIMALS)
def test_an_amount_is_written_without_exponent_or_idle_zeros(units: int, decimals: int) -> None:
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", format_amount(units, decimals))


@given(st.text(max_size=60), DECIMALS)
def test_any_text_is_an_amount_in_range_or_refused(text: str, decimals: int) -> None:
    try:
        units = parse_amount(text, decimals)
    except InvalidAmount as refusal:
        words = str(refusal)
    else:
        words = ""
        assert 0 < units <= U64_MAX
        assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", text)
    assert words.isascii()
    assert len(words) < 500


@pytest.mark.parametrize("text", [
    "", " ", "1 ", " 1", "1\n", "-1", "+1", "-0", "0", "0.0", "0.000000", "00", "01", "1.", ".5", "1e3", "1E3", "1_000",
    "1,5", "0x10", "NaN", "nan", "sNaN", "Infinity", "-inf", "1e400", "1e999999999", "１２", "١", "½", "²", "1.5.5", "true",
    "null", "1.0000001", "0.0000001", "1." + "1" * 400, "9" * 400, "18446744073709.551616", "\u202e1", "1\u200b", "1\x00",
])  # fmt: skip
def test_what_is_no_plain_amount_of_six_decimals_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_amount(text, 6)


def test_nothing_is_rounded() -> None:
    assert parse_amount("1.000001", 6) == 1_000_001
    with pytest.raises(InvalidAmount, match="7 digits after the point, the token has 6"):
        parse_amount("1.0000010", 6)


def test_the_largest_amount_is_what_64_bits_hold() -> None:
    assert parse_amount("18446744073709.551615", 6) == U64_MAX
    assert parse_amount(str(U64_MAX), 0) == U64_MAX
    with pytest.raises(InvalidAmount, match="18446744073709551615"):
        parse_amount(str(U64_MAX + 1), 0)


@given(st.integers(0, 2**128), st.integers(1, 2**128))
def test_division_names_its_rounding(numerator: int, denominator: int) -> None:
    floor, ceil = div_floor(numerator, denominator), div_ceil(numerator, denominator)
    assert floor * denominator <= numerator < (floor + 1) * denominator
    assert (ceil - 1) * denominator < numerator <= ceil * denominator


@pytest.mark.parametrize(("amount_in", "amount_out", "price"), [
    ((1_000_000_000, 9), (163_500_000, 6), "163.5"),
    ((3_000_000_000, 9), (1_000_000, 6), "0.333333333333"),
    ((1_500_000_000, 9), (1_000_000, 6), "0.666666666667"),
    ((1, 9), (U64_MAX, 0), "18446744073700000000000000000"),
    ((U64_MAX, 0), (1, 18), "0." + "0" * 37 + "542101086243"),
    ((1_000, 3), (1_000, 3), "1"),
    ((10, 0), (12_000, 0), "1200"),
    ((1_000_000_000, 9), (0, 6), "0"),
])  # fmt: skip
def test_a_price_has_twelve_digits_and_no_exponent(
    amount_in: tuple[int, int], amount_out: tuple[int, int], price: str
) -> None:
    assert format_price(*amount_in, *amount_out) == price


@pytest.mark.parametrize(("text", "bps"), [
    ("50", 50), ("50bps", 50), ("0.5%", 50), ("0", 0), ("0%", 0), ("1%", 100), ("0.01%", 1), ("50%", 5_000), ("5000", 5_000),
    ("50.0bps", 50), ("1.2300%", 123),
])  # fmt: skip
def test_slippage_is_understood(text: str, bps: int) -> None:
    assert parse_slippage(text) == bps


@pytest.mark.parametrize("text", [
    "", "%", "bps", "-1", "+1", "0.5", "0.5bps", "0.001%", "5001", "50.01%", "100%", "1e2", "1 %", "1%%", "NaN", "１%", "1,5%",
    "999999",
])  # fmt: skip
def test_what_is_no_slippage_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_slippage(text)


@pytest.mark.parametrize(
    ("text", "bps"), [("0.01", 100), ("0", 0), ("0.5", MAX_SLIPPAGE_BPS), ("0.0001", 1), ("0.010", 100)]
)
def test_a_slippage_fraction_is_understood(text: str, bps: int) -> None:
    assert parse_slippage_fraction(text) == bps


@pytest.mark.parametrize("text", ["0.51", "1", "1.0", "0.00001", "-0.01", ".01", "01", "2", "1e-2", "0.", "", "50bps"])
def test_what_is_no_slippage_fraction_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_slippage_fraction(text)
