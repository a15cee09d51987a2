"""Whatever a receiver answers (row 37), the outcome has a type and comes within bounds of time and memory."""

import gzip
import time
import tracemalloc
from collections.abc import Callable

import pytest

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.http import send, send_many
from connectors.net.terms import KEPT_BODY
from connectors.outcomes import Reason
from tests.contract.scripted import Peer, Script, answering, http_answer, scripted

OK = b"HTTP/1.1 200 OK\r\n"
TIMEOUT = 1.0


def exchange(script: Script) -> Result:
    """Send one request with a timeout of a second; fail the test when that is not kept or memory grows."""
    with scripted(script) as server:
        tracemalloc.start()
        began = time.monotonic()
        result = send(Request("POST", server.url, {}, b"{}", timeout=TIMEOUT), key=1)
        took = time.monotonic() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert took < TIMEOUT + 1.0
    assert peak < 8 * 1024 * 1024
    return result


def after_request(answer: Callable[[Peer], None]) -> Script:
    def script(peer: Peer) -> None:
        if peer.read_request():
            answer(peer)

    return script


def assert_fails(result: Result, reason: Reason, *words: str) -> None:
    assert isinstance(result, Failure), result
    assert result.reason is reason
    assert all(word in result.detail for word in words), result.detail


def assert_answers(result: Result, status: int, body: bytes) -> None:
    assert isinstance(result, Response), result
    assert (result.status, result.body) == (status, body)


def test_row_37_endless_body_is_cut_and_its_status_counts() -> None:
    def flood(peer: Peer) -> None:
        peer.send(OK + b"\r\n")
        peer.flood(b"x" * 65536)

    assert_answers(exchange(after_request(flood)), 200, b"x" * KEPT_BODY)


def test_row_37_endless_chunked_body_is_cut_and_its_status_counts() -> None:
    def flood(peer: Peer) -> None:
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
        peer.flood(b"400\r\n" + b"x" * 1024 + b"\r\n")

    assert_answers(exchange(after_request(flood)), 200, b"x" * KEPT_BODY)


def test_row_37_body_in_drips_ends_at_the_deadline() -> None:
    def drip(peer: Peer) -> None:
        peer.send(OK + b"content-length: 100000\r\n\r\n")
        peer.drip(b"x" * 100000)

    assert_fails(exchange(after_request(drip)), Reason.RETRY_TIMEOUT, "HTTP 200", "1 s")


def test_row_37_headers_in_drips_end_at_the_deadline() -> None:
    assert_fails(exchange(after_request(lambda peer: peer.drip(OK + b"a: b\r\n" * 10000))), Reason.RETRY_TIMEOUT, "1 s")


def test_row_37_silence_ends_at_the_deadline() -> None:
    assert_fails(exchange(after_request(Peer.hang)), Reason.RETRY_TIMEOUT, "No answer within 1 s")


def test_row_37_one_slow_receiver_holds_up_no_other_request() -> None:
    def slow_for_one(peer: Peer) -> None:
        while request := peer.read_request():
            if request.startswith(b"POST /slow"):
                peer.drip(OK + b"content-length: 100000\r\n\r\n" + b"x" * 100000)
                return
            peer.send(http_answer(200))

    with scripted(slow_for_one) as server:
        slow = Request("POST", server.url + "slow", {}, b"", timeout=TIMEOUT)
        quick = [Request("POST", server.url, {}, b"", timeout=TIMEOUT) for _ in range(50)]
        began = time.monotonic()
        order = [
            (request.url, time.monotonic() - began) for request, _ in send_many([slow, *quick], key=1, concurrency=4)
        ]
    assert order[-1][0] == slow.url
    assert max(took for url, took in order if url != slow.url) < TIMEOUT / 2


@pytest.mark.parametrize("size", [64 * 1024, 90 * 1024])
def test_row_37_large_headers_are_taken_or_refused_whole(size: int) -> None:
    result = exchange(answering(http_answer(200, b"ok", b"big: " + b"x" * size)))
    assert_answers(result, 200, b"ok")


def test_row_37_headers_without_end_are_refused() -> None:
    def flood(peer: Peer) -> None:
        peer.send(OK)
        peer.flood(b"a: " + b"x" * 8192 + b"\r\n")

    assert_fails(exchange(after_request(flood)), Reason.RETRY_CONNECT, "eader")


