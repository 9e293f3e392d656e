"""The crash proof: real processes killed at every named point and at random moments, and what became of every order.

A cell of the matrix is a home of its own: a process that is armed to die at the point dies there, once or twice in a row, while
the transactions that are out land, expire, or come close to it; then a process that is not armed brings everything to its end,
and the checker reads the files. The random kills share homes, so that what one crash leaves behind meets the next. Everything
follows from the seed but the moment at which the kernel stops a process: a violation names its cell or home, and the home is
kept.
"""

import contextlib
import gc
import os
import selectors
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from order_engine.clock import SystemClock
from order_engine.simulation import crash_check, crash_life
from order_engine.simulation.crash_life import FATES, LEFT_OPEN, MIXED, SETTLED, Scratch
from order_engine.simulation.dice import Dice

LANES = 2  # homes at the same time
KILLS_PER_HOME = 50
STOPS_PER_HOME = 5
KILL_MS_MIN, KILL_MS_MAX = 10, 250
STOP_MS_MAX = 6_000  # from SIGTERM to the end of a daemon
REACHED_WITHIN_MS = 10_000

ENGINE, DAEMON = "engine", "daemon"
_KILLED = -9
_NUMBER = 4  # bytes of a job's number
_ALL = tuple(fate.name for fate in FATES)
_LANDING, _EXPIRING = ("landed", "late"), ("not landed", "late")
_TURNS = (MIXED, FATES[2], MIXED, FATES[0], MIXED, FATES[1])  # of the homes of the random kills


class Point(NamedTuple):
    """A named place in the product. Some fates never lead there: where nothing lands, nothing is confirmed."""

    meaning: str
    who: str = ENGINE
    fates: tuple[str, ...] = _ALL


POINTS: dict[str, Point] = {
    "before-commit/pending": Point("an order is about to be accepted"),
    "after-commit/pending": Point("an order is accepted, and nobody has heard of it"),
    "before-202": Point("the client is about to be answered", DAEMON),
    "after-answer/202": Point("the client was answered", DAEMON),
    "after-enqueue": Point("the order is in the queue"),
    "after-dequeue": Point("the queue has forgotten the order, no worker has it yet"),
    "after-commit/routing": Point("a worker has taken the order up"),
    "after-commit/building": Point("a route is chosen"),
    "before-commit/submitted": Point("signed, the intent is not on disk"),
    "after-commit/submitted": Point("the intent is on disk, nothing was sent"),
    "before-send": Point("about to send"),
    "mid-submit": Point("sent, and nothing else"),
    "on-chain/landed": Point("it landed, nobody has seen it", fates=_LANDING),
    "outcome-seen/confirmed": Point("we have seen that it landed", fates=_LANDING),
    "outcome-seen/routing": Point("we have seen that it can never land", fates=_EXPIRING),
    "before-commit/confirmed": Point("the outcome is about to be recorded", fates=_LANDING),
    "after-commit/confirmed": Point("the outcome is recorded, nobody has heard of it", fates=_LANDING),
    "after-commit/failed": Point("a failure is recorded, nobody has heard of it"),
    "mid-publish": Point("one listener has heard of a commit, the others have not"),
    "in-backoff": Point("waiting for the next attempt"),
    "in-recovery": Point("taking up what the last crash left", DAEMON),
    "in-migration": Point("the schema is written, not committed", DAEMON),
    "in-drain": Point("told to stop", DAEMON),
}


class Cell(msgspec.Struct, frozen=True, tag="cell"):
    """Killed at this point, so many times in a row."""

    point: str
    fate: str
    times: int

    @property
    def name(self) -> str:
        return f"{self.point}, {self.fate}, {'once' if self.times == 1 else 'twice'}"


class Kills(msgspec.Struct, frozen=True, tag="kills"):
    """So many kills of one home at random moments. `number` tells the homes of a run apart."""

    number: int
    kills: int

    @property
    def name(self) -> str:
        return f"home {self.number} of the random kills"


class Stops(msgspec.Struct, frozen=True, tag="stops"):
    """A daemon on one home, told to stop at so many random moments."""

    number: int
    stops: int

    @property
    def name(self) -> str:
        return f"home {self.number} of the random stops"


