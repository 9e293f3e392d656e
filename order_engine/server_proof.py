"""How a daemon proves that it is the one that wrote the token, before it gets to see it.

A port can be somebody else's by the time a client connects: the daemon died, its file is stale, and another user's program took
the port. So a client asks first, with a number that nobody has seen before, and hears the number and the port sealed with the
token. The port is in it, or that program could pass the question on to the real daemon elsewhere.
"""

import hmac
from hashlib import sha256

NONCE_HEADER, PROOF_HEADER = "X-Oee-Nonce", "X-Oee-Proof"
NONCE_CHARACTERS = 32  # hexadecimal


def secret_of(token: str) -> bytes:
    """What both sides keep of the token for this."""
    return sha256(token.encode()).digest()


def proof(secret: bytes, port: int, nonce: str) -> str:
    """What only the daemon that listens on `port`, and knows the token, can answer to this nonce."""
    return hmac.digest(secret, f"oee server {port} {nonce}".encode(), "sha256").hex()


def is_proof(answer: str | None, secret: bytes, port: int, nonce: str) -> bool:
    """True for that answer. Takes the same time for every other."""
    return answer is not None and hmac.compare_digest(answer.encode(), proof(secret, port, nonce).encode())
