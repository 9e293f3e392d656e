"""What must not get out: the token, what clients said, and characters that move a cursor; and what others may not read."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.conftest import AN_ORDER, ROOT, RunningDaemon
from tests.daemon.raw import exchange

NASTY = "\x1b[2J\x1b]0;owned\x07\r\nfake line\u202e\x9b31m"
COMMANDS = (
    ("version",),
    ("daemon", "status"),
    ("daemon", "logs"),
    ("status",),
    ("list",),
    ("doctor",),
    ("config", "show"),
    ("list", "--json"),
    ("daemon", "status", "--json"),
    ("show", "nothing"),
)


class Leaks(NamedTuple):
    """Where the canaries were looked for, and where they were found."""

    looked_at: list[str]
    token: list[str]
    words: list[str]


def hunt(start: Callable[..., RunningDaemon]) -> Leaks:
    """A whole life with canaries in every place a client can fill; then a look at everything that is left of it."""
    daemon = start(OEE_LOG_LEVEL="debug")
    token, key, word = daemon.token, "canary-key-7b1e", "canary-word-93fa"
    # The journal must hold the key, since it is the order's; nothing else may hold the token or what was refused.
    daemon.submit(AN_ORDER | {"clientOrderId": key})
    for headers in ({}, {"Authorization": f"Bearer {word}"}, {"Authorization": word}, {"X-Note": word}):
        daemon.call("GET", f"/api/orders?key={word}", headers=headers)
        daemon.call("GET", f"/{word}", headers=headers)
        daemon.call("POST", "/api/orders", {"inputToken": word}, headers)
        daemon.call("POST", "/api/orders", AN_ORDER | {word: word}, headers)
        daemon.call("POST", "/api/orders", word.encode(), headers)
        daemon.call("POST", "/api/orders/batch", word.encode(), headers)
        daemon.call("DELETE", f"/api/orders/{word}", headers=headers)
    exchange(daemon.port, f"GET /?token={token} HTTP/1.1\r\nHost: {word}\r\n\r\n".encode())
    exchange(daemon.port, f"{token} {word} HTTP/9\r\n\r\n".encode())
    with daemon.socket("/ws") as ws:
        ws.send(word)
        ws.send(json.dumps({"type": "subscribe", "orderId": word, "since": token}))
        for _ in range(2):
            ws.recv(10)
    daemon.settle()
    places = {f"oee {' '.join(words)}": run_cli(daemon, *words) for words in COMMANDS}
    for name in ("cmdline", "environ"):
        places[f"/proc/PID/{name}"] = Path(f"/proc/{daemon.pid}/{name}").read_bytes()
    places["ps"] = subprocess.run(["ps", "axeww"], capture_output=True, check=False).stdout
    daemon.stop()
    places |= files_of(daemon)
    outside = {name: found for name, found in places.items() if "journal.db" not in name}
    shown = {name: found for name, found in outside.items() if name not in ("oee list", "oee list --json", "ps")}
    words = holding(outside, word) + [f"{name} (key)" for name in holding(shown, key)]
    return Leaks(sorted(places), holding(places, token), words)


def holding(places: Mapping[str, bytes], canary: str) -> list[str]:
    """The places with the canary in them, in plain, in JSON escapes or as UTF-16."""
    spellings = (canary.encode(), canary.encode("utf-16-le"), canary.encode("utf-16-be"))
    return [name for name, found in places.items() if any(spelling in found for spelling in spellings)]


def files_of(daemon: RunningDaemon) -> dict[str, bytes]:
    """Every file of the home, and what the daemon wrote to its output."""
    return {str(p.relative_to(daemon.root)): p.read_bytes() for p in sorted(daemon.root.rglob("*")) if p.is_file()}


def run_cli(daemon: RunningDaemon, *words: str) -> bytes:
    """What a command says, on both outputs."""
    environment = {**daemon.env, "OEE_AUTOSTART": "0", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cli", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=20, check=False)
    return done.stdout + done.stderr


def modes(daemon: RunningDaemon) -> tuple[int, list[str]]:
    """How many files and folders the home has, and those that anybody but their owner could open."""
    looked, loose = 0, []
    home = daemon.home
    for folder in (home.config_dir, home.data_dir, home.runtime_dir, home.log_dir):
        for path in (folder, *folder.rglob("*")):
            looked += 1
            found = path.lstat()
            wanted = 0o700 if path.is_dir() else 0o600
            if stat.S_IMODE(found.st_mode) != wanted or found.st_uid != os.getuid():
                loose.append(f"{path}: {stat.S_IMODE(found.st_mode):04o}")
    return looked, loose


def raw_escapes(daemon: RunningDaemon) -> tuple[int, list[str]]:
    """In how many answers, outputs and files control characters were looked for, after nasty text was sent, and where they are."""
    places: dict[str, bytes] = {}
    for name in ("inputToken", "amount", "clientOrderId", "type", "slippageBps", NASTY):
        for path in ("/api/orders", "/api/orders/batch", "/api/sim/faults"):
            places[f"{name!a} to {path}"] = daemon.call("POST", path, AN_ORDER | {name: NASTY}).body
    places["a fault"] = daemon.call("POST", "/api/sim/faults", {"kind": "land-never", "pattern": NASTY}).body
    for path in ("/api/orders/%1b%5b2J%0d%0a", "/api/orders?dex=%1b%5b2J", "/api/pools?pair=%1b/%0a", "/%1b%5b2J%0a"):
        reply = daemon.call("GET", path)
        places[path] = reply.body + repr(reply.headers).encode()
    with daemon.socket("/ws") as ws:
        ws.send(json.dumps({"type": NASTY, NASTY: NASTY}))
        places["/ws"] = ws.recv(10, decode=False)
    for words in (
        ("show", NASTY),
        ("list", "--key", NASTY),
        ("list", "--pair", NASTY),
        ("submit", NASTY, "USDC", "1"),
        ("quote", "SOL", NASTY, "1"),
        ("cancel", NASTY),
        ("config", "set", NASTY, "1"),
        (NASTY,),
    ):
        places[f"oee {words!a}"] = run_cli(daemon, *words)
    places |= {name: found for name, found in files_of(daemon).items() if name.startswith(("log", "daemon.out", "run"))}
    return len(places), [f"{name}: {found!r:.300}" for name, found in places.items() if _moves(found)]


def _moves(found: bytes) -> bool:
    """True for text with characters in it that a terminal acts on. Lines may end."""
    return any(not (c.isprintable() or c == "\n") for c in found.decode("utf-8", "backslashreplace"))


def told(names: Iterable[str]) -> str:
    """A list for people."""
    return "; ".join(names) or "nowhere"
