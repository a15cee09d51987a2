"""The engine sends many requests at a time, reuses its connections and keeps its bounds."""

import os
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.http import send, send_many
from connectors.net.pool import Pool, pool
from connectors.net.terms import KEPT_BODY
from connectors.outcomes import Reason
from tests.contract.scripted import Peer, answering, header, http_answer, scripted
from tests.servers import free_port, wait_until


def get(url: str, timeout: float = 5.0, **headers: str) -> Request:
    return Request("GET", url, headers, timeout=timeout)


def numbered(url: str, count: int, timeout: float = 5.0) -> Iterator[Request]:
    return (Request("POST", url, {"n": str(n)}, b"%d" % n, timeout, tag=n) for n in range(count))


def failure(result: Result) -> Failure:
    assert isinstance(result, Failure), result
    return result


def response(result: Result) -> Response:
    assert isinstance(result, Response), result
    return result


def test_a_request_arrives_as_it_was_meant() -> None:
    with scripted(answering(http_answer(200, b"fine", b"X-One: 1", b"x-one: 2"))) as server:
        request = Request("PATCH", server.url + "a/../b?c=d", {"a": "1", "empty": ""}, b'{"x": 1}')
        answer = response(send(request, key=1))
    assert (answer.status, answer.body, answer.headers["x-one"]) == (200, b"fine", "1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PATCH /a/../b?c=d HTTP/1.1\r\n")
    assert body == b'{"x": 1}'
    assert header(head, b"a") == b"1"
    assert header(head, b"accept-encoding") == b"identity"
    assert header(head, b"host") == f"127.0.0.1:{server.port}".encode()
    assert b"\r\nempty:" in head
    assert b"xpect" not in head


def test_a_slot_keeps_nothing_of_the_request_before() -> None:
    def tell(request: bytes) -> bytes:
        return http_answer(200, request.split(b" ", 1)[0] + b" " + header(request, b"content-length") or b"-")

    with scripted(answering(tell)) as server:
        requests = [
            Request("POST", server.url, {"secret": "one"}, b"12345"),
            Request("GET", server.url, {}),
            Request("DELETE", server.url, {}),
            Request("DELETE", server.url, {}, b"1"),
            Request("POST", server.url, {}, b""),
        ]
        told = [response(result).body for _, result in send_many(requests, key=1, concurrency=1)]
    assert told == [b"POST 5", b"GET ", b"DELETE ", b"DELETE 1", b"POST 0"]
    assert [header(request, b"secret") for request in server.requests] == [b"one", b"", b"", b"", b""]


def test_every_request_ends_exactly_once_under_concurrency() -> None:
    with scripted(answering(lambda request: http_answer(200, request.partition(b"\r\n\r\n")[2]))) as server:
        ended = [
            (request.tag, response(result).body)
            for request, result in send_many(numbered(server.url, 500), key=1, concurrency=20)
        ]
    assert sorted(ended) == [(n, b"%d" % n) for n in range(500)]
    assert server.connections <= 20


def test_connections_are_kept_between_calls() -> None:
    with scripted(answering(http_answer(200))) as server:
        for _ in range(3):
            assert len(list(send_many(numbered(server.url, 20), key="a", concurrency=4))) == 20
        assert server.connections <= 4
        before = server.connections
        send(get(server.url), key="b")
        assert server.connections == before + 1


def test_a_connection_that_the_server_closed_meanwhile_harms_no_request() -> None:
    def answer_once(peer: Peer) -> None:
        peer.read_request()
        peer.send(http_answer(200))

    with scripted(answer_once) as server:
        for _ in range(20):
            assert response(send(get(server.url), key=1)).status == 200
        assert len(server.requests) == 20


def test_requests_are_pulled_one_for_each_free_slot() -> None:
    pulled = 0

    def pull() -> Iterator[Request]:
        nonlocal pulled
        for request in numbered(server.url, 10):
            pulled += 1
            yield request

    release = threading.Event()

    def hold(peer: Peer) -> None:
        while peer.read_request():
            release.wait(10)
            peer.send(http_answer(200))

    with scripted(hold) as server:
        results = send_many(pull(), key=1, concurrency=3)
        first = threading.Thread(target=lambda: next(results))
        first.start()
        wait_until(lambda: len(server.requests) == 3, "three requests come", 5)
        assert pulled == 3
        release.set()
        first.join()
        assert pulled == 3
        next(results)
        assert pulled <= 6
        assert len(list(results)) == 8
    assert pulled == 10


def test_a_source_that_stops_early_still_gets_what_is_under_way() -> None:
    with scripted(answering(http_answer(200))) as server:

        def pull() -> Iterator[Request]:
            for request in numbered(server.url, 100):
                if len(server.requests) >= 10:
                    return
                yield request

        tags = [request.tag for request, _ in send_many(pull(), key=1, concurrency=4)]
    assert len(tags) < 100
    assert sorted(tags) == list(range(len(tags)))


def test_closing_the_iterator_drops_what_is_under_way_and_spares_the_channel() -> None:
    def hang_on_odd(peer: Peer) -> None:
        while request := peer.read_request():
            if int(header(request, b"n") or 0) % 2:
                peer.hang()
                return
            peer.send(http_answer(200))

    with scripted(hang_on_odd) as server:
        results = send_many(numbered(server.url, 10), key=1, concurrency=4)
        next(results)
        results.close()  # type: ignore[attr-defined]  # it is a generator
        assert response(send(get(server.url), key=1)).status == 200


