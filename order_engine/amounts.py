"""Text to base units and back, and division that names its rounding.

Money is a whole number of base units everywhere inside the engine. Text becomes such a number once, here, and a number
becomes text once, here. No float ever touches an amount.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

U64_MAX = 2**64 - 1
BPS = 10_000  # basis points in one
MAX_SLIPPAGE_BPS = 5_000

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,19})(?:\.([0-9]{1,18}))?", re.ASCII)
_SLIPPAGE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)(bps|%)?", re.ASCII)
_PRICE_DIGITS = Context(prec=12, rounding=ROUND_HALF_EVEN)


class InvalidAmount(ValueError):
    """The text is not an amount of this token. The message says why, in words for the user."""


def div_floor(numerator: int, denominator: int) -> int:
    """The quotient rounded down, towards minus infinity."""
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """The quotient rounded up, towards plus infinity."""
    return -(-numerator // denominator)


def parse_amount(text: str, decimals: int) -> int:
    """The base units that `text` (whole tokens, such as "1.5") stands for, exactly.

    Raises InvalidAmount for anything that is not a plain positive decimal number, has more digits after the point than
    the token has, or does not fit 64 bits. Nothing is ever rounded.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvalidAmount(f"{_shown(text)} is not a plain positive decimal number such as 1.5")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise InvalidAmount(f"{text} has {len(fraction)} digits after the point, the token has {decimals}")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units == 0:
        raise InvalidAmount("the amount must be greater than zero")
    if units > U64_MAX:
        raise InvalidAmount(f"{text} is more than this token can count ({format_amount(U64_MAX, decimals)})")
    return units


def format_amount(units: int, decimals: int) -> str:
    """Base units as whole tokens, exactly and without trailing zeros: 1500000000 with 9 decimals is "1.5"."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    if decimals == 0:
        return f"{sign}{units}"
    digits = str(units).zfill(decimals + 1)
    whole, fraction = digits[:-decimals], digits[-decimals:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole


def format_price(amount_in: int, decimals_in: int, amount_out: int, decimals_out: int) -> str:
    """Whole tokens received per whole token given, to 12 significant digits (half-even). For people, not for decisions."""
    ratio = _PRICE_DIGITS.divide(Decimal(amount_out), Decimal(amount_in)).scaleb(decimals_in - decimals_out)
    text = format(ratio, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_slippage(text: str) -> int:
    """Slippage in bps from "50bps", "50" or "0.5%". Raises InvalidAmount unless it is a whole number from 0 to 5000."""
    match = _SLIPPAGE.fullmatch(text)
    if match is None:
        raise InvalidAmount(f"{_shown(text)} is not a slippage such as 50bps or 0.5%")
    return _whole_bps(Decimal(match[1]) * (100 if match[2] == "%" else 1), text)


def parse_slippage_fraction(text: str) -> int:
    """Slippage in bps from a fraction such as "0.01". Raises InvalidAmount unless it is whole bps, 0 to 5000."""
    if re.fullmatch(r"[01](?:\.[0-9]{1,18})?", text, re.ASCII) is None:
        raise InvalidAmount(f"{_shown(text)} is not a slippage fraction such as 0.01")
    return _whole_bps(Decimal(text) * BPS, text)


def _whole_bps(bps: Decimal, text: str) -> int:
    if bps != bps.to_integral_value():
        raise InvalidAmount(f"{text} is not a whole number of basis points")
    if bps > MAX_SLIPPAGE_BPS:
        raise InvalidAmount(f"{text} is more slippage than the {MAX_SLIPPAGE_BPS} bps allowed")
    return int(bps)


def _shown(text: str) -> str:
    """Hostile text, short and printable, for use inside a message."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")
