"""Every record has exactly the fields, and the types, of its golden file: a program that reads them today reads them for ever.

`golden/NAME.json` is the promise for `oee.NAME/1`. A field may be added there, together with the record; none is ever taken away,
renamed or given another type, for which there would be a `/2`.

A shape is: some of "string", "integer", "boolean", "null" and "absent" with | between; an object of shapes; {"each": […]}, a
list whose items have one of the shapes; {"any name": shape}; {"or null": shape} and {"or absent": shape}; {"anything": why}. The
facts of an event depend on its status: "when".
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from order_engine import messages
from order_engine.simulation import mutants
from tests.cli.conftest import Done, Oee
from tests.conftest import RunningDaemon

GOLDEN = {path.stem: json.loads(path.read_text()) for path in (Path(__file__).parent / "golden").glob("*.json")}
WORDS = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def wrong(value: Any, shape: Any, place: str = "") -> Iterator[str]:
    """What of a value is not as its shape says."""
    if isinstance(shape, str):
        if WORDS.get(type(value)) not in shape.split("|"):
            yield f"{place} is {value!r}, not {shape}"
    elif "anything" in shape:
        return
    elif "or null" in shape:
        yield from () if value is None else wrong(value, shape["or null"], place)
    elif "or absent" in shape:
        yield from wrong(value, shape["or absent"], place)
    elif "each" in shape:
        for number, item in enumerate(value):
            found = [list(wrong(item, one, f"{place}[{number}]")) for one in shape["each"]]
            if all(found):
                yield from min(found, key=len)
    elif "any name" in shape:
        for name, item in value.items():
            yield from wrong(item, shape["any name"], f"{place}.{name}")
    else:
        known = {name: one for name, one in shape.items() if name in value or "absent" not in str(one)}
        yield from (f"{place}.{name} is not promised" for name in value.keys() - known.keys())
        yield from (f"{place}.{name} is missing" for name in known.keys() - value.keys())
        for name in known.keys() & value.keys():
            yield from wrong(value[name], known[name], f"{place}.{name}")


def shape_of(record: dict[str, Any]) -> Any:
    """What is promised of this record."""
    golden = GOLDEN[record["schema"].removeprefix("oee.").removesuffix("/1")]
    assert golden["schema"] == record["schema"]
    if "when" not in golden:
        return golden["record"]
    unanswered = record["status"] == "submitted" and record["settlement"] == "unknown"
    return golden["record"] | golden["when"]["unanswered" if unanswered else record["status"]]


def check(*records: dict[str, Any]) -> None:
    assert records
    for record in records:
        assert list(wrong(record, shape_of(record), record["schema"])) == []


@pytest.fixture(scope="module")
def lived(start_daemon: Callable[..., RunningDaemon]) -> Oee:
    """`oee` with a daemon to whose orders everything has happened that can."""
    oee = Oee(start_daemon().env)
    oee("submit", "SOL", "USDC", "0.01", "--wait")
    oee("submit", "SOL", "USDC", "0.01", "--min-out", "9999", "--wait", "--key", "mine")
    oee("sim", "fault", "add", "lose-answer", "--key", "lost", "--times", "1", "--for", "1h")
    oee("submit", "SOL", "USDC", "0.01", "--wait", "--key", "lost")
    oee("retry", "--failed")
    oee("wait", "-", stdin=oee("list", "-q").out)
    return oee


def test_orders(lived: Oee, undecided: Oee, unlanded: Oee) -> None:
    orders = lived("list", "--json").records
    assert {order["status"] for order in orders} == {"confirmed", "failed"}
    cancelled = undecided("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    undecided("cancel", cancelled)
    sent = unlanded("submit", "SOL", "USDC", "0.01", "-q").out.strip()
    unlanded("wait", sent, "--for", "submitted")
    check(*orders, undecided("show", cancelled, "--json").record, unlanded("show", sent, "--json").record)
    shown = lived("show", "-", "--events", "--json", stdin=orders[0]["orderId"]).record
    check(*shown.pop("events"))
    check(shown)


def test_events(lived: Oee, undecided: Oee) -> None:
    events = lived("events", "--json").records
    check(*events)
    check(*undecided("events", "--type", "cancelled", "--json").records)
    assert {event["status"] for event in events} == {
        "pending",
        "routing",
        "building",
        "submitted",
        "confirmed",
        "failed",
    }
    assert any("previousError" in event for event in events)
    assert any(event.get("settlement") == "unknown" for event in events)


def test_quotes(lived: Oee) -> None:
    check(*(lived("quote", token, "USDC", "1", "--json").record for token in ("SOL", "JUP", "BONK")))
    check(lived("quote", "BONK", "USDC", "1", "--route", "single", "--json").record)
    check(lived("quote", "SOL", "USDC", "--receive", "200", "--explain", "--json").record)


def test_receipts_and_verdicts(lived: Oee) -> None:
    order = lived("submit", "SOL", "USDC", "--receive", "20", "--wait", "-q").out.strip()
    receipt = lived("route", "receipt", order, "--json")
    verdict = lived("route", "verify", "-", "--json", stdin=receipt.out)
    check(receipt.record, verdict.record, lived("show", order, "--json").record)
    check(*lived("show", order, "--events", "--json").record["events"])


@pytest.mark.parametrize(
    "words",
    [("status",), ("daemon", "status"), ("venues",), ("pools",), ("tokens",), ("balances",), ("sim", "fault", "list"),
     ("config", "show"), ("config", "path"), ("doctor",), ("version",), ("sim", "run", "--orders", "20"),
     ("sim", "crash", "--point", "mid-submit"), ("pools", "SOL", "USDC"), ("sim", "market")],
)  # fmt: skip
def test_what_else_there_is(lived: Oee, words: tuple[str, ...]) -> None:
    check(*lived(*words, "--json").records)


def test_a_mutant(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = next(iter(mutants.MUTANTS))
    verdicts = [mutants.Verdict(mutant, caught, 0.5) for caught in ("nothing is paid twice", None)]
    monkeypatch.setattr(mutants, "try_all", lambda _: iter(verdicts))
    run(["sim", "mutants", "--json"])
    check(*map(json.loads, capsys.readouterr().out.splitlines()))


@pytest.mark.parametrize(
    "words",
    [("show", "nope"), ("submit", "SOL", "BONKK", "1"), ("submit", "SOL", "USDC", "99999999"), ("list", "--nope"), ("sumbit",)],
)  # fmt: skip
def test_errors(lived: Oee, words: tuple[str, ...]) -> None:
    check(lived(*words, "--json").error)


def test_an_error_of_a_batch_names_its_line_and_one_of_an_order_its_id(lived: Oee) -> None:
    of_a_line: Done = lived("batch", "-", "--json", stdin='{"in":"SOL"}\n{bad\n')
    assert [record["line"] for record in of_a_line.records] == [1, 2]
    confirmed = lived("list", "--status", "confirmed", "--limit", "1", "-q").out.strip()
    of_an_order = lived("cancel", confirmed, "--json").error
    assert of_an_order["orderId"] == confirmed
    check(*of_a_line.records, of_an_order)


def test_every_schema_that_there_is_has_a_golden_file() -> None:
    folders = [Path(messages.__file__).parent, Path(messages.__file__).parent.parent / "cli"]
    sources = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    assert set(re.findall(r"oee\.[a-z]+/1", sources)) == {golden["schema"] for golden in GOLDEN.values()}


def test_a_change_would_be_noticed() -> None:
    golden = GOLDEN["balance"]["record"]
    good = {"schema": "oee.balance/1", "token": "SOL", "free": "1", "reserved": "0", "total": "1"}
    assert list(wrong(good, golden)) == []
    assert list(wrong(good | {"free": 1.5}, golden)) == [".free is 1.5, not string"]
    assert list(wrong(good | {"new": 1}, golden)) == [".new is not promised"]
    assert list(wrong({**good, "free": None}, golden)) == [".free is None, not string"]
    del good["total"]
    assert list(wrong(good, golden)) == [".total is missing"]
