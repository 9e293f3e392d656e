"""Orders over HTTP: what is accepted is on disk, once, and can be found again."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import AN_ORDER, RunningDaemon
from tests.lives import is_confirmed_life

FINAL = ("confirmed", "failed", "cancelled", "expired")


def _key(request: pytest.FixtureRequest) -> str:
    """A client order id that no other test has."""
    return f"{request.node.name}-1"


def _finish(daemon: RunningDaemon, order_id: str) -> dict[str, Any]:
    daemon.settle()
    order: dict[str, Any] = daemon.get(f"/api/orders/{order_id}")
    return order


@pytest.mark.parametrize(
    "path", ["/api/orders", "/api/orders/execute", "/orders/execute", "/api/orders/", "//api//orders"]
)
def test_an_order_is_accepted_at_each_of_its_addresses(daemon: RunningDaemon, path: str) -> None:
    reply = daemon.call("POST", path, AN_ORDER)
    assert reply.status == 202
    order = reply.record
    assert (order["schema"], order["status"], order["message"]) == ("oee.order/1", "pending", "Order received")
    assert reply.headers["location"] == f"/api/orders/{order['orderId']}"
    assert _finish(daemon, order["orderId"])["status"] == "confirmed"


def test_an_order_tells_its_whole_history(daemon: RunningDaemon) -> None:
    order_id = daemon.submit()
    order = _finish(daemon, order_id)
    events = daemon.get(f"/api/orders/{order_id}/events")
    assert is_confirmed_life(event["status"] for event in events["items"]), events
    assert events["next"] is None
    assert events["items"][-1]["seq"] == order["seq"]
    assert order == daemon.get(f"/api/orders/{order_id.upper()}")


def test_the_same_key_with_the_same_order_is_the_same_order(
    daemon: RunningDaemon, request: pytest.FixtureRequest
) -> None:
    order = AN_ORDER | {"clientOrderId": _key(request)}
    first = daemon.call("POST", "/api/orders", order)
    again = daemon.call("POST", "/api/orders", AN_ORDER | {"amount": 0.01}, {"Idempotency-Key": _key(request)})
    assert (first.status, again.status) == (202, 200)
    assert again.record["orderId"] == first.record["orderId"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


def test_the_same_key_with_another_order_is_a_conflict(daemon: RunningDaemon, request: pytest.FixtureRequest) -> None:
    key = {"Idempotency-Key": _key(request)}
    first = daemon.call("POST", "/api/orders", AN_ORDER, key)
    daemon.settle()
    before = daemon.quiet_seq()
    other = daemon.call("POST", "/api/orders", AN_ORDER | {"amount": "0.02"}, key)
    assert (other.status, other.record["code"]) == (409, "duplicate_client_order_id")
    assert first.record["orderId"] in other.record["message"]
    assert daemon.seq() == before


def test_a_key_sent_many_times_at_once_is_one_order(daemon: RunningDaemon, request: pytest.FixtureRequest) -> None:
    with ThreadPoolExecutor(32) as pool:
        replies = list(
            pool.map(
                lambda _: daemon.call("POST", "/api/orders", AN_ORDER, {"Idempotency-Key": _key(request)}), range(200)
            )
        )
    assert len({reply.record["orderId"] for reply in replies}) == 1
    assert sorted(reply.status for reply in replies) == [200] * 199 + [202]
    assert len(daemon.get(f"/api/orders?key={quote(_key(request))}")["items"]) == 1


def test_a_check_that_says_no_is_422_and_stores_nothing(daemon: RunningDaemon) -> None:
    daemon.settle()
    before = daemon.quiet_seq()
    reply = daemon.call("POST", "/api/orders", AN_ORDER | {"amount": "1000000"})
    assert (reply.status, reply.record["code"]) == (422, "insufficient_balance")
    assert daemon.seq() == before


def test_a_batch_answers_each_line_in_its_place(daemon: RunningDaemon, request: pytest.FixtureRequest) -> None:
    key = _key(request)
    lines = [
        json.dumps(AN_ORDER | {"clientOrderId": key}),
        "",
        "nonsense",
        json.dumps(AN_ORDER | {"clientOrderId": key}),
        json.dumps(AN_ORDER | {"clientOrderId": key, "amount": 1}),
        json.dumps({"tokenIn": "USDC", "tokenOut": "SOL", "amount": 1.5}) + "\r",
        json.dumps(AN_ORDER | {"amount": "1000000"}),
    ]
    reply = daemon.call(
        "POST", "/api/orders/batch", "\n".join(lines).encode(), {"Content-Type": "application/x-ndjson"}
    )
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/x-ndjson"
    one, nonsense, again, conflict, other, refused = reply.records
    assert one["schema"] == other["schema"] == "oee.order/1"
    assert again["orderId"] == one["orderId"]
    assert (nonsense["code"], nonsense["line"]) == ("invalid_request", 3)
    assert (conflict["code"], conflict["line"]) == ("duplicate_client_order_id", 5)
    assert (refused["code"], refused["line"]) == ("insufficient_balance", 7)
    assert (other["inputToken"], other["amount"]) == ("USDC", "1.5")


def test_the_lines_of_a_batch_share_commits(daemon: RunningDaemon) -> None:
    def counted() -> tuple[int, int]:
        text = daemon.call("GET", "/metrics").body.decode()
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return int(float(found["oee_commit_events_count"])), int(float(found["oee_commit_events_sum"]))

    daemon.settle()
    commits, events = counted()
    body = "\n".join([json.dumps(AN_ORDER)] * 500).encode()
    reply = daemon.call("POST", "/api/orders/batch", body, {"Content-Type": "application/x-ndjson"})
    assert [record["status"] for record in reply.records] == ["pending"] * 500
    assert len({record["orderId"] for record in reply.records}) == 500
    daemon.settle()
    commits_after, events_after = counted()
    assert events_after - events >= 5 * 500
    assert commits_after - commits < (events_after - events) / 2


def test_pages_lead_from_the_newest_order_to_the_oldest(daemon: RunningDaemon) -> None:
    placed = [daemon.submit() for _ in range(7)]
    found: list[str] = []
    cursor = ""
    while len(found) < 7:
        page = daemon.get(f"/api/orders?limit=3{cursor}")
        assert len(page["items"]) == 3
        found = [order["orderId"] for order in page["items"]] + found
        cursor = f"&cursor={page['next']}"
    assert found[-7:] == placed


def test_the_last_page_has_no_next(daemon: RunningDaemon, request: pytest.FixtureRequest) -> None:
    daemon.submit(AN_ORDER | {"clientOrderId": _key(request)})
    assert daemon.get(f"/api/orders?limit=1&key={quote(_key(request))}")["next"] is None


def test_orders_are_found_by_each_filter(daemon: RunningDaemon, request: pytest.FixtureRequest) -> None:
    order_id = daemon.submit({"tokenIn": "JUP", "tokenOut": "USDC", "amount": 3, "clientOrderId": _key(request)})
    order = _finish(daemon, order_id)
    assert order["status"] in FINAL
    soon = (datetime.fromisoformat(order["createdAt"]) + timedelta(days=1)).astimezone(UTC).isoformat()
    for query, expected in [
        (f"suffix={order_id[-12:]}", True),
        (f"suffix={order_id.upper()}", True),
        (f"key={quote(_key(request))}", True),
        (f"suffix={order_id[-12:]}&pair=USDC/JUP", True),
        (f"suffix={order_id[-12:]}&pair=SOL/USDC", False),
        (f"suffix={order_id[-12:]}&status=open", False),
        (f"suffix={order_id[-12:]}&status=open,{order['status']}", True),
        (f"suffix={order_id[-12:]}&dex={order['routedDex']}", True),
        (f"suffix={order_id[-12:]}&dex=nowhere", False),
        (f"suffix={order_id[-12:]}&since=1h", True),
        (f"suffix={order_id[-12:]}&since={quote(soon)}", False),
        (f"suffix={order_id[-12:]}&since={order['createdAt']}", True),
    ]:
        found = [each["orderId"] for each in daemon.get(f"/api/orders?{query}")["items"]]
        assert found == ([order_id] if expected else []), query


def test_the_log_is_read_in_pages_without_gaps(daemon: RunningDaemon) -> None:
    for _ in range(3):
        daemon.submit()
    daemon.settle()
    newest = daemon.seq()
    seen: list[int] = []
    since: str | None = "0"
    while since is not None:
        page = daemon.get(f"/api/events?since={since}&limit=1000")
        seen += [event["seq"] for event in page["items"]]
        since = page["next"]
    assert seen == list(range(1, newest + 1))
    assert daemon.get(f"/api/events?since={newest}") == {"items": [], "next": None}
    assert daemon.get("/api/events?since=1h&limit=1")["items"][0]["seq"] == 1


def test_an_order_that_is_over_can_neither_be_cancelled_nor_retried(daemon: RunningDaemon) -> None:
    order_id = daemon.submit()
    daemon.settle()
    cancelled = daemon.call("DELETE", f"/api/orders/{order_id}")
    assert (cancelled.status, cancelled.record["code"]) == (409, "too_late_to_cancel")
    for key in ({}, {"Idempotency-Key": f"again-{order_id}"}):
        retried = daemon.call("POST", f"/api/orders/{order_id}/retry", headers=key)
        assert (retried.status, retried.record["code"]) == (422, "not_retryable")


def test_a_retry_is_a_new_order_and_repeating_it_is_not(daemon: RunningDaemon) -> None:
    failed = daemon.submit(AN_ORDER | {"minOutput": "1000000"})
    assert _finish(daemon, failed)["status"] == "failed"
    key = {"Idempotency-Key": f"again-{failed}"}
    first = daemon.call("POST", f"/api/orders/{failed}/retry", {"slippageBps": 200}, key)
    again = daemon.call("POST", f"/api/orders/{failed}/retry", {"slippageBps": 200}, key)
    without = daemon.call("POST", f"/api/orders/{failed}/retry")
    assert (first.status, again.status, without.status) == (202, 200, 202)
    assert (first.record["retryOf"], first.record["slippageBps"]) == (failed, 200)
    assert again.record["orderId"] == first.record["orderId"] != without.record["orderId"]
    assert again.headers["idempotent-replayed"] == "true"


@pytest.fixture(scope="module")
def slow(start_daemon: Callable[..., RunningDaemon], tmp_path_factory: pytest.TempPathFactory) -> RunningDaemon:
    """A daemon with room for two orders, which wait for their quotes longer than any test."""
    root = tmp_path_factory.mktemp("slow")
    (root / "config").mkdir(mode=0o700)
    (root / "config" / "config.toml").write_text("max_open_orders = 2\nquote_ms = 60000\nquote_deadline_ms = 120000\n")
    return start_daemon(root, OEE_SIM_SPEED="paper")


def test_an_order_that_was_not_sent_can_be_cancelled_and_tells_its_readers(slow: RunningDaemon) -> None:
    order_id = slow.submit()
    with slow.socket(f"/api/orders/{order_id}") as reader:
        assert json.loads(reader.recv(10))["status"] == "pending"
        cancelled = slow.call("DELETE", f"/api/orders/{order_id}")
        assert (cancelled.status, cancelled.record["status"]) == (200, "cancelled")
        assert [json.loads(text)["status"] for text in reader][-1] == "cancelled"
    assert reader.close_code == 1000
    assert slow.call("DELETE", f"/api/orders/{order_id}").status == 200  # which is as good as done


def test_over_the_admission_limit_a_client_is_told_when_to_come_again(slow: RunningDaemon) -> None:
    open_ones = [slow.submit(), slow.submit()]
    refused = slow.call("POST", "/api/orders", AN_ORDER)
    assert (refused.status, refused.record["code"]) == (429, "over_capacity")
    assert int(refused.headers["retry-after"]) > 0
    (line,) = slow.call("POST", "/api/orders/batch", AN_ORDER).records
    assert (line["code"], line["line"]) == ("over_capacity", 1)
    for order_id in open_ones:
        assert slow.call("DELETE", f"/api/orders/{order_id}").status == 200
    slow.submit()


def test_a_quote_compares_every_venue_and_stores_nothing(daemon: RunningDaemon) -> None:
    daemon.settle()
    before = daemon.quiet_seq()
    quoted = daemon.get("/api/quote?tokenIn=SOL&tokenOut=USDC&amount=1.5")
    assert quoted["best"] in {offer["dex"] for offer in quoted["quotes"]}
    assert daemon.seq() == before


def test_metrics_count_what_happens(daemon: RunningDaemon) -> None:
    daemon.submit()
    daemon.settle()
    reply = daemon.call("GET", "/metrics")
    text = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/plain")
    for line in (
        'oee_orders_total{status="confirmed"}',
        'oee_http_requests_total{method="POST",route="/api/orders",status="202"}',
        "oee_events_total",
        "oee_open 0.0",
        "oee_queue_depth",
        "oee_commit_events_count",
        "oee_websocket_readers 0.0",
        "oee_lag_events_total",
    ):
        assert line in text
