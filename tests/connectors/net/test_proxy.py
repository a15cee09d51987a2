"""Requests go over the proxy that holds for their host, and its credentials and headers go to it alone."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.http import send
from connectors.net.terms import Proxy
from connectors.net.tls import Tls
from connectors.outcomes import Reason
from tests.contract.scripted import ScriptedServer, answering, header, http_answer, scripted
from tests.proxy import Proxying, proxy
from tests.servers import free_port

PASSWORD = "pr0xy-canary"
BASIC = b"Basic " + b64encode(f"ops:{PASSWORD}".encode())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(answering(http_answer(200, b"here"))) as running:
        yield running


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[ScriptedServer]:
    with scripted(answering(http_answer(200, b"here")), context(authority)) as running:
        yield running


def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def get(url: str, over: Proxy, **options: Any) -> Result:
    return send(
        Request("GET", url, {"authorization": "Bearer for-the-system"}, timeout=5, proxy=over, **options), key=1
    )


def trusted(running: Proxying, **values: Any) -> Proxy:
    return Proxy(running.url, is_trusted=True, **values)


def body(result: Result) -> bytes:
    assert isinstance(result, Response), result
    return result.body


def failure(result: Result) -> tuple[Reason, str]:
    assert isinstance(result, Failure), result
    return result.reason, result.detail


def test_a_plain_request_is_handed_to_the_proxy(server: ScriptedServer) -> None:
    with proxy() as running:
        assert body(get(f"{server.url}path?q=1", trusted(running))) == b"here"
    assert running.heads[0].startswith(f"GET {server.url}path?q=1 HTTP/1.1".encode())
    assert server.requests[0].startswith(b"GET /path?q=1 ")


def test_a_tunnel_keeps_what_is_for_the_system_from_the_proxy(secure: ScriptedServer, authority: trustme.CA) -> None:
    with proxy(BASIC) as running:
        over = trusted(running, username="ops", password=PASSWORD, headers=("X-Team: ops",))
        assert body(get(f"https://127.0.0.1:{secure.port}/", over, tls=Tls(ca=pem(authority)))) == b"here"
    (head,) = running.heads
    assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1" % secure.port)
    assert (header(head, b"x-team"), header(head, b"proxy-authorization")) == (b"ops", BASIC)
    assert header(head, b"authorization") == b""
    assert b"x-team" not in secure.requests[0].lower()
    assert b"proxy-authorization" not in secure.requests[0].lower()
    assert header(secure.requests[0], b"authorization") == b"Bearer for-the-system"


def test_a_proxy_is_reached_over_tls(server: ScriptedServer, authority: trustme.CA) -> None:
    with proxy(tls=context(authority)) as running:
        url = f"https://127.0.0.1:{running.port}"
        assert body(get(server.url, Proxy(url, tls=Tls(ca=pem(authority)), is_trusted=True))) == b"here"
        reason, detail = failure(get(server.url, Proxy(url, is_trusted=True)))
        assert reason is Reason.RETRY_TLS
        assert "certificate" in detail


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_proxy_that_refuses_the_credentials_is_named_and_tried_again(secure: ScriptedServer, password: str) -> None:
    with proxy(BASIC) as running:
        over = trusted(running, username="ops", password=password)
        reason, detail = failure(get(f"https://127.0.0.1:{secure.port}/", over))
    assert reason is Reason.RETRY_CONNECT
    assert f"127.0.0.1:{running.port}" in detail
    assert "407" in detail
    assert PASSWORD not in detail
    assert secure.requests == []


def test_a_proxy_that_opens_no_tunnel_is_named(secure: ScriptedServer) -> None:
    with proxy() as running:
        running.answer = b"HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n"
        reason, detail = failure(get(f"https://127.0.0.1:{secure.port}/", trusted(running)))
    assert (reason, "403" in detail, "proxy" in detail) == (Reason.RETRY_CONNECT, True, True)


def test_a_proxy_that_is_down_is_named(server: ScriptedServer) -> None:
    over = Proxy(f"http://127.0.0.1:{free_port()}", is_trusted=True)
    reason, detail = failure(get(server.url, over))
    assert (reason, "proxy" in detail) == (Reason.RETRY_CONNECT, True)
    assert server.requests == []


def test_one_request_s_proxy_does_not_serve_the_next(server: ScriptedServer) -> None:
    with proxy() as first, proxy() as second:
        get(server.url, trusted(first))
        get(server.url, trusted(second))
        assert isinstance(send(Request("GET", server.url, {}), key=1), Response)
    assert (len(first.heads), len(second.heads), len(server.requests)) == (1, 1, 3)


def test_the_environment_s_proxy_is_not_used(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as running:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, running.url)
        assert isinstance(send(Request("GET", server.url, {}), key=1), Response)
    assert running.heads == []


# --- The policy holds over proxies, too ---


def test_a_proxy_that_a_connector_brings_along_is_a_target_like_any_other(
    server: ScriptedServer, settings: Settings
) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with proxy() as running:
        own = Proxy(running.url)
        assert failure(get("http://93.184.216.34/", own))[0] is Reason.BLOCKED_TARGET
        settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]
        assert body(get(server.url, own)) == b"here"
    assert len(running.heads) == 1


def test_the_proxy_s_address_is_judged_when_the_socket_opens(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with proxy() as running:
        # No check of the name could tell: libcurl takes all under .localhost for loopback (RFC 6761, section 6.3).
        reason, _ = failure(get("http://93.184.216.34/", Proxy(f"http://egress.localhost:{running.port}")))
    assert reason is Reason.BLOCKED_TARGET
    assert running.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "metadata.google.internal", "169.254.169.254"])
def test_no_proxy_leads_to_a_denied_target(settings: Settings, host: str) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with proxy() as running:
        assert failure(get(f"http://{host}/", trusted(running)))[0] is Reason.BLOCKED_TARGET
    assert running.heads == []


def test_the_installation_s_own_proxy_may_have_a_private_address(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with proxy() as running:
        running.answer = http_answer(204)
        assert isinstance(get("http://only-the-proxy-knows-it.example/", trusted(running)), Response)


def test_no_password_is_in_a_repr() -> None:
    assert PASSWORD not in repr(Proxy("http://p:1", "ops", PASSWORD, ("X-Key: secret-key",)))
    assert "secret-key" not in repr(Proxy("http://p:1", "ops", PASSWORD, ("X-Key: secret-key",)))