def test_row_37_one_header_line_without_end_is_refused() -> None:
    def flood(peer: Peer) -> None:
        peer.send(OK + b"a: ")
        peer.flood(b"x" * 8192)

    assert_fails(exchange(after_request(flood)), Reason.RETRY_CONNECT, "eader")


def test_row_37_ten_thousand_headers_are_refused() -> None:
    headers = [b"h%d: x" % n for n in range(10_000)]
    assert_fails(exchange(answering(http_answer(200, b"", *headers))), Reason.RETRY_CONNECT, "eader")


def test_row_37_status_999_is_an_answer() -> None:
    assert_answers(exchange(answering(http_answer(999, b"no"))), 999, b"no")


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 100000 X", b"HTTP/1.1 abc X", b"HTTP/1.1 20 X", b"HTTP/9.9 200 OK", b"hello"]
)
def test_row_37_what_is_not_http_is_refused(line: bytes) -> None:
    script = after_request(lambda peer: peer.send(line + b"\r\ncontent-length: 0\r\n\r\n"))
    assert_fails(exchange(script), Reason.RETRY_CONNECT)


@pytest.mark.parametrize("interim", [100, 103])
def test_row_37_flood_of_interim_answers_is_refused(interim: int) -> None:
    script = after_request(lambda peer: peer.flood(b"HTTP/1.1 %d X\r\nlink: </x>\r\n\r\n" % interim * 100))
    assert_fails(exchange(script), Reason.RETRY_CONNECT, "eader")


def test_an_interim_answer_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    result = exchange(answering(early + http_answer(201, b"made", b"a: b")))
    assert_answers(result, 201, b"made")
    assert isinstance(result, Response)
    assert "link" not in result.headers
    assert result.headers["a"] == "b"


def test_row_37_204_with_a_body_is_an_answer_and_the_body_answers_nothing_else() -> None:
    poison = b"HTTP/1.1 204 No Content\r\ncontent-length: 40\r\n\r\n" + b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"
    with scripted(answering(poison)) as server:
        for _ in range(2):
            assert_answers(send(Request("POST", server.url, {}, b""), key=1), 204, b"")


def test_row_37_gzip_bomb_is_kept_as_it_came() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    result = exchange(answering(http_answer(200, bomb, b"content-encoding: gzip")))
    assert_answers(result, 200, bomb[:KEPT_BODY])


@pytest.mark.parametrize("line", [b"a: b\x00c", b"\x00: b", b"\x00"])
def test_row_37_nul_in_a_header_is_bounded(line: bytes) -> None:
    result = exchange(answering(http_answer(200, b"ok", line)))
    if isinstance(result, Failure):
        assert result.reason is Reason.RETRY_CONNECT
    else:
        assert_answers(result, 200, b"ok")


def test_row_37_nul_in_a_body_is_kept() -> None:
    assert_answers(exchange(answering(http_answer(200, b"a\0b"))), 200, b"a\0b")


def test_row_37_reset_before_an_answer_is_a_connect_failure() -> None:
    assert_fails(exchange(after_request(Peer.reset)), Reason.RETRY_CONNECT)


def test_row_37_reset_in_an_answer_is_a_connect_failure() -> None:
    def break_off(peer: Peer) -> None:
        peer.send(OK + b"content-length: 100\r\n\r\nabc")
        peer.reset()

    assert_fails(exchange(after_request(break_off)), Reason.RETRY_CONNECT, "No complete answer")


def test_row_37_close_without_an_answer_is_a_connect_failure() -> None:
    assert_fails(exchange(after_request(lambda _: None)), Reason.RETRY_CONNECT)


def test_row_37_body_shorter_than_said_is_a_connect_failure() -> None:
    script = after_request(lambda peer: peer.send(OK + b"content-length: 100\r\n\r\nabc"))
    assert_fails(exchange(script), Reason.RETRY_CONNECT)


@pytest.mark.parametrize("length", [b"-5", b"99999999999999999999999", b"abc"])
def test_row_37_nonsense_content_length_is_bounded(length: bytes) -> None:
    script = after_request(lambda peer: peer.send(OK + b"content-length: " + length + b"\r\n\r\nabc"))
    result = exchange(script)
    assert isinstance(result, Failure | Response)
    if isinstance(result, Failure):
        assert result.reason in {Reason.RETRY_CONNECT, Reason.RETRY_TIMEOUT}


def test_row_37_switching_protocols_unasked_is_bounded() -> None:
    result = exchange(answering(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"))
    assert isinstance(result, Failure) or result.status == 101
