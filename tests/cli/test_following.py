"""What goes on after the first answer: lists that follow, signs of life, events that are forwarded and signed."""

import hashlib
import hmac
import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from cli import forwarding
from cli.beating import beating
from cli.choosing import Order, belongs
from cli.output import Record
from order_engine.errors import Malformed, Unreachable
from order_engine.home import Home
from tests.cli import records
from tests.cli.conftest import COMMAND, Oee
from tests.cli.test_golden import check
from tests.conftest import ROOT
from tests.waiting import until


@contextmanager
def running(oee: Oee, *words: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A command that goes on until it is interrupted."""
    child = subprocess.Popen([*COMMAND, *words], cwd=ROOT, env=oee.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)


def line_of(child: "subprocess.Popen[bytes]") -> Record:
    assert child.stdout is not None
    return dict(json.loads(child.stdout.readline()))


# oee list


def test_a_list_is_sorted_over_all_that_match_and_not_over_the_newest(oee: Oee) -> None:
    key = "sorted-{}"
    for number in (3, 1, 2):
        oee("submit", "RAY", "SOL", f"0.00{number}", "--key", key.format(number), "--wait", "-q")
    amounts = [each["amount"] for each in oee("list", "--pair", "RAY/SOL", "--sort", "amount", "--json").records]
    assert [amount for amount in amounts if amount in ("0.001", "0.002", "0.003")] == ["0.001", "0.002", "0.003"]
    (smallest,) = oee("list", "--pair", "RAY/SOL", "--sort=-amount", "--limit", "1", "--json").records
    assert smallest["amount"] == min(amounts, key=float)


def test_a_field_that_is_none_is_refused_with_what_is_close(oee: Oee) -> None:
    done = oee("list", "--sort", "amuont")
    assert (done.code, done.out) == (2, "")
    assert "Did you mean amount?" in done.err


def test_sorting_is_by_number_with_what_is_absent_first_and_stable() -> None:
    orders = [
        records.order(orderId=name, amountOut=out) for name, out in (("a", "10"), ("b", None), ("c", "9"), ("d", "10"))
    ]
    assert [each["orderId"] for each in Order.read("amountOut", "--sort").last(orders, 9)] == ["b", "c", "a", "d"]
    assert [each["orderId"] for each in Order.read("amount_out", "--sort").last(orders, 2)] == ["a", "d"]
    assert [each["orderId"] for each in Order.read("-amountOut", "--sort").last(orders, 9)] == ["a", "d", "c", "b"]
    assert [each["orderId"] for each in Order.read("orderId", "--sort").last(orders, 1)] == ["d"]


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ({}, True),
        ({"status": "open"}, False),
        ({"status": "failed,confirmed"}, True),
        ({"pair": "usdc/SOL"}, True),
        ({"pair": "SOL/JUP"}, False),
        ({"dex": "meteora"}, True),
        ({"dex": "raydium"}, False),
        ({"key": "another"}, False),
        ({"since": "2030-01-01T00:00:00Z"}, False),
    ],
)
def test_an_order_belongs_to_a_list_by_the_same_words(filters: dict[str, str], holds: bool) -> None:
    assert belongs(filters)(records.CONFIRMED) is holds


def test_a_list_that_follows_tells_each_change_of_those_that_match(oee: Oee) -> None:
    with running(oee, "list", "-f", "--pair", "WIF/SOL", "--key", "followed-1", "--json") as child:
        until(lambda: threads_of(child) > 1, "the list to follow")
        oee("submit", "RAY", "SOL", "0.01", "-q", "--wait", "--key", "followed-0")
        order_id = oee("submit", "WIF", "SOL", "0.01", "-q", "--wait", "--key", "followed-1").out.strip()
        seen = [line_of(child)]
        while seen[-1]["status"] != "confirmed":
            seen.append(line_of(child))
    assert {each["orderId"] for each in seen} == {order_id}
    assert [each["seq"] for each in seen] == sorted({each["seq"] for each in seen})


def test_what_ends_and_what_goes_on_exclude_each_other(oee: Oee) -> None:
    assert oee("list", "-f", "--until", "1h").code == 2


def threads_of(child: "subprocess.Popen[bytes]") -> int:
    return len(list(Path(f"/proc/{child.pid}/task").iterdir()))


# heartbeats


def test_a_quiet_stream_has_a_heartbeat_with_the_daemons_number(undecided: Oee) -> None:
    with running(undecided, "events", "-f", "--json", "--heartbeat", "100ms") as child:
        beat = line_of(child)
    assert (beat["schema"], beat["seq"]) == ("oee.heartbeat/1", undecided("status", "--json").record["seq"])
    check(beat)


def test_a_daemon_that_does_not_answer_has_no_heartbeat_and_what_is_read_comes_through() -> None:
    beats = iter([None, None, {"schema": "oee.heartbeat/1", "seq": 2}])
    asked: list[int] = []

    def source() -> Iterator[Record]:
        yield {"seq": 1}
        until(lambda: len(asked) >= 3, "the third heartbeat")
        yield {"seq": 2}

    def beat() -> Record | None:
        asked.append(1)
        return next(beats, None)

    found = list(beating(source(), 1, beat))
    assert found == [{"seq": 1}, {"schema": "oee.heartbeat/1", "seq": 2}, {"seq": 2}]


def test_what_the_source_raises_is_raised_to_its_reader() -> None:
    def source() -> Iterator[Record]:
        yield {"seq": 1}
        raise Unreachable("gone")

    with pytest.raises(Unreachable, match="gone"):
        list(beating(source(), 1_000, lambda: None))


@pytest.mark.parametrize("words", [("--heartbeat", "1s"), ("-f", "--heartbeat", "5ms"), ("-f", "--heartbeat", "soon")])
def test_a_heartbeat_that_makes_no_sense_is_refused(oee: Oee, words: tuple[str, ...]) -> None:
    done = oee("events", *words)
    assert done.code == 2
    assert "--heartbeat" in done.err


# forwarding


class Delivery(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def receiver(*answers: int) -> Iterator[tuple[str, list[Delivery]]]:
    """Takes deliveries: answers with these codes, then with 204."""
    got: list[Delivery] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(Delivery(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers[len(got) - 1] if len(got) <= len(answers) else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?x=1", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_event_is_delivered_in_order_and_signed(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    with receiver() as (url, got):
        done = oee("events", "--order", order_id, "--json", "--forward-to", url)
    assert done.code == 0
    assert [delivery.body.decode() for delivery in got] == done.out.splitlines()
    assert got[0].path == "/hook?x=1"
    secret = Path(oee("config", "path", "forward-secret").out.strip())
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    for delivery, event in zip(got, done.records, strict=True):
        assert delivery.headers["oee-seq"] == str(event["seq"])
        assert delivery.headers["content-type"] == "application/json"
        time, _, mark = delivery.headers["oee-signature"].partition(",v1=")
        text = time.removeprefix("t=").encode() + b"." + delivery.body
        assert hmac.new(secret.read_bytes().strip(), text, hashlib.sha256).hexdigest() == mark


def test_a_receiver_that_fails_twice_gets_it_the_third_time(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    with receiver(500, 503) as (url, got):
        done = oee("events", "--order", order_id, "--type", "confirmed", "--forward-to", url)
    assert (done.code, len(got), len({delivery.body for delivery in got})) == (0, 3, 1)


def test_what_nobody_takes_is_said_with_its_number_and_exits_9(oee: Oee) -> None:
    order_id = oee("submit", "SOL", "USDC", "0.01", "--wait", "-q").out.strip()
    with receiver(500, 500, 404) as (url, got):
        done = oee("events", "--order", order_id, "--type", "pending,confirmed", "--json", "--forward-to", url)
    assert (done.code, len(got), len(done.records)) == (9, 4, 2)
    check(done.error)
    assert done.error["seq"] == done.records[0]["seq"]
    assert "tried 3 times: HTTP 404" in done.error["message"]


@pytest.mark.parametrize(
    "url",
    ["localhost:3000", "ftp://localhost/", "http://", "http://a b/", "http://a:99999/", "http://me:pw@localhost/"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="--forward-to") as error:
        forwarding.address(url, "--forward-to")
    assert "pw" not in error.value.message


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    assert forwarding.secret_of(home) == forwarding.secret_of(home)
    assert len(forwarding.secret_of(home)) == 64
