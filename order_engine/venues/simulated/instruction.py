"""What a simulated transaction says, and its signature.

The wallet's key is a secret of this simulation, so the signature is a keyed hash: only the holder of the key can make it, any
change of the message breaks it, and it is known before anything is sent. Sixty-four bytes in base58, like a real one.
"""

import hashlib
from functools import lru_cache

import msgspec

from order_engine.orders import Transaction
from order_engine.routes import Exact, Leg

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS = [high + low for high in _BASE58 for low in _BASE58]
_FOUR_DIGITS = 58**4  # taken at a time: a quarter of the long divisions


class Instruction(msgspec.Struct, frozen=True):
    """Swap along `legs`, whole or not at all, at a height of at most `last_valid_height`: exactly `amount_in` for at least
    `min_out`, or (exact "out") at most `amount_in` for exactly `min_out`."""

    nonce: str
    input_token: str
    output_token: str
    amount_in: int
    min_out: int
    last_valid_height: int
    legs: tuple[Leg, ...] = ()
    exact: Exact = "in"
    pool: str = ""  # of an instruction of the first version, which had one pool and no legs

    @property
    def path(self) -> tuple[Leg, ...]:
        """The legs, also of an instruction of the first version."""
        return self.legs or (Leg("", self.pool, self.input_token, self.output_token, self.amount_in, self.min_out),)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Instruction).decode


class BadTransaction(ValueError):
    """The bytes are not an instruction that this key signed."""


def sign(instruction: Instruction, key: bytes) -> Transaction:
    """The signed transaction for an instruction. The same instruction always has the same signature."""
    wire = _encode(instruction)
    return Transaction(_signature(wire, key), instruction.last_valid_height, wire.decode())


def verify(transaction: Transaction, key: bytes) -> Instruction:
    """The instruction inside. Raises BadTransaction unless `key` signed exactly these bytes."""
    if _signature(transaction.wire.encode(), key) != transaction.signature:
        raise BadTransaction(f"the signature {transaction.signature[:8]}… does not fit the message")
    try:
        return _decode(transaction.wire)
    except msgspec.DecodeError as error:
        raise BadTransaction(f"not an instruction: {error}") from error


@lru_cache(maxsize=1 << 12)
def _signature(wire: bytes, key: bytes) -> str:
    number = int.from_bytes(hashlib.blake2b(wire, key=key, digest_size=64).digest(), "big")
    pairs: list[str] = []
    while number:
        number, four = divmod(number, _FOUR_DIGITS)
        pairs += _PAIRS[four % 58**2], _PAIRS[four // 58**2]
    pairs.reverse()
    return "".join(pairs).removeprefix("11")  # no pair of zeros in front
