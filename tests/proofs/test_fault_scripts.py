"""A script of faults has the one story that it should have: a golden sequence of events per kind, on real daemons.

A block takes 25 ms here. What shall expire does so on a daemon of its own, where a transaction is valid for one second; all
others have time enough also when the machine is busy.
"""

import json
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from cli import faults as cli_faults
from cli.commands.sim_fault_add import add
from daemon import schemas
from order_engine.client import Client
from order_engine.clock import SystemClock
from order_engine.errors import Malformed
from order_engine.fault_scripts import CODES, STATES, load_faults, read_fault
from order_engine.home import Home
from order_engine.messages import fault_record
from order_engine.requests import read_json
from order_engine.settings import ConfigError
from order_engine.venues.simulated.faults import FAULTS_MAX, GOES_WELL, KINDS, Script
from order_engine.venues.simulated.market import Listing
from tests.cli.conftest import Done, Oee
from tests.conftest import AN_ORDER, RunningDaemon, run_daemon
from tests.order_engine.given import rows
from tests.waiting import until

Start = Callable[..., RunningDaemon]
Story = list[str]

WELL = ["pending", "routing 1", "building", "submitted in_flight", "confirmed settled"]
SENT = ["building", "submitted in_flight"]
UNANSWERED = ["building", "submitted in_flight", "submitted unknown"]
# What others do to the market takes no attempt away from this one.
SUBMIT = ["submit", "SOL", "USDC", "0.01", "--slippage", "1000bps"]


def configured(
    start: Start, root: Path, environment: Mapping[str, str] | None = None, **settings: int
) -> RunningDaemon:
    home = Home.at(root)
    home.make()
    home.config_file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    return start(root, **(environment or {}))


