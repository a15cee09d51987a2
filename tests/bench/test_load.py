"""The load generator sends each event once and knows a whole answer."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from bench.load import LoadFailed, Target, answer_status, requests_of, send_all, send_paced
from bench.sink import Sink

TARGET = Target(8000, "/events", "token")


def _bodies(requests: list[bytes]) -> list[list[str]]:
    return [request.partition(b"\r\n\r\n")[2].decode().split("\n") for request in requests]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (500, [7])])
def test_batches_carry_every_event_once(batch: int, sizes: list[int]) -> None:
    bodies = _bodies(requests_of(TARGET, "run", 7, batch))
    assert [len(lines) for lines in bodies] == sizes
    assert [json.loads(line)["id"] for lines in bodies for line in lines] == [f"run-{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok", 202),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\no", None),
        (b"HTTP/1.1 202 Accepted\r\nContent-Le", None),
        (b"HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 413),
        (b"HTTP/1.1 413 Too Large\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", None),
    ],
)
def test_an_answer_is_read_once_it_is_whole(answer: bytes, status: int | None) -> None:
    assert answer_status(answer) == status


def test_another_answer_than_202_fails_the_load() -> None:
    with Sink() as sink, pytest.raises(LoadFailed, match="answered 200"):
        send_all(Target(sink.port, "/", ""), requests_of(TARGET, "run", 1, 1), 1)


def test_a_paced_load_waits_for_no_answer_before_it_sends_the_next() -> None:
    events, per_second = 20, 100
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        answering = pool.submit(_answer_when_all_came, listener, events, done)
        target = Target(listener.getsockname()[1], "/", "")
        instants = send_paced(target, requests_of(target, "run", events, 1), per_second)
        done.set()
        answering.result(10)
    assert len(instants) == events
    assert instants == sorted(instants)


def _answer_when_all_came(listener: socket.socket, requests: int, done: threading.Event) -> None:
    """Accept one connection a request; answer none until each has sent one; close them when ``done`` is set."""
    with ExitStack() as stack:
        connections = [stack.enter_context(listener.accept()[0]) for _ in range(requests)]
        for connection in connections:
            assert connection.recv(4096)
        for connection in connections:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        done.wait(30)
