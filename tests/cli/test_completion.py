"""What TAB offers: by the protocol that all shells use, and in the shells themselves."""

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pexpect
import pytest

from cli.commands.completion import SCRIPTS
from cli.commands.config_path import paths
from cli.commands.dashboard import SCREENS
from cli.commands.events import STATES
from cli.commands.list import FORMATS, STATUSES
from cli.commands.sim_fault_add import add
from cli.commands.wait import GOALS
from cli.completion import Item, candidates
from cli.lazy import load
from cli.registry import COMMANDS
from order_engine.client import find_daemon
from order_engine.home import Home
from order_engine.settings import Settings
from order_engine.tokens import TOKENS
from order_engine.venues.simulated.faults import KINDS
from tests.cli.conftest import Oee
from tests.cli.peer import misbehaving
from tests.cli.test_words import ENTRIES
from tests.conftest import ROOT, RunningDaemon
from tests.waiting import until


def offered(oee: Oee, *words: str) -> list[str]:
    """The candidates for the last word."""
    done = oee("__complete", *words)
    assert (done.code, done.err) == (0, "")
    return [line.split("\t")[0] for line in done.out.splitlines()]


@pytest.fixture(scope="module")
def trading(start_daemon: Callable[..., RunningDaemon]) -> Oee:
    """`oee` with a daemon of its own and three orders, one of which failed."""
    oee = Oee(start_daemon().env)
    for more in ((), ("--min-out", "9999"), ()):
        oee("submit", "SOL", "USDC", "0.01", "--wait", *more)
    return oee


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("su", ["submit"]),
        ("daemon st", ["start", "stop", "status"]),
        ("sim fault a", ["add"]),
        ("--json li", ["list"]),
        ("--color al", ["always"]),
        ("list --color=a", ["--color=auto", "--color=always"]),
        ("list --color = al", ["always"]),
        ("submit so", ["SOL"]),
        ("submit SOL us", ["USDC", "USDT"]),
        ("submit --key k SOL jit", ["JitoSOL"]),
        ("submit SOL USDC 1 --sl", ["--slippage"]),
        ("submit SOL USDC 1 --slippage 1 --sl", []),
        ("submit SOL USDC 1 -- --sl", []),
        ("submit SOL USDC 1 --wait --field amountO", ["amountOut"]),
        ("list --status f", ["failed"]),
        ("list --status open,failed,ca", ["open,failed,cancelled"]),
        ("list --format c", ["csv"]),
        ("wait --for c", ["confirmed"]),
        ("batch x", [":files"]),
        ("completion f", ["fish"]),
        ("help ex", ["exit-codes"]),
        ("help daemon r", ["restart", "run"]),
        ("sim fault add price", ["price-step"]),
        ("sim fault add crash --at sub", ["submitted"]),
        ("config set slip", ["slippage_bps"]),
        ("config path au", ["auth-header"]),
        ("version x", []),
        ("nope x", []),
        ("submit SOL USDC 1 x", []),
        ("list --limit 1", []),
    ],
)
def test_what_needs_no_daemon_is_offered_without_one(fresh: Oee, line: str, expected: list[str]) -> None:
    assert offered(fresh, *line.split()) == expected
    assert not fresh.home.data_dir.exists()


def test_nothing_typed_offers_everything(fresh: Oee) -> None:
    assert offered(fresh) == offered(fresh, "") == list(COMMANDS)
    assert offered(fresh, "submit", "") == list(TOKENS)
    assert offered(fresh, "submit", "SOL", "") == [symbol for symbol in TOKENS if symbol != "SOL"]
    assert "--help" in offered(fresh, "status", "-")


@pytest.mark.parametrize("kept", [inspect.cleandoc, lambda text: text], ids=["as 3.13 keeps it", "as it is"])
def test_each_kind_of_fault_is_offered_with_what_it_does_whichever_way_python_keeps_the_words(
    monkeypatch: pytest.MonkeyPatch, kept: Callable[[str], str]
) -> None:
    monkeypatch.setattr(add, "__doc__", kept(str(add.__doc__)))
    found = candidates(["sim", "fault", "add"], "")
    assert {item.value for item in found} == set(KINDS)
    assert all(item.help for item in found)


