"""The Python client: nothing is placed twice, nothing is missed, and every trouble has a name."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from order_engine import errors
from order_engine.client import Client, find_daemon, new_key
from order_engine.following import follow
from order_engine.home import Home
from tests.cli.peer import Asked, misbehaving
from tests.conftest import AN_ORDER, ROOT, RunningDaemon
from tests.waiting import until


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with Client(daemon.home, autostart=False) as client:
        yield client


def ended(client: Client, order_id: str) -> dict[str, Any]:
    until(lambda: client.order(order_id)["endedAt"], f"the end of {order_id}")
    return client.order(order_id)


def test_every_call_of_the_contract(client: Client) -> None:
    order = client.submit(AN_ORDER, key=new_key())
    assert order["schema"] == "oee.order/1"
    assert ended(client, order["orderId"])["status"] == "confirmed"
    assert client.find(order["orderId"][-8:]) == client.order(order["orderId"])
    assert [event["status"] for event in client.order_events(order["orderId"])][-1] == "confirmed"
    assert client.quote("SOL", "USDC", "1")["schema"] == "oee.quote/1"
    assert {venue["dex"] for venue in client.venues()} == {"raydium", "meteora", "orca"}
    assert {pool["tokenA"] for pool in client.pools("SOL/USDC")} <= {"SOL", "USDC"}
    assert len(client.pools()) > len(client.pools("SOL/USDC"))
    assert "SOL" in {token["symbol"] for token in client.tokens()}
    assert "USDC" in {balance["token"] for balance in client.balances()}
    assert client.status()["seq"] >= 5
    assert client.daemon()["pid"] == find_daemon(client.home).pid  # type: ignore[union-attr]


def test_an_amount_to_receive_is_quoted_placed_and_proven(client: Client) -> None:
    quote = client.quote("SOL", "USDC", receive="2", routing="best", explain=True, receipt=True)
    assert (quote["amount"], quote["receive"], quote["routing"]) == (None, "2", "best")
    assert quote["explanation"]["used"]
    assert quote["receipt"]["schema"] == "oee.receipt/1"
    order = client.submit({"inputToken": "SOL", "outputToken": "USDC", "receive": "2", "routing": "best"})
    bought = ended(client, order["orderId"])
    assert (bought["status"], bought["amountOut"], bought["amount"]) == ("confirmed", "2", None)
    assert client.receipt(order["orderId"])["plan"]["exact"] == "out"
    single = client.submit({"inputToken": "SOL", "outputToken": "USDC", "amount": "0.01", "routing": "single"})
    assert ended(client, single["orderId"])["status"] == "confirmed"
    with pytest.raises(errors.NotFound, match="no receipt"):
        client.receipt(single["orderId"])


def test_the_same_key_is_the_same_order_and_never_another(client: Client) -> None:
    key = new_key()
    first, is_new = client.place(AN_ORDER, key=key)
    again, is_new_again = client.place(AN_ORDER, key=key)
    assert (first["orderId"], is_new, is_new_again) == (again["orderId"], True, False)
    with pytest.raises(errors.DuplicateKey) as caught:
        client.submit(AN_ORDER | {"amount": "0.02"}, key=key)
    assert caught.value.code == "duplicate_client_order_id"
    assert [order["orderId"] for order in client.orders(key=key)] == [first["orderId"]]


def test_a_listing_is_read_to_its_end_newest_last(client: Client) -> None:
    tag = new_key()
    placed = list(client.batch({**AN_ORDER, "amount": "0.001", "clientOrderId": f"{tag}-{n}"} for n in range(1_003)))
    ids = [order["orderId"] for order in placed]
    listed = [order["orderId"] for order in client.orders()]
    assert listed[-len(ids) :] == ids
    assert [order["orderId"] for order in client.orders(limit=700)] == ids[-700:]
    seqs = [event["seq"] for event in client.events(0)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [event["seq"] for event in client.events(10, limit=3)] == [11, 12, 13]


def test_each_line_of_a_batch_is_answered_in_its_place(client: Client) -> None:
    good = {**AN_ORDER, "amount": "0.001"}
    lines = [good, {**good, "amount": "x"}, good, {**good, "outputToken": "NOPE"}] + [good] * 600 + [{"nope": 1}]
    answers = list(client.batch(lines))
    assert [answer["schema"] for answer in answers[:4]] == ["oee.order/1", "oee.error/1"] * 2
    assert {n: answer["line"] for n, answer in enumerate(answers, 1) if "line" in answer} == {2: 2, 4: 4, 605: 605}
    assert len(answers) == len(lines)


def test_errors_carry_code_field_and_hint(client: Client) -> None:
    with pytest.raises(errors.UnknownToken) as unknown:
        client.submit(AN_ORDER | {"outputToken": "USDCC"})
    assert (unknown.value.code, unknown.value.field) == ("unknown_token", "outputToken")
    assert "USDC" in unknown.value.message
    with pytest.raises(errors.Refused) as refused:
        client.submit(AN_ORDER | {"amount": "99999999"})
    assert refused.value.code == "insufficient_balance"
    assert refused.value.hint
    with pytest.raises(errors.NotFound):
        client.order("01a1f8b6-27b6-7533-a321-000000000000")
    with pytest.raises(errors.TooLateToCancel):
        client.cancel(ended(client, client.submit(AN_ORDER)["orderId"])["orderId"])


@pytest.mark.parametrize("suffix", ["", "abc", "xyzw", "../../..", "%2e%2e", "0" * 35, "ffffffffffff"])
def test_what_is_no_id_is_found_nowhere(client: Client, suffix: str) -> None:
    with pytest.raises(errors.NotFound):
        client.find(suffix)


def test_an_ambiguous_suffix_names_the_orders(client: Client) -> None:
    lines = ({**AN_ORDER, "amount": "0.001"} for _ in range(1_200))  # by far enough for two of 65,536 ends
    ids = [order["orderId"] for order in client.batch(lines)]
    by_end = sorted(ids, key=lambda order_id: order_id[-4:])
    twins = next((a, b) for a, b in itertools.pairwise(by_end) if a[-4:] == b[-4:])
    with pytest.raises(errors.NotFound) as caught:
        client.find(twins[0][-4:])
    assert caught.value.code == "ambiguous_id"
    assert all(order_id in caught.value.message for order_id in twins)


def test_without_a_daemon_the_error_says_so_and_what_to_do(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    with pytest.raises(errors.Unreachable) as caught:
        Client(home, autostart=False).status()
    assert str(home.data_dir) in caught.value.message
    assert caught.value.hint == "Start it: oee daemon start"


def test_a_file_of_a_daemon_that_is_gone_is_no_daemon(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    gone = {"url": "http://127.0.0.1:9", "pid": 2**22 + 1, "version": "0.1.0"}
    home.daemon_file.write_text(json.dumps(gone))
    with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:9: .* says pid \d+, which is not running"):
        Client(home, autostart=False).status()


def test_a_wrong_token_is_named_with_its_mode(daemon: RunningDaemon, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.make()
    home.daemon_file.write_bytes(daemon.home.daemon_file.read_bytes())
    home.token_file.write_text("x" * 43)
    home.token_file.chmod(0o644)
    refused = pytest.raises(errors.EngineError, match=r"mode 0644, should be 0600")
    with Client(home, autostart=False) as client, refused as caught:
        client.status()
    assert caught.value.code == "unauthorized"


def test_a_new_token_is_read_when_the_daemon_was_restarted(
    start_daemon: Callable[..., RunningDaemon], tmp_path: Path
) -> None:
    first = start_daemon(tmp_path)
    with Client(first.home, autostart=False) as client:
        order = client.submit(AN_ORDER)
        first.stop(signal.SIGKILL)
        second = start_daemon(tmp_path)
        assert first.token != second.token
        assert ended(client, order["orderId"])["status"] == "confirmed"


def test_an_order_whose_answer_is_lost_is_asked_for_again_under_the_same_key(tmp_path: Path) -> None:
    def script(asked: Asked) -> tuple[int, Any] | None:
        return None if len(peer.asked) < 3 else (200, {"schema": "oee.order/1", "orderId": "x"})

    with misbehaving(tmp_path, script) as peer, Client(peer.home, autostart=False) as client:
        assert client.submit(AN_ORDER)["orderId"] == "x"
    assert len(peer.asked) == 3
    assert len({asked.headers["Idempotency-Key"] for asked in peer.asked}) == 1
    assert len({asked.body for asked in peer.asked}) == 1


def test_an_order_that_is_never_answered_is_unknown_and_names_its_key(tmp_path: Path) -> None:
    with (
        misbehaving(tmp_path, lambda _: None) as peer,
        Client(peer.home, autostart=False) as client,
        pytest.raises(errors.OutcomeUnknown) as caught,
    ):
        client.submit(AN_ORDER, key="mine")
    assert caught.value.hint == "Look: oee list --key mine"


def test_a_question_that_is_never_answered_is_unreachable(tmp_path: Path) -> None:
    with (
        misbehaving(tmp_path, lambda _: None) as peer,
        Client(peer.home, autostart=False) as client,
        pytest.raises(errors.Unreachable, match="broke 4 times"),
    ):
        client.status()


def test_lines_of_a_batch_that_were_not_answered_are_sent_again_under_their_own_keys(tmp_path: Path) -> None:
    def script(asked: Asked) -> tuple[int, Any] | None:
        lines = [json.loads(line) for line in asked.body.splitlines()]
        answered = lines[: len(lines) // 2 or 1]  # half of them, then the connection ends
        return 200, b"".join(json.dumps({"orderId": line["clientOrderId"]}).encode() + b"\n" for line in answered)

    with misbehaving(tmp_path, script) as peer, Client(peer.home, autostart=False) as client:
        answers = [order["orderId"] for order in client.batch([AN_ORDER] * 9)]
    assert len(set(answers)) == 9
    first = [json.loads(line)["clientOrderId"] for line in peer.asked[0].body.splitlines()]
    assert answers == first


def test_an_answer_of_another_program_is_called_that(tmp_path: Path) -> None:
    with (
        misbehaving(tmp_path, lambda _: (200, b"<html>")) as peer,
        Client(peer.home, autostart=False) as client,
        pytest.raises(errors.EngineError, match="not a record") as caught,
    ):
        client.status()
    assert caught.value.code == "internal"


# following


def test_following_an_order_ends_with_it(client: Client) -> None:
    order = client.submit(AN_ORDER)
    followed = list(client.follow([order["orderId"]], timeout_s=20))
    assert followed == client.order_events(order["orderId"])


def test_following_goes_on_from_a_number(client: Client) -> None:
    order = client.submit(AN_ORDER)
    ended(client, order["orderId"])
    history = client.order_events(order["orderId"])
    assert list(client.follow([order["orderId"]], history[1]["seq"], timeout_s=20)) == history[2:]


def test_following_everything_begins_now(client: Client) -> None:
    before = client.status()["seq"]
    follower = client.follow(timeout_s=20)
    order = client.submit(AN_ORDER)
    seen = []
    for event in follower:
        seen.append(event["seq"])
        if event["orderId"] == order["orderId"] and event["status"] == "confirmed":
            break
    assert seen[0] > before
    assert seen == list(range(seen[0], seen[-1] + 1))


def test_following_many_orders_gives_each_its_whole_history(client: Client) -> None:
    ids = [order["orderId"] for order in client.batch([{**AN_ORDER, "amount": "0.001"}] * 150)]
    by_order: dict[str, list[Any]] = {order_id: [] for order_id in ids}
    for event in client.follow(ids, timeout_s=30):
        by_order[event["orderId"]].append(event)
    for order_id in ids[::20]:
        assert by_order[order_id] == client.order_events(order_id)
    assert {events[-1]["status"] for events in by_order.values()} == {"confirmed"}


def test_following_an_order_that_is_not_there_says_so(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        list(client.follow(["01a1f8b6-27b6-7533-a321-000000000000"], timeout_s=20))


def test_following_ends_when_the_time_is_up(client: Client) -> None:
    assert list(client.follow(timeout_s=0)) == []


def test_a_follower_that_was_far_behind_misses_nothing(daemon: RunningDaemon, client: Client) -> None:
    start = client.status()["seq"]
    follower = client.follow(None, start, timeout_s=60)
    with Client(daemon.home, autostart=False) as other:
        other.submit(AN_ORDER)
        seen = [next(follower)["seq"]]  # connected, and reads no more while the log grows
        list(other.batch([{**AN_ORDER, "amount": "0.001"}] * 700))
        daemon.settle()
        last = other.status()["seq"]
    while seen[-1] < last:
        seen.append(next(follower)["seq"])
    assert seen == list(range(start + 1, last + 1))


def test_a_follower_misses_nothing_across_a_crash_of_the_daemon(
    start_daemon: Callable[..., RunningDaemon], tmp_path: Path
) -> None:
    first = start_daemon(tmp_path)
    told: list[str] = []
    client = Client(first.home, autostart=False, tell=told.append)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(_until_the_last(client)))
    reader.start()
    first.submit()
    first.settle()
    first.stop(signal.SIGKILL)
    until(lambda: told, "the loss of the connection")
    second = start_daemon(tmp_path)
    second.submit(AN_ORDER | {"clientOrderId": "last"})
    reader.join(30)
    client.close()
    assert seen == list(range(1, len(seen) + 1))
    assert told == ["The connection to the daemon is lost; trying again.", "Connected again."]
    os.kill(second.pid, signal.SIGTERM)


def _until_the_last(client: Client) -> Iterator[int]:
    last = ""
    for event in client.follow(None, 0, timeout_s=30):
        if event.get("clientOrderId") == "last":
            last = event["orderId"]
        yield event["seq"]
        if event["orderId"] == last and event["status"] == "confirmed":
            return


def test_a_daemon_that_a_living_program_started_is_gone_when_it_was_stopped(tmp_path: Path) -> None:
    """Its parent has to ask for its end, or it stays in the process table and `oee daemon stop` waits for it in vain."""
    program = "from order_engine.client import Client; Client().status(); input()"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OEE_")}
    env = inherited | {"OEE_HOME": str(tmp_path), "OEE_SIM_SPEED": "instant", "OEE_PORT": "0"}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=env, stdin=subprocess.PIPE) as bot:
        until(lambda: find_daemon(Home.at(tmp_path)) is not None, "the bot's daemon")
        stopped = subprocess.run(
            [sys.executable, "-m", "cli", "daemon", "stop"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (stopped.returncode, bot.poll()) == (0, None), stopped.stderr
        bot.communicate(b"\n")


def test_following_ends_soon_after_it_is_told_to(daemon: RunningDaemon) -> None:
    stopped = threading.Event()
    with Client(daemon.home, autostart=False) as client:
        follower = threading.Thread(
            target=lambda: list(follow(client, None, None, None, lambda _: None, stopped.is_set)), daemon=True
        )
        follower.start()
        stopped.set()
        follower.join(10)
        assert not follower.is_alive()
