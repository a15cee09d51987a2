"""The systems that every connector type that speaks HTTP is tried against."""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache

import trustme

from connectors.outcomes import Reason
from connectors.types.base import AnyConnection
from tests.contract.harness import CANARY, Scenario
from tests.contract.scripted import Peer, Script, answering, http_answer, scripted
from tests.servers import free_port

# Makes a connection to a URL that trusts these certificate authorities (PEM), or the usual ones.
Connect = Callable[[str, str], AnyConnection]

OK = b"HTTP/1.1 200 OK\r\n"
HOUR = timedelta(hours=1)
STATUSES = {
    302: Reason.BAD_CONFIG,
    400: Reason.PERMANENT_4XX,
    401: Reason.PERMANENT_4XX,
    404: Reason.PERMANENT_4XX,
    408: Reason.RETRY_TIMEOUT,
    410: Reason.PERMANENT_410,
    429: Reason.RETRY_429,
    500: Reason.RETRY_HTTP_5XX,
    503: Reason.RETRY_HTTP_5XX,
}


def http_scenarios(
    connect: Connect,
    accept: bytes | Callable[[bytes], bytes],
    *,
    flood: Reason = Reason.OK,
    statuses: Mapping[int, Reason] = STATUSES,
) -> Sequence[Scenario]:
    """Return what HTTP systems do; ``accept`` is the whole answer of one that took the message, or computes it.

    ``flood`` is what an answer with status 200 that never ends comes to.
    """

    def serve_tls(
        name: str, expected: Reason, host: str = "127.0.0.1", until: timedelta = HOUR, *, is_known: bool = True
    ) -> Scenario:
        @contextmanager
        def system() -> Iterator[AnyConnection]:
            now = datetime.now(UTC)
            leaf = _authority().issue_cert(host, not_before=now - 24 * HOUR, not_after=now + until)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf.configure_cert(context)
            with scripted(answering(accept), context) as server:
                ca = _authority().cert_pem.bytes().decode() if is_known else ""
                yield connect(f"https://127.0.0.1:{server.port}/", ca)

        return Scenario(name, system, expected)

    def point_at(name: str, expected: Reason, url: str) -> Scenario:
        @contextmanager
        def system() -> Iterator[AnyConnection]:
            yield connect(url.format(free_port=free_port()), "")

        return Scenario(name, system, expected)

    return (
        serve(connect, "accepts", Reason.OK, answering(accept)),
        point_at("refuses the connection", Reason.RETRY_CONNECT, "http://127.0.0.1:{free_port}/"),
        serve(connect, "hangs", Reason.RETRY_TIMEOUT, _hang),
        point_at("has no name", Reason.RETRY_DNS, "http://no-such-host.invalid/"),
        serve(connect, "resets the connection", Reason.RETRY_CONNECT, _reset),
        serve(connect, "answers without end", flood, _flood),
        serve(connect, "drips its answer", Reason.RETRY_TIMEOUT, _drip_body),
        serve(connect, "drips its headers", Reason.RETRY_TIMEOUT, _drip_headers),
        serve_tls("has a good certificate", Reason.OK),
        serve_tls("has a certificate of an unknown authority", Reason.RETRY_TLS, is_known=False),
        serve_tls("has a certificate for another host", Reason.RETRY_TLS, host="other.test"),
        serve_tls("has an expired certificate", Reason.RETRY_TLS, until=-HOUR),
        point_at("has a denied address", Reason.BLOCKED_TARGET, "http://169.254.169.254/latest/meta-data"),
        serve(connect, "sends the secrets back", statuses[401], answering(_echo)),
        serve(connect, "does not speak HTTP", Reason.RETRY_CONNECT, lambda peer: peer.send(b"220 ESMTP\r\n\r\n")),
        *(
            serve(connect, f"answers {status}", reason, answering(http_answer(status)))
            for status, reason in statuses.items()
        ),
    )


def serve(connect: Connect, name: str, expected: Reason, script: Script) -> Scenario:
    """Return a system that does what ``script`` says over plain HTTP."""

    @contextmanager
    def system() -> Iterator[AnyConnection]:
        with scripted(script) as server:
            yield connect(server.url, "")

    return Scenario(name, system, expected)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def _hang(peer: Peer) -> None:
    peer.read_request()
    peer.hang()


def _reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def _flood(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"\r\n")
    peer.flood(b"<x>" * 20_000)


def _drip_headers(peer: Peer) -> None:
    peer.read_request()
    peer.drip(OK + b"a: b\r\n" * 1000)


def _drip_body(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"content-length: 10000\r\n\r\n")
    peer.drip(b"x" * 10_000)


def _echo(request: bytes) -> bytes:
    """Send all back: as a body, as UTF-16, in headers, and far enough that the cut splits it."""
    plain = CANARY.encode()
    body = request + plain + CANARY.encode("utf-16-le") + b"\xff\0" + plain * 1000
    return http_answer(
        401, body, b"location: /" + plain, b"www-authenticate: Basic realm=" + plain, b"content-type: " + plain
    )
