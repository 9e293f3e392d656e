"""Receipts: `oee route receipt` fetches what `oee route verify` checks without a daemon; every part that was changed is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from order_engine.routes import FREE, Exact
from order_engine.routing.best import Found, best_plan
from order_engine.routing.receipts import LEFT_OUT, Receipt, receipt_record
from order_engine.venues.simulated.genesis import genesis
from order_engine.venues.snapshot import Listing, Snapshot
from tests.cli.conftest import Oee

NOW = 1_700_000_000


def a_receipt(
    token_in: str = "SOL", token_out: str = "USDC", amount: int = 10**12, exact: Exact = "in"
) -> dict[str, Any]:
    """The record of a receipt of this question, in the market in which every home begins."""
    world = genesis()
    states = tuple(
        Listing(each.dex, each.address, each.token_a, each.token_b, world.pools[each.address])
        for each in world.listings
    )
    snapshot = Snapshot(812, NOW, states)
    found = best_plan(snapshot, token_in, token_out, amount, exact, FREE)
    assert isinstance(found, Found)
    record: dict[str, Any] = json.loads(json.dumps(receipt_record(Receipt(found.plan, found.proof, states))))
    return record


class Done:
    """What a run in this process printed, and how it ended."""

    def __init__(self, code: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.code = code
        self.out, self.err = capsys.readouterr()


Verify = Callable[..., Done]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Verifies a record, or bytes, from a file, where no daemon is and none is started."""
    monkeypatch.setenv("OEE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OEE_AUTOSTART", "0")

    def verified(content: dict[str, Any] | bytes, *flags: str) -> Done:
        file = tmp_path / "receipt.json"
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return Done(run(["route", "verify", str(file), *flags]), capsys)

    return verified


def test_a_receipt_that_holds_says_what_it_proves_and_what_not(verify: Verify) -> None:
    done = verify(a_receipt())
    assert done.code == 0
    said, bound = done.out.split(" USDC, no route could pay more than ")
    assert float(said.removeprefix("holds: pays ")) <= float(bound.split()[0])
    assert " bps); checked 25 pools of height 812 in " in bound
    assert done.err.splitlines() == ["The bound leaves out:", *(f"- {sentence}" for sentence in LEFT_OUT)]


def test_one_for_an_amount_to_receive_bounds_what_is_taken(verify: Verify) -> None:
    done = verify(a_receipt(amount=200 * 10**6, exact="out"))
    assert done.code == 0
    assert done.out.startswith("holds: takes 1.2")
    assert " SOL for 200 USDC, no route could take less than 1.2" in done.out


def test_with_json_the_verdict_is_a_record_and_a_field_is_one_value(verify: Verify) -> None:
    receipt = a_receipt()
    done = verify(receipt, "--json")
    verdict = json.loads(done.out)
    assert (done.code, done.err, verdict["schema"]) == (0, "", "oee.verdict/1")
    assert (verdict["holds"], verdict["problems"], verdict["pools"], verdict["height"]) == (True, [], 25, 812)
    assert (verdict["amountIn"], verdict["leftOut"]) == ("1000", list(LEFT_OUT))
    assert verify(receipt, "--field", "digest").out == f"{receipt['digest']}\n"
    assert verify(receipt, "--field", "gap_bps").out == f"{verdict['gapBps']}\n"


def more(text: str) -> str:
    return str(int(text) + 1)


def test_a_route_that_pays_more_than_its_pools_do_not_hold(verify: Verify) -> None:
    receipt = a_receipt()
    receipt["plan"]["amountOut"] = more(receipt["plan"]["amountOut"])
    done = verify(receipt)
    assert done.code == 6
    assert done.out.startswith("does not hold: ")
    assert done.err.startswith("plan: it pays ")


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("states", lambda receipt: receipt.update(height=813)),
        ("states", lambda receipt: receipt["pools"].pop()),
        ("bound", lambda receipt: receipt.update(bound=more(receipt["bound"]))),
        ("net_bound", lambda receipt: receipt.update(netBound=more(receipt["netBound"]))),
        ("gap_ppb", lambda receipt: receipt.update(gapPpb=more(receipt["gapPpb"]))),
        ("prices", lambda receipt: receipt["prices"].pop("USDC")),
    ],
)
def test_every_part_that_was_changed_is_named(
    part: str, change: Callable[[dict[str, Any]], object], verify: Verify
) -> None:
    receipt = a_receipt()
    change(receipt)
    done = verify(receipt, "--json")
    assert done.code == 6
    verdict = json.loads(done.out)
    assert not verdict["holds"]
    assert part in {problem["part"] for problem in verdict["problems"]}


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"schema":"oee.order/1"}', b"[" * 100_000])
def test_what_is_no_receipt_is_refused(content: bytes, verify: Verify) -> None:
    done = verify(content)
    assert (done.code, done.out) == (2, "")
    assert "receipt" in done.err
    assert "Traceback" not in done.err


def test_a_field_that_is_wrong_is_named(verify: Verify) -> None:
    receipt = a_receipt()
    receipt["plan"]["amountOut"] = 1.5
    assert "amountOut" in verify(receipt).err
    assert json.loads(verify(receipt, "--json").err)["field"] == "plan.amountOut"


def test_a_file_that_is_not_there_exits_3(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["route", "verify", str(tmp_path / "none")]) == 3
    assert run(["route", "verify", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


# with a daemon


def test_the_receipt_of_an_order_is_one_line_and_holds(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "5", "--route", "best", "--wait", "-q").out.strip()
    receipt = oee("route", "receipt", order_id[-8:])
    assert (receipt.code, receipt.err, receipt.record["schema"]) == (0, "", "oee.receipt/1")
    assert receipt.out == oee("route", "receipt", "-", "--json", stdin=f"{order_id}\n").out
    verdict = oee("route", "verify", "-", "--json", stdin=receipt.out, OEE_AUTOSTART="0")
    assert (verdict.code, verdict.record["holds"]) == (0, True)
    shown = oee("show", order_id, "--json").record
    assert (verdict.record["amountIn"], verdict.record["amountOut"]) == ("5", shown["quotedOutput"])
    assert verdict.record["gapBps"] == shown["gapBps"]


def test_an_order_that_was_routed_to_a_single_pool_has_no_receipt(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--route", "single", "--wait", "-q").out.strip()
    none = oee("route", "receipt", order_id, "--json")
    assert (none.code, none.out, none.error["code"]) == (3, "", "not_found")


def test_the_receipt_of_a_quote_goes_to_a_file_or_down_a_pipe(oee: Oee, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    done = oee("quote", "SOL", "USDC", "5", "--receipt", str(file))
    assert done.code == 0
    assert "Route: " in done.out
    assert f"Check it: oee route verify {file}" in done.err
    assert oee("route", "verify", str(file)).out.startswith("holds: pays ")
    piped = oee("quote", "SOL", "USDC", "--receive", "200", "--receipt", "-")
    assert oee("route", "verify", "-", stdin=piped.out).out.startswith("holds: takes ")
    assert "receipt" not in oee("quote", "SOL", "USDC", "5", "--receipt", str(file), "--json").record
    single = oee("quote", "SOL", "USDC", "5", "--route", "single", "--receipt", str(file))
    assert (single.code, "no receipt" in single.err) == (2, True)
    assert oee("quote", "SOL", "USDC", "5", "--receipt", str(tmp_path)).code == 2