def test_the_daemon_is_asked_for_what_it_alone_knows(trading: Oee) -> None:
    first, failed, newest = trading("list", "-q").out.split()
    ends = [order_id[-6:] for order_id in (newest, failed, first)]
    assert offered(trading, "show", "") == ends
    assert offered(trading, "show", newest[-6:], "") == [failed[-6:], first[-6:]]
    assert offered(trading, "show", failed[-6:-3]) == [failed[-6:]]
    assert offered(trading, "show", newest[:-1]) == [newest]
    assert offered(trading, "events", "--order", "") == ends
    assert offered(trading, "wait", "") == ends
    assert offered(trading, "retry", "") == [failed[-6:]]
    assert offered(trading, "cancel", "") == []
    venues = ["raydium", "meteora", "orca"]
    assert offered(trading, "list", "--venue", "") == offered(trading, "list", "--dex", "") == venues
    assert "SOL/USDC" in offered(trading, "list", "--pair", "")
    trading("sim", "fault", "add", "venue-slow", "--ms", "1", "--pattern", "nobody-*")
    assert offered(trading, "sim", "fault", "clear", "") == ["f1"]
    trading("sim", "fault", "clear", "--all")


def test_each_candidate_says_what_it_is(trading: Oee) -> None:
    shown = trading("__complete", "show", "").out.splitlines()
    assert all(" 0.01 SOL for USDC, " in line for line in shown)
    assert [line.split("\t")[1].split(",")[0] for line in shown] == ["confirmed", "failed", "confirmed"]
    assert trading("__complete", "subm").out == f"submit\t{COMMANDS['submit'].help}\n"


def test_without_a_daemon_nothing_is_offered_said_or_started(fresh: Oee) -> None:
    for words in (("show", ""), ("list", "--venue", ""), ("sim", "fault", "clear", "")):
        assert offered(fresh, *words) == []
    assert find_daemon(fresh.home) is None


def test_a_daemon_that_answers_nonsense_is_passed_over_in_silence(tmp_path: Path) -> None:
    with misbehaving(tmp_path, lambda _: (200, b"\x1b[2J")) as peer:
        assert offered(Oee(peer.env), "show", "") == []


def test_a_daemon_that_does_not_answer_holds_nobody_up(trading: Oee) -> None:
    found = find_daemon(trading.home)
    assert found is not None
    os.kill(found.pid, SIGSTOP)
    try:
        assert offered(trading, "show", "") == []
    finally:
        os.kill(found.pid, SIGCONT)


def test_what_a_daemon_says_stays_on_its_line(tmp_path: Path) -> None:
    venue = {"dex": "a\x1b[2Jb\nc", "pools": "\n"}
    with misbehaving(tmp_path, lambda _: (200, {"items": [venue], "next": None})) as peer:
        assert offered(Oee(peer.env), "list", "--venue", "") == ["a[2Jbc"]


@pytest.mark.parametrize("name", [name for name, _ in ENTRIES])
def test_every_option_of_every_command_is_offered(name: str) -> None:
    entry = dict(ENTRIES)[name]
    command = load(name.rpartition(" ")[2], entry)
    options = {max(each.opts, key=len) for each in command.params if each.param_type_name == "option"}
    assert {item.value for item in candidates(name.split(), "-")} == options | {"--help"}


def test_the_words_that_are_offered_are_those_that_are_taken() -> None:
    def values(*before: str) -> set[str]:
        return {item.value for item in candidates(before, "")}

    assert values("list", "--status") == set(STATUSES)
    assert values("events", "--type") == set(STATES)
    assert values("list", "--format") == set(FORMATS)
    assert values("wait", "--for") == set(GOALS)
    assert values("completion") == set(SCRIPTS)
    assert values("dashboard", "--screen") == set(SCREENS)
    assert values("config", "path") == set(paths(Home.from_environment()))
    assert values("config", "set") == set(Settings.__struct_fields__)


