"""Forwarding: every event as a signed POST to an address of the user's, in order, each tried three times.

What is sent is the event on one line, as `--json` prints it. The receiver checks it by the header OEE-Signature,
`t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY` under the secret of this home, a file that only its user reads. OEE-Seq
is the number of the event: one that was sent twice, because its answer was lost, has the same.
"""

import hashlib
import hmac
import http.client
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cli.output import Record, to_json
from cli.paint import clean
from cli.session import Session
from order_engine.clock import SystemClock
from order_engine.errors import Malformed, Unreachable
from order_engine.home import Home

SECRET = "forward-secret"  # beside config.toml
TRIES = 3
PAUSE_MS = 500  # before the second try; twice that before the third
TIMEOUT_S = 10.0

_CLOCK = SystemClock()


def delivery(session: Session, url: str, option: str) -> Callable[[Record], bool]:
    """What sends an event to the URL; False, and said on standard error, where nobody took it. Raises Malformed."""
    to = address(url, option)
    secret = secret_of(session.home)
    session.output.say(f"Each event is signed with the secret in {secret_file(session.home)}", terminal_only=True)

    def delivered(event: Record) -> bool:
        trouble = deliver(event, to, secret)
        if trouble is not None:
            session.output.error(
                Unreachable(f"Event {event['seq']} was not taken, tried {TRIES} times: {clean(trouble)}"),
                seq=event["seq"],
            )
        return trouble is None

    return delivered


class Address(NamedTuple):
    """Where to send it."""

    secure: bool
    host: str
    port: int | None
    target: str


def address(url: str, option: str) -> Address:
    """The address that a URL names. Raises Malformed, naming the option, for one that events cannot be sent to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    good = (
        parts.scheme in ("http", "https") and parts.hostname and url.isascii() and url.isprintable() and " " not in url
    )
    if not good or not parts.hostname:
        raise Malformed(f"{option}: {url[:60]!a} is no address such as http://localhost:3000/hook.", field=option)
    if parts.username or parts.password:
        raise Malformed(
            f"{option}: a password does not belong into an address; the signature is there for that.", field=option
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.scheme == "https", parts.hostname, port, target)


def secret_file(home: Home) -> Path:
    """Where the secret of a home is."""
    return home.config_file.with_name(SECRET)


def secret_of(home: Home) -> bytes:
    """The secret that deliveries are signed with; made at the first use, mode 0600."""
    home.make()
    path = secret_file(home)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
    return path.read_bytes().strip()


def signed(body: bytes, secret: bytes, now_s: int) -> str:
    """The value of OEE-Signature for a body."""
    return f"t={now_s},v1={hmac.new(secret, f'{now_s}.'.encode() + body, hashlib.sha256).hexdigest()}"


def deliver(event: Record, to: Address, secret: bytes) -> str | None:
    """Sends an event until it is answered with 2xx, three times at most. Why that came to nothing, or None."""
    body = to_json(event).encode()
    trouble = ""
    for number in range(TRIES):
        if number:
            _CLOCK.sleep_ms(PAUSE_MS << (number - 1))
        headers = {
            "Content-Type": "application/json",
            "OEE-Seq": str(event["seq"]),
            "OEE-Signature": signed(body, secret, _CLOCK.now_ms() // 1_000),
        }
        try:
            status = _post(to, body, headers)
        except (OSError, http.client.HTTPException) as error:
            trouble = str(error) or type(error).__name__
            continue
        if 200 <= status < 300:
            return None
        trouble = f"HTTP {status}"
    return trouble


def _post(to: Address, body: bytes, headers: Mapping[str, str]) -> int:
    kind = http.client.HTTPSConnection if to.secure else http.client.HTTPConnection
    connection = kind(to.host, to.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", to.target, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()