def test_an_error_of_the_source_passes_through_and_spares_the_channel() -> None:
    with scripted(answering(http_answer(200))) as server:

        def pull() -> Iterator[Request]:
            yield get(server.url)
            raise LookupError("the source broke")

        with pytest.raises(LookupError):
            list(send_many(pull(), key=1, concurrency=2))
        assert response(send(get(server.url), key=1)).status == 200


def test_threads_do_not_share_a_channel() -> None:
    with scripted(answering(lambda request: http_answer(200, request.partition(b"\r\n\r\n")[2]))) as server:
        ended: list[list[tuple[int, bytes]]] = []

        def run() -> None:
            results = send_many(numbered(server.url, 100), key=1, concurrency=5)
            ended.append([(request.tag, response(result).body) for request, result in results])

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [sorted(one) for one in ended] == [[(n, b"%d" % n) for n in range(100)]] * 4


def test_the_pool_closes_the_longest_idle_beyond_its_bound() -> None:
    small = Pool(max_idle_connections=2)
    with scripted(answering(http_answer(200))) as server:
        for key in "abc":
            with small.channel(key) as channel:
                list(channel.send_many([get(server.url)], 1))
        assert server.connections == 3
        for key, expected in [("c", 3), ("b", 3), ("a", 4)]:
            with small.channel(key) as channel:
                list(channel.send_many([get(server.url)], 1))
            assert server.connections == expected, key
        small.clear()


def test_a_cleared_pool_closes_its_connections() -> None:
    closed = threading.Event()

    def watch(peer: Peer) -> None:
        while peer.read_request():
            peer.send(http_answer(200))
        closed.set()

    with scripted(watch) as server:
        send(get(server.url), key=1)
        assert not closed.is_set()
        pool.clear()
        assert closed.wait(5)


@pytest.fixture
def _descriptors_beyond_select() -> Iterator[None]:
    """Every descriptor opened in the test is 1024 or more, where select() cannot watch it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.fail("This test needs 4096 file descriptors; raise the hard limit (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    held: list[int] = []
    while not held or held[-1] < 1100:
        held.append(os.dup(0))
    yield
    pool.clear()
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_descriptors_beyond_select")
def test_descriptors_beyond_the_reach_of_select_still_work() -> None:
    with scripted(answering(http_answer(200))) as server:
        results = list(send_many(numbered(server.url, 50), key=1, concurrency=5))
    assert [response(result).status for _, result in results] == [200] * 50


@pytest.mark.usefixtures("_descriptors_beyond_select")
def test_waiting_for_descriptors_beyond_the_reach_of_select_takes_no_cpu() -> None:
    with scripted(Peer.hang) as server:
        before = time.thread_time()
        assert failure(send(get(server.url, timeout=1), key=1)).reason is Reason.RETRY_TIMEOUT
        assert time.thread_time() - before < 0.1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [b"http://127.0.0.1:1/", b"file:///etc/passwd", b"gopher://127.0.0.1/", b"/"])
def test_row_5_redirects_are_not_followed(status: int, location: bytes) -> None:
    with scripted(answering(http_answer(status, b"", b"location: " + location))) as server:
        answer = response(send(get(server.url), key=1))
    assert (answer.status, answer.headers["location"]) == (status, location.decode())
    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answering(http_answer(200))) as server, scripted(answering(http_answer(500))) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert response(send(get(server.url), key=1)).status == 200
    assert proxy.connections == 0


def test_nothing_listening_is_a_connect_failure() -> None:
    result = failure(send(get(f"http://127.0.0.1:{free_port()}/"), key=1))
    assert result.reason is Reason.RETRY_CONNECT
    assert "127.0.0.1" in result.detail


def test_a_host_that_swallows_packets_ends_at_the_deadline() -> None:
    with scripted(answering(http_answer(200))) as server:
        send(get(server.url), key=1)  # so that the slot has had a connection before
    # A listener whose backlog is full does not answer the handshake.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        result = failure(send(get(f"http://127.0.0.1:{port}/", timeout=1), key=1))
        for filler in fillers:
            filler.close()
    assert result.reason is Reason.RETRY_TIMEOUT
    assert result.detail == f"No connection to 127.0.0.1:{port} within 1 s."
    assert 0.9 < time.monotonic() - began < 3


def test_a_timeout_on_a_kept_connection_is_one_of_the_answer() -> None:
    def answer_once(peer: Peer) -> None:
        peer.read_request()
        peer.send(http_answer(200))
        peer.hang()

    with scripted(answer_once) as server:
        send(get(server.url), key=1)
        assert failure(send(get(server.url, timeout=0.5), key=1)).detail == "No answer within 0.5 s."
        assert server.connections == 1


def test_a_url_that_was_not_rebuilt_by_the_policy_is_refused() -> None:
    for url in (
        "HTTP://127.0.0.1:8000/",
        "http://127.1:8000/",
        "http://127.0.0.1:8000?a/b",
        "http://u@127.0.0.1:8000/",
    ):
        assert failure(send(get(url), key=1)).reason is Reason.BAD_CONFIG, url


def test_the_stored_body_is_cut_and_the_status_still_counts() -> None:
    with scripted(answering(http_answer(200, b"x" * KEPT_BODY))) as server:
        answer = response(send(get(server.url), key=1))
    assert (len(answer.body), answer.is_cut) == (KEPT_BODY, False)
    with scripted(answering(http_answer(503, b"x" * 1_000_000))) as server:
        answer = response(send(get(server.url), key=1))
    assert (answer.status, len(answer.body), answer.is_cut) == (503, KEPT_BODY, True)
