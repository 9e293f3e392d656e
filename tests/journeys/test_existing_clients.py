"""Five kinds of client that existed before this engine, each written as its own system documents it, plus the token header.

They are the promise that moving over costs one header.
"""

import asyncio
import json
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.sync.client import connect as connect_sync

from tests.conftest import RunningDaemon
from tests.lives import is_confirmed_life
from tests.waiting import until


def _follow(socket: Any) -> list[dict[str, Any]]:
    """Every event until the last status."""
    events = []
    for text in socket:
        event = json.loads(text)
        if "status" in event:
            events.append(event)
            if event["status"] in ("confirmed", "failed"):
                break
    return events


def test_a_client_hears_of_all_orders_on_one_socket(daemon: RunningDaemon) -> None:
    with connect_sync(f"{daemon.ws_url}/ws", additional_headers=daemon.headers) as socket:
        socket.send(json.dumps({"type": "subscribe", "orderId": "*"}))
        assert json.loads(socket.recv())["type"] == "subscribed"
        with httpx.Client(base_url=daemon.url, headers=daemon.headers) as http:
            orders = {
                http.post("/api/orders/execute", json={"inputToken": a, "outputToken": b, "amount": n}).json()[
                    "orderId"
                ]
                for a, b, n in [("SOL", "USDC", 1.5), ("USDC", "SOL", 20), ("JUP", "USDC", 100)]
            }
        seen: dict[str, list[str]] = {}
        for text in socket:
            event = json.loads(text)
            seen.setdefault(event["orderId"], []).append(event["status"])
            if all(seen.get(order, [""])[-1] == "confirmed" for order in orders):
                break
        assert all(is_confirmed_life(seen[order]) for order in orders), seen


def test_b_client_posts_snake_case_and_then_opens_the_orders_own_socket(daemon: RunningDaemon) -> None:
    body = {"input_token": "SOL", "output_token": "USDC", "amount": 1.5}
    answer = httpx.post(f"{daemon.url}/api/orders", json=body, headers=daemon.headers)
    assert answer.status_code == 202
    order_id = answer.json()["orderId"]
    with connect_sync(f"{daemon.ws_url}/api/orders/{order_id}", additional_headers=daemon.headers) as socket:
        events = [json.loads(text) for text in socket]
    assert is_confirmed_life(event["status"] for event in events), events
    assert socket.close_code == 1000


def test_c_client_checks_health_posts_camel_case_and_subscribes(daemon: RunningDaemon) -> None:
    health = httpx.get(daemon.url)
    assert health.status_code == 200
    assert health.json().items() >= {"status": "ok", "service": "Order Execution Engine"}.items()
    body = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}
    answer = httpx.post(f"{daemon.url}/api/orders/execute", json=body, headers=daemon.headers)
    assert answer.status_code == 202
    assert answer.json()["message"] == "Order received"
    with connect_sync(f"{daemon.ws_url}/ws", additional_headers=daemon.headers) as socket:
        socket.send(json.dumps({"type": "subscribe", "orderId": answer.json()["orderId"]}))
        assert is_confirmed_life(event["status"] for event in _follow(socket))


def test_d_client_submits_and_follows_on_one_connection(daemon: RunningDaemon) -> None:
    with connect_sync(f"{daemon.ws_url}/orders/execute", additional_headers=daemon.headers) as socket:
        socket.send(json.dumps({"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1.5, "slippage": 0.01}))
        events = _follow(socket)
    assert is_confirmed_life(event["status"] for event in events), events
    pending, confirmed = events[0], events[-1]
    assert pending["slippageBps"] == 100
    assert confirmed["routedDex"] in ("raydium", "meteora", "orca")
    assert float(confirmed["executedPrice"]) > 0
    assert len(confirmed["txHash"]) > 80
    assert confirmed["timestamp"].endswith("Z")


def test_e_client_posts_ten_at_once_and_finds_each_price_comparison_in_the_log(daemon: RunningDaemon) -> None:
    async def ten() -> list[str]:
        async with httpx.AsyncClient(base_url=daemon.url, headers=daemon.headers) as http:
            body = {"inputToken": "SOL", "outputToken": "USDC", "amount": 0.5, "slippage": 0.05}
            answers = await asyncio.gather(*(http.post("/api/orders/execute", json=body) for _ in range(10)))
        orders = [answer.json()["orderId"] for answer in answers]
        assert [await _outcome(order) for order in orders] == ["confirmed"] * 10
        return orders

    async def _outcome(order: str) -> str:
        socket: ClientConnection
        async with connect(f"{daemon.ws_url}/api/orders/{order}", additional_headers=daemon.headers) as socket:
            return str([json.loads(text) async for text in socket][-1]["status"])

    orders = asyncio.run(ten())

    def comparisons() -> dict[str, dict[str, Any]]:
        log = daemon.home.log_file
        files = sorted(log.parent.glob(f"{log.name}*"))  # it may have begun a new one meanwhile
        lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        decided = [line for line in lines if line.get("status") == "building"]
        return {line["orderId"]: {quote["dex"]: quote for quote in line["quotes"]} for line in decided}

    until(lambda: set(orders) <= comparisons().keys(), "the log of ten decisions")  # another thread writes it
    compared = comparisons()
    for order in orders:
        assert set(compared[order]) == {"raydium", "meteora", "orca"}
        assert all(quote["netOutput"] or quote["reason"] for quote in compared[order].values())