def test_a_candidate_begins_with_what_is_typed_in_any_case() -> None:
    assert candidates(["submit"], "jito") == [Item("JitoSOL", "Jito Staked SOL")]


# the shells


def environment(oee: Oee) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**oee.env, "PATH": path, "TERM": "dumb", "HOME": str(oee.home.data_dir)}


@pytest.mark.parametrize(
    ("words", "kind", "reply"),
    [
        (["oee", "sub"], 9, ["submit"]),
        (["oee", "daemon", "st"], 9, ["start", "stop", "status"]),
        (["oee", "list", "--color", "=", "al"], 9, ["always"]),
        (["oee", "batch", "README"], 9, ["README.md"]),
        (["oee", "show", "zz"], 9, []),
        (["oee", "daemon", "st"], 63, [
            "start  (Start the daemon and wait until it answers.)",
            "stop  (Let the open orders finish, then stop the daemon.)",
            "status  (Say whether the daemon runs, and where.)",
        ]),
    ],
)  # fmt: skip
def test_the_function_of_bash(trading: Oee, words: list[str], kind: int, reply: list[str]) -> None:
    line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; COMP_TYPE={kind}"
    show = '_oee; [[ ${#COMPREPLY[@]} == 0 ]] || printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f'eval "$(oee completion bash)"; {line}; {show}'], cwd=ROOT, env=environment(trading),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.splitlines(), done.stderr) == (reply, "")


def test_tab_in_bash(trading: Oee) -> None:
    newest = trading("list", "--limit", "1", "-q").out.strip()[-6:]
    child = pexpect.spawn(
        "bash", ["--norc", "--noprofile", "-i"], cwd=str(ROOT), env=environment(trading), encoding="utf-8", timeout=20
    )
    try:
        child.sendline('PS1="ready> "; bind "set enable-bracketed-paste off"; eval "$(oee completion bash)"; echo go')
        child.expect("\ngo")
        child.expect("ready> ")
        child.send("oee lis\t--lim\t1 --stat\tconf\t-q\n")
        child.expect(f"{newest}\r\n")
        child.send("oee show \t\t")
        child.expect(rf"{newest}  \(confirmed, 0.01 SOL for USDC, ")
    finally:
        child.close(force=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(trading: Oee) -> None:
    line = 'oee completion fish | source; complete -C "oee daemon st"'
    done = subprocess.run(
        ["fish", "--private", "-c", line],
        cwd=ROOT,
        env=environment(trading),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "status\tSay whether the daemon runs, and where." in done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(trading: Oee) -> None:
    child = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(ROOT), env=environment(trading), encoding="utf-8", timeout=20)
    try:
        child.sendline('PS1="ready> "; autoload -Uz compinit; compinit -u -D; eval "$(oee completion zsh)"; echo go')
        child.expect("\ngo")
        child.expect("ready> ")
        child.send("oee daemon st\t")
        child.expect("status.*-- Say whether the daemon runs, and where.")
    finally:
        child.close(force=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed_and_its_help_says_where_it_goes(fresh: Oee, shell: str) -> None:
    script = fresh("completion", shell)
    assert (script.code, script.err) == (0, "")
    assert "__complete" in script.out
    assert f"oee completion {shell}" in fresh("completion", "--help").out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.out, text=True, check=True)


def test_tab_does_not_take_apart_what_it_does_not_need() -> None:
    code = "import sys; from cli.main import run; run(['__complete', 'sub']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert [name for name in modules if name.startswith("cli.commands.") or name in ("http.client", "rich")] == []


def test_many_tabs_at_once_are_no_trouble(trading: Oee) -> None:
    words = [sys.executable, "-m", "cli", "__complete", "show", ""]
    running = [
        subprocess.Popen(words, cwd=ROOT, env=trading.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    until(lambda: all(process.poll() is not None for process in running), "all answers")
    assert {process.communicate()[1] for process in running} == {b""}
