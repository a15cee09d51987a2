"""The benchmark trusts its sink: it must count every POST once, whatever way the bytes come."""

import socket
from collections.abc import Iterator

import pytest

from bench.sink import Sink

REQUEST = b'POST /hook HTTP/1.1\r\nHost: x\r\nWebhook-Id: w%d\r\nContent-Length: 12\r\n\r\n{"id": "e%d"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


def post(sink: Sink, *pieces: bytes, answers: int) -> None:
    """Send the pieces one by one over one connection, and wait for the answers."""
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while len(received) < len(ANSWER) * answers:
            received += connection.recv(4096)
        assert received == ANSWER * answers


def test_a_repeated_event_is_received_twice_and_counted_once(sink: Sink) -> None:
    post(sink, REQUEST % (1, 1), REQUEST % (2, 1), REQUEST % (2, 2), answers=3)
    assert sink.counts() == {"received": 3, "events": 2, "webhook_ids": 2}


def test_a_request_in_pieces_and_two_in_one_piece_are_all_counted(sink: Sink) -> None:
    whole = REQUEST % (1, 1)
    post(sink, whole[:20], whole[20:90], whole[90:] + REQUEST % (2, 2), answers=2)
    assert sink.counts() == {"received": 2, "events": 2, "webhook_ids": 2}


def test_arrivals_keep_the_first_time_of_each_event(sink: Sink) -> None:
    post(sink, REQUEST % (1, 1), answers=1)
    first = sink.arrivals()
    post(sink, REQUEST % (1, 1), REQUEST % (2, 2), answers=2)
    later = sink.arrivals()
    assert later["e1"] == first["e1"] < later["e2"]


def test_a_reset_forgets_all(sink: Sink) -> None:
    post(sink, REQUEST % (1, 1), answers=1)
    sink.reset()
    assert sink.counts() == {"received": 0, "events": 0, "webhook_ids": 0}