Job = Cell | Kills | Stops


class Done(msgspec.Struct):
    """What came of a job. `stop_ms_max`: the slowest end of a daemon that was told to stop."""

    job: Job
    kills: int
    findings: crash_check.Findings
    stops: int = 0
    stop_ms_max: float = 0.0


class Report(msgspec.Struct):
    """What came of a run."""

    seed: int
    done: list[Done] = msgspec.field(default_factory=list)
    seconds: float = 0.0
    kept: str = ""  # where the homes with violations are

    @property
    def violations(self) -> list[tuple[str, str]]:
        """Job and words."""
        return [(done.job.name, words) for done in self.done for words in done.findings.violations]

    def count(self, kind: str) -> int:
        """How many violations are of this kind."""
        return sum(words.startswith(f"{kind}:") for _, words in self.violations)

    def total(self, name: str) -> int:
        """The sum of one of the findings' numbers."""
        return sum(int(getattr(done.findings, name)) for done in self.done)

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(done.kills for done in self.done)

    @property
    def planned_kills(self) -> int:
        """How many random kills there were to be."""
        return sum(done.job.kills for done in self.done if isinstance(done.job, Kills))

    @property
    def stops(self) -> int:
        """How many daemons were told to stop."""
        return sum(done.stops for done in self.done)

    @property
    def slowest_stop_ms(self) -> int:
        """The longest that one of them took."""
        return round(max((done.stop_ms_max for done in self.done), default=0))

    def cell(self, point: str, fate: str) -> list[Done]:
        """Once and twice; empty where the fate never leads to the point, or was not tried."""
        return [d for d in self.done if isinstance(d.job, Cell) and (d.job.point, d.job.fate) == (point, fate)]

    @property
    def unmet(self) -> list[str]:
        """The fates that met nothing of what they are there for: a proof without them would prove less than it says."""
        met = {fate: Counter[str]() for fate in _ALL}
        for done in self.done:
            if isinstance(done.job, Cell):
                met[done.job.fate] += Counter(landed=done.findings.landed, expired=done.findings.expired)
        wanted = {"landed": ("landed",), "not landed": ("expired",), "late": ("landed", "expired")}
        return [
            f"nothing {what} under the fate {fate!r}"
            for fate, whats in wanted.items()
            for what in whats
            if any(isinstance(done.job, Cell) for done in self.done) and not met[fate][what]
        ]

    @property
    def passed(self) -> bool:
        """True when nothing was violated and nothing remained untried."""
        return not self.violations and not self.unmet


def matrix(points: Sequence[str] = tuple(POINTS)) -> list[Job]:
    """All cells of these points."""
    return [Cell(name, fate, times) for name in points for fate in POINTS[name].fates for times in (1, 2)]


def random_kills(kills: int) -> list[Job]:
    """So many random kills, in homes of at most KILLS_PER_HOME."""
    return [
        Kills(number, min(KILLS_PER_HOME, kills - first))
        for number, first in enumerate(range(0, kills, KILLS_PER_HOME))
    ]


def random_stops(stops: int) -> list[Job]:
    """So many random stops of a daemon, in homes of at most STOPS_PER_HOME."""
    return [
        Stops(number, min(STOPS_PER_HOME, stops - first))
        for number, first in enumerate(range(0, stops, STOPS_PER_HOME))
    ]


