"""A name's addresses are judged, all of them, and the connection goes to an address that was judged."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from connectors.net import resolver
from connectors.net.channel import Channel
from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.http import send, send_many
from connectors.net.pool import pool
from connectors.net.urls import Origin
from connectors.outcomes import Reason
from tests.contract.scripted import ScriptedServer, answering, header, http_answer, scripted

NAME = "hooks.example.test"


@pytest.fixture(autouse=True)
def _one_address_is_allowed(settings: Settings) -> None:
    """127.0.0.1 stands for the public address here, 127.0.0.2 for a private one."""
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.1/32"]


@pytest.fixture
def public() -> Iterator[ScriptedServer]:
    with scripted(answering(http_answer(200))) as server:
        yield server


@pytest.fixture
def canary(public: ScriptedServer) -> Iterator[list[int]]:
    """Listen on the private address, at the public one's port; hold how many connections came."""
    came: list[int] = []
    with socket.create_server(("127.0.0.2", public.port)) as listener:

        def accept() -> None:
            try:
                while True:
                    listener.accept()
                    came.append(1)
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


Resolve = Callable[..., list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Answer the name with the given lists of addresses, one after another, the last one for good."""
    lookups: list[str] = []

    def set_up(*answers: list[str]) -> list[str]:
        def look_up(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
            lookups.append(host)
            found = answers[min(len(lookups), len(answers)) - 1]
            if not found:
                raise socket.gaierror("no such name")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

        monkeypatch.setattr("socket.getaddrinfo", look_up)
        return lookups

    return set_up


def post(server: ScriptedServer, timeout: float = 5.0) -> Result:
    return send(Request("POST", f"http://{NAME}:{server.port}/", {}, b"", timeout), key=1)


def reason(result: Result) -> Reason | None:
    return result.reason if isinstance(result, Failure) else None


def test_a_name_is_reached_under_its_own_name(public: ScriptedServer, names: Resolve) -> None:
    names(["127.0.0.1"])
    assert isinstance(post(public), Response)
    assert header(public.requests[0], b"host") == f"{NAME}:{public.port}".encode()


@pytest.mark.parametrize("addresses", [["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2"]])
def test_row_6_one_private_address_of_a_name_blocks_it_and_nothing_is_connected(
    public: ScriptedServer, canary: list[int], names: Resolve, addresses: list[str]
) -> None:
    names(addresses)
    result = post(public)
    assert reason(result) is Reason.BLOCKED_TARGET
    assert isinstance(result, Failure)
    assert NAME in result.detail
    assert "127.0.0" not in result.detail
    assert public.connections == 0
    assert canary == []


def test_row_6_a_name_that_turns_private_is_blocked_at_the_next_look(
    public: ScriptedServer, canary: list[int], names: Resolve
) -> None:
    names(["127.0.0.1"], ["127.0.0.2"])
    assert isinstance(post(public), Response)
    resolver.forget()
    pool.clear()
    assert reason(post(public)) is Reason.BLOCKED_TARGET
    assert canary == []


def test_row_6_the_connection_goes_to_the_address_that_was_judged(
    public: ScriptedServer, canary: list[int], names: Resolve
) -> None:
    lookups = names(["127.0.0.1"], ["127.0.0.2"])
    assert isinstance(post(public), Response)
    assert lookups == [NAME]
    assert canary == []


def test_row_6_the_socket_is_vetted_even_if_the_name_was_not(
    public: ScriptedServer, canary: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fooled(channel: Channel, origin: Origin) -> str:
        return f"{origin.host}:{origin.port}:127.0.0.2"

    monkeypatch.setattr(Channel, "_pin", fooled)
    assert reason(post(public)) is Reason.BLOCKED_TARGET
    assert canary == []


def test_names_that_stand_for_addresses_are_vetted_by_the_address(public: ScriptedServer, canary: list[int]) -> None:
    for host in ("127.0.0.2", "localhost.localdomain", "[::ffff:127.0.0.2]"):
        result = send(Request("POST", f"http://{host}:{public.port}/", {}, b""), key=1)
        assert reason(result) in {Reason.BLOCKED_TARGET, Reason.RETRY_DNS, Reason.BAD_CONFIG}, host
    assert canary == []


def test_an_unknown_name_is_a_dns_failure_and_looked_up_once_for_all(public: ScriptedServer, names: Resolve) -> None:
    lookups = names([])
    requests = (Request("POST", f"http://{NAME}/", {}, b"", tag=n) for n in range(50))
    results = list(send_many(requests, key=1, concurrency=4))
    assert {reason(result) for _, result in results} == {Reason.RETRY_DNS}
    assert sorted(request.tag for request, _ in results) == list(range(50))
    assert lookups == [NAME]


def test_a_resolver_that_does_not_answer_is_waited_for_only_so_long(
    public: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        release.wait(30)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hang)
    monkeypatch.setattr(resolver, "_DEADLINE", 0.3)
    began = time.monotonic()
    result = post(public)
    assert reason(result) is Reason.RETRY_DNS
    assert time.monotonic() - began < 2
    release.set()


def test_an_ipv6_address_is_reached(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["::1/128"]
    with scripted(answering(http_answer(200)), host="::1") as server:
        result = send(Request("GET", f"http://[::1]:{server.port}/", {}), key=1)
    assert isinstance(result, Response)


def test_settings_that_change_are_obeyed_by_connections_that_are_open(
    public: ScriptedServer, settings: Settings
) -> None:
    request = Request("POST", f"http://127.0.0.1:{public.port}/", {}, b"")
    assert isinstance(send(request, key=1), Response)
    settings.NETWORK_ALLOWED_PRIVATE = []
    assert reason(send(request, key=1)) is Reason.BLOCKED_TARGET
    assert public.connections == 1
