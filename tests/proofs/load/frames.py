"""A WebSocket reader that costs next to nothing, so that thousands of them leave the machine to the daemon.

It takes what the daemon sends (whole, unmasked frames), answers pings, and keeps nothing but unread bytes.
"""

import json
import re
import socket
from collections.abc import Iterator

from tests.conftest import RunningDaemon

NARROW = 4_096  # bytes of room for a reader that shall fall behind

_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89
_SEQ = re.compile(rb'"seq":(\d+)')
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Frames:
    """One open WebSocket."""

    def __init__(self, daemon: RunningDaemon, path: str = "/ws", *, narrow: bool = False) -> None:
        self.wire = socket.socket()
        self.closed = False
        self._unread = b""
        if narrow:
            self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        self.wire.settimeout(30)
        self.wire.connect(("127.0.0.1", daemon.port))
        self.wire.sendall(_HANDSHAKE.format(path=path, token=daemon.token).encode())
        while b"\r\n\r\n" not in self._unread:
            chunk = self.wire.recv(65_536)
            assert chunk, "the handshake was cut off"
            self._unread += chunk
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    def subscribe(self, key: str, since: int | None = None) -> None:
        """Asks for events; the answer comes among the messages."""
        more = {} if since is None else {"since": since}
        self.send(0x1, json.dumps({"type": "subscribe", "orderId": key} | more).encode())

    def send(self, kind: int, payload: bytes) -> None:
        """One frame, masked with zeros."""
        assert len(payload) < 126
        self.wire.sendall(bytes((0x80 | kind, 0x80 | len(payload), 0, 0, 0, 0)) + payload)

    def receive(self) -> list[bytes]:
        """The texts that one read completes. Sets `closed` at the end of the connection."""
        try:
            chunk = self.wire.recv(262_144)
        except BlockingIOError:
            return []
        except OSError:
            chunk = b""
        if not chunk:
            self.closed = True
            return []
        self._unread += chunk
        return list(self._complete())

    def _complete(self) -> Iterator[bytes]:
        data, at = self._unread, 0
        while len(data) - at >= 2:
            kind, size, start = data[at], data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start > len(data) or start + size > len(data):
                break
            at = start + size
            if kind == _TEXT:
                yield data[start:at]
            elif kind == _PING:
                self.send(0xA, data[start:at])
            elif kind == _CLOSE:
                self.closed = True
        self._unread = data[at:]

    def abandon(self) -> None:
        """Leaves without a word, whatever is on its way."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # reset
        self.wire.close()


def seq_of(text: bytes) -> int | None:
    """The number of the event in this text, or None for anything else."""
    found = _SEQ.search(text)
    return None if found is None or text.startswith(b'{"type":"') else int(found[1])
