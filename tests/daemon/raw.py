"""Raw bytes over a socket: what no well-behaved client would send."""

import socket
from typing import NamedTuple


class Wire(NamedTuple):
    """What came back."""

    status: int | None  # None: closed without an answer
    text: str


def exchange(port: int, sent: bytes, *, timeout_s: float = 10.0) -> Wire:
    """Sends these bytes and returns the answer, read until it is complete or the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as wire:
        wire.sendall(sent)
        return answer(wire)


def answer(wire: socket.socket) -> Wire:
    """The next answer on this connection."""
    received = b""
    try:
        while not _complete(received):
            chunk = wire.recv(65_536)
            if not chunk:
                break
            received += chunk
    except ConnectionResetError:
        pass
    status = int(received[9:12]) if received.startswith(b"HTTP/1.1 ") else None
    return Wire(status, received.decode("latin-1"))


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 204"))
