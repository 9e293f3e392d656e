"""What lives, trades and is killed in the crash proof: an engine or a whole daemon on a scratch home, each a fork of its own.

The parent has imported everything, has opened nothing and runs no thread, so a fork starts in milliseconds and is a real
process like any other. A client of the scratch home writes down what it asks before it asks, what it was promised once it was
promised, and what it heard from the feed; after a crash it asks again, under the same key, for what it had no answer to. The
files it writes are all that the checker knows of a life besides the two databases.
"""

import contextlib
import os
import runpy
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec

from order_engine import failpoints
from order_engine.amounts import format_amount
from order_engine.assembly import assemble
from order_engine.client import Client, find_daemon
from order_engine.clock import SystemClock
from order_engine.engine import Engine, Submission
from order_engine.errors import EngineError, Malformed, Refused
from order_engine.events import Recorded
from order_engine.home import Home
from order_engine.journal import OrderQuery
from order_engine.orders import OPEN, OrderRequest
from order_engine.settings import load
from order_engine.simulation.dice import Dice
from order_engine.tokens import TOKENS

PATIENCE_MS = 20_000  # for anything that should take a tenth of a second
LOOK_MS = 2
AT_ONCE = 40  # orders of a trading engine that wait for their answer, at most
OPEN_MAX = 120
ROUNDS, ROUND_MS = 8, 500

SETTLED, LEFT_OPEN, HOLDS_LEFT, STORAGE_BROKE, NOT_KILLED = 0, 3, 4, 70, 5  # how a fork ends by itself

_clock = SystemClock()
_encode = msgspec.json.Encoder().encode
_SOL, _USDC = 10 ** TOKENS["SOL"].decimals, 10 ** TOKENS["USDC"].decimals


class Fate(NamedTuple):
    """What becomes of the transactions that are out: the chain's settings, and how long a crash lets the world go on."""

    name: str
    linger_ms: int
    settings: Mapping[str, int]


# Without a time of their own, blocks come as fast as they can, and some pass between the building and the sending.
_SLOTS = {"slot_ms": 2}
FATES = (
    Fate("landed", 12, {"landing_slots_min": 1, "landing_slots_max": 1, "valid_slots": 40, **_SLOTS}),
    Fate("not landed", 12, {"landing_slots_min": 9, "landing_slots_max": 9, "valid_slots": 6, **_SLOTS}),
    # Some land and some expire, also where a slow machine lets five blocks pass before it sends.
    Fate("late", 8, {"landing_slots_min": 6, "landing_slots_max": 15, "valid_slots": 12, **_SLOTS}),
)
MIXED = Fate("mixed", 0, {"landing_slots_min": 1, "landing_slots_max": 5, "valid_slots": 4})


