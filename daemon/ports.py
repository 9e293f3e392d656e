"""The address a daemon listens on: loopback only, and a word about who has it when it is taken."""

import errno
import socket
from pathlib import Path

HOST = "127.0.0.1"
USUAL_PORT = 7420


class PortTaken(Exception):
    """Somebody else listens there. The message says who, as far as can be seen."""


def bind(port: int | None) -> socket.socket:
    """A bound socket that does not listen yet. None: the usual port, or any free one where that is taken.

    Raises PortTaken for a port that was asked for by number and is not free.
    """
    try:
        return _bound(USUAL_PORT if port is None else port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        if port is not None:
            taken = "is not allowed" if error.errno == errno.EACCES else f"is taken{_holder(port)}"
            raise PortTaken(f"Port {port} {taken}. Choose another: oee config set port 0") from error
        return _bound(0)


def _bound(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle off for its connections; without, an answer can wait 40 ms for an ack.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not kept out by our own last connections
        listening.bind((HOST, port))
    except BaseException:
        listening.close()
        raise
    return listening


def _holder(port: int) -> str:
    """Who listens on the port: " by pid 4242 (name)", or nothing where the system does not tell (another user, not Linux)."""
    try:
        inodes = {
            f"socket:[{fields[9]}]"
            for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
            if (fields := line.split())[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
        }
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _holds(process, inodes):
                return f" by pid {process.name} ({(process / 'comm').read_text().strip()})"
    except (OSError, ValueError, IndexError):
        pass
    return ""


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(descriptor.readlink()) in inodes for descriptor in (process / "fd").iterdir())
    except OSError:  # not ours to look at, or gone
        return False
