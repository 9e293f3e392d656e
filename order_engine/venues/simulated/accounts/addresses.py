"""Addresses of Solana: 32 bytes written in base 58, and those that a program derives from seeds.

They are here so that an account can be named that is missing from a file, and one be found out that lies about where it is.
"""

import hashlib
from collections.abc import Iterable

ADDRESS_BYTES = 32

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {digit: value for value, digit in enumerate(_DIGITS)}
_FIELD = 2**255 - 19  # of the curve ed25519
_D = -121_665 * pow(121_666, -1, _FIELD) % _FIELD  # RFC 8032, section 5.1


def written(key: bytes) -> str:
    """The 32 bytes of an address as text."""
    left, digits = int.from_bytes(key, "big"), ""
    while left:
        left, digit = divmod(left, 58)
        digits = _DIGITS[digit] + digits
    zeros = len(key) - len(key.lstrip(b"\0"))
    return _DIGITS[0] * zeros + digits


def read(text: str) -> bytes:
    """The 32 bytes that this address stands for. Raises ValueError for any other text."""
    if not 32 <= len(text) <= 44 or not set(text) <= _VALUE.keys():
        raise ValueError(f"{text[:60]!a} is not an address")
    value = 0
    for digit in text:
        value = value * 58 + _VALUE[digit]
    zeros = len(text) - len(text.lstrip(_DIGITS[0]))
    key = b"\0" * zeros + value.to_bytes((value.bit_length() + 7) // 8, "big")  # bytes, rounded up
    if len(key) != ADDRESS_BYTES:
        raise ValueError(f"{text[:60]!a} is not an address")
    return key


def derived(seeds: Iterable[bytes], program: str) -> str:
    """The address that a program derives from these seeds: the first of 256 that no key pair can have.

    Source: solana-program, pubkey.rs find_program_address.
    """
    begun = hashlib.sha256(b"".join(seeds))
    for bump in range(255, -1, -1):
        tried = begun.copy()
        tried.update(bytes([bump]) + read(program) + b"ProgramDerivedAddress")
        if not _on_curve(tried.digest()):
            return written(tried.digest())
    raise ValueError("no address can be derived from these seeds")


def _on_curve(key: bytes) -> bool:
    """True when these bytes are a point of ed25519, which a key pair may have (RFC 8032, section 5.1.3: x is a root)."""
    y = int.from_bytes(key, "little") & (1 << 255) - 1
    square = y * y
    ratio = (square - 1) * (_D * square + 1) % _FIELD  # u times v is a square where u over v is one
    return pow(ratio, (_FIELD - 1) // 2, _FIELD) <= 1  # exact: the field's order is odd