class Scratch:
    """A home that nobody but the proof uses, and the client's notes beside it."""

    def __init__(self, root: Path, fate: Fate) -> None:
        self.root = root
        self.home = Home.at(root)
        self.home.make()
        (root / failpoints.MARK).touch()
        lines = {"speed": '"instant"', "workers": 4, "port": 0, **fate.settings}
        self.home.config_file.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))

    def note(self, name: str) -> Callable[[str], None]:
        """Writes lines to one of the notes: each is in the file, whole, when the call returns."""
        file = os.open(self.root / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        os.ftruncate(file, len(self._whole(name)))  # a kill can cut a write at a page's edge: that line was not said
        return lambda text: _demand(os.write(file, text.encode()) == len(text.encode()))

    def lines(self, name: str) -> list[list[str]]:
        """The whole lines of one of the notes, each as its words."""
        return [line.split(" ") for line in self._whole(name).decode().splitlines()]

    def _whole(self, name: str) -> bytes:
        path = self.root / name
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def unanswered(self) -> list[tuple[str, OrderRequest]]:
        """What was asked and neither promised nor refused: it may be there or not."""
        answered = {words[0] for name in ("promised", "refused") for words in self.lines(name)}
        asked = {words[0]: " ".join(words[1:]) for words in self.lines("asked")}
        return [
            (key, msgspec.json.decode(text, type=OrderRequest)) for key, text in asked.items() if key not in answered
        ]


def _demand(whole: bool) -> None:
    if not whole:
        raise OSError("a note was cut short")


# forks


def fork(child: Callable[[], int], output: Path) -> int:
    """Runs `child` in a new process, whose exit code it gives. What it prints goes to the file."""
    process = os.fork()
    if process:
        return process
    code = 99
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        target = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for mine, theirs in ((nothing, 0), (target, 1), (target, 2)):
            os.dup2(mine, theirs)
        code = child()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback  # noqa: PLC0415 - once, and the process ends

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
    raise AssertionError("unreachable")  # pragma: no cover


def ended(process: int, within_ms: float) -> int | None:
    """How the process ended (minus the signal, or its exit code), or None when it still runs after `within_ms`."""
    deadline = _clock.steady_ms() + within_ms
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if _clock.steady_ms() >= deadline:
            return None
        _clock.sleep_ms(LOOK_MS)


def kill(process: int) -> int:
    """Kills it, unless it has ended already; how it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


# what is asked


def a_few(dice: Dice) -> list[OrderRequest]:
    """Orders of every kind: most can be filled; one may slip; one has a floor above the market, so it backs off and fails."""
    return [_sale(dice), _wish(dice), _detour(dice), _tight(dice), _greedy(dice)]


def one(dice: Dice) -> OrderRequest:
    """Any order."""
    return dice.pick((_sale, _purchase, _wish, _purchase, _detour, _tight, _steep, _greedy))(dice)


def _sale(dice: Dice) -> OrderRequest:
    return OrderRequest("SOL", "USDC", dice.between(1, 50) * _SOL // 100, 50, 300, routing="best")


def _wish(dice: Dice) -> OrderRequest:
    return OrderRequest("SOL", "USDC", 0, 50, 300, receive=dice.between(1, 80) * _USDC, routing="best")


def _purchase(dice: Dice) -> OrderRequest:
    return OrderRequest("USDC", "SOL", dice.between(1, 80) * _USDC, 50, 300)


def _detour(dice: Dice) -> OrderRequest:
    return OrderRequest("USDC", "BONK", dice.between(1, 50) * _USDC, 50, 300, routing="best")  # by way of SOL


def _tight(dice: Dice) -> OrderRequest:
    return OrderRequest("SOL", "USDC", dice.between(1, 50) * _SOL // 100, 0, 300)


def _steep(dice: Dice) -> OrderRequest:
    return OrderRequest("SOL", "USDC", dice.between(1, 50) * _SOL, 50, 0)


def _greedy(dice: Dice) -> OrderRequest:
    return OrderRequest("SOL", "USDC", dice.between(1, 50) * _SOL // 100, 50, 300, min_out=10**9 * _USDC)


# the engine alone


def trades_a_little(scratch: Scratch, dice: Dice, environment: Mapping[str, str]) -> int:
    """An engine that takes a few orders and then waits to be killed at the point that it is armed for."""
    failpoints.arm(environment)
    client = _Client(scratch, _an_engine(scratch), dice)
    client.ask_again()
    for _ in range(
        ROUNDS
    ):  # in some fates a few orders may all land, or all expire, and the point be about the other ones
        for request in a_few(dice):
            client.ask(request)
            client.hear_all()
        _clock.sleep_ms(ROUND_MS)
    _clock.sleep_ms(PATIENCE_MS)
    return NOT_KILLED


def trades_until_killed(scratch: Scratch, dice: Dice) -> int:
    """An engine that takes as many orders as it can."""
    client = _Client(scratch, _an_engine(scratch), dice)
    client.ask_again()
    while True:
        client.ask(one(dice))
        client.hear(at_most_waiting=AT_ONCE)
        while client.open > OPEN_MAX:
            _clock.sleep_ms(LOOK_MS)


def finishes(scratch: Scratch, dice: Dice) -> int:
    """An engine that takes a few orders more, as after any start, and sees everything to its end."""
    client = _Client(scratch, _an_engine(scratch), dice)
    client.ask_again()
    for request in a_few(dice):
        client.ask(request)
    client.hear_all()
    left = client.engine.drain(PATIENCE_MS)
    if left:
        return LEFT_OPEN
    held = [record for record in client.engine.balances() if record["reserved"] != "0"]
    client.engine.close()
    return HOLDS_LEFT if held else SETTLED


def _an_engine(scratch: Scratch) -> Engine:
    engine = assemble(scratch.home, load(scratch.home.config_file, {}), _storage_broke)
    resumed = engine.orders(OrderQuery(statuses=tuple(OPEN), limit=10_000)).items
    scratch.note("resumed")(f"{len(resumed)}\n")
    told = scratch.note("told")

    def tell(recorded: Sequence[Recorded]) -> None:
        told("".join(f"{r.seq} {r.order.order_id} {r.order.version} {r.order.status.value}\n" for r in recorded))

    engine.feed.subscribe(tell)
    engine.start()
    return engine


def _storage_broke(reason: str) -> NoReturn:
    os.write(2, f"the storage broke: {reason}\n".encode())
    os._exit(STORAGE_BROKE)


class _Client:
    """Asks an engine, and keeps the notes."""

    def __init__(self, scratch: Scratch, engine: Engine, dice: Dice) -> None:
        self.engine = engine
        self._scratch = scratch
        self._dice = dice
        self._asked, self._promised, self._refused = map(scratch.note, ("asked", "promised", "refused"))
        self._waiting: deque[tuple[str, Future[Submission]]] = deque()

    @property
    def open(self) -> int:
        return int(self.engine.metrics()["open"])

    def ask_again(self) -> None:
        for key, request in self._scratch.unanswered():
            self._submit(key, request)

    def ask(self, request: OrderRequest) -> None:
        key = f"crash-{self._dice.roll():08x}{self._dice.roll():08x}"
        request = msgspec.structs.replace(request, client_order_id=key)
        self._asked(f"{key} {_encode(request).decode()}\n")
        self._submit(key, request)

    def _submit(self, key: str, request: OrderRequest) -> None:
        try:
            self._waiting.append((key, self.engine.submit(request)))
        except Refused:
            self._refused(f"{key}\n")

    def hear(self, at_most_waiting: int) -> None:
        while len(self._waiting) > at_most_waiting or (self._waiting and self._waiting[0][1].done()):
            key, answer = self._waiting.popleft()
            self._promised(f"{key} {answer.result(PATIENCE_MS / 1_000).order.order_id}\n")

    def hear_all(self) -> None:
        self.hear(at_most_waiting=0)


# the whole daemon


def runs_the_daemon(environment: Mapping[str, str]) -> int:
    """`python -m daemon`, without the half second of imports."""
    for name in [name for name in os.environ if name.startswith("OEE_")]:
        del os.environ[name]
    os.environ.update(environment)
    failpoints.arm(environment)
    runpy.run_module("daemon", run_name="__main__")
    return NOT_KILLED


def import_the_daemon() -> None:
    """Before forking. By name: the engine knows no HTTP, and this proof starts a daemon as everybody does."""
    import_module("daemon.main")
    for name in ("daemon.routes.orders", "uvicorn.lifespan.off", "encodings.idna"):
        import_module(name)


class RunningDaemon:
    """A daemon in a fork, and a client that keeps the notes. `__init__` returns when it serves, or has died."""

    def __init__(self, scratch: Scratch, environment: Mapping[str, str]) -> None:
        self._scratch = scratch
        environment = {"OEE_HOME": str(scratch.root), "OEE_AUTOSTART": "0", **environment}
        self.process = fork(lambda: runs_the_daemon(environment), scratch.root / "output")
        self.ended: int | None = None
        deadline = _clock.steady_ms() + PATIENCE_MS
        while self.ended is None and not self._serves() and _clock.steady_ms() < deadline:
            self.ended = ended(self.process, LOOK_MS)

    def _serves(self) -> bool:
        found = find_daemon(self._scratch.home)
        return found is not None and found.pid == self.process

    def ask(self, requests: Sequence[OrderRequest], dice: Dice) -> None:
        """Asks again for what has no answer, then for these, until the daemon is gone."""
        asked, promised, refused = map(self._scratch.note, ("asked", "promised", "refused"))
        wanted = self._scratch.unanswered()
        for request in requests:
            key = f"crash-{dice.roll():08x}{dice.roll():08x}"
            wanted.append((key, msgspec.structs.replace(request, client_order_id=key)))
        with Client(self._scratch.home, autostart=False) as client:
            for key, request in wanted:
                if key not in {words[0] for words in self._scratch.lines("asked")}:
                    asked(f"{key} {_encode(request).decode()}\n")
                try:
                    promised(f"{key} {client.submit(_as_record(request), key=key)['orderId']}\n")
                except (Refused, Malformed):
                    refused(f"{key}\n")
                except EngineError:
                    return  # no answer: nobody knows

    def settles(self) -> bool:
        """True once no order is open."""
        deadline = _clock.steady_ms() + PATIENCE_MS
        with Client(self._scratch.home, autostart=False) as client, contextlib.suppress(EngineError):
            while _clock.steady_ms() < deadline:
                if client.status()["open"] == 0:
                    return True
                _clock.sleep_ms(LOOK_MS)
        return False

    def stop(self) -> tuple[int | None, float]:
        """Asks it to end. How it ended, and after how many milliseconds."""
        began = _clock.steady_ms()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGTERM)
        self.ended = ended(self.process, PATIENCE_MS)
        return self.ended, _clock.steady_ms() - began


@contextlib.contextmanager
def a_daemon(scratch: Scratch, environment: Mapping[str, str]) -> Iterator[RunningDaemon]:
    """A daemon that is gone afterwards, however that comes."""
    daemon = RunningDaemon(scratch, environment)
    try:
        yield daemon
    finally:
        if daemon.ended is None:
            daemon.ended = kill(daemon.process)


def _as_record(request: OrderRequest) -> dict[str, Any]:
    """The request in the words of the API."""
    token_in, token_out = TOKENS[request.input_token], TOKENS[request.output_token]
    record: dict[str, Any] = {
        "inputToken": token_in.symbol,
        "outputToken": token_out.symbol,
        "slippageBps": request.slippage_bps,
        "maxImpactBps": request.max_impact_bps,
        "routing": request.routing,
    }
    if request.receive is None:
        record["amount"] = format_amount(request.amount_in, token_in.decimals)
    else:
        record["receive"] = format_amount(request.receive, token_out.decimals)
    if request.min_out is not None:
        record["minOutput"] = format_amount(request.min_out, token_out.decimals)
    return record
