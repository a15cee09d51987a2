"""TCP and TLS connections: to vetted addresses only, secured as the policy says, and never waited for too long."""

import ssl
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import trustme

from connectors.net import resolver
from connectors.net.dialling import CannotConnect, dial, find_addresses, open_socket
from connectors.net.policy import BAD_PORTS, BlockedTarget, NetworkPolicy
from connectors.net.streams import Stream, open_stream
from connectors.net.tls import Tls
from connectors.net.urls import Origin
from connectors.outcomes import Reason
from tests.contract.scripted import Peer, scripted
from tests.servers import free_port

AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()


def policy(**changes: object) -> NetworkPolicy:
    return replace(NetworkPolicy.current(), **changes)  # type: ignore[arg-type]


def origin(port: int, host: str = "127.0.0.1") -> Origin:
    return Origin("smtp", host, port)


def server_context(host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(host).configure_cert(context)
    return context


def stream_to(port: int, seconds: float = 5.0) -> Stream:
    return open_stream(("127.0.0.1",), port, time.monotonic() + seconds)


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *answers: tuple[str, ...]) -> None:
    """Answer the look-ups to come with these addresses, one after another."""
    resolver.forget()
    coming = iter(answers)
    monkeypatch.setattr(resolver, "_look_up", lambda _: next(coming))


def reason_of(what: Callable[[], object]) -> Reason:
    with pytest.raises(CannotConnect) as caught:
        what()
    return caught.value.reason


@pytest.mark.parametrize("port", sorted(BAD_PORTS))
def test_ports_that_http_may_not_use_are_open_to_the_protocols_they_belong_to(port: int) -> None:
    NetworkPolicy.current().check_host(origin(port))
    with pytest.raises(BlockedTarget):
        NetworkPolicy.current().check_origin(Origin("http", "127.0.0.1", port))


def test_a_host_that_the_installation_does_not_allow_is_not_even_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_look_up", lambda host: pytest.fail(f"{host} was looked up"))
    allowed = policy(allowed_hosts=("*.example.com",))
    assert reason_of(lambda: find_addresses(allowed, origin(25, "mail.example.org"))) is Reason.BLOCKED_TARGET


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "::ffff:10.0.0.1", "metadata.google.internal"])
def test_a_denied_address_gets_no_connection(host: str) -> None:
    assert reason_of(lambda: dial(NetworkPolicy.current(), origin(25, host), None, 1)) is Reason.BLOCKED_TARGET


def test_one_denied_address_of_a_name_is_enough_to_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, ("127.0.0.1", "169.254.169.254"))
    found = reason_of(lambda: find_addresses(NetworkPolicy.current(), origin(25, "two-faced.example")))
    assert found is Reason.BLOCKED_TARGET


def test_a_name_that_changes_between_check_and_connection_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, ("127.0.0.1",), ("169.254.169.254",))
    with scripted(lambda peer: peer.send(b"here\r\n")) as server:
        connected = dial(NetworkPolicy.current(), origin(server.port, "rebinding.example"), None, 5)
        stream = Stream(connected, time.monotonic() + 5)
        assert stream.read_line(10) == b"here"
        stream.close()


