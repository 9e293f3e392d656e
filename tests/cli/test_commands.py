"""Each command against a real daemon: what is on stdout, what on stderr, and the exit code."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.main import run
from cli.output import ORDER_FIELDS
from order_engine.client import new_key
from tests.cli.conftest import Oee, until_status
from tests.cli.test_words import ENTRIES
from tests.conftest import AN_ORDER, RunningDaemon
from tests.lives import is_confirmed_life

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def an_order(oee: Oee, *more: str) -> str:
    """The id of a new order."""
    done = oee("submit", "SOL", "USDC", "0.01", "-q", *more)
    assert done.code == 0, done
    return done.out.strip()


# submit


def test_submit_prints_the_id_on_stdout_and_talks_on_stderr(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01")
    assert done.code == 0
    assert re.fullmatch(UUID + "\n", done.out)
    assert done.err.startswith("Sell 0.01 SOL for USDC (limit 50bps)  ")


def test_submit_quietly_prints_the_id_alone(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01", "-q")
    assert re.fullmatch(UUID + "\n", done.out)
    assert done.err == ""


def test_submit_json_prints_the_record_of_the_contract(oee: Oee) -> None:
    done = oee(
        "submit", "sol", "usdc", "0.010", "--slippage", "0.3%", "--min-out", "0.5", "--max-impact", "2%", "--json"
    )
    assert (done.code, done.err) == (0, "")
    order = done.record
    named = ("schema", "inputToken", "amount", "slippageBps", "minOutput", "maxImpactBps")
    assert [order[name] for name in named] == ["oee.order/1", "SOL", "0.01", 30, "0.5", 200]
    assert "message" not in order


def test_submit_and_wait_ends_confirmed(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01", "--wait")
    assert done.code == 0
    assert re.fullmatch(UUID + "\n", done.out)
    assert "● confirmed  got 1." in done.err


def test_submit_wait_json_prints_one_final_record(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01", "--wait", "--json")
    assert (done.code, done.err, done.record["status"]) == (0, "", "confirmed")


def test_a_field_of_the_outcome_is_one_bare_value(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01", "--wait", "--field", "amountOut")
    assert done.code == 0
    assert re.fullmatch(r"1\.\d+\n", done.out)
    assert oee("submit", "SOL", "USDC", "0.01", "--wait", "--field", "amount_out").code == 0


def test_a_wrong_field_is_refused_before_anything_is_placed(oee: Oee, daemon: RunningDaemon) -> None:
    daemon.settle()
    before = daemon.seq()
    done = oee("submit", "SOL", "USDC", "0.01", "--field", "amuontOut")
    assert (done.code, done.out) == (2, "")
    assert "Did you mean amountOut" in done.err
    assert daemon.seq() == before


def test_the_same_key_again_is_the_same_order(oee: Oee) -> None:
    key = new_key()
    first, again = (oee("submit", "SOL", "USDC", "0.01", "--key", key) for _ in range(2))
    assert (first.out, first.code) == (again.out, again.code)
    assert re.search(r"Already submitted \d+(ms|\.\ds) ago\.", again.err)
    other = oee("submit", "SOL", "USDC", "0.02", "--key", key)
    assert (other.code, other.out) == (5, "")
    assert key in other.err


def test_a_dry_run_places_nothing(oee: Oee, daemon: RunningDaemon) -> None:
    daemon.settle()
    before = daemon.seq()
    done = oee("submit", "SOL", "USDC", "0.01", "--dry-run")
    assert done.code == 0
    assert "Nothing was stored." in done.err
    assert oee("submit", "SOL", "USDC", "0.01", "--dry-run", "--json").record["schema"] == "oee.quote/1"
    for words, code in (
        (("SOL", "USDC", "99999999"), "price_impact_too_high"),
        (("SOL", "USDC", "99999999", "--max-impact", "50%"), "price_impact_too_high"),
        (("JitoSOL", "SOL", "2500"), "insufficient_balance"),
        (("SOL", "USDC", "0.01", "--min-out", "999"), "no_route"),
        (("BONK", "USDC", "1", "--route", "single"), "no_route"),
        (("SOL", "USDC", "--receive", "1", "--max-in", "0.0001"), "no_route"),
        (("SOL", "USDC", "--receive", "99999999"), "no_route"),
        (("JitoSOL", "SOL", "--receive", "2500", "--max-impact", "50%"), "insufficient_balance"),
    ):
        refused = oee("submit", *words, "--dry-run", "--json")
        assert (refused.code, refused.error["code"], refused.out) == (5, code, ""), words
    assert daemon.seq() == before


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("SOL", "USDC", "abc"), 2, "invalid_amount"),
        (("SOL", "USDC", "0"), 2, "invalid_amount"),
        (("SOL", "USDC", "1e3"), 2, "invalid_amount"),
        (("SOL", "USDC", "1,5"), 2, "invalid_amount"),
        (("SOL", "USDC", "0.0000000001"), 2, "invalid_amount"),
        (("SOL", "USDC", "١"), 2, "invalid_amount"),
        (("SOL", "USDC", "9" * 10_000), 2, "invalid_amount"),
        (("SOL", "USDC", ""), 2, "invalid_amount"),
        (("SOL", "USDC", "-1"), 2, "invalid_request"),
        (("SOL", "USDC"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "2"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--slipage", "3"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--slippage", "99%"), 2, "invalid_amount"),
        (("SOL", "USDC", "1", "--slippage", ""), 2, "invalid_amount"),
        (("SOL", "USDC", "1", "--min-out", "x"), 2, "invalid_amount"),
        (("SOL", "USDC", "1", "--max-impact", "x"), 2, "invalid_amount"),
        (("SOL", "USDC", "1", "--timeout", "soon"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--key", "a b"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--key", "k" * 129), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--color", "red"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "-q"), 2, "invalid_request"),
        (("SOL", "SOL", "1"), 2, "same_token"),
        (("SOL", "NOPE", "1"), 3, "unknown_token"),
        (("\x1b[2J", "USDC", "1"), 3, "unknown_token"),
        (("", "USDC", "1"), 3, "unknown_token"),
        (("SOL", "USDC", "99999999"), 5, "insufficient_balance"),
        (("BONK", "USDC", "1", "--route", "single"), 5, "no_route"),
        (("SOL", "USDC", "1", "--receive", "1"), 2, "invalid_request"),
        (("SOL", "USDC", "--receive", "x"), 2, "invalid_amount"),
        (("SOL", "USDC", "--receive", "0.0000001"), 2, "invalid_amount"),
        (("SOL", "USDC", "--receive", "1", "--min-out", "1"), 2, "invalid_request"),
        (("SOL", "USDC", "1", "--max-in", "2"), 2, "invalid_request"),
        (("SOL", "USDC", "--receive", "1", "--max-in", "x"), 2, "invalid_amount"),
        (("SOL", "USDC", "1", "--route", "bset"), 2, "invalid_request"),
    ],
)
def test_bad_orders_are_refused_clearly_and_change_nothing(
    oee: Oee, daemon: RunningDaemon, words: tuple[str, ...], code: int, error: str
) -> None:
    daemon.settle()
    before = daemon.seq()
    done = oee("submit", *words, "--json")
    assert (done.code, done.out) == (code, "")
    assert done.error["schema"] == "oee.error/1"
    assert done.error["code"] == error
    assert done.err.count("\n") == 1
    plain = oee("submit", *words)
    assert "Traceback" not in plain.err
    assert "\x1b" not in plain.err
    if "-q" not in words:
        assert (plain.code, plain.out) == (code, "")
        assert daemon.seq() == before


def test_an_order_that_is_not_filled_exits_6_and_says_what_to_do(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "0.01", "--min-out", "1000", "--wait")
    assert done.code == 6
    assert "✗ failed  slippage_exceeded after 3 attempts" in done.err
    assert f"Again: oee retry {done.out.strip()[-6:]}" in done.err


# batch


def test_every_line_of_a_batch_is_answered(oee: Oee, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("in,out,amount\nSOL,USDC,0.01\nSOL,USDC,x\nSOL,NOPE,1\nSOL,USDC,0.02\n")
    done = oee("batch", str(file))
    assert done.code == 3
    assert len(done.out.split()) == 2
    assert "line 3: amount: 'x' is not" in done.err
    assert "line 4: NOPE is not a known token" in done.err
    assert "2 accepted, 2 refused." in done.err
    records = oee("batch", str(file), "--json").records
    assert [(record["schema"], record.get("line")) for record in records] == [
        ("oee.order/1", None),
        ("oee.error/1", 3),
        ("oee.error/1", 4),
        ("oee.order/1", None),
    ]


def test_a_batch_that_waits_prints_each_order_as_it_ends(oee: Oee) -> None:
    lines = "".join('{"in":"SOL","out":"USDC","amount":"0.001"}\n' for _ in range(100))
    done = oee("batch", "-", "--wait", "--json", stdin=lines)
    assert done.code == 0
    assert [record["status"] for record in done.records] == ["confirmed"] * 100
    failing = '{"in":"SOL","out":"USDC","amount":"0.001","minOutput":"9"}\n'
    done = oee("batch", "-", "--wait", stdin=lines[:43] + failing)
    assert done.code == 6
    assert sorted(re.findall("confirmed|failed", done.out)) == ["confirmed", "failed"]


def test_a_bot_gets_its_answer_before_it_sends_the_next_order(oee: Oee) -> None:
    line = """'{"in":"SOL","out":"USDC","amount":"0.001"}'"""
    say, hear = f'echo {line} >&"${{B[1]}}"', 'read -r fill <&"${B[0]}"; echo "$fill"'
    bot = f"coproc B {{ oee batch - --wait --json; }}; for i in 1 2 3; do {say}; {hear}; done"
    done = oee.shell(bot)
    assert [record["status"] for record in done.records] == ["confirmed"] * 3


def test_a_batch_with_a_wrong_header_sends_nothing(oee: Oee, daemon: RunningDaemon) -> None:
    daemon.settle()
    before = daemon.seq()
    done = oee("batch", "-", stdin="in,out,amnt\nSOL,USDC,1\n")
    assert (done.code, done.out) == (2, "")
    assert "'amnt' is not a column" in done.err
    assert oee("batch", "/nowhere/orders.csv").code == 3
    assert oee("batch", "/").code == 2
    assert oee("batch", "-", stdin=b"\xff\xfe\n").code == 2
    assert oee("batch", "-", stdin="").code == 0
    assert daemon.seq() == before


def lines_of(*amounts: str) -> str:
    return "".join(f'{{"in":"SOL","out":"USDC","amount":"{amount}"}}\n' for amount in amounts)


def test_a_batch_that_stops_on_an_error_sends_nothing_after_it(oee: Oee) -> None:
    done = oee("batch", "-", "--stop-on-error", stdin=lines_of("0.01", "0.01", "x", "0.01", "0.01"))
    assert (done.code, len(done.out.split())) == (2, 2)
    assert "2 accepted, 1 refused.\nStopped: nothing after line 3 was sent.\n" in done.err
    fails = '{"in":"SOL","out":"USDC","amount":"0.01","minOutput":"9999"}\n'
    for more in ((), ("--parallel", "1")):
        lines = lines_of("0.01") + fails + lines_of("0.01", "0.01")
        done = oee("batch", "-", "--wait", "--stop-on-error", "--json", *more, stdin=lines)
        assert (done.code, [record["status"] for record in done.records]) == (6, ["confirmed", "failed"])
    fine = oee("batch", "-", "--wait", "--stop-on-error", stdin=lines_of("0.01", "0.01", "0.01"))
    assert (fine.code, fine.out.count("confirmed"), fine.err) == (0, 3, "3 accepted.\n")


def test_a_batch_has_no_more_orders_open_at_once_than_it_may(undecided: Oee, oee: Oee) -> None:
    undecided("cancel", "--all")
    done = undecided("batch", "-", "--wait", "--parallel", "2", "--timeout", "0", "-q", stdin=lines_of("0.01", "0.01"))
    assert (done.code, len(undecided("list", "--status", "open", "-q").out.split())) == (8, 2)
    undecided("cancel", "--all")
    done = undecided("batch", "-", "--wait", "--parallel", "1", "--timeout", "100ms", stdin=lines_of("0.01", "0.01"))
    assert (done.code, len(undecided("list", "--status", "open", "-q").out.split())) == (8, 1)
    assert "1 accepted.\nStopped: nothing after line 1 was sent.\n" in done.err
    undecided("cancel", "--all")
    key = new_key()
    twice = f'{{"in":"SOL","out":"USDC","amount":"0.01","key":"{key}"}}\n' * 3
    done = oee("batch", "-", "--wait", "--parallel", "1", "-q", stdin=twice + lines_of(*["0.001"] * 20, "x"))
    assert (done.code, len(set(done.out.split()))) == (2, 21)


# looking


def test_list_filters_and_ends_with_the_newest(oee: Oee) -> None:
    failed = oee("submit", "SOL", "USDC", "0.01", "--min-out", "1000", "--wait", "-q").out.strip()
    newest = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    assert oee("list", "-q").out.split()[-2:] == [failed, newest]
    assert oee("list", "--status", "failed", "--limit", "1", "-q").out.strip() == failed
    assert failed not in oee("list", "--status", "confirmed", "-q", "--limit", "500").out
    assert oee("list", "--since", "1h", "--limit", "1", "--json").record["orderId"] == newest
    assert oee("list", "--until", "1h", "--json").out == ""
    assert oee("list", "--pair", "USDC/SOL", "--limit", "1", "-q").out.strip() == newest
    assert oee("list", "--key", "nobody", "-q").out == ""
    table = oee("list", "--limit", "2").out.splitlines()
    assert table[0].split() == ["ID", "PAIR", "SELL", "STATUS", "VENUE", "GET", "AGE"]
    assert [line.split()[0] for line in table[1:]] == [failed[-6:], newest[-6:]]


@pytest.mark.parametrize(
    "words", [("--status", "nope"), ("--since", "x"), ("--limit", "0"), ("--pair", "SOL"), ("--until", "x"), ("--nope",)]
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_refused(oee: Oee, words: tuple[str, ...]) -> None:
    done = oee("list", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_a_listing_as_csv_has_every_field_of_every_order(oee: Oee) -> None:
    key = 'a"b,c'
    oee("submit", "SOL", "USDC", "0.01", "--wait", "--key", key)
    head, *rows = csv.reader(io.StringIO(oee("list", "--limit", "3", "--format", "csv").out), strict=True)
    records = oee("list", "--limit", "3", "--format", "json").records
    assert tuple(head) == ORDER_FIELDS
    assert [dict(zip(head, row, strict=True))["orderId"] for row in rows] == [record["orderId"] for record in records]
    last = dict(zip(head, rows[-1], strict=True))
    assert (last["clientOrderId"], last["amount"], last["retryOf"]) == (key, "0.01", "")
    assert oee("list", "--key", "nobody", "--format", "csv").out == ",".join(ORDER_FIELDS) + "\n"
    assert oee("list", "--limit", "3", "--json").records == records


def test_orders_and_events_of_a_venue_by_either_name(oee: Oee) -> None:
    oee("submit", "SOL", "USDC", "0.01", "--wait")
    assert oee("list", "--venue", "meteora", "-q").out == oee("list", "--dex", "meteora", "-q").out != ""
    assert oee("events", "--venue", "meteora", "-q").out == oee("events", "--dex", "meteora", "-q").out != ""
    assert oee("events", "--type", "order.*", "-q").out == oee("events", "-q").out


def test_show_takes_the_end_of_an_id_and_shows_the_whole(oee: Oee) -> None:
    # in one attempt, whatever the market does in that moment
    order_id = oee("submit", "SOL", "USDC", "0.01", "--slippage", "1000bps", "--wait", "-q").out.strip()
    card = oee("show", order_id[-8:])
    assert card.code == 0
    assert "● pending ─ ● routing ─ ● building ─ ● submitted ─ ● confirmed" in card.out
    assert "◂ chosen" in card.out
    assert order_id in card.out
    record = oee("show", order_id[-8:].upper(), "--events", "--json").record
    assert is_confirmed_life(event["status"] for event in record["events"]), record
    assert oee("show", "-", "-q", stdin=f"{json.dumps(record)}\n\n{order_id[-8:]}\n").out.split() == [order_id]


@pytest.mark.parametrize("text", ["nope", "abc", "0123456789ab", "01a1f8b6-27b6-7533-a321-000000000000", "..", ""])
def test_an_id_that_names_no_order_exits_3(oee: Oee, text: str) -> None:
    for command in ("show", "wait", "watch", "cancel", "retry"):
        done = oee(command, text, "--json")
        assert (done.code, done.out) == (3, ""), command
        assert done.error["code"] == "not_found"


def test_the_market_can_be_looked_at(oee: Oee) -> None:
    for command, schema, heading in (
        ("balances", "oee.balance/1", "TOKEN"),
        ("venues", "oee.venue/1", "VENUE"),
        ("pools", "oee.pool/1", "VENUE"),
        ("tokens", "oee.token/1", "TOKEN"),
    ):
        assert {record["schema"] for record in oee(command, "--json").records} == {schema}
        assert oee(command).out.startswith(heading)
        assert oee(command, "-q").code == 0
    assert oee("pools", "SOL", "USDC").code == 0
    assert oee("pools", "BONK", "USDC").code == 3
    assert oee("pools", "SOL").code == 2
    assert oee("pools", "SOL", "NOPE").code == 3


def test_quote_compares_the_venues_and_marks_the_choice(oee: Oee) -> None:
    record = oee("quote", "SOL", "USDC", "1", "--json").record
    assert record["best"] in {quote["dex"] for quote in record["quotes"]}
    assert oee("quote", "SOL", "USDC", "1", "-q").out.strip() in {"raydium", "meteora", "orca"}
    assert "▸" in oee("quote", "SOL", "USDC", "1").out
    assert len(oee("quote", "SOL", "USDC", "1", "--watch", "0", "--count", "3", "--json").records) == 3
    none = oee("quote", "BONK", "USDC", "1", "--route", "single", "--json")
    assert (none.code, none.record["best"], none.error["code"]) == (5, None, "no_route")
    assert oee("quote", "SOL", "NOPE", "1").code == 3
    assert oee("quote", "SOL", "USDC", "x").code == 2


def test_quote_shows_the_route_and_explains_it_pool_by_pool(oee: Oee) -> None:
    done = oee("quote", "SOL", "USDC", "--receive", "200", "--explain")
    assert done.code == 0
    assert done.out.startswith("Buy 200 USDC with SOL\n")
    for said in (
        "\nRoute: ",
        "SHARE  VENUE",
        "Used; the last unit pays the same on all",
        "Not used, and why:",
        "No route could take less than ",
    ):
        assert said in done.out, said
    pools = oee("pools", "-q").out.split()
    told = oee("quote", "SOL", "USDC", "5000", "--explain", "--json").record["explanation"]
    assert {each["pool"] for each in told["used"] + told["unused"]} == set(pools)
    single = oee("quote", "SOL", "USDC", "5", "--explain", "--route", "single")
    assert (single.code, single.err) == (0, "Nothing to explain: only --route best looks at all pools.\n")


def test_an_order_can_say_what_it_receives(oee: Oee) -> None:
    done = oee("submit", "SOL", "USDC", "--receive", "2", "--max-in", "0.1", "--wait")
    assert done.code == 0
    assert "Buy exactly 2 USDC with SOL, at most 0.1 SOL (limit 50bps)" in done.err
    assert "● confirmed  got 2 USDC for 0.01" in done.err
    order = oee("show", done.out.strip(), "--json").record
    assert (order["amount"], order["receive"], order["maxInput"], order["amountOut"]) == (None, "2", "0.1", "2")
    assert "Buy exactly 2 USDC with SOL" in oee("show", done.out.strip()).out
    assert "2 USDC" in oee("list", "--limit", "1").out
    assert "buy 2 USDC with SOL" in oee("events", "--order", done.out.strip()).out
    rows = "in,out,receive,maxInput,routing\nSOL,USDC,2,0.1,single\nSOL,USDC,2,,best\n"
    batch = oee("batch", "-", "--json", stdin=rows)
    assert batch.code == 0
    assert [(order["receive"], order["maxInput"], order["routing"]) for order in batch.records] == [
        ("2", "0.1", "single"),
        ("2", None, "best"),
    ]


def test_an_order_that_received_nothing_is_retried_as_it_was(oee: Oee) -> None:
    failed = oee("submit", "SOL", "USDC", "--receive", "2", "--max-in", "0.0001", "--wait")
    assert failed.code == 6
    assert "Nothing was bought. Again: oee retry" in failed.err
    new = oee("retry", failed.out.strip(), "--json").record
    assert (new["receive"], new["maxInput"], new["amount"]) == ("2", "0.0001", None)
    oee("wait", new["orderId"])


def test_status_is_short_and_has_a_record(oee: Oee) -> None:
    assert oee("status", "--json").record["schema"] == "oee.status/1"
    assert oee("status", "--field", "open").out.strip().isdigit()
    lines = oee("status").out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["daemon", "market", "open"]


def test_events_are_the_log(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    mine = oee("events", "--order", order_id[-8:], "--json").records
    assert is_confirmed_life(event["status"] for event in mine), mine
    after = oee("events", "--since", str(mine[1]["seq"]), "--json").records
    assert [event["seq"] for event in after] == list(range(mine[1]["seq"] + 1, after[-1]["seq"] + 1))
    assert {e["status"] for e in oee("events", "--type", "confirmed,failed", "--json").records} <= {
        "confirmed",
        "failed",
    }
    assert all(event["routedDex"] == "raydium" for event in oee("events", "--dex", "raydium", "--json").records)
    assert order_id[-6:] in oee("events", "--since", "1h").out
    assert oee("events", "--type", "nope").code == 2
    assert oee("events", "--since", "yesterday").code == 2


# waiting


def test_wait_ends_by_the_outcome_and_of_several_by_the_worst(oee: Oee) -> None:
    good = an_order(oee)
    bad = oee("submit", "SOL", "USDC", "0.01", "--min-out", "1000", "-q").out.strip()
    assert oee("wait", good[-8:]).code == 0
    assert oee("wait", bad).code == 6
    both = oee("wait", good, bad, "--json")
    assert (both.code, {record["status"] for record in both.records}) == (6, {"confirmed", "failed"})
    assert oee("wait", good, bad, "--for", "confirmed", "-q").out.split() == [good]
    assert oee("wait", good, bad, "-q", "--timeout", "0").out.split() == [good, bad]
    assert oee("wait", "-", "--any", stdin=f"{good}\n").code == 0
    assert oee("wait", good, "--for", "nope").code == 2
    assert f"{good[-6:]}  ● confirmed  got" in oee("wait", good).out


def test_an_order_that_is_not_final_in_time_exits_8(undecided: Oee, unlanded: Oee) -> None:
    for oee, status in ((undecided, "routing"), (unlanded, "submitted")):
        order_id = an_order(oee)
        until_status(oee, order_id, status)
        for words in (("--timeout", "0"), ("--timeout", "50ms")):
            done = oee("wait", order_id, *words)
            assert (done.code, done.out) == (8, "")
            name = order_id[-6:]
            assert f"{name}: still {status} after {words[1].replace('0', '0ms', words[1] == '0')}" in done.err
            assert f"The order goes on: oee wait {name}" in done.err
        assert oee("watch", order_id, "--timeout", "50ms").code == 8
        assert oee("submit", "SOL", "USDC", "0.01", "--wait", "--timeout", "50ms").code == 8
        assert oee("submit", "SOL", "USDC", "0.01", "--wait", "--timeout", "0", "--json").record["status"]


def test_wait_for_submitted_does_not_wait_for_the_end(unlanded: Oee) -> None:
    order_id = an_order(unlanded)
    done = unlanded("wait", order_id, "--for", "submitted", "--timeout", "20s", "--json")
    assert (done.code, done.record["status"]) == (0, "submitted")


def test_watch_without_a_terminal_prints_a_line_per_change(oee: Oee) -> None:
    order_id = an_order(oee)
    done = oee("watch", order_id[-8:])
    assert done.code == 0
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert is_confirmed_life(row[2] for row in rows), rows
    assert {(len(row), row[1]) for row in rows} == {(4, order_id[-6:])}
    assert [event["status"] for event in oee("watch", order_id, "--json").records][-1] == "confirmed"
    assert oee("watch", order_id, "-q").out.strip() == order_id


def test_watch_without_ids_watches_what_is_open(oee: Oee, daemon: RunningDaemon) -> None:
    daemon.settle()
    done = oee("watch")
    assert (done.code, done.out, done.err) == (0, "", "No order is open.\n")


def test_watch_of_several_orders_names_each_line_by_its_order(oee: Oee) -> None:
    ids = [an_order(oee) for _ in range(2)]
    rows = [line.split("\t") for line in oee("watch", *ids).out.splitlines()]
    assert {len(row) for row in rows} == {4}
    for order_id in ids:
        mine = [row for row in rows if row[1] == order_id[-6:]]
        assert is_confirmed_life(row[2] for row in mine), mine
        assert [row[0] for row in mine] == sorted(row[0] for row in mine)
    failed = oee("submit", "SOL", "USDC", "0.01", "--min-out", "1000", "-q").out.strip()
    assert oee("watch", "-", "-q", stdin=f"{failed}\n{ids[0]}\n").code == 6


# cancel and retry


def test_cancel_exits_0_once_it_is_cancelled_and_waiting_for_it_10(undecided: Oee) -> None:
    order_id = an_order(undecided)
    done = undecided("cancel", order_id[-8:])
    assert (done.code, done.out) == (0, f"{order_id[-6:]} cancelled\n")
    assert undecided("cancel", order_id, "-q").out.strip() == order_id
    assert undecided("wait", order_id).code == 10
    assert undecided("wait", order_id, "--json").record["status"] == "cancelled"


def test_cancel_comes_too_late_for_what_was_sent(unlanded: Oee) -> None:
    order_id = an_order(unlanded)
    until_status(unlanded, order_id, "submitted")
    done = unlanded("cancel", order_id)
    assert (done.code, done.out) == (5, "")
    assert f"{order_id[-6:]} Too late" in done.err
    assert unlanded("cancel", order_id, "--json").error["code"] == "too_late_to_cancel"


def test_cancel_all_cancels_what_is_open(undecided: Oee) -> None:
    placed = {an_order(undecided), an_order(undecided)}
    done = undecided("cancel", "--all", "-q")
    assert done.code == 0
    assert placed <= set(done.out.split())
    assert undecided("list", "--status", "open", "-q").out == ""
    assert undecided("cancel", "--all").err == "No order is open.\n"
    assert undecided("cancel").code == undecided("cancel", "abcd", "--all").code == 2


def test_a_wrong_id_does_not_keep_the_others_from_being_cancelled(undecided: Oee) -> None:
    order_id = an_order(undecided)
    done = undecided("cancel", "nope", order_id)
    assert (done.code, done.out) == (3, f"{order_id[-6:]} cancelled\n")


def test_retry_places_a_new_order_of_what_definitely_failed(oee: Oee) -> None:
    failed = oee("submit", "SOL", "USDC", "0.01", "--min-out", "1000", "--wait", "--json").record
    new = oee("retry", failed["orderId"][-8:], "--slippage", "80bps", "--json").record
    assert (new["retryOf"], new["slippageBps"], new["amount"]) == (failed["orderId"], 80, "0.01")
    assert new["orderId"] != failed["orderId"]
    oee("wait", new["orderId"])
    talk = oee("retry", new["orderId"])
    assert talk.err == f"{new['orderId'][-6:]} -> {talk.out.strip()[-6:]}\n"
    oee("wait", talk.out.strip())


def test_retry_of_all_that_failed_takes_each_once(start_daemon: Callable[..., RunningDaemon]) -> None:
    oee = Oee(start_daemon().env)
    failed = [oee("submit", "SOL", "USDC", "0.01", "--min-out", n, "--wait", "-q").out.strip() for n in ("900", "800")]
    an_order(oee)
    new = oee("retry", "--failed", "--since", "1h", "--json").records
    assert [order["retryOf"] for order in new] == failed
    assert oee("wait", *(order["orderId"] for order in new)).code == 6
    again = oee("retry", "--failed", "--json").records
    assert [order["retryOf"] for order in again] == [order["orderId"] for order in new]


def test_retry_refuses_what_may_still_happen(oee: Oee, undecided: Oee) -> None:
    confirmed = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    assert (oee("retry", confirmed, "--json").code, oee("retry", confirmed, "--json").error["code"]) == (
        5,
        "not_retryable",
    )
    assert undecided("retry", an_order(undecided)).code == 5
    assert oee("retry").code == oee("retry", "--since", "1h", "abcd").code == 2


# the rest


def test_a_wrong_command_is_refused_with_the_one_that_is_meant(oee: Oee) -> None:
    done = oee("sumbit", "SOL", "USDC", "1")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith('No command "sumbit". Did you mean "submit"?')
    assert oee("daemon", "stat").err.startswith('No command "stat". Did you mean "start"?')
    assert oee("submit", "SOL", "USDC", "1", "--slipage", "3").err.startswith(
        "No such option: --slipage. Did you mean --slippage?"
    )


def test_help_is_everywhere(oee: Oee) -> None:
    overview = oee("--help")
    assert oee().out == overview.out
    assert "Orders:" in overview.out
    assert "oee submit SOL USDC 1.5 --wait" in overview.out
    for words in (("submit",), ("daemon", "stop"), ("config", "set")):
        assert oee("help", *words).out.rstrip() == oee(*words, "--help").out.rstrip() == oee(*words, "-h").out.rstrip()
    assert oee("help", "exit-codes").out.startswith("EXIT")
    assert oee("help", "nope").code == 3


@pytest.mark.parametrize("name", [name for name, _ in ENTRIES])
def test_help_begins_with_what_it_is_for_and_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    example = text.index(f"  oee {name}", text.index("\n"))
    sections = [text.index(head) for head in ("\nArguments:", "\nOptions:", "\nEverywhere:") if head in text]
    assert text.startswith(f"Usage: oee {name}")
    assert example < min(sections)
    assert max(map(len, text.splitlines())) <= 132


def test_letters_and_colours_are_as_the_environment_says(oee: Oee) -> None:
    oee("submit", "SOL", "USDC", "0.01", "--wait")
    plain = oee("list", "--limit", "1").out
    assert "\x1b" not in plain
    assert "● confirmed" in plain
    assert "\x1b[" in oee("list", "--limit", "1", FORCE_COLOR="1").out
    assert "\x1b" not in oee("list", "--limit", "1", FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[" in oee("list", "--limit", "1", "--color", "always", NO_COLOR="1").out
    letters = oee("list", "--limit", "1", OEE_ASCII="1").out
    assert "+ confirmed" in letters
    for words in (("status",), ("doctor",), ("quote", "SOL", "USDC", "1"), ("help", "formatting")):
        assert oee(*words, OEE_ASCII="1", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").out.isascii(), words


def test_flags_may_stand_before_the_command_too(oee: Oee) -> None:
    assert oee("--json", "version").record["schema"] == "oee.version/1"
    assert oee("version").out == f"oee {oee('version', '-q').out}"


def test_flags_that_exclude_each_other_are_refused(oee: Oee) -> None:
    assert oee("list", "--json", "-q").code == 2
    assert oee("list", "-q", "--field", "status").code == 2


def test_json_is_the_same_on_every_locale(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    plain = oee("show", order_id, "--json").out
    assert oee("show", order_id, "--json", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").out == plain
    ascii_only = oee("show", order_id, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert ascii_only.code == 0
    assert ascii_only.out.isascii()


def test_batches_can_be_large(oee: Oee, daemon: RunningDaemon) -> None:
    lines = (json.dumps({**AN_ORDER, "amount": "0.001"}) for _ in range(1_100))
    done = oee("batch", "-", "-q", stdin="\n".join(lines))
    assert (done.code, len(set(done.out.split()))) == (0, 1_100)
    daemon.settle()
