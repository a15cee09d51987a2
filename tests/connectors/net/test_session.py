"""requests' interface goes through the same engine and policy."""

import pytest
import requests
from pytest_django import Settings

from connectors.net.session import Session, TargetBlocked
from tests.contract.scripted import Peer, answering, header, http_answer, scripted
from tests.servers import free_port


def test_a_call_looks_like_one_of_requests() -> None:
    answer = http_answer(201, b'{"a": "\xc3\xbc"}', b"Content-Type: application/json; charset=utf-8")
    with scripted(answering(answer)) as server:
        response = Session("test").post(server.url, json={"b": 1}, auth=("me", "pw"), headers={"X-A": "1"}, timeout=5)
    assert (response.status_code, response.json()) == (201, {"a": "ü"})
    assert response.headers["CONTENT-TYPE"].startswith("application/json")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert (body, header(head, b"authorization"), header(head, b"x-a")) == (b'{"b": 1}', b"Basic bWU6cHc=", b"1")
    assert head.lower().count(b"content-length:") == 1


def test_connections_are_kept_between_calls() -> None:
    with scripted(answering(http_answer(200))) as server:
        session = Session("test")
        for _ in range(3):
            session.get(server.url)
    assert server.connections == 1


def test_redirects_are_answers() -> None:
    with scripted(answering(http_answer(302, b"", b"location: http://127.0.0.1:1/"))) as server:
        assert Session("test").get(server.url).status_code == 302
    assert len(server.requests) == 1


def test_failures_are_exceptions_of_requests() -> None:
    session = Session("test")
    with pytest.raises(requests.ConnectionError):
        session.get(f"http://127.0.0.1:{free_port()}/")
    with scripted(Peer.hang) as server, pytest.raises(requests.Timeout):
        session.get(server.url, timeout=0.3)
    with scripted(lambda peer: peer.send(b"no")) as server, pytest.raises(requests.exceptions.SSLError):
        session.get(f"https://127.0.0.1:{server.port}/")
    with pytest.raises(requests.exceptions.InvalidURL):
        session.get("http://good.example/#fragment")


def test_blocked_targets_are_refused(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with scripted(answering(http_answer(200))) as server, pytest.raises(TargetBlocked, match="NETWORK_ALLOWED_PRIVATE"):
        Session("test").get(server.url)
    assert server.connections == 0


def test_an_answer_that_would_be_cut_is_an_error() -> None:
    with scripted(answering(http_answer(200, b"x" * 20_000))) as server, pytest.raises(requests.ConnectionError):
        Session("test").get(server.url)


def test_the_policy_bounds_the_timeout(settings: Settings) -> None:
    settings.NETWORK_TIMEOUT = 1
    with scripted(Peer.hang) as server, pytest.raises(requests.Timeout, match="1 s"):
        Session("test").get(server.url, timeout=60)
