"""Many readers at once, some of which never read; and readers that fall behind, leave and come back."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from selectors import EVENT_READ, DefaultSelector
from threading import Event as Flag
from typing import NamedTuple

from order_engine.clock import SystemClock
from tests.conftest import AN_ORDER, RunningDaemon
from tests.proofs.load.frames import Frames, seq_of
from tests.waiting import until

CLOCK = SystemClock()
HISTORY = 300  # orders whose events a stalled reader asks for: more than all buffers on the way take
PER_RUN = 500  # events
SILENT_MS = 45_000  # in which an open connection must bring something, while orders are placed
FALL_BEHIND = (
    1_500  # events that a reader lets pass before it reads on: more than all buffers on the way and its queue take
)


class Crowd(NamedTuple):
    """How a crowd of readers was served."""

    live: int
    stalled: int
    events: int  # that each live reader got, all of them and in order
    messages: int
    p50_ms: float  # from the event to its reader
    p99_ms: float
    max_ms: float
    cut_off: int
    rss_before: int  # MiB
    rss_peak: int
    violations: list[str]


def crowd(daemon: RunningDaemon, live: int, stalled: int, orders: int) -> Crowd:
    """So many live readers of everything, beside as many that ask for the whole log and then read nothing."""
    place(daemon, HISTORY)
    daemon.settle()
    before, rss_before = daemon.seq(), _memory(daemon)["VmRSS"]
    dead = [Frames(daemon, narrow=True) for _ in range(stalled)]
    alive = [Frames(daemon) for _ in range(live)]
    for each in alive:
        each.subscribe("*", before)
    for each in dead:
        each.subscribe("*", 0)
    violations: list[str] = []
    happened: dict[int, int] = {}  # seq -> wall time
    latencies: list[int] = []
    reached = dict.fromkeys(alive, before)
    ended = 0  # of the order that is under way: how many readers know of its end
    selector = DefaultSelector()
    for each in alive:
        each.wire.setblocking(False)
        selector.register(each.wire, EVENT_READ, each)
    deadline = CLOCK.steady_ms() + 120_000
    with ThreadPoolExecutor(1) as pool:
        for _ in range(orders):
            ended = 0
            pool.submit(daemon.submit)
            while ended < live and CLOCK.steady_ms() < deadline:
                for key, _ in selector.select(1):
                    reader: Frames = key.data
                    for text in reader.receive():
                        seq = seq_of(text)
                        if seq is None:
                            continue
                        if seq != reached[reader] + 1:
                            violations.append(f"a live reader got event {seq} after {reached[reader]}")
                        reached[reader] = seq
                        if seq not in happened:
                            happened[seq] = _at(text)
                        latencies.append(max(CLOCK.now_ms() - happened[seq], 0))
                        ended += b'"status":"confirmed"' in text or b'"status":"failed"' in text
                    if reader.closed:
                        selector.unregister(reader.wire)
                        violations.append("a live reader was cut off")
                        ended += 1
    last = daemon.seq()
    violations += [f"a live reader ends at {at}, the log at {last}" for at in reached.values() if at != last]
    until(lambda: _open_readers(daemon) <= live, "the end of the stalled readers", 30)
    cut_off = live + stalled - _open_readers(daemon)
    peak = _memory(daemon)["VmHWM"]
    for each in (*alive, *dead):
        each.wire.close()
    selector.close()
    until(lambda: _open_readers(daemon) == 0, "the end of all readers")
    latencies.sort()
    p50, p99 = (latencies[int((len(latencies) - 1) * share)] for share in (0.5, 0.99))
    counts = live, stalled, last - before, len(latencies)
    return Crowd(*counts, p50, p99, latencies[-1], cut_off, rss_before, peak, violations)


def place(daemon: RunningDaemon, count: int) -> None:
    """So many orders in one go."""
    reply = daemon.call("POST", "/api/orders/batch", "\n".join([json.dumps(AN_ORDER)] * count).encode())
    assert [record["schema"] for record in reply.records] == ["oee.order/1"] * count, reply


class Returned(NamedTuple):
    """How readers that left and came back were served."""

    runs: int
    connections: int
    events: int
    lags: int
    violations: list[str]


def come_and_go(daemon: RunningDaemon, runs: int, seed: int) -> Returned:
    """Each run reads the log from where it was to where it then is, over connections that break at random moments.

    Meanwhile orders are placed. Every connection goes on where the one before ended; some read nothing for a while, until they
    are told that they lag. What all of them read together must be the log.
    """
    connections = events = lags = 0
    violations: list[str] = []
    stop = Flag()
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(_keep_placing, daemon, stop)
        try:
            for run in range(runs):
                random = Random(f"{seed}/{run}")
                found = _one_run(daemon, random, placing, falls_behind=run % 5 == 0)
                connections, events, lags = connections + found[0], events + found[1], lags + found[2]
                violations += found[3]
        finally:
            stop.set()
            placing.result()
    return Returned(runs, connections, events, lags, violations)


def _keep_placing(daemon: RunningDaemon, stop: Flag) -> None:
    while not stop.wait(0.02):
        place(daemon, 50)
        until(lambda: stop.is_set() or daemon.get("/api/status")["open"] < 500, "room for more")


def _one_run(
    daemon: RunningDaemon, random: Random, placing: "Future[None]", *, falls_behind: bool
) -> tuple[int, int, int, list[str]]:
    start = last = daemon.seq()
    connections = lags = 0
    read: list[int] = []
    silent: list[str] = []
    while last < start + PER_RUN and not silent:
        connections += 1
        idle = random.random() < 0.1 or (falls_behind and connections == 1)
        reader = Frames(daemon, narrow=idle)
        reader.subscribe("*", last)
        if idle:
            passed = daemon.seq() + FALL_BEHIND
            until(lambda passed=passed: placing.done() or daemon.seq() > passed, "events to fall behind of", 60)  # type: ignore[misc]
        wanted = random.randrange(1, 3_000 if idle else 300)
        heard_ms = CLOCK.steady_ms()
        while wanted > 0 and not reader.closed and not silent:
            for text in reader.receive():
                lags += text.startswith(b'{"type":"lag"')
                if (seq := seq_of(text)) is not None:
                    read.append(seq)
                    last = seq
                    wanted -= 1
                    heard_ms = CLOCK.steady_ms()
            if CLOCK.steady_ms() - heard_ms > SILENT_MS:
                told = daemon.standing()
                where = {name: told[name] for name in ("seq", "readers", "tasks", "threads")}
                silent = [f"nothing came after event {last} on connection {connections}; the daemon stands so: {where}"]
        reader.abandon()
    return connections, len(read), lags, [*silent, *gaps(read, start)]


def gaps(read: list[int], start: int) -> list[str]:
    """Where these numbers are not the log from after `start` on, each once and in order."""
    return [f"event {seq} was read where {n} was due" for n, seq in enumerate(read, start + 1) if seq != n][:5]


def _at(text: bytes) -> int:
    return int(datetime.fromisoformat(json.loads(text)["timestamp"]).timestamp() * 1_000)


def _open_readers(daemon: RunningDaemon) -> int:
    text = daemon.call("GET", "/metrics").body.decode()
    return int(float(text.partition("\noee_websocket_readers ")[2].partition("\n")[0]))


def _memory(daemon: RunningDaemon) -> dict[str, int]:
    return memory(daemon.pid)


def memory(pid: int) -> dict[str, int]:
    """What the kernel says of the memory of a process, in MiB: VmRSS is now, VmHWM the most there was, VmSize is reserved."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return {line.partition(":")[0]: int(line.split()[1]) // 1_024 for line in lines if line.startswith("Vm")}