def test_what_keeps_a_connection_from_standing_has_its_reason() -> None:
    now = NetworkPolicy.current()
    assert reason_of(lambda: dial(now, origin(free_port()), None, 1)) is Reason.RETRY_CONNECT
    assert reason_of(lambda: dial(now, origin(25, "no-such-host.invalid"), None, 1)) is Reason.RETRY_DNS
    with scripted(lambda peer: peer.hang()) as server:
        assert reason_of(lambda: dial(now, origin(server.port), Tls(), 0.2)) is Reason.RETRY_TIMEOUT
    with scripted(lambda peer: peer.send(b"220 plain text\r\n")) as server:
        assert reason_of(lambda: dial(now, origin(server.port), Tls(), 5)) is Reason.RETRY_TLS


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("127.0.0.1", Tls(ca=CA), None),
        ("127.0.0.1", Tls(), Reason.RETRY_TLS),
        ("other.test", Tls(ca=CA), Reason.RETRY_TLS),
        ("other.test", Tls("certificate", CA), None),
        ("other.test", Tls("none"), None),
    ],
)
def test_certificate_and_host_name_are_verified_as_the_terms_say(host: str, tls: Tls, expected: Reason | None) -> None:
    with scripted(lambda peer: peer.send(b"hello\r\n"), server_context(host)) as server:
        if expected is not None:
            assert reason_of(lambda: dial(NetworkPolicy.current(), origin(server.port), tls, 5)) is expected
            return
        connected = dial(NetworkPolicy.current(), origin(server.port), tls, 5)
        stream = Stream(connected, time.monotonic() + 5)
        assert stream.read_line(100) == b"hello"
        assert (stream.certificate is not None) is (tls.verify != "none")
        stream.close()


def test_the_server_is_told_the_name_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    names_lead_to(monkeypatch, ("127.0.0.1",))
    context = server_context("mail.example")
    asked: list[str] = []
    context.sni_callback = lambda *said: asked.append(said[1])
    with scripted(lambda peer: peer.hang(), context) as server:
        dial(NetworkPolicy.current(), origin(server.port, "mail.example"), Tls(ca=CA), 5).close()
    assert asked == ["mail.example"]


def test_a_reply_that_drips_in_ends_with_the_deadline() -> None:
    with scripted(lambda peer: peer.drip(b"x" * 10_000)) as server:
        stream = stream_to(server.port, 0.3)
        began = time.monotonic()
        assert reason_of(lambda: stream.read_line(100_000)) is Reason.RETRY_TIMEOUT
        assert time.monotonic() - began < 2
        stream.close()


def test_a_peer_that_reads_nothing_does_not_hold_the_writer() -> None:
    with scripted(lambda peer: peer_stops(peer)) as server:
        stream = stream_to(server.port, 0.3)
        assert reason_of(lambda: stream.write(b"x" * 50_000_000)) is Reason.RETRY_TIMEOUT
        stream.close()


def peer_stops(peer: Peer) -> None:
    while not peer.is_stopped(0.05):
        pass


def test_a_line_without_end_is_not_gathered() -> None:
    with scripted(lambda peer: peer.flood(b"x" * 10_000)) as server:
        stream = stream_to(server.port)
        assert reason_of(lambda: stream.read_line(1000)) is Reason.RETRY_CONNECT
        stream.close()


def test_a_connection_that_ends_in_mid_reply_says_so() -> None:
    with scripted(lambda peer: peer.send(b"250-half")) as server:
        stream = stream_to(server.port)
        assert reason_of(lambda: stream.read(100)) is Reason.RETRY_CONNECT
        stream.close()


def test_a_connection_that_the_other_side_closed_is_not_used_again() -> None:
    with scripted(lambda peer: peer.send(b"a\r\n")) as server:
        stream = stream_to(server.port)
        stream.read_line(10)
        assert reason_of(lambda: stream.read(1)) is Reason.RETRY_CONNECT
        assert not stream.is_idle
        stream.close()
        assert not stream.is_idle


def test_what_came_in_before_tls_does_not_count_after_it() -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.send(b"220 go ahead\r\n250 injected\r\n")
        peer.secure(server_context("127.0.0.1"))
        peer.send(b"250 over TLS\r\n")
        peer.hang()

    with scripted(script) as server:
        stream = stream_to(server.port)
        stream.write(b"STARTTLS\r\n")
        assert stream.read_line(100) == b"220 go ahead"
        stream.secure(Tls(ca=CA), "127.0.0.1")
        assert stream.read_line(100) == b"250 over TLS"
        stream.close()


def test_the_addresses_are_tried_in_turn() -> None:
    with scripted(lambda peer: peer.hang()) as server:
        # Nobody listens on this port of ::1.
        open_socket(("::1", "127.0.0.1"), server.port, time.monotonic() + 5).close()
