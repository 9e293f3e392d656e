"""A real terminal: what is drawn in place, what stays, and what Ctrl-C leaves behind. pyte is the screen."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.cli.conftest import COMMAND, Oee, until_status
from tests.conftest import ROOT
from tests.waiting import until


class Terminal:
    """A command on a pty, and the screen that its user sees."""

    def __init__(self, child: "pexpect.spawn[bytes]", columns: int, rows: int) -> None:
        self.child = child
        self.screen = pyte.HistoryScreen(columns, rows, history=1_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.frames: list[str] = []

    @property
    def text(self) -> str:
        """The screen, with what has scrolled out of it."""
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display]).rstrip()

    def read(self) -> bool:
        """Takes in what has arrived. False when the command has ended."""
        try:
            found = self.child.read_nonblocking(65_536, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += found
        self._stream.feed(found)
        self.frames.append(self.text)
        return True

    @property
    def threads(self) -> int:
        """How many the command has."""
        return len(list(Path(f"/proc/{self.child.pid}/task").iterdir()))

    def see(self, pattern: str) -> None:
        """Returns when the screen shows this."""
        until(lambda: (self.read(), re.search(pattern, self.text))[1], f"{pattern!r} on the screen:\n{self.text}")

    def end(self) -> int:
        """Reads to the end. Returns the exit code."""
        until(lambda: not self.read(), "the end")
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


@contextmanager
def terminal(oee: Oee, *words: str, columns: int = 80, rows: int = 24, **env: str) -> Iterator[Terminal]:
    inherited = {
        name: value for name, value in oee.env.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    }
    child: pexpect.spawn[bytes] = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *words],
        cwd=str(ROOT),
        env={**inherited, "TERM": "xterm-256color", **env},
        dimensions=(rows, columns),
        encoding=None,
    )
    try:
        yield Terminal(child, columns, rows)
    finally:
        child.close(force=True)


def placed(oee: Oee, count: int = 1) -> list[str]:
    """The ids of new orders."""
    done = oee("batch", "-", "-q", stdin='{"in":"SOL","out":"USDC","amount":"0.001"}\n' * count)
    assert done.code == 0
    return done.out.split()


def test_watch_redraws_in_place_and_leaves_the_last_frame(oee: Oee) -> None:
    (order_id,) = placed(oee)
    with terminal(oee, "watch", order_id) as screen:
        assert screen.end() == 0
    assert screen.text.count(order_id[-6:]) == 1, screen.text
    assert "● pending ─ ● routing ─ ● building ─ ● submitted ─ ● confirmed" in screen.text
    assert "◂ chosen" in screen.text
    assert "● confirmed  got 0.1" in screen.text
    assert b"\x1b[?1049h" not in screen.raw, "the alternate screen would take the last frame away"
    assert screen.raw.rstrip().endswith(b"\x1b[?25h"), "the cursor is given back"


def test_watch_draws_each_state_over_the_one_before(unlanded: Oee) -> None:
    with terminal(unlanded, "submit", "SOL", "USDC", "0.01", "--wait", "--timeout", "20s") as screen:
        screen.see(r"◕ submitted ─ ○ confirmed")
        screen.see(r"\d\.\ds…")
        first = len(screen.frames)
        screen.see(r"[2-9]\.\ds…")
        assert len(screen.frames) > first
        assert screen.text.count("submitted") == 1
        screen.see("can land until height")
        screen.child.sendintr()
        assert screen.end() == 130
    order_id = screen.text.splitlines()[0]
    assert screen.text.splitlines()[-1] == f"Detached. The order goes on. Reattach: oee watch {order_id[-6:]}"
    assert unlanded("show", order_id, "--field", "status").out == "submitted\n"


@pytest.mark.parametrize(("word", "threads"), [("wait", 2), ("watch", 3)])
def test_ctrl_c_detaches_and_cancels_nothing(undecided: Oee, word: str, threads: int) -> None:
    order_id = undecided("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    until_status(undecided, order_id, "routing")
    with terminal(undecided, word, order_id) as screen:
        until(lambda: screen.threads >= threads, "its connection, which has a thread of its own beside a drawing one")
        screen.child.sendintr()
        assert screen.end() == 130
    assert f"Reattach: oee watch {order_id[-6:]}" in screen.text
    assert undecided("show", order_id, "--field", "status").out == "routing\n"


@pytest.mark.parametrize("word", ["wait", "watch"])
def test_ctrl_c_detaches_also_before_there_is_anything_to_see(undecided: Oee, word: str) -> None:
    order_id = undecided("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    stopped = "import signal, cli.identify as i; i.find_all = lambda *_: signal.raise_signal(signal.SIGINT)"
    script = f"{stopped}; import sys; sys.argv = ['oee', '{word}', '{order_id}']; import cli.main; cli.main.main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=undecided.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "Detached. The orders go on. Reattach: oee watch\n"


def test_watch_without_ids_shows_every_open_order_and_detaches_from_all(undecided: Oee) -> None:
    undecided("cancel", "--all")
    ids = [undecided("submit", "SOL", "USDC", "0.01", "-q").out.strip() for _ in range(2)]
    for order_id in ids:
        until_status(undecided, order_id, "routing")
    with terminal(undecided, "watch") as screen:
        for order_id in ids:
            screen.see(f"{order_id[-6:]}  Sell 0.01 SOL for USDC")
        screen.see("◔ routing")
        until(lambda: screen.threads > 2, "its connection, which has a thread of its own beside the drawing one")
        screen.child.sendintr()
        assert screen.end() == 130
    assert screen.text.splitlines()[-1] == "Detached. The orders go on. Reattach: oee watch"
    assert screen.raw.count(b"\x1b[?25h") == screen.raw.count(b"\x1b[?25l") == 1
    assert undecided("list", "--status", "open", "-q").out.split() == ids


def test_the_first_frame_shows_where_the_order_is_already(unlanded: Oee) -> None:
    order_id = unlanded("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    until_status(unlanded, order_id, "submitted")
    with terminal(unlanded, "watch", order_id) as screen:
        screen.see("submitted")
        first = next(frame for frame in screen.frames if "submitted" in frame)
        screen.child.sendintr()
        assert screen.end() == 130
    assert "◕ submitted" in first


def test_a_terminated_watch_gives_the_cursor_back(undecided: Oee) -> None:
    order_id = undecided("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    with terminal(undecided, "watch", order_id) as screen:
        screen.see("routing")
        screen.child.kill(15)
        assert screen.end() == 143
    assert screen.raw.rstrip().endswith(b"\x1b[?25h")


def test_the_live_view_goes_to_stderr_so_that_stdout_is_still_data(oee: Oee) -> None:
    script = f'id=$({" ".join(COMMAND)} submit SOL USDC 0.01 --wait); echo "id=<$id> exit=$?"'
    child: pexpect.spawn[bytes] = pexpect.spawn(
        "bash", ["-c", script], cwd=str(ROOT), env={**oee.env, "TERM": "xterm"}, dimensions=(24, 80), encoding=None
    )
    screen = Terminal(child, 80, 24)
    assert screen.end() == 0
    assert re.search(r"id=<[0-9a-f-]{36}> exit=0", screen.text)
    assert "● confirmed" in screen.text


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (60, 20), (40, 10), (30, 6)])
def test_many_orders_fit_every_terminal(oee: Oee, columns: int, rows: int) -> None:
    ids = placed(oee, 40)
    with terminal(oee, "watch", *ids, columns=columns, rows=rows) as screen:
        assert screen.end() == 0
    assert len(screen.text.splitlines()) < rows, "nothing has scrolled away"
    assert re.search(r"and \d+ more; of all 40: 40", screen.text)


def test_a_narrow_terminal_is_not_broken_by_long_lines(oee: Oee) -> None:
    with terminal(oee, "submit", "SOL", "USDC", "0.01", "--wait", columns=40) as screen:
        assert screen.end() == 0
    lines = screen.text.splitlines()
    assert re.fullmatch(r"  ●●●●● confirmed \d+(ms|\.\ds)", lines[2]) or "●●●●● confirmed" in screen.text


def test_letters_instead_of_symbols_and_no_colour(oee: Oee) -> None:
    (order_id,) = placed(oee)
    with terminal(oee, "watch", order_id, NO_COLOR="1", OEE_ASCII="1") as screen:
        assert screen.end() == 0
    assert "+ pending - + routing - + building - + submitted - + confirmed" in screen.text
    assert screen.text.isascii()
    assert not re.search(rb"\x1b\[[0-9;]*m", screen.raw.replace(b"\x1b[0m", b""))


def test_colour_is_there_and_is_never_alone(oee: Oee) -> None:
    with terminal(oee, "list", "--limit", "3") as screen:
        assert screen.end() == 0
    assert b"\x1b[38;5;36m" in screen.raw
    assert "● confirmed" in screen.text


def test_a_dumb_terminal_gets_lines(oee: Oee) -> None:
    (order_id,) = placed(oee)
    with terminal(oee, "watch", order_id, TERM="dumb") as screen:
        assert screen.end() == 0
    assert b"\x1b" not in screen.raw
    assert screen.text.splitlines()[-1].split()[2] == "confirmed"


def test_json_is_the_same_bytes_on_a_terminal_and_in_a_pipe(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    with terminal(oee, "show", order_id, "--json") as screen:
        assert screen.end() == 0
    assert screen.raw.replace(b"\r\n", b"\n").decode() == oee("show", order_id, "--json").out


def test_ids_from_a_terminal_are_asked_for_unless_that_is_forbidden(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    with terminal(oee, "wait", "-") as screen:
        screen.see("Reading order ids from standard input; end with Ctrl-D.")
        screen.child.sendline(order_id.encode())
        screen.child.sendeof()
        assert screen.end() == 0
    with terminal(oee, "wait", "-", "--no-input") as screen:
        assert screen.end() == 2
    with terminal(oee, "batch", "-", OEE_NO_INPUT="1") as screen:
        assert screen.end() == 2


def test_the_start_of_the_daemon_is_said_to_a_terminal(fresh: Oee) -> None:
    with terminal(fresh, "submit", "SOL", "USDC", "0.01") as screen:
        assert screen.end() == 0
    assert re.search(r"Started the oee daemon \(pid \d+\)\.", screen.text)
    assert re.search(r"Follow it: oee watch [0-9a-f]{6}", screen.text)


def test_a_table_is_cut_at_the_edge_of_a_terminal_and_nowhere_else(oee: Oee) -> None:
    with terminal(oee, "pools", columns=50) as screen:
        assert screen.end() == 0
    assert len(screen.text.splitlines()) == len(oee("pools").out.splitlines())
    assert max(map(len, oee("pools").out.splitlines())) > 80
