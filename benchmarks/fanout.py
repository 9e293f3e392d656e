"""WebSocket fan-out: 1,000 readers of all orders.

Two parts per run. As fast as it goes: orders in handfuls, the next when the slowest reader has the last event; messages per
second over all of them. At a steady pace: one order at a time, so many that 20,000 messages are due each second; the delay of
a message is from the time on its event, before the commit, until a reader has it whole. Readers and daemon share the machine,
and one process is all the readers: what it takes of a core is printed too.

Publishing never delays a commit: so the time from `pending` to `confirmed`, by the journal's own times, is measured at the
same pace without readers too. No reader may miss an event or get one twice; how often one had to go back to the log is counted.
"""

import asyncio
import json
from array import array
from datetime import datetime

from benchmarks.daemon import CLOCK, ORDER, Daemon, Failed, scratch_daemon
from benchmarks.load import Exchange, Listener, listen, own_cpu_s, request
from benchmarks.report import Figure, Findings, Plan, percentile

ABOUT = "WebSocket readers of all orders"
EVENTS = 5  # of an order
DUE = 20_000  # messages a second, at the steady pace
HANDFUL = 10  # orders: fewer events than a reader's queue has room for
ENOUGH_S = 120.0

_EVENT = b'{"schema":"oee.event/1","seq":'
_TOOK = "SELECT max(e.at) - min(e.at) FROM events e JOIN orders o ON o.id = e.order_id WHERE o.n > ? GROUP BY o.id"


def run(plan: Plan) -> Findings:
    """How many messages, how late, and what it does to orders."""
    readers, orders, seconds = plan.size(1_000, 50), plan.size(100, 20), plan.size(10, 1)
    rates, cpu, halves, tails, alone, beside, lags = ([] for _ in range(7))
    with scratch_daemon(plan.folder) as daemon:
        daemon.place(100)
        daemon.settle()
        for _ in range(plan.runs):
            alone.append(percentile(asyncio.run(at_a_pace(daemon, readers, seconds)), 99))
            found = asyncio.run(_with_readers(daemon, readers, orders, seconds))
            rates.append(found["rate"])
            cpu.append(found["cpu"])
            halves.append(found["p50"])
            tails.append(found["p99"])
            beside.append(found["took"])
            lags.append(found["lags"])
    return Findings(
        f"{readers:,} readers of everything, {orders:,} orders in handfuls of {HANDFUL}, "
        f"then {DUE:,} messages/s for {seconds} s, delays 0",
        [
            Figure("messages as fast as it goes", "messages/s", rates, at_least=20_000),
            Figure("times a reader had to go to the log", "", lags),
            Figure("the readers' own CPU, of a core", "%", cpu),
            Figure(f"event to reader at {DUE:,}/s, p50", "ms", halves),
            Figure(f"event to reader at {DUE:,}/s, p99", "ms", tails, at_most=150),
            Figure("pending to confirmed, p99, no readers", "ms", alone),
            Figure("pending to confirmed, p99, with readers", "ms", beside),
        ],
    )


class Crowd:
    """All readers: how far each has come, and how late everything was."""

    def __init__(self, newest: int) -> None:
        self.newest = newest  # event that every reader has
        self.delays_ms = array("d")
        self.lags = 0
        self._happened: dict[int, float] = {}  # seq -> wall time
        self._there = 0  # readers that have come to the goal
        self._all: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscribed = asyncio.Semaphore(0)
        self._readers: list[Listener] = []

    async def come(self, daemon: Daemon, count: int) -> None:
        """Opens so many."""
        for _ in range(count):
            reader = await listen(daemon.port, daemon.authorization, self._heard)
            reader.seen = self.newest
            reader.say(b'{"type":"subscribe","orderId":"*"}')
            await self._subscribed.acquire()
            self._readers.append(reader)

    def goal(self, events: int) -> "asyncio.Future[None]":
        """Done when every reader has so many events more."""
        self.newest, self._there = self.newest + events, 0
        self._all = asyncio.get_running_loop().create_future()
        return self._all

    def _heard(self, reader: Listener, text: bytes) -> None:
        now = CLOCK.now_ms()
        if not text.startswith(_EVENT):
            if text.startswith(b'{"type":"subscribed"'):
                self._subscribed.release()
            elif text.startswith(b'{"type":"lag"'):
                self.lags += 1
            return
        seq = int(text[len(_EVENT) : text.index(b",", len(_EVENT))])
        if seq != reader.seen + 1 and not self._all.done():
            self._all.set_exception(Failed(f"a reader got event {seq} after {reader.seen}"))
        reader.seen = seq
        happened = self._happened.get(seq)
        if happened is None:
            happened = self._happened[seq] = _at(text)
        self.delays_ms.append(now - happened)
        if seq == self.newest:
            self._there += 1
            if self._there == len(self._readers) and not self._all.done():
                self._all.set_result(None)

    def go(self) -> None:
        """Closes all."""
        for reader in self._readers:
            reader.close()


async def _with_readers(daemon: Daemon, readers: int, orders: int, seconds: int) -> dict[str, float]:
    crowd = Crowd(daemon.one("SELECT max(seq) FROM events"))
    await crowd.come(daemon, readers)
    begun, cpu = CLOCK.steady_ms(), own_cpu_s()
    for _ in range(orders // HANDFUL):
        everywhere = crowd.goal(HANDFUL * EVENTS)
        await asyncio.to_thread(daemon.place, HANDFUL)
        async with asyncio.timeout(ENOUGH_S):
            await everywhere
    took_ms, cpu = CLOCK.steady_ms() - begun, own_cpu_s() - cpu
    rate = len(crowd.delays_ms) / took_ms * 1_000
    del crowd.delays_ms[:]
    everywhere = crowd.goal(paced(readers, seconds) * EVENTS)
    took = await at_a_pace(daemon, readers, seconds)
    async with asyncio.timeout(ENOUGH_S):
        await everywhere
    crowd.go()
    late = crowd.delays_ms
    return {
        "rate": rate,
        "cpu": cpu / took_ms * 100_000,
        "p50": percentile(late, 50),
        "p99": percentile(late, 99),
        "took": percentile(took, 99),
        "lags": crowd.lags,
    }


def paced(readers: int, seconds: int) -> int:
    """How many orders make DUE messages in each of so many seconds."""
    return max(DUE * seconds // (readers * EVENTS), 1)


async def at_a_pace(daemon: Daemon, readers: int, seconds: int) -> list[float]:
    """Places one order at a time, evenly. Gives the milliseconds from `pending` to `confirmed` of each, by the journal."""
    raw = request("POST", "/api/orders", json.dumps(ORDER).encode(), daemon.authorization)
    newest, orders, begun = daemon.newest(), paced(readers, seconds), CLOCK.steady_ms()
    exchange = await Exchange.open(daemon.port)
    for number in range(orders):
        due = begun + number * seconds * 1_000 / orders
        await asyncio.sleep(max(due - CLOCK.steady_ms(), 0) / 1_000)
        status, body = await exchange.send(raw)
        if status != 202:
            raise Failed(f"{status} {body[:200]!r}")
    exchange.close()
    while daemon.open():
        await asyncio.sleep(0.005)
    return [float(took) for (took,) in daemon.reader.execute(_TOOK, (newest,))]


def _at(text: bytes) -> float:
    return datetime.fromisoformat(json.loads(text)["timestamp"]).timestamp() * 1_000
