"""How requests come off the wire, and answers go onto it."""

import asyncio
import json
import re
import socket
from collections.abc import Callable

import pytest
from websockets.frames import Frame, Opcode

from daemon.frames import text_frame
from daemon.protocols import Together
from tests.conftest import AN_ORDER, RunningDaemon


class Wire(asyncio.Transport):
    """Notes what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[object] = []

    def write(self, data: object) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")


def an_answer() -> tuple[Wire, Together, list[Callable[[], None]]]:
    wire, later = Wire(), list[Callable[[], None]]()
    return wire, Together(wire, later.append), later


def test_the_head_and_the_body_of_an_answer_are_one_packet() -> None:
    wire, answer, later = an_answer()
    answer.write(b"head")
    answer.write(b"body")
    for turn in later:
        turn()
    assert wire.done == [b"headbody"]


def test_a_head_whose_body_takes_its_time_goes_ahead() -> None:
    wire, answer, later = an_answer()
    answer.write(b"head")
    later.pop()()
    answer.write(b"first")
    answer.write(b"second")
    assert (wire.done, later) == ([b"head", b"first", b"second"], [])


def test_an_answer_without_a_body_is_written_before_the_end() -> None:
    wire, answer, later = an_answer()
    answer.write(b"head")
    answer.close()
    later.pop()()
    assert wire.done == [b"head", "closed"]


def test_requests_in_one_packet_are_answered_in_turn(daemon: RunningDaemon) -> None:
    order = json.dumps(AN_ORDER | {"amount": "nothing"}).encode()
    head = f"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {daemon.token}\r\n"
    post = f"{head}Content-Type: application/json\r\nContent-Length: {len(order)}\r\n\r\n".encode() + order
    probe = b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as wire:
        wire.sendall(post + probe + post[:-1])
        received = b""
        while received.count(b"HTTP/1.1 ") < 2:
            received += wire.recv(65_536)
        wire.sendall(post[-1:])
        while received.count(b"HTTP/1.1 ") < 3:
            received += wire.recv(65_536)
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"400", b"200", b"400"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_of_ours_is_the_one_that_the_library_would_make(size: int) -> None:
    payload = b"x" * size
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)
