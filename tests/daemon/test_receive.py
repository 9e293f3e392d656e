"""Orders that say what they receive, routes over all pools, and their receipts, over HTTP."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon import schemas
from order_engine.routing.receipts import read_receipt, verify
from tests.conftest import AN_ORDER, RunningDaemon

Start = Callable[..., RunningDaemon]

BUYING = {"inputToken": "SOL", "outputToken": "USDC", "receive": "250.000001"}
LARGE = {"inputToken": "SOL", "outputToken": "USDC", "amount": "900", "slippageBps": 500}
QUOTE = "/api/quote?inputToken=SOL&outputToken=USDC"


def ended(daemon: RunningDaemon, order: dict[str, Any]) -> dict[str, Any]:
    order_id = daemon.submit(order)
    daemon.settle()
    found: dict[str, Any] = daemon.get(f"/api/orders/{order_id}")
    return found


def test_an_order_says_what_it_receives_and_gets_exactly_that(daemon: RunningDaemon) -> None:
    order = ended(daemon, BUYING | {"maxInput": "3", "slippageBps": 500})
    assert (order["status"], order["receive"], order["amountOut"]) == ("confirmed", "250.000001", "250.000001")
    assert (order["amount"], order["maxInput"], order["minOutput"]) == (None, "3", None)
    assert 0 < Decimal(order["amountIn"]) <= 3
    assert abs(Decimal(order["amountIn"]) * Decimal(order["executedPrice"]) - Decimal("250.000001")) < Decimal("0.001")
    (pending, _, building, submitted, confirmed) = daemon.get(f"/api/orders/{order['orderId']}/events")["items"]
    assert (pending["receive"], pending["maxInput"], pending["amount"]) == ("250.000001", "3", None)
    assert (building["quotedInput"], building["quotedOutput"]) == (order["quotedInput"], "250.000001")
    assert Decimal(building["quotedInput"]) <= Decimal(submitted["maxInput"]) <= 3
    assert (confirmed["amountIn"], confirmed["amountOut"]) == (order["amountIn"], "250.000001")


def test_a_maximum_below_the_price_fails_the_order_and_nothing_is_sold(daemon: RunningDaemon) -> None:
    order = ended(daemon, BUYING | {"maxInput": "0.5"})
    assert (order["status"], order["errorCode"], order["amountIn"]) == ("failed", "slippage_exceeded", None)


@pytest.mark.parametrize(
    ("key", "order"), [("best", BUYING), ("single", BUYING | {"routing": "single"}), ("sold", LARGE)]
)
def test_the_same_key_and_order_is_the_same_order_after_the_market_moved(
    daemon: RunningDaemon, key: str, order: dict[str, Any]
) -> None:
    order = order | {"clientOrderId": f"test-receive-{key}"}
    first = ended(daemon, order)
    ended(daemon, LARGE)
    again = daemon.call("POST", "/api/orders", order)
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.record["orderId"] == first["orderId"]


def test_a_route_over_several_pools_is_told_swap_by_swap_and_adds_up(daemon: RunningDaemon) -> None:
    order = ended(daemon, LARGE)
    assert order["status"] == "confirmed"
    assert len(order["route"]) > 1
    sold = sum(Decimal(leg["amountIn"]) for leg in order["route"] if leg["inputToken"] == "SOL")
    bought = sum(Decimal(leg["amountOut"]) for leg in order["route"] if leg["outputToken"] == "USDC")
    back = sum(Decimal(leg["amountOut"]) for leg in order["route"] if leg["outputToken"] == "SOL")
    onward = sum(Decimal(leg["amountIn"]) for leg in order["route"] if leg["inputToken"] == "USDC")
    assert (sold - back, bought - onward) == (900, Decimal(order["amountOut"]))
    assert Decimal(order["gapBps"]) >= 0
    fees = {fee["token"]: Decimal(fee["amount"]) for fee in order["fees"]}
    for token, units in fees.items():
        assert units == sum(Decimal(leg["fee"]) for leg in order["route"] if leg["feeToken"] == token)


def test_a_pair_that_no_pool_trades_needs_a_route_over_several(daemon: RunningDaemon) -> None:
    pair = {"inputToken": "WIF", "outputToken": "BONK", "amount": "10"}
    refused = daemon.call("POST", "/api/orders", pair | {"routing": "single"})
    assert (refused.status, refused.record["code"]) == (422, "no_route")
    assert ended(daemon, pair)["status"] == "confirmed"


# receipts


def test_a_receipt_can_be_checked_without_the_daemon_and_fits_its_order(daemon: RunningDaemon) -> None:
    for body in (BUYING, LARGE):
        order = ended(daemon, body)
        reply = daemon.call("GET", f"/api/orders/{order['orderId']}/receipt")
        assert reply.status == 200, (order, daemon.get(f"/api/orders/{order['orderId']}/events"))
        receipt = read_receipt(reply.body)
        assert verify(receipt) == []
        told = reply.record
        assert (told["schema"], told["plan"]["outputToken"]) == ("oee.receipt/1", "USDC")
        assert Decimal(told["plan"]["amountOut"]) == Decimal(order["quotedOutput"]) * 10**6
        assert Decimal(told["plan"]["amountIn"]) == Decimal(order["quotedInput"]) * 10**9
        assert Decimal(told["gapPpb"]) == Decimal(order["gapBps"]) * 10**5
        events = daemon.get(f"/api/orders/{order['orderId']}/events")["items"]
        assert events[2]["poolsHeight"] == told["height"]


def test_a_receipt_that_was_tampered_with_does_not_hold(daemon: RunningDaemon) -> None:
    order = ended(daemon, LARGE)
    told = daemon.get(f"/api/orders/{order['orderId']}/receipt")
    for name in ("bound", "netBound", "gapPpb"):
        better = told | {name: str(int(told[name]) - 1)}
        part = {"bound": "bound", "netBound": "net_bound", "gapPpb": "gap_ppb"}[name]
        assert part in [problem.part for problem in verify(read_receipt(json.dumps(better).encode()))]


def test_a_receipt_is_there_after_a_restart(start_daemon: Start, tmp_path: Path) -> None:
    world = start_daemon(tmp_path)
    order = ended(world, LARGE)
    receipt = world.get(f"/api/orders/{order['orderId']}/receipt")
    assert world.stop() == 0
    assert start_daemon(tmp_path).get(f"/api/orders/{order['orderId']}/receipt") == receipt


def test_an_order_over_a_single_pool_and_one_that_is_not_there_have_no_receipt(daemon: RunningDaemon) -> None:
    single = ended(daemon, AN_ORDER | {"routing": "single"})
    assert (single["gapBps"], len(single["route"])) == (None, 1)
    for order_id in (single["orderId"], "01a1f8b2-7639-773c-b000-fb2bdb14d28a"):
        reply = daemon.call("GET", f"/api/orders/{order_id}/receipt")
        assert (reply.status, reply.record["code"]) == (404, "not_found")


# quotes


def test_a_quote_for_what_is_to_be_received_says_what_it_takes(daemon: RunningDaemon) -> None:
    daemon.settle()
    single, best = (daemon.get(f"{QUOTE}&receive=5000&routing={routing}") for routing in ("single", "best"))
    assert (single["receive"], single["amount"], single["quotedOutput"]) == ("5000", None, "5000")
    offers = [offer for offer in single["quotes"] if "netInput" in offer]
    assert single["best"] == min(offers, key=lambda offer: Decimal(offer["netInput"]))["dex"]
    assert all(Decimal(offer["amountOut"]) == 5_000 for offer in offers)
    assert Decimal(best["quotedInput"]) <= Decimal(single["quotedInput"])
    assert (single["gapBps"], len(single["route"])) == (None, 1)


def test_a_quote_explains_every_pool_that_it_uses_or_leaves_alone(daemon: RunningDaemon) -> None:
    daemon.settle()
    quote = daemon.get(f"{QUOTE}&amount=900&explain=true")
    msgspec.convert(quote, schemas.Quote, strict=True)
    told = quote["explanation"]
    swaps: dict[str, tuple[Decimal, Decimal]] = {}  # by pool: a route may come to one twice
    for leg in quote["route"]:
        given, got = swaps.get(leg["pool"], (Decimal(0), Decimal(0)))
        swaps[leg["pool"]] = given + Decimal(leg["amountIn"]), got + Decimal(leg["amountOut"])
    assert {each["pool"]: (Decimal(each["amountIn"]), Decimal(each["amountOut"])) for each in told["used"]} == swaps
    assert len(told["used"]) == len(swaps)
    pools = {pool["pool"] for pool in daemon.get("/api/pools")["items"]}
    assert {each["pool"] for each in [*told["used"], *told["unused"]]} == pools
    assert Decimal(told["bound"]) >= Decimal(quote["quotedOutput"])
    assert told["gapBps"] == quote["gapBps"]
    assert "receipt" not in quote


def test_a_quote_comes_with_a_receipt_that_holds_where_it_is_wanted(daemon: RunningDaemon) -> None:
    for more in ("amount=900", "receive=5000"):
        quote = daemon.get(f"{QUOTE}&{more}&receipt=true")
        assert verify(read_receipt(json.dumps(quote["receipt"]).encode())) == []
        assert "explanation" not in quote
    single = daemon.get(f"{QUOTE}&amount=900&routing=single&receipt=true&explain=true")
    assert (single["receipt"], single["explanation"]) == (None, None)
    assert {"receipt", "explanation"}.isdisjoint(daemon.get(f"{QUOTE}&amount=900"))


def test_the_home_says_how_a_silent_order_is_routed(start_daemon: Start, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text('routing = "single"\n')
    world = start_daemon(tmp_path)
    assert ended(world, AN_ORDER)["routing"] == "single"
    assert world.get(f"{QUOTE}&amount=1")["routing"] == "single"
    assert ended(world, AN_ORDER | {"routing": "best"})["routing"] == "best"
