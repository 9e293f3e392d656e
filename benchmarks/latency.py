"""The engine's own time for an order when it is idle: POST to `confirmed` on a WebSocket that is open already, one at a time.

All delays are 0, so whatever is left is ours: three commits that wait for each other (accepted, sent, confirmed) and a block of the
simulated chain, which has a synced commit of its own. In each run the same number of raw SQLite commits is timed beside them:
the ratio says how many of those an order takes.
"""

import asyncio
import json

from benchmarks.daemon import CLOCK, ORDER, Daemon, Failed, scratch_daemon
from benchmarks.load import Exchange, Listener, listen, request
from benchmarks.reference import commit_ms
from benchmarks.report import Figure, Findings, Plan, percentile, ratio

ABOUT = "POST to confirmed when idle, one at a time"
GAP_MS = 5.0  # between two orders
ENOUGH_S = 30.0


def run(plan: Plan) -> Findings:
    """Latency without load."""
    orders, warm = plan.size(500, 20), plan.size(100, 5)
    halves, tails, posts, post_tails, raw = ([] for _ in range(5))
    with scratch_daemon(plan.folder) as daemon:
        for _ in range(plan.runs):
            whole, post = asyncio.run(one_by_one(daemon, orders, warm))
            halves.append(percentile(whole, 50))
            tails.append(percentile(whole, 99))
            posts.append(percentile(post, 50))
            post_tails.append(percentile(post, 99))
            raw.append(commit_ms(plan.folder))
    ours, commit = Figure("POST to confirmed, p50", "ms", halves, at_most=3), Figure("one raw commit, p50", "ms", raw)
    return Findings(
        f"{orders:,} orders one at a time, {GAP_MS:g} ms apart, warm-up {warm:,}, delays 0",
        [
            ours,
            Figure("POST to confirmed, p99", "ms", tails, at_most=10),
            Figure("POST to its answer, p50", "ms", posts),
            Figure("POST to its answer, p99", "ms", post_tails),
            commit,
            ratio("raw commits per order", ours, commit),
        ],
    )


async def one_by_one(daemon: Daemon, orders: int, warm: int) -> tuple[list[float], list[float]]:
    """Milliseconds to `confirmed`, and to the answer of the POST, of each order after the warm-up."""
    raw = request("POST", "/api/orders", json.dumps(ORDER).encode(), daemon.authorization)
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    ended: asyncio.Future[tuple[bytes, float]] = loop.create_future()

    def heard(_: Listener, text: bytes) -> None:
        if text.startswith(b'{"type":"subscribed"'):
            ready.set_result(None)
        elif b'"status":"confirmed"' in text or b'"status":"failed"' in text:
            ended.set_result((text, CLOCK.steady_ms()))

    listener = await listen(daemon.port, daemon.authorization, heard)
    listener.say(b'{"type":"subscribe","orderId":"*"}')
    await ready
    exchange = await Exchange.open(daemon.port)
    whole, post = [], []
    for number in range(warm + orders):
        ended = loop.create_future()
        begun = CLOCK.steady_ms()
        status, body = await exchange.send(raw)
        answered = CLOCK.steady_ms()
        async with asyncio.timeout(ENOUGH_S):
            text, ended_ms = await ended
        if status != 202 or json.loads(body)["orderId"].encode() not in text or b'"confirmed"' not in text:
            raise Failed(f"The order was answered {status} {body[:200]!r} and ended with {text[:300]!r}")
        if number >= warm:
            whole.append(ended_ms - begun)
            post.append(answered - begun)
        await asyncio.sleep(GAP_MS / 1_000)
    listener.close()
    exchange.close()
    return whole, post
