"""`oee dashboard` as a process: on a terminal, without one, and what it says when it is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from cli.dashboard.keys import EVERY_KEY
from tests.cli.conftest import Oee
from tests.conftest import ROOT


def test_without_a_terminal_it_says_what_to_use(oee: Oee) -> None:
    done = oee("dashboard")
    assert done.code == 2
    assert done.err == "dashboard needs a terminal; use: oee watch\n"
    assert done.out == ""


@pytest.mark.parametrize(("words", "says"), [(["--screen", "charts"], "orders, venues, wallet, log")])
def test_a_screen_that_is_none_is_refused(oee: Oee, words: list[str], says: str) -> None:
    done = oee("dashboard", *words)
    assert done.code == 2
    assert says in done.err


def on_a_terminal(oee: Oee, *words: str, **env: str) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable,
        ["-m", "cli", "dashboard", *words],
        cwd=str(ROOT),
        env={**oee.env, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env},
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=20,
    )


def end_of(child: "pexpect.spawn[str]") -> int | None:
    """The exit code, once nothing more comes."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_leaving_says_once_what_goes_on(oee: Oee) -> None:
    child = on_a_terminal(oee)
    child.expect("filled today")
    child.send("q")
    child.expect("Left the dashboard; the daemon")
    assert end_of(child) == 0


def test_an_unknown_theme_is_refused_before_the_screen_is_taken(oee: Oee) -> None:
    child = on_a_terminal(oee, "--theme", "pink")
    child.expect("oee-contrast")
    assert end_of(child) == 2


def test_where_no_daemon_may_be_started_it_says_how_to_start_one(fresh: Oee) -> None:
    child = on_a_terminal(fresh, OEE_AUTOSTART="0")
    child.expect("oee daemon start")
    assert end_of(child) == 9


def test_the_first_start_starts_the_daemon(fresh: Oee) -> None:
    child = on_a_terminal(fresh)
    child.expect("No orders yet")
    child.send("q")
    child.expect("Left the dashboard")
    assert end_of(child) == 0
    assert fresh("daemon", "status", OEE_AUTOSTART="0").code == 0


def test_the_help_topic_names_every_key(oee: Oee) -> None:
    shown = oee("help", "keys").out
    assert all(key.help in shown and key.name in shown for key in EVERY_KEY)


def test_the_screen_is_not_drawn_into_a_file(oee: Oee, tmp_path: Path) -> None:
    line = f"{sys.executable} -m cli dashboard 2> {tmp_path / 'err'}; echo code $?"
    child = pexpect.spawn("/bin/sh", ["-c", line], cwd=str(ROOT), env=oee.env, encoding="utf-8", timeout=20)
    child.expect("code 2")
    assert end_of(child) == 0
    assert (tmp_path / "err").read_text() == "dashboard needs a terminal; use: oee watch\n"


def test_a_keymap_of_the_home_holds_and_a_wrong_one_is_refused_by_name(fresh: Oee) -> None:
    keymap = Path(fresh("config", "path", "keymap").out.strip())
    keymap.parent.mkdir(parents=True)
    keymap.write_text('leave = "Z"\n')
    child = on_a_terminal(fresh)
    child.expect("No orders yet")
    child.send("Z")
    child.expect("Left the dashboard")
    assert end_of(child) == 0
    keymap.write_text('cancle = "Z"\n')
    child = on_a_terminal(fresh)
    child.expect("Did you mean cancel")
    assert end_of(child) == 2


def test_other_commands_do_not_import_the_screen() -> None:
    code = (
        "import sys; import cli.main, cli.topics; print([name for name in sys.modules if name.startswith('textual')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout == "[]\n"


def test_a_signal_to_end_gives_the_terminal_back(oee: Oee) -> None:
    child = on_a_terminal(oee)
    child.expect("filled today")
    child.kill(signal.SIGTERM)
    child.expect_exact("\x1b[?1049l")  # out of the alternate screen
    assert end_of(child) == 143