def run(seed: int, jobs: Sequence[Job], folder: Path, progress: Callable[[Done], None] | None = None) -> Report:
    """Does the jobs in LANES processes, below `folder`, which is made. Homes without violations are removed again."""
    clock = SystemClock()
    began = clock.steady_ms()
    if any(isinstance(job, Stops) or (isinstance(job, Cell) and POINTS[job.point].who == DAEMON) for job in jobs):
        crash_life.import_the_daemon()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    gc.freeze()  # the forks share these pages as long as nobody touches them
    report = Report(seed)
    try:
        with contextlib.closing(_in_lanes(seed, jobs, folder)) as coming:
            for done in coming:
                report.done.append(done)
                if progress is not None:
                    progress(done)
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    report.done.sort(key=lambda done: list(jobs).index(done.job))
    report.seconds = (clock.steady_ms() - began) / 1_000
    if report.violations:
        report.kept = str(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _in_lanes(seed: int, jobs: Sequence[Job], folder: Path) -> Generator[Done, None, None]:
    waiting, filling = os.pipe()  # the numbers of the jobs: a lane that is free takes the next
    os.write(filling, b"".join(number.to_bytes(_NUMBER, "big") for number in range(len(jobs))))
    os.close(filling)
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as pipes:
        stack.callback(os.close, waiting)
        for lane in range(LANES):
            reader, writer = os.pipe()
            process = crash_life.fork(partial(_lane, seed, jobs, folder, waiting, writer), folder / f"lane{lane}")
            os.close(writer)
            file = stack.enter_context(os.fdopen(reader, "rb", buffering=0))
            stack.callback(_end_lane, process)
            pipes.register(file, selectors.EVENT_READ, file)
        answered = 0
        while pipes.get_map():
            for key, _ in pipes.select():
                if line := key.data.readline():
                    answered += 1
                    yield msgspec.json.decode(line, type=Done)
                else:
                    pipes.unregister(key.fileobj)
        if answered != len(jobs):
            said = "".join((folder / f"lane{lane}").read_text() for lane in range(LANES))
            raise RuntimeError(f"a lane broke after {answered} of {len(jobs)} jobs: {said[-2_000:]}")


def _lane(seed: int, jobs: Sequence[Job], folder: Path, waiting: int, writer: int) -> int:
    os.setpgid(0, 0)  # whoever ends this lane ends its engines and daemons with it
    while number := os.read(waiting, _NUMBER):
        job = jobs[int.from_bytes(number, "big")]
        home = folder / "".join(c if c.isalnum() else "-" for c in job.name)
        done = _do(seed, job, home)
        if not done.findings.violations:
            shutil.rmtree(home)
        os.write(writer, msgspec.json.encode(done) + b"\n")
    return 0


def _end_lane(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has no group of its own yet, or nobody is left in it
        os.killpg(process, signal.SIGKILL)
    crash_life.kill(process)


def _do(seed: int, job: Job, home: Path) -> Done:
    """Does one job on a home of its own."""
    dice = Dice(int.from_bytes(f"{seed} {job.name}".encode(), "big"))
    done = Done(job, 0, crash_check.Findings())
    match job:
        case Cell():
            scratch = Scratch(home, next(fate for fate in FATES if fate.name == job.fate))
            trouble = _kill_at(job, done, scratch, dice)
        case Kills():
            scratch = Scratch(home, _TURNS[job.number % len(_TURNS)])
            trouble = _kill_at_random(job, done, scratch, dice)
        case Stops():
            scratch = Scratch(home, MIXED)
            trouble = _stop_at_random(job, done, scratch, dice)
    done.findings = crash_check.examine(scratch)
    done.findings.violations = [*trouble, *done.findings.violations]
    return done


def _kill_at(job: Cell, done: Done, scratch: Scratch, dice: Dice) -> list[str]:
    point = POINTS[job.point]
    linger = next(fate.linger_ms for fate in FATES if fate.name == job.fate)
    trouble = list[str]()
    armed = {"OEE_SIM_CRASH": "1", "OEE_HOME": str(scratch.root)}
    if job.point == "in-recovery":  # there has to be something to recover
        ended = _killed_engine(scratch, dice, armed | {"OEE_FAILPOINT": f"mid-submit:1:{linger}"})
        done.kills += ended == _KILLED
    for number in range(job.times):
        nth = number + 1 if job.point == "in-migration" else 1  # two files are migrated, one after the other
        last = number == job.times - 1
        wait = linger if last or job.point != "in-recovery" else 0  # to linger there may leave nothing to recover again
        armed["OEE_FAILPOINT"] = f"{job.point}:{nth}:{wait}"
        life = _killed_daemon if point.who == DAEMON else _killed_engine
        ended = life(scratch, dice, armed)
        done.kills += ended == _KILLED
        if ended != _KILLED:
            trouble.append(f"lost: the process was to die at {job.point} and did not (it ended with {ended})")
    finish = _finish if point.who == ENGINE else _finish_as_daemon
    return trouble + finish(done, scratch, dice)


def _killed_engine(scratch: Scratch, dice: Dice, armed: dict[str, str]) -> int | None:
    dice = dice.apart()
    process = crash_life.fork(lambda: crash_life.trades_a_little(scratch, dice, armed), scratch.root / "output")
    ended = crash_life.ended(process, REACHED_WITHIN_MS)
    if ended is None:
        crash_life.kill(process)
    return ended


def _killed_daemon(scratch: Scratch, dice: Dice, armed: dict[str, str]) -> int | None:
    with crash_life.a_daemon(scratch, armed) as daemon:
        if daemon.ended is None:
            daemon.ask(crash_life.a_few(dice), dice)
        if daemon.ended is None and armed["OEE_FAILPOINT"].startswith("in-drain"):
            daemon.stop()
        if daemon.ended is None:
            daemon.ended = crash_life.ended(daemon.process, REACHED_WITHIN_MS)
        return daemon.ended


def _kill_at_random(job: Kills, done: Done, scratch: Scratch, dice: Dice) -> list[str]:
    for _ in range(job.kills):
        life = partial(crash_life.trades_until_killed, scratch, dice.apart())
        process = crash_life.fork(life, scratch.root / "output")
        ended = crash_life.ended(process, dice.between(KILL_MS_MIN, KILL_MS_MAX))
        if ended is None:
            ended = crash_life.kill(process)
        if ended != _KILLED:
            return [f"lost: the engine ended by itself with {ended} after {done.kills} kills"]
        done.kills += 1
        if twice := crash_check.doubled(scratch.home.chain):
            seen = f"doubled: {twice} orders were executed twice, seen after {done.kills} kills"
            return [seen, *_finish(done, scratch, dice)]
    return _finish(done, scratch, dice)


def _stop_at_random(job: Stops, done: Done, scratch: Scratch, dice: Dice) -> list[str]:
    clock = SystemClock()
    trouble = list[str]()
    for _ in range(job.stops):
        with crash_life.a_daemon(scratch, {}) as daemon:
            daemon.ask(crash_life.a_few(dice), dice)
            clock.sleep_ms(dice.between(0, 60))
            trouble += _stopped(daemon, done)
    return trouble + _finish_as_daemon(done, scratch, dice)


def _finish(_: Done, scratch: Scratch, dice: Dice) -> list[str]:
    life = partial(crash_life.finishes, scratch, dice.apart())
    process = crash_life.fork(life, scratch.root / "output")
    ended = crash_life.ended(process, 3 * crash_life.PATIENCE_MS)
    if ended is None:
        crash_life.kill(process)
    return [] if ended == SETTLED else [_why(ended)]


def _finish_as_daemon(done: Done, scratch: Scratch, dice: Dice) -> list[str]:
    with crash_life.a_daemon(scratch, {}) as daemon:
        daemon.ask(crash_life.a_few(dice), dice)
        if daemon.ended is not None or not daemon.settles():
            return [_why(LEFT_OPEN if daemon.ended is None else daemon.ended)]
        return _stopped(daemon, done)


def _stopped(daemon: crash_life.RunningDaemon, done: Done) -> list[str]:
    code, stop_ms = daemon.stop()
    done.stops += 1
    done.stop_ms_max = max(done.stop_ms_max, stop_ms)
    trouble = [] if code == 0 else [_why(code)]
    return [*trouble, f"lost: a daemon took {stop_ms:.0f} ms to stop"] if stop_ms > STOP_MS_MAX else trouble


def _why(ended: int | None) -> str:
    words = {
        None: "the last process did not end",
        crash_life.LEFT_OPEN: "some orders did not come to their end",
        crash_life.HOLDS_LEFT: "something is still reserved though no order is open",
        crash_life.STORAGE_BROKE: "the last process could not use its files",
    }
    return f"lost: {words.get(ended, f'the last process ended with {ended}')}"
