"""A daemon that misbehaves: what a real one does not do on demand. It answers HTTP as a script says, on a home of its own."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from order_engine import __version__
from order_engine.home import Home
from order_engine.server_proof import NONCE_HEADER, PROOF_HEADER, proof, secret_of

TOKEN = "t" * 43


class Asked(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Asked], tuple[int, Any] | None]  # status and record; None hangs up without an answer


class Peer:
    """Where it is, and what it was asked."""

    def __init__(self, root: Path, asked: list[Asked]) -> None:
        self.home = Home.at(root)
        self.asked = asked
        self.env = {**os.environ, "OEE_HOME": str(root), "OEE_AUTOSTART": "0"}


@contextmanager
def misbehaving(root: Path, script: Script) -> Iterator[Peer]:
    """A peer that answers every call as `script` says."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            if nonce := self.headers[NONCE_HEADER]:  # a client wants to know first whom it talks to
                self.send_response(200)
                self.send_header(PROOF_HEADER, proof(secret_of(TOKEN), server.server_port, nonce))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            length = int(self.headers.get("Content-Length") or 0)
            asked.append(Asked(self.command, self.path, dict(self.headers), self.rfile.read(length)))
            found = script(asked[-1])
            if found is None:
                self.close_connection = True
                return
            status, record = found
            content = record if isinstance(record, bytes) else json.dumps(record).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        peer = Peer(root, asked)
        peer.home.make()
        url = f"http://127.0.0.1:{server.server_port}"
        peer.home.daemon_file.write_text(json.dumps({"url": url, "pid": os.getpid(), "version": __version__}))
        peer.home.token_file.write_text(TOKEN)
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
