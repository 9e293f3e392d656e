"""What errors say: what happened, with the values; what was or was not sent; what to do. A test per case, of what is printed."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import choices
from cli.main import run
from order_engine.errors import ERROR_CODES, Malformed
from tests.cli.conftest import Done, Oee, until_status
from tests.cli.peer import misbehaving
from tests.cli.test_words import ENTRIES
from tests.conftest import RunningDaemon


@pytest.fixture(scope="module")
def trading(start_daemon: Callable[..., RunningDaemon]) -> Oee:
    """`oee` with a daemon of its own, to which bad things are done."""
    return Oee(start_daemon().env)


def said(done: Done, code: int, *sentences: str) -> re.Match[str]:
    """The words on stderr as one line, which these patterns match one after the other."""
    text = " ".join(done.err.split())
    assert done.code == code, done
    assert "Traceback" not in text
    found = re.search(r".*?".join(sentences), text)
    assert found is not None, text
    return found


def test_an_unknown_token_is_refused_with_those_that_are_close(trading: Oee) -> None:
    done = trading("submit", "SOL", "BONKK", "1")
    said(done, 3, r"^BONKK is not a known token\. Close: BONK\.", r"See them all: oee tokens$")
    assert done.out == ""


def test_a_wallet_with_too_little_says_how_much_and_that_nothing_was_sent(trading: Oee) -> None:
    done = trading("submit", "SOL", "USDC", "99999999")
    said(done, 5, r"^The wallet has [\d.]+ SOL free, the order needs 99999999", r"Nothing was sent\.", "oee balances$")


def test_a_pair_that_nobody_trades_says_why_for_each_venue(trading: Oee) -> None:
    done = trading("submit", "BONK", "USDC", "1", "--route", "single")
    reasons = r"\(raydium: no pool, meteora: no pool, orca: no pool\)\. Nothing was sent\."
    said(done, 5, r"^No venue trades BONK for USDC", reasons, "oee pools$")
    said(trading("quote", "BONK", "USDC", "1", "--route", "single"), 5, "^No venue quoted BONK to USDC", reasons)


def test_an_order_that_moves_the_pool_too_far_says_how_far_and_the_limit(trading: Oee) -> None:
    order = ("submit", "SOL", "USDC", "1000", "--max-impact", "1bps")
    said(
        trading(*order, "--dry-run"),
        5,
        r"^Selling 1000 SOL moves .* by \d+ bps, the limit is 1 bps",
        r"Nothing was sent\.",
    )
    done = trading(*order, "--wait")
    said(
        done, 5, r"failed price_impact_too_high", r"by \d+ bps, the limit is 1 bps", "Nothing was sold", "--max-impact$"
    )


def test_an_order_that_failed_by_slippage_names_a_retry_that_works_as_it_is_printed(trading: Oee) -> None:
    trading("sim", "fault", "add", "slippage", "--key", "slips")
    done = trading("submit", "SOL", "USDC", "0.01", "--key", "slips", "--wait")
    found = said(
        done,
        6,
        r"✗ failed slippage_exceeded after 3 attempts: ",
        r"Nothing was sold\. Again with more room: (oee retry \w+ --slippage \w+)",
    )
    words = shlex.split(found[1])
    assert words[-2:] == ["--slippage", "80bps"]
    assert trading(*words[1:], "--field", "slippageBps").out == "80\n"


def test_an_order_below_its_own_minimum_is_not_offered_more_slippage(trading: Oee) -> None:
    done = trading("submit", "SOL", "USDC", "0.01", "--min-out", "9999", "--wait")
    said(done, 6, "the order's own minimum of 9999 USDC", r"Again: oee retry [0-9a-f]{6}$")


def test_an_order_whose_answer_is_lost_says_do_not_resubmit_and_until_when_it_may_land(unlanded: Oee) -> None:
    unlanded("sim", "fault", "add", "lose-answer", "--key", "lost", "--times", "1")
    order_id = unlanded("submit", "SOL", "USDC", "0.01", "--key", "lost", "-q").out.strip()
    until_status(unlanded, order_id, "submitted")
    done = unlanded("submit", "SOL", "USDC", "0.01", "--key", "lost", "--wait", "--timeout", "2s")
    name = order_id[-6:]
    warning = rf"It may still land until height \d+, about \d+ s; do not resubmit; oee wait {name}$"
    said(done, 7, rf"{name}: no answer after 2\.0s\.", warning)
    said(unlanded("retry", name), 7, f"{name} is not retried", warning)


def test_an_order_that_is_not_over_in_time_says_that_it_goes_on(unlanded: Oee) -> None:
    done = unlanded("submit", "SOL", "USDC", "0.01", "--wait", "--timeout", "50ms")
    name = done.out.strip()[-6:]
    said(done, 8, rf"{name}: still \w+ after 50ms\. The order goes on: oee wait {name}$")


def test_a_cancel_that_comes_too_late_says_to_whom_it_was_sent(unlanded: Oee) -> None:
    order_id = unlanded("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    until_status(unlanded, order_id, "submitted")
    said(unlanded("cancel", order_id), 5, rf"^{order_id[-6:]} Too late", "raydium|meteora|orca")


def test_a_key_that_was_used_for_another_order_is_named(trading: Oee) -> None:
    assert trading("submit", "SOL", "USDC", "0.01", "--key", "once").code == 0
    said(trading("submit", "SOL", "USDC", "0.02", "--key", "once"), 5, "once")


def test_a_halt_says_how_it_ends(trading: Oee) -> None:
    trading("halt")
    said(trading("submit", "SOL", "USDC", "0.01"), 4, "[Hh]alted", "oee resume")
    trading("resume")


def test_a_token_with_the_wrong_mode_says_so(trading: Oee, tmp_path: Path) -> None:
    oee = Oee({**trading.env, "OEE_HOME": str(tmp_path)})
    oee.home.make()
    oee.home.daemon_file.write_bytes(trading.home.daemon_file.read_bytes())
    oee.home.token_file.write_text("x" * 43)
    oee.home.token_file.chmod(0o644)
    place = re.escape(str(oee.home.token_file))
    said(oee("list"), 4, rf"{place} \(mode 0644, should be 0600\)", r"The token was not sent\.", "Run: oee doctor$")


def test_no_daemon_says_where_it_was_looked_for_and_how_to_start_it(fresh: Oee) -> None:
    done = fresh("list", OEE_AUTOSTART="0")
    said(done, 9, "^No daemon runs for ", "Start it: oee daemon start$")
    fresh.home.make()
    fresh.home.daemon_file.write_text(json.dumps({"url": "http://127.0.0.1:7420", "pid": 2**22 + 1, "version": "0"}))
    done = fresh("list", OEE_AUTOSTART="0")
    said(
        done,
        9,
        r"^No daemon at http://127\.0\.0\.1:7420: ",
        r"says pid \d+, which is not running\.",
        "oee daemon start$",
    )
    fresh.home.daemon_file.unlink()


def test_a_bug_is_one_line_and_a_file(tmp_path: Path) -> None:
    with misbehaving(tmp_path, lambda _: (200, {})) as peer:
        done = Oee(peer.env)("balances")
    found = said(done, 1, r"^Unexpected error \(KeyError in \w+\)\. Details: (/\S+\.log)$")
    assert "Traceback" in Path(found[1]).read_text()


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("submit", "SOL", "BONKK", "1"), 3, "unknown_token"),
        (("submit", "SOL", "USDC", "99999999"), 5, "insufficient_balance"),
        (("submit", "BONK", "USDC", "1", "--route", "single"), 5, "no_route"),
        (("submit", "SOL", "USDC", "x"), 2, "invalid_amount"),
        (("show", "abcdef"), 3, "not_found"),
        (("sumbit",), 2, "invalid_request"),
    ],
)
def test_with_json_the_same_is_a_record_on_stderr(trading: Oee, words: tuple[str, ...], code: int, name: str) -> None:
    done = trading(*words, "--json")
    assert (done.code, done.out) == (code, "")
    assert (done.error["schema"], done.error["code"]) == ("oee.error/1", name)
    assert done.error["message"].split("\n")[0] in trading(*words).err


# typing mistakes


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("sumbit SOL USDC 1", 2, 'No command "sumbit". Did you mean "submit"?'),
        ("daemon strat", 2, 'No command "strat". Did you mean "start"?'),
        ("sim fualt list", 2, 'No command "fualt". Did you mean "fault"?'),
        ("help sumbit", 3, "Did you mean: oee help submit?"),
        ("help pipeline", 3, "Did you mean: oee help pipelines?"),
        ("help daemon strat", 3, "Did you mean: oee help daemon start?"),
        ("submit SOL USDC 1 --slipage 3", 2, "No such option: --slipage. Did you mean --slippage?"),
        ("submit SOL USDC 1 --field amuont", 2, "Did you mean amount"),
        ("submit SOL USDC", 2, "How much? Give AMOUNT, to sell exactly that, or --receive N, to get exactly that."),
        ("quote SOL USDC", 2, "How much?"),
        ("submit SOL USDC 1 --receive 2", 2, "Give AMOUNT or --receive, not both"),
        ("submit SOL USDC 1 --max-in 2", 2, "--max-in goes with --receive"),
        ("submit SOL USDC --receive 1 --min-out 2", 2, "--min-out goes with AMOUNT"),
        ("submit SOL USDC 1 --route bset", 2, "--route: 'bset' is not known. Did you mean best?"),
        ("quote SOL USDC 1 --route singel", 2, "Did you mean single?"),
        ("quote SOL USDC 1 --receipt r.json --watch 1s", 2, "--receipt goes without --watch"),
        ("route verfy r.json", 2, 'No command "verfy". Did you mean "verify"?'),
        ("submit SLO USDC 1", 3, "SLO is not a known token. Close: SOL."),
        ("submit JITSOL USDC 1", 3, "Close: JitoSOL"),
        ("config set slipage_bps 1", 2, "slipage_bps: unknown key. Did you mean slippage_bps?"),
        ("config path tokn", 2, "Did you mean token?"),
        ("list --status opne", 2, "--status: 'opne' is not known. Did you mean open?"),
        ("list --status failed,confirmd", 2, "Did you mean confirmed?"),
        ("list --venue raydum", 3, "--venue: no venue is named 'raydum'. Did you mean raydium?"),
        ("events --venue raydum", 3, "Did you mean raydium?"),
        ("events --type fialed", 2, "--type: 'fialed' is not known. Did you mean failed?"),
        ("events --type order.fialed", 2, "Did you mean failed?"),
        ("wait abcd --for confirmd", 2, "--for: 'confirmd' is not known. Did you mean confirmed?"),
        ("list --format yaml", 2, "--format: 'yaml' is not known. Known: table, json, csv."),
        ("completion bsh", 2, "SHELL: 'bsh' is not known. Did you mean bash?"),
        ("sim fault add lande-late", 2, "Did you mean land-late?"),
        ("sim fault add venue-down --venue raydum", 2, "venue 'raydum' is not known."),
        ("daemon logs -n x", 2, "'x' is not a whole number."),
        ("quote SOL USDC 1 --watch 2x", 2, "--watch '2x' is not a span of time such as"),
        ("list --color rde", 2, "'rde' is none of auto, always, never."),
        ("batch - --parallel 2", 2, "--parallel goes with --wait"),
        ("list --format csv --json", 2, "--format csv goes with none of"),
    ],
)
def test_a_typing_mistake_is_answered_with_what_may_be_meant(trading: Oee, line: str, code: int, says: str) -> None:
    done = trading(*shlex.split(line))
    assert (done.code, done.out) == (code, "")
    assert says in done.err


@pytest.mark.parametrize("name", [name for name, _ in ENTRIES])
def test_no_command_answers_nonsense_with_a_traceback(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OEE_HOME", str(tmp_path))
    monkeypatch.setenv("OEE_AUTOSTART", "0")
    for nonsense in (["--nope"], ["\udcff\x1b[2J"] * 9, ["--json", "--nope=\x00"], ["--field"]):
        assert run([*name.split(), *nonsense]) == 2
        done = capsys.readouterr()
        assert done.out == ""
        assert "Traceback" not in done.err
        assert done.err.replace("\n", "").isprintable()


def test_choices_name_one_that_is_close_or_all_of_them() -> None:
    assert choices.each_of("a, b", ("a", "b"), "--x") == ["a", "b"]
    with pytest.raises(Malformed, match=r"--x: 'conf' is not known. Did you mean config\?"):
        choices.one_of("conf", ("config", "table"), "--x")
    with pytest.raises(Malformed, match=r"Known: config, table\."):
        choices.one_of("zzz", ("config", "table"), "--x")


def test_every_error_code_is_worded_with_its_next_step_in_the_reference() -> None:
    assert all(text.endswith(".") for text in ERROR_CODES.values())
