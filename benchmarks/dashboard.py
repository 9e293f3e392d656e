"""What the dashboard costs: `python -m benchmarks.dashboard`. Prints figures and judges none of them.

A real daemon with a thousand orders, a real dashboard on a pseudo-terminal, and orders placed at such a pace that some
200 events a second arrive. Measured: the share of one core that the dashboard takes, how long after a key the screen has
changed, and how long after its start the first frame and the first order are there.
"""

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from order_engine.client import Client
from order_engine.clock import SystemClock
from order_engine.home import Home

ORDERS = 1_000  # in the table
EVENTS_PER_ORDER = 5
BEAT_MS = 250.0  # between two handfuls of orders
ENOUGH_S = 30.0

_CLOCK = SystemClock()


class Terminal:
    """A dashboard on a pseudo-terminal, and what it has drawn so far."""

    def __init__(self, env: dict[str, str], columns: int, rows: int) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.begun_ms = _CLOCK.steady_ms()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "cli", "dashboard"], env)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, timeout_s: float) -> bool:
        """Takes in what was drawn; False when that was nothing."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return False
        with contextlib.suppress(OSError):
            self._stream.feed(os.read(self._fd, 1 << 16))
        return True

    def until(self, holds: Callable[[], bool], what: str) -> float:
        """The milliseconds until the screen looks like this."""
        begin = _CLOCK.steady_ms()
        while not holds():
            self.read(0.05)
            if _CLOCK.steady_ms() - begin > ENOUGH_S * 1_000:
                raise TimeoutError(f"{what} did not come:\n" + "\n".join(self.screen.display))
        return _CLOCK.steady_ms() - begin

    def until_says(self, text: str, *, gone: bool = False) -> float:
        """The milliseconds until the text is on the screen, or is not any more."""
        return self.until(lambda: any(text in line for line in self.screen.display) != gone, text)

    def press_and_move(self, key: str) -> float:
        """The milliseconds from a key until the cursor is in another row."""
        row = self.cursor_row
        self.press(key)
        return self.until(lambda: self.cursor_row != row, "the next row")

    def press(self, keys: str) -> None:
        """As if somebody typed."""
        os.write(self._fd, keys.encode())

    @property
    def cursor_row(self) -> int | None:
        """The line of the screen that the table's cursor is on."""
        return next((number for number, line in enumerate(self.screen.display) if line.startswith("▌")), None)

    def cpu_ms(self) -> float:
        """The processor time that it took until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")

    def drain(self, for_ms: float) -> None:
        """Only reads, as a terminal does."""
        end = _CLOCK.steady_ms() + for_ms
        while (left := end - _CLOCK.steady_ms()) > 0:
            self.read(left / 1_000)

    def close(self) -> None:
        """Ends it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


@contextlib.contextmanager
def events(client_for: Callable[[], Client], per_second: int) -> Iterator[None]:
    """Places orders so that so many events happen in a second."""
    done = threading.Event()
    handful = max(round(per_second / EVENTS_PER_ORDER * BEAT_MS / 1_000), 1)

    def place() -> None:
        client = client_for()
        due = _CLOCK.steady_ms()
        while not done.is_set():
            list(client.batch([ORDER] * handful))
            due += BEAT_MS
            done.wait(max(due - _CLOCK.steady_ms(), 0) / 1_000)
        client.close()

    thread = threading.Thread(target=place)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


ORDER = {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.001", "slippageBps": 500}


def measure(root: Path, columns: int, rows: int, per_second: int, seconds: float, runs: int) -> None:
    """Runs everything and prints it."""
    env = {**os.environ, "OEE_HOME": str(root), "OEE_PORT": "0", "OEE_SIM_SPEED": "instant", "COLORTERM": "truecolor"}
    env |= {"TERM": "xterm-256color", "OEE_AUTOSTART": "1"}
    os.environ |= {name: env[name] for name in ("OEE_HOME", "OEE_PORT", "OEE_SIM_SPEED")}

    def client_for() -> Client:
        return Client(Home.from_environment(), tell=lambda _: None)

    # not by a client of this process: its child would stay until we end, and could not be stopped before
    subprocess.run([sys.executable, "-m", "cli", "daemon", "start"], check=True, capture_output=True)
    with client_for() as client:
        for _ in range(ORDERS // 100):
            list(client.batch([ORDER] * 100))
        while client.status()["open"]:
            _CLOCK.sleep_ms(100)
        first, filled, cpu, idle, moves, helps, rates = [], [], [], [], [], [], []
        for _ in range(runs):
            terminal = Terminal(env, columns, rows)
            try:
                first.append(terminal.until_says("[PAPER]"))
                terminal.until_says("confirmed")
                filled.append(_CLOCK.steady_ms() - terminal.begun_ms)
                terminal.drain(2_000)
                idle.append(share(terminal, seconds / 2))
                with events(client_for, per_second):
                    terminal.drain(1_000)
                    before, begin = int(client.status()["seq"]), _CLOCK.steady_ms()
                    cpu.append(share(terminal, seconds))
                    rates.append((int(client.status()["seq"]) - before) / (_CLOCK.steady_ms() - begin) * 1_000)
                    for _ in range(10):
                        moves.append(terminal.press_and_move("j" if (terminal.cursor_row or 0) < rows // 3 else "g"))
                        terminal.drain(137)  # no multiple of a tick
                    for _ in range(3):
                        terminal.press("?")
                        helps.append(terminal.until_says("esc close"))
                        terminal.press("q")
                        terminal.until_says("esc close", gone=True)
            finally:
                terminal.close()
    print(f"{columns}x{rows}, {ORDERS} orders in the table, {statistics.median(rates):.0f} events/s, median of {runs}")
    print(f"  dashboard, events      {statistics.median(cpu):6.1f} % of a core   ({spread(cpu)})")
    print(f"  dashboard, idle        {statistics.median(idle):6.1f} % of a core   ({spread(idle)})")
    print(f"  key j to the next row  {statistics.median(moves):6.1f} ms   ({spread(moves)})")
    print(f"  key ? to the help      {statistics.median(helps):6.1f} ms   ({spread(helps)})")
    bare = statistics.median(bare_python() for _ in range(runs))
    print(f"  first frame            {statistics.median(first):6.0f} ms   ({spread(first)}), bare python {bare:.0f} ms")
    print(f"  orders on the screen   {statistics.median(filled):6.0f} ms   ({spread(filled)})")


def share(terminal: Terminal, seconds: float) -> float:
    """The per cent of one core that it takes while this long nobody touches it."""
    before, begin = terminal.cpu_ms(), _CLOCK.steady_ms()
    terminal.drain(seconds * 1_000)
    return (terminal.cpu_ms() - before) / (_CLOCK.steady_ms() - begin) * 100


def bare_python() -> float:
    """How long the interpreter alone takes."""
    begin = _CLOCK.steady_ms()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return _CLOCK.steady_ms() - begin


def spread(values: list[float]) -> str:
    """The smallest and the largest."""
    return f"{min(values):.1f} to {max(values):.1f}"


def main() -> None:
    """Reads the options and measures on a home of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="120x40", help="columns x rows")
    parser.add_argument("--events", type=int, default=200, help="events a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    columns, rows = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="oee-bench-") as root:
        try:
            measure(Path(root), columns, rows, given.events, given.seconds, given.runs)
        finally:
            subprocess.run([sys.executable, "-m", "cli", "daemon", "stop", "--now"], check=False, capture_output=True)


if __name__ == "__main__":
    main()