@pytest.fixture(scope="module")
def world(start_daemon: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningDaemon:
    return configured(start_daemon, tmp_path_factory.mktemp("world"), slot_ms=25, quote_deadline_ms=1_500)


@pytest.fixture(scope="module")
def patient(start_daemon: Start, tmp_path_factory: pytest.TempPathFactory) -> RunningDaemon:
    """A daemon whose transactions are valid for fifteen idle seconds."""
    return configured(start_daemon, tmp_path_factory.mktemp("patient"), valid_slots=300)


@pytest.fixture
def oee(world: RunningDaemon) -> Iterator[Oee]:
    yield Oee(world.env)
    assert world.call("DELETE", "/api/sim/faults").status == 200


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A client order id that no other test has."""
    return re.sub(r"[^a-z0-9-]", "-", request.node.name.lower())


def fault(world: RunningDaemon, kind: str, **fields: Any) -> str:
    reply = world.call("POST", "/api/sim/faults", {"kind": kind, **fields})
    assert reply.status == 201, reply
    return str(reply.record["faultId"])


def standing(world: RunningDaemon, fault_id: str) -> Any:
    return next(each for each in world.get("/api/sim/faults")["items"] if each["faultId"] == fault_id)


def ended(world: RunningDaemon, key: str, **order: Any) -> Any:
    """The record of a new order under this key, once it is over."""
    order_id = world.submit(AN_ORDER | {"clientOrderId": key} | order)
    until(lambda: world.get(f"/api/orders/{order_id}")["endedAt"], f"the end of {key}")
    return world.get(f"/api/orders/{order_id}")


def events(world: RunningDaemon, order: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.get(f"/api/orders/{order['orderId']}/events")["items"]
    return found


def story(world: RunningDaemon, order: Mapping[str, Any]) -> Story:
    """An order's events with the facts that a bot decides by."""
    told = ("settlement", "attempt", "previousErrorCode", "errorCode")
    return [
        " ".join([event["status"], *(str(event[name]) for name in told if name in event)])
        for event in events(world, order)
    ]


def swaps(root: Path, order: Mapping[str, Any]) -> int:
    """How often the order was executed, by the chain's own ledger."""
    sql = "SELECT count(*) FROM ledger WHERE nonce LIKE ? AND error_code IS NULL"
    return int(rows(Home.at(root).chain, sql, f"{order['orderId']}/%")[0][0])


# the golden sequences

EXPIRED = [f"routing {n} transaction_expired" for n in (2, 3)]
Golden = tuple[list[dict[str, Any]], Story, str | None]  # the faults, the events, and how it failed if it did

EXPIRING: dict[str, Golden] = {
    "land-too-late-once": (
        [{"kind": "land-late", "slots": 41, "times": 1}],
        ["pending", "routing 1", *SENT, EXPIRED[0], *SENT, "confirmed settled"],
        None,
    ),
    "never-land-once": (
        [{"kind": "never-land", "times": 1}],
        ["pending", "routing 1", *SENT, EXPIRED[0], *SENT, "confirmed settled"],
        None,
    ),
    "never-land": (
        [{"kind": "never-land"}],
        ["pending", "routing 1", *SENT, EXPIRED[0], *SENT, EXPIRED[1], *SENT, "failed transaction_expired"],
        "transaction_expired",
    ),
    "never-land-and-lose-answer": (
        [{"kind": "never-land", "times": 1}, {"kind": "lose-answer", "times": 1}],
        ["pending", "routing 1", *UNANSWERED, EXPIRED[0], *SENT, "confirmed settled"],
        None,
    ),
}
GOLDEN: dict[str, Golden] = {
    "lose-answer": ([{"kind": "lose-answer"}], ["pending", "routing 1", *UNANSWERED, "confirmed settled"], None),
    "land-late": ([{"kind": "land-late", "slots": 5}], WELL, None),
    "slippage": (
        [{"kind": "slippage", "times": 2}],
        ["pending", "routing 1", *(2 * [*SENT, "routing {} slippage_exceeded"]), *SENT, "confirmed settled"],
        None,
    ),
    "reject-then-slippage": (
        [{"kind": "reject", "code": "transaction_rejected", "times": 1}, {"kind": "slippage"}],
        [
            "pending",
            "routing 1",
            *SENT,
            "routing 2 transaction_rejected",
            *SENT,
            "routing 3 slippage_exceeded",
            *SENT,
            "failed attempts_exhausted",
        ],
        "attempts_exhausted",
    ),
    "venue-down-when-it-is-to-build": (
        [{"kind": "venue-down", "times": 1}],
        ["pending", "routing 1", "building", "routing 2 venue_unavailable", *SENT, "confirmed settled"],
        None,
    ),
    "rate-limit": (
        [{"kind": "rate-limit", "times": 2}],
        [
            "pending",
            "routing 1",
            "building",
            "routing 2 venue_unavailable",
            "building",
            "routing 3 venue_unavailable",
            *SENT,
            "confirmed settled",
        ],
        None,
    ),
    "venue-slow": ([{"kind": "venue-slow", "ms": 30}], WELL, None),
    "status-unreachable": ([{"kind": "status-unreachable", "times": 3}], WELL, None),
}
GOLDEN |= {
    f"reject-{code}": (
        [{"kind": "reject", "code": code}],
        ["pending", "routing 1", *SENT, f"routing 2 {code}", *SENT, f"routing 3 {code}", *SENT, f"failed {code}"],
        code,
    )
    for code in CODES
}


def check(world: RunningDaemon, order: Mapping[str, Any], golden: Golden, ids: Sequence[str]) -> None:
    _, expected, error_code = golden
    numbers = iter((2, 3))
    assert story(world, order) == [text if "{}" not in text else text.format(next(numbers)) for text in expected]
    assert order["errorCode"] == error_code
    assert swaps(world.root, order) == (error_code is None)
    for fault_id in ids:
        now = standing(world, fault_id)
        assert now["struck"] > 0
        assert now["timesLeft"] in (None, 0)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_sequence_of(name: str, world: RunningDaemon, oee: Oee, key: str) -> None:
    ids = [fault(world, **each, key=key) for each in GOLDEN[name][0]]
    with ThreadPoolExecutor(1) as other:
        untouched = other.submit(ended, world, f"{key}-not-this-one")
        check(world, ended(world, key), GOLDEN[name], ids)
    assert story(world, untouched.result()) == WELL


class Hasty(NamedTuple):
    """A daemon whose transactions are valid for a second, and orders that had trouble there, all at the same time."""

    world: RunningDaemon
    ids: dict[str, list[str]]
    orders: dict[str, Any]


@pytest.fixture(scope="module")
def hasty(start_daemon: Start, tmp_path_factory: pytest.TempPathFactory) -> Hasty:
    world = configured(start_daemon, tmp_path_factory.mktemp("hasty"), slot_ms=25, valid_slots=40)
    ids = {name: [fault(world, **each, key=name) for each in EXPIRING[name][0]] for name in EXPIRING}
    with ThreadPoolExecutor(len(EXPIRING)) as each_at_once:
        orders = dict(zip(EXPIRING, each_at_once.map(lambda name: ended(world, name), EXPIRING), strict=True))
    return Hasty(world, ids, orders)


@pytest.mark.parametrize("name", EXPIRING)
def test_the_golden_sequence_of_what_expires(name: str, hasty: Hasty) -> None:
    check(hasty.world, hasty.orders[name], EXPIRING[name], hasty.ids[name])


def test_a_venue_that_is_down_is_passed_over(world: RunningDaemon, oee: Oee, key: str) -> None:
    before = ended(world, f"{key}-1", routing="single")["routedDex"]
    fault_id = fault(world, "venue-down", venue=before, pair="USDC/SOL")
    order = ended(world, key, routing="single")
    assert story(world, order) == WELL
    offers = {offer["dex"]: offer for offer in events(world, order)[2]["quotes"]}
    others = {dex: Decimal(offer["netOutput"]) for dex, offer in offers.items() if dex != before}
    assert order["routedDex"] == max(others, key=lambda dex: others[dex])
    assert offers[before]["code"] == "venue_unavailable"
    assert offers[before]["reason"] == f"{before} is down (fault {fault_id})"
    assert ended(world, f"{key}-2", inputToken="JUP", amount="10")["routedDex"] is not None
    assert standing(world, fault_id)["struck"] == 1
    spread = ended(world, f"{key}-4", amount="500")  # over all pools but those of the silent venue
    assert before not in {leg["dex"] for leg in spread["route"]}
    assert world.call("DELETE", f"/api/sim/faults/{fault_id}").record["faultId"] == fault_id
    assert world.call("DELETE", f"/api/sim/faults/{fault_id}").status == 404
    assert ended(world, f"{key}-3", routing="single")["routedDex"] == before


def test_when_every_venue_is_down_the_order_fails_and_nothing_was_sent(
    world: RunningDaemon, oee: Oee, key: str
) -> None:
    assert oee("sim", "fault", "add", "venue-down", "-q").code == 0
    done = oee(*SUBMIT, "--key", key, "--wait", "--json")
    assert done.code == 6
    assert story(world, done.record) == [
        "pending",
        "routing 1",
        *(f"routing {n} venue_unavailable" for n in (2, 3)),
        "failed venue_unavailable",
    ]


def test_a_rate_limited_venue_answers_again_after_so_many_times(world: RunningDaemon, oee: Oee, key: str) -> None:
    fault(world, "rate-limit", times=6)  # all three venues, twice each
    order = ended(world, key)
    again = [f"routing {n} venue_unavailable" for n in (2, 3)]
    assert story(world, order) == ["pending", "routing 1", *again, *SENT, "confirmed settled"]
    assert "rate limited, try again" in events(world, order)[2]["previousError"]


def test_a_venue_that_is_slower_than_the_deadline_gives_no_quote(world: RunningDaemon, oee: Oee, key: str) -> None:
    fault(world, "venue-slow", venue="raydium", ms=2_500)
    order = ended(world, key)
    assert story(world, order) == WELL
    offers = events(world, order)[2]["quotes"]
    assert [offer["dex"] for offer in offers] == ["raydium", "meteora", "orca"]
    assert [offer.get("reason") for offer in offers] == ["no answer within 1500 ms", None, None]
    assert {leg["dex"] for leg in order["route"]} <= {"meteora", "orca"}


def test_a_price_step_moves_the_price_at_once_and_below_the_floor_nothing_is_sold(
    start_daemon: Start, tmp_path: Path, key: str
) -> None:
    world = configured(start_daemon, tmp_path, slot_ms=500)  # arbitrage brings prices back within some dozen blocks

    def prices(pair: str) -> list[float]:
        return [float(pool["price"]) for pool in world.get(f"/api/pools?pair={pair}")["items"]]

    before, others = prices("SOL/USDC"), prices("JUP/USDC")
    best = max(float(quote["amountOut"]) for quote in world.get(f"/api/quote?{QUERY}")["quotes"])
    done = Oee(world.env)("sim", "fault", "add", "price-step", "--pair", "SOL/USDC", "--ppm", "-50000", "--json")
    assert (done.record["struck"], done.record["active"]) == (len(before), False)
    until(lambda: min(now / was for now, was in zip(prices("SOL/USDC"), before, strict=True)) < 0.97, "the step down")
    order = ended(world, key, minOutput=f"{best * 0.995:.6f}", routing="single")  # over other pairs nothing has changed
    assert story(world, order) == [
        "pending",
        "routing 1",
        *(f"routing {n} slippage_exceeded" for n in (2, 3)),
        "failed slippage_exceeded",
    ]
    fault(world, "price-step", pair="USDC/SOL", ppm=-80_000)  # USDC falls: SOL rises
    until(lambda: max(now / was for now, was in zip(prices("SOL/USDC"), before, strict=True)) > 1.01, "the step up")
    assert max(abs(now / was - 1) for now, was in zip(prices("JUP/USDC"), others, strict=True)) < 0.04, "another pair"
    world.stop()


QUERY = "inputToken=SOL&outputToken=USDC&amount=0.01"


# addresses and limits


def test_only_the_orders_that_a_pattern_names_are_struck_and_only_the_first_of_them(
    world: RunningDaemon, oee: Oee, key: str
) -> None:
    fault(world, "lose-answer", pattern=f"{key}-bot-?", times=2)
    orders = {name: ended(world, f"{key}-{name}") for name in ("bot-1", "me", "bot-22", "bot-2", "bot-3")}
    unknown = [name for name, order in orders.items() if "submitted unknown" in story(world, order)]
    assert unknown == ["bot-1", "bot-2"]
    fault(world, "lose-answer", pattern="*")
    nameless = world.submit(AN_ORDER)
    world.settle()
    assert story(world, {"orderId": nameless}) == WELL, "an order without a key matches no pattern"


def test_only_the_pair_and_the_venue_that_are_named_are_struck(world: RunningDaemon, oee: Oee, key: str) -> None:
    for_pair = fault(world, "lose-answer", pair="SOL/USDC")
    assert "submitted unknown" in story(world, ended(world, f"{key}-1"))
    assert "submitted unknown" in story(world, ended(world, f"{key}-2", inputToken="USDC", outputToken="SOL"))
    jup = ended(world, f"{key}-3", inputToken="JUP", amount="10")
    assert story(world, jup) == WELL
    world.call("DELETE", f"/api/sim/faults/{for_pair}")
    fault(world, "lose-answer", venue=jup["routedDex"])
    assert "submitted unknown" in story(world, ended(world, f"{key}-4", inputToken="JUP", amount="10"))


def test_a_fault_for_a_time_ends_by_itself(world: RunningDaemon, oee: Oee, key: str) -> None:
    fault_id = fault(world, "status-unreachable", forMs=1_000)
    assert 0 < standing(world, fault_id)["leftMs"] <= 1_000
    order = ended(world, key)
    assert story(world, order) == WELL, "silence is not failure"
    now = standing(world, fault_id)
    assert (now["active"], now["leftMs"]) == (False, 0)
    assert now["struck"] > 1


def test_what_is_cleared_strikes_no_more_and_what_was_swallowed_lands(patient: RunningDaemon, key: str) -> None:
    fault(patient, "never-land", key=key)
    order_id = patient.submit(AN_ORDER | {"clientOrderId": key})
    until(lambda: patient.get("/api/sim/faults")["items"][0]["struck"], "the strike")
    height = patient.get("/api/status")["height"]
    until(lambda: patient.get("/api/status")["height"] > height + 12, "a sending again")
    assert patient.get(f"/api/orders/{order_id}")["settlement"] == "in_flight"
    (cleared,) = patient.call("DELETE", "/api/sim/faults").record["items"]
    assert cleared["struck"] == 1, "one transaction, however often it was sent"
    patient.settle()
    assert story(patient, {"orderId": order_id}) == WELL


# crashes


CRASHES = {
    "pending": WELL,
    "routing": WELL,
    "building": WELL,
    "submitted": WELL,
    "unknown": ["pending", "routing 1", *UNANSWERED, "confirmed settled"],
    "confirmed": WELL,
}


def test_a_crash_at_any_state_loses_nothing_and_doubles_nothing(start_daemon: Start, tmp_path: Path) -> None:
    world = start_daemon(tmp_path)
    for state in CRASHES:
        assert world.get("/api/sim/faults")["items"] == [], "a restart without a file is clean"
        fault_id = fault(world, "crash", at=state, pattern=f"crash-at-{state}")
        if state == "unknown":
            fault(world, "lose-answer")
        oee = Oee(world.env | {"OEE_AUTOSTART": "0"})
        done = oee(*SUBMIT, "--key", f"crash-at-{state}", "-q")
        assert done.code in (0, 7, 9), done  # taken, or nobody knows: never refused
        assert world.process.wait(20) == -signal.SIGKILL
        assert f"Killed by fault {fault_id}." in world.output
        world = start_daemon(tmp_path)
    world.settle()
    for state, expected in CRASHES.items():
        (order,) = world.get(f"/api/orders?key=crash-at-{state}")["items"]
        told = story(world, order)
        if state == "building" and told.count("building") == 2:  # what follows may be in the same commit, or in none
            told[3:5] = []
        assert told == expected, state
        assert swaps(tmp_path, order) == 1, state
    world.stop()


# files


TOML = """
[[faults]]
kind = "lose-answer"
pattern = "bot-*"
times = 1

[[faults]]
kind = "price-step"
pair = "SOL/USDC"
ppm = -500
"""


def test_the_faults_of_a_file_come_again_with_every_start(start_daemon: Start, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    (home.config_dir / "faults.toml").write_text(TOML)
    home.config_file.write_text('faults = "faults.toml"\n')  # from the folder of config.toml
    for _ in range(2):
        world = start_daemon(tmp_path)
        first, second = world.get("/api/sim/faults")["items"]
        assert (first["faultId"], first["kind"], first["timesLeft"]) == ("f1", "lose-answer", 1)
        pools = world.get("/api/pools?pair=SOL/USDC")["items"]
        assert (second["kind"], second["ppm"], second["struck"]) == ("price-step", -500, len(pools))
        order = ended(world, f"bot-{world.pid}")
        assert story(world, order) == ["pending", "routing 1", *UNANSWERED, "confirmed settled"]
        fault(world, "slippage")
        world.stop()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "f.toml",
            "[[faults]]\nkind = 'lose-answr'",
            "fault 1: 'lose-answr' is not a kind of fault. Did you mean lose-answer?",
        ),
        ("f.toml", TOML + "\n[[faults]]\nkind='crash'", "fault 3: crash needs at."),
        ("f.toml", "[[fault]]\nkind = 'slippage'", "not a list of faults"),
        ("f.toml", "kind = ", "not valid TOML"),
        ("f.json", '{"faults": [{"kind": "slippage", "times": 0}]}', "fault 1: times 0 is not a whole number"),
        ("f.json", '{"faults": [3]}', "not a list of faults"),
        ("f.json", '{"faults": [{"kind": "slippage", "venue": "orca"}]}', "fault 1: venue 'orca' is not known"),
        ("f.json", "[]", "Not a JSON object"),
        ("gone.json", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused(name: str, content: str | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_faults(file, Script(SystemClock(), lambda: _World()))
    assert str(caught.value).startswith(f"{file}: ")
    assert says in str(caught.value)


def test_a_daemon_does_not_start_with_a_bad_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('{"faults": [{"kind": "slippage", "pair": "RAY/BONK"}]}')
    done = run_daemon(tmp_path / "home", OEE_FAULTS=str(file))
    assert done.returncode == 2
    assert f"{file}: fault 1: No pool fits" in done.stderr


def test_the_command_line_says_why_a_daemon_does_not_start_with_a_bad_file(tmp_path: Path) -> None:
    env = {"OEE_HOME": str(tmp_path), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0", "OEE_FAULTS": "nowhere.toml"}
    done = Oee(env)("status")
    assert done.code == 2
    assert "nowhere.toml: the faults cannot be read" in done.err


# refusals


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({}, "kind", "kind is missing. Known: lose-answer, "),
        ({"kind": "land_late"}, "kind", "Did you mean land-late?"),
        ({"kind": 3}, "kind", "is not a kind of fault. Known: "),
        ({"kind": "slippage", "tims": 3}, "tims", "Did you mean times?"),
        ({"kind": "slippage", "times": 0}, "times", "from 1 to 1000000"),
        ({"kind": "slippage", "times": 1_000_001}, "times", "from 1 to 1000000"),
        ({"kind": "slippage", "times": "3"}, "times", "from 1 to 1000000"),
        ({"kind": "slippage", "times": 1.5}, "times", "from 1 to 1000000"),
        ({"kind": "slippage", "forMs": -1}, "forMs", "from 1 to 86400000"),
        ({"kind": "slippage", "slots": 3}, "slots", "slots says nothing to slippage"),
        ({"kind": "slippage", "pool": "x"}, "pool", "pool says nothing to slippage"),
        ({"kind": "slippage", "key": "a b"}, "key", "printable ASCII"),
        ({"kind": "slippage", "pattern": ""}, "pattern", "printable ASCII"),
        ({"kind": "slippage", "key": "a", "pattern": "b"}, "pattern", "Give one of them"),
        ({"kind": "slippage", "pair": "SOL"}, "pair", "is not a pair"),
        ({"kind": "slippage", "pair": "SOL/NOPE"}, "pair", "is not a known token"),
        ({"kind": "slippage", "pair": "SOL/SOL"}, "pair", "both are SOL"),
        ({"kind": "slippage", "pair": 1}, "pair", "is not a pair"),
        ({"kind": "slippage", "pair": "RAY/BONK"}, "pair", "No pool fits"),
        ({"kind": "slippage", "venue": "phoenix"}, "venue", "Known: meteora, orca, raydium"),
        ({"kind": "slippage", "venue": 7}, "venue", "is not text"),
        ({"kind": "land-late"}, "slots", "land-late needs slots"),
        ({"kind": "land-late", "slots": 10_001}, "slots", "from 1 to 10000"),
        ({"kind": "venue-slow", "ms": 600_001}, "ms", "from 1 to 600000"),
        ({"kind": "reject"}, "code", "reject needs code"),
        ({"kind": "reject", "code": "slipage_exceeded"}, "code", "Did you mean slippage_exceeded?"),
        ({"kind": "crash", "at": "submited"}, "at", "Did you mean submitted?"),
        ({"kind": "price-step", "ppm": 1}, "pair", "needs a pair or a pool"),
        ({"kind": "price-step", "pair": "SOL/USDC"}, "ppm", "price-step needs ppm"),
        ({"kind": "price-step", "pair": "SOL/USDC", "ppm": 0}, "ppm", "other than 0"),
        ({"kind": "price-step", "pair": "SOL/USDC", "ppm": -1_000_001}, "ppm", "from -1000000 to 1000000"),
        ({"kind": "price-step", "pair": "SOL/USDC", "ppm": 1, "times": 2}, "times", "says nothing to price-step"),
        ({"kind": "price-step", "pool": "nowhere", "ppm": 1}, "pool", "is not known"),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(
    fields: dict[str, Any], field: str, says: str, world: RunningDaemon
) -> None:
    reply = world.call("POST", "/api/sim/faults", fields)
    assert reply.status == 400, reply
    assert reply.record["field"] == field
    assert says in reply.record["message"]
    assert world.get("/api/sim/faults")["items"] == []


def test_the_calls_stand_behind_the_gate_and_are_as_strict_as_all_others(world: RunningDaemon, oee: Oee) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("DELETE", "/f1")):
        body = {"kind": "slippage"} if method == "POST" else None
        call = f"/api/sim/faults{path}"
        assert world.call(method, call, body, headers={"Authorization": None}).status == 401
        assert world.call(method, call, body, headers={"Origin": "http://evil.example"}).status == 403
        assert world.call(method, f"{call}?x=1", body).status == 400
    assert world.call("POST", "/api/sim/faults", b"{").status == 400
    assert world.call("POST", "/api/sim/faults", b"{}", headers={"Content-Type": "text/plain"}).status == 415
    assert world.call("DELETE", "/api/sim/faults/f9").record["code"] == "not_found"
    assert world.call("PUT", "/api/sim/faults").status == 405
    assert world.get("/api/sim/faults") == {"items": [], "next": None}


def test_a_request_that_is_repeated_under_its_key_adds_nothing(world: RunningDaemon, oee: Oee) -> None:
    header = {"Idempotency-Key": "the-same"}
    first, second = (world.call("POST", "/api/sim/faults", {"kind": "slippage"}, headers=header) for _ in range(2))
    assert (first.status, first.record) == (201, second.record)
    other = world.call("POST", "/api/sim/faults", {"kind": "never-land"}, headers=header)
    assert (other.status, other.record["field"]) == (400, "Idempotency-Key")
    assert len(world.get("/api/sim/faults")["items"]) == 1


def test_there_is_an_end_to_how_many_faults_there_can_be() -> None:
    script = Script(SystemClock(), lambda: _World())
    for _ in range(FAULTS_MAX):
        script.add(read_fault({"kind": "slippage"}))
    with pytest.raises(Exception, match="Nothing was added") as caught:
        script.add(read_fault({"kind": "slippage"}))
    assert caught.value.code == "over_capacity"  # type: ignore[attr-defined]


class _World:
    listings: Sequence[Listing] = (Listing("pool", "raydium", "SOL", "USDC"),)

    def shock(self, address: str, a_to_b: bool, ppm: int) -> None:
        """It moves."""


# what is said of them


def test_a_record_is_as_it_is_described(world: RunningDaemon, oee: Oee) -> None:
    reply = world.call("POST", "/api/sim/faults", {"kind": "price-step", "pair": "SOL/USDC", "ppm": 1})
    msgspec.convert(reply.record, schemas.Fault, strict=True)
    msgspec.convert(world.get("/api/sim/faults"), schemas.Faults, strict=True)
    assert tuple(sorted(reply.record)) == tuple(sorted(cli_faults.FIELDS))


def test_every_kind_and_every_field_of_one_is_explained() -> None:
    text = cleandoc(str(add.__doc__))
    for kind, field in KINDS.items():
        assert re.search(rf"^{kind} +\w*.*$", text, re.MULTILINE), kind
        if field is not None:
            assert f"--{field}" in text


def test_faults_on_the_command_line(world: RunningDaemon, oee: Oee, key: str) -> None:
    done = oee(
        "sim", "fault", "add", "land-late", "--slots", "3", "--pattern", f"{key}*", "--times", "2", "--for", "10m"
    )
    assert (done.code, done.err) == (0, f"land-late for pattern {key}*, 2 of 2, 10m.\n")
    fault_id = done.out.strip()
    assert oee(*SUBMIT, "--key", key, "--wait").code == 0
    assert oee("sim", "fault", "list", "--json").record | {"leftMs": 0} == standing(world, fault_id) | {"leftMs": 0}
    assert standing(world, fault_id)["struck"] == 1
    table = oee("sim", "fault", "list").out.splitlines()
    assert table[0].split() == ["ID", "FAULT", "FOR", "STRUCK", "LEFT"]
    assert table[1].startswith(f"{fault_id}  land-late slots=3  pattern {key}*")
    assert table[1].endswith("1 of 2, 9m")
    assert oee("sim", "fault", "clear").code == 2
    assert oee("sim", "fault", "clear", "f999").code == 3
    assert oee("sim", "fault", "clear", fault_id, "-q").out == f"{fault_id}\n"
    assert oee("sim", "fault", "clear", "--all").err == "No fault is set.\n"
    refused = oee("sim", "fault", "add", "lnd-late", "--slots", "3")
    assert (refused.code, refused.err) == (2, "'lnd-late' is not a kind of fault. Did you mean land-late?\n")
    assert oee("sim", "fault", "add", "slippage", "--for", "soon").code == 2
    assert oee("sim", "fault", "list").err == "No fault is set: all goes well.\n"


def test_the_python_client_scripts_faults_too(world: RunningDaemon, oee: Oee, key: str) -> None:
    with Client(world.home, autostart=False) as client:
        added = client.add_fault({"kind": "reject", "code": "no_route", "key": key})
        assert client.faults() == [added]
        with pytest.raises(Malformed) as caught:
            client.add_fault({"kind": "reject"})
        assert caught.value.field == "code"
        assert client.clear_fault(added["faultId"]) == added
        assert client.clear_faults() == []


# the outcome contract, end to end


def test_while_the_outcome_is_unknown_everybody_is_told_so_and_never_to_resubmit(
    patient: RunningDaemon, key: str
) -> None:
    oee = Oee(patient.env)
    for kind in ("lose-answer", "never-land"):
        fault(patient, kind, key=key, times=1)
    done = oee(*SUBMIT, "--key", key, "--wait", "--timeout", "300ms")
    assert done.code == 7
    order_id = done.out.strip()
    order = patient.get(f"/api/orders/{order_id}")
    assert (order["status"], order["settlement"]) == ("submitted", "unknown")
    warning = rf"may still land until height {order['lastValidHeight']}, about \d+ s; do not resubmit; oee wait {order_id[-6:]}\n"
    _says(done, warning)
    for words in (("wait", order_id, "--timeout", "0"), ("retry", order_id)):
        done = oee(*words)
        assert done.code == 7
        _says(done, warning)
    assert "Sent, and no answer came. It may still land until height" in oee("show", order_id).out
    assert oee("wait", order_id, "--timeout", "0", "--json").code == 7
    with patient.socket(f"/api/orders/{order_id}") as socket:
        seen = [json.loads(socket.recv(timeout=10)) for _ in range(5)]
        assert [event.get("settlement") for event in seen] == [None, None, None, "in_flight", "unknown"]
        again = patient.call("POST", "/api/orders", AN_ORDER | {"clientOrderId": key})
        assert again.status == 200, "the same key is the same order"
        assert (again.record["orderId"], again.record["settlement"]) == (order_id, "unknown")
        patient.call("DELETE", "/api/sim/faults")  # now the next sending of the same bytes lands
        assert json.loads(socket.recv(timeout=10))["settlement"] == "settled"
    assert oee("wait", order_id).code == 0
    assert swaps(patient.root, order) == 1


def test_what_never_lands_is_a_definite_failure_once_its_height_has_passed(hasty: Hasty) -> None:
    done = Oee(hasty.world.env)("wait", hasty.orders["never-land"]["orderId"])
    assert done.code == 6
    assert "transaction_expired after 3 attempts" in done.out
    assert re.search(r"did not land by height (\d+), the chain is at \d+. Nothing was sold", done.out)


def test_a_lost_answer_ends_well_when_it_lands(world: RunningDaemon, oee: Oee, key: str) -> None:
    fault(world, "lose-answer", key=key)
    done = oee(*SUBMIT, "--key", key, "--wait", "--json")
    assert (done.code, done.record["status"]) == (0, "confirmed")
    assert "submitted unknown" in story(world, done.record)


def _says(done: Done, pattern: str) -> None:
    assert re.search(pattern, done.err), done


# the script itself


def test_an_empty_script_costs_one_look() -> None:
    script = Script(SystemClock(), lambda: _World())
    assert script.sending("signature") is GOES_WELL
    assert script.standing() == []


@pytest.mark.parametrize("state", STATES)
def test_every_state_can_be_a_place_to_crash(state: str) -> None:
    fault = read_fault({"kind": "crash", "at": state})
    assert (fault.at, fault.times) == (state, 1)


def test_numbers_are_read_digit_by_digit() -> None:
    fault = read_fault(read_json('{"kind": "price-step", "pair": "sol/usdc", "ppm": -20000}'))
    assert (fault.pair, fault.ppm) == (("SOL", "USDC"), -20_000)
    with pytest.raises(Malformed, match="ppm"):
        read_fault(read_json('{"kind": "price-step", "pair": "sol/usdc", "ppm": 1e400}'))
    script = Script(SystemClock(), lambda: _World())
    assert fault_record(script.add(read_fault({"kind": "slippage"})))["active"] is True
