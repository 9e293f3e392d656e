"""The small languages of the command line: spans, limits, exit codes, batches; and the tables that must stay complete."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

from cli import batch_input, bps, durations, exits, registry, story, topics
from cli.exits import Exit
from cli.output import ORDER_FIELDS
from order_engine import orders
from order_engine.client import error_from
from order_engine.errors import ERROR_CODES, Busy, EngineError, Malformed, NotFound, UnknownToken
from order_engine.events import Pending
from order_engine.lifecycle import begin
from order_engine.messages import order_record
from order_engine.orders import OrderRequest
from tests.cli import records
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("250ms", 250),
        ("2s", 2_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("1w", 604_800_000),
    ],
)
def test_spans(text: str, ms: int) -> None:
    assert durations.read(text, "--timeout") == ms


@pytest.mark.parametrize("text", ["", "5", "1.5s", "-1s", "s", "2 s", "2S", "²s", "10000000000s", "1h30m"])
def test_what_is_no_span_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(Malformed, match="--timeout") as caught:
        durations.read(text, "--timeout")
    assert caught.value.field == "--timeout"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0ms"),
        (12.4, "12ms"),
        (999, "999ms"),
        (1_000, "1.0s"),
        (1_999, "1.9s"),
        (41_000, "41s"),
        (60_000, "1m"),
        (3_600_000, "1h"),
        (11_520_000, "3h12m"),
        (500_000_000, "5d"),
    ],
)
def test_spans_as_people_read_them(ms: float, text: str) -> None:
    assert durations.short(ms) == text


@pytest.mark.parametrize(("text", "value"), [("50bps", 50), ("50", 50), ("0.5%", 50), ("0bps", 0), (None, None)])
def test_limits(text: str | None, value: int | None) -> None:
    assert bps.read(text, "--slippage") == value


@pytest.mark.parametrize("text", ["", "x", "-1", "0.005", "0.001%", "5001bps", "51%", "1e2"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="--slippage"):
        bps.read(text, "--slippage")


def test_every_error_code_has_an_exit() -> None:
    assert {code for code in ERROR_CODES if exits.of_code(code) is Exit.BUG} == {"internal"}
    assert all(exits.of_code(code) is not Exit.OK for code in ERROR_CODES)


def test_every_exit_is_explained() -> None:
    assert set(exits.MEANINGS) == set(Exit)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (records.CONFIRMED, Exit.OK),
        (records.FAILED, Exit.FAILED),
        (records.order(status="failed", attempts=1, errorCode="price_impact_too_high"), Exit.REFUSED),
        (records.order(status="failed", attempts=1, errorCode="no_route"), Exit.REFUSED),
        (
            records.order(status="failed", attempts=2, errorCode="price_impact_too_high"),
            Exit.FAILED,
        ),  # one may have been sent
        (records.order(status="failed", attempts=1, errorCode="no_route", txHash="4sGj"), Exit.FAILED),
        (records.order(status="failed", attempts=1, errorCode="venue_unavailable"), Exit.FAILED),
        (records.CANCELLED, Exit.CANCELLED),
        (records.order(status="expired"), Exit.CANCELLED),
        (records.UNKNOWN, Exit.UNKNOWN),
        (records.order(status="submitted", settlement="in_flight"), Exit.PENDING),
        (records.ORDER, Exit.PENDING),
    ],
)
def test_an_order_exits_by_its_outcome(order: records.Record, code: Exit) -> None:
    assert exits.of_order(order) is code


def test_of_several_the_worst_counts_in_the_order_of_the_contract() -> None:
    order = [7, 6, 10, 8, 5, 3, 0]
    for number, worse in enumerate(order):
        for better in order[number:]:
            assert exits.worst([Exit(better), Exit(worse), Exit(better)]) == worse
    assert exits.worst([]) is Exit.OK
    for code in Exit:
        if code < Exit.INTERRUPTED and code is not Exit.UNKNOWN:
            assert exits.worst([code, Exit.UNKNOWN]) is Exit.UNKNOWN, "nothing may hide an order that may still land"
        if code < Exit.INTERRUPTED:
            assert exits.worst([Exit.OK, code]) is code


def test_the_fields_of_an_order_are_those_of_its_record() -> None:
    request = OrderRequest("SOL", "USDC", 10**9, 50, 300)
    assert set(ORDER_FIELDS) == set(order_record(begin("x", Pending(0, request))))


def test_the_words_for_being_over_are_those_of_the_engine() -> None:
    assert {status.value for status in orders.FINAL} == story.FINAL
    assert set(story.PATH) | story.FINAL == {status.value for status in orders.Status}


def entries(
    commands: Mapping[str, registry.Entry | registry.Group], words: str = ""
) -> Iterator[tuple[str, registry.Entry]]:
    for name, entry in commands.items():
        if isinstance(entry, registry.Group):
            yield from entries(entry.commands, f"{words}{name} ")
        else:
            yield f"{words}{name}", entry


ENTRIES = list(entries(registry.COMMANDS))


@pytest.mark.parametrize(("name", "entry"), ENTRIES)
def test_every_command_is_where_the_registry_says_and_says_the_same(name: str, entry: registry.Entry) -> None:
    module, _, function = entry.target.partition(":")
    text = getattr(import_module(module), function).__doc__
    first, _, rest = text.partition("\n")
    assert first == entry.help
    assert f"oee {name}" in rest, "no example"


def test_every_variable_that_is_read_is_explained() -> None:
    sources = [
        path.read_text() for folder in ("cli", "order_engine", "daemon") for path in (ROOT / folder).rglob("*.py")
    ]
    read = set(re.findall(r"\bOEE_[A-Z_]+[A-Z]\b", "".join(sources)))
    for_the_proofs_alone = {"OEE_FAILPOINT", "OEE_SIM_CRASH"}
    assert read - for_the_proofs_alone <= set(topics.ENVIRONMENT)


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = "import sys; from cli.main import run; run(['--help']); print([m for m in sys.modules if m.startswith('cli.commands.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def parsed(text: str, **defaults: Any) -> list[tuple[int, Any]]:
    lines = batch_input.read(io.StringIO(text, newline=""), defaults)
    return [(line.number, line.order.message if isinstance(line.order, EngineError) else line.order) for line in lines]


def test_a_batch_of_json_lines() -> None:
    first = '{"in":"SOL","out":"USDC","amount":0.10000000000000000055}'
    third = '{"inputToken":"SOL","amount":"1","slippage":"0.5%","key":"k"}'
    assert parsed(f"{first}\n\n{third}\n", slippageBps=30) == [
        (1, {"inputToken": "SOL", "outputToken": "USDC", "amount": "0.10000000000000000055", "slippageBps": 30}),
        (3, {"inputToken": "SOL", "amount": "1", "clientOrderId": "k", "slippageBps": 50}),
    ]


def test_a_batch_of_csv() -> None:
    text = "in,out,amount,slippage,key,maxImpactBps\r\nSOL,USDC,1.50,50bps,a,\r\nSOL,USDC,2, 0.5% ,,100\r\n"
    assert parsed(text, slippageBps=30) == [
        (2, {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.50", "clientOrderId": "a", "slippageBps": 50}),
        (3, {"inputToken": "SOL", "outputToken": "USDC", "amount": "2", "slippageBps": 50, "maxImpactBps": 100}),
    ]


def test_slippage_without_a_unit_is_a_fraction_in_json_and_refused_in_csv() -> None:
    assert parsed('{"amount":"1","slippage":0.01}', slippageBps=30) == [(1, {"amount": "1", "slippage": "0.01"})]
    assert parsed("amount,slippage\n1,0.5") == [(2, "slippage '0.5' has no unit.")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{bad", "Not JSON"),
        ("[1]", "Not a JSON object"),
        ('{"amount":NaN}', "NaN is not JSON"),
        ('{"amount":1,"amount":2}', "'amount' is given twice"),
        ('{"in":"SOL","inputToken":"SOL"}', "'inputToken' is given twice"),
        ('{"slippage":"60%"}', "more slippage than"),
        ("{" + '"a":[' * 100_000, "Not JSON"),
    ],
)
def test_a_line_that_is_not_understood_is_an_error_at_its_place(line: str, says: str) -> None:
    good = '{"amount":"1"}'
    first, second, third = parsed(f"{good}\n{line}\n{good}\n")
    assert (first[1], third) == ({"amount": "1"}, (3, {"amount": "1"}))
    assert second[0] == 2
    assert says in second[1]


@pytest.mark.parametrize("header", ["in,out,amnt", "in,in,amount", "in,inputToken,amount", "SOL,USDC,1"])
def test_a_csv_header_that_is_not_understood_ends_the_batch_before_it_begins(header: str) -> None:
    with pytest.raises(Malformed, match="Nothing was sent"):
        parsed(f"{header}\nSOL,USDC,1\n")


def test_a_batch_that_is_no_text_is_refused() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b'{"amount":"\xff"}\n'), encoding="utf-8")
    with pytest.raises(Malformed, match="not UTF-8"):
        list(batch_input.read(stream, {}))


def test_an_empty_batch_is_empty() -> None:
    assert parsed("") == parsed("\n\n") == []


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_every_problem_document_becomes_an_error_of_its_kind(code: str) -> None:
    error = error_from({"code": code, "message": "m", "hint": "h", "field": "f"}, 400)
    assert (error.code, error.message, error.hint, error.field) == (code, "m", "h", "f")


def test_kinds_of_errors() -> None:
    assert isinstance(error_from({"code": "unknown_token", "message": "m"}), UnknownToken)
    assert isinstance(error_from({"code": "not_found", "message": "m"}), NotFound)
    busy = error_from({"code": "over_capacity", "message": "m"}, 429, "7")
    assert isinstance(busy, Busy)
    assert busy.retry_after_s == 7


def test_an_error_code_of_a_newer_daemon_is_not_lost() -> None:
    assert error_from({"code": "new_thing", "message": "m"}, 422).message == "new_thing: m"
    assert error_from({}, 502).code == "internal"


def test_no_file_of_the_commands_is_forgotten() -> None:
    files = {path.stem for path in (ROOT / "cli" / "commands").glob("*.py")} - {"__init__"}
    named = {entry.target.split(":")[0].rpartition(".")[2] for _, entry in ENTRIES}
    assert files == named
