"""The systems that every connector type that speaks a protocol of its own over TCP is tried against."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connectors.outcomes import Reason
from connectors.types.base import AnyConnection
from tests.contract.harness import Scenario
from tests.contract.http_systems import HOUR, authority
from tests.contract.scripted import Script, scripted
from tests.servers import free_port


@dataclass(frozen=True)
class Place:
    """Where a connection is to lead; ``ca`` is PEM, empty for the usual authorities."""

    host: str
    port: int
    is_tls: bool = False
    ca: str = ""


Connect = Callable[[Place], AnyConnection]


def tcp_scenarios(
    connect: Connect, accept: Script, *, drip: bytes, flood: bytes, echo: Script, echoed: Reason
) -> Sequence[Scenario]:
    """Return what systems over TCP do; ``accept`` is one that takes every message.

    ``drip`` begins what comes too slowly, ``flood`` is sent again and again, both in place of the first reply.
    ``echo`` sends the secrets back, which comes to ``echoed``.
    """

    def serve(name: str, expected: Reason, script: Script) -> Scenario:
        @contextmanager
        def system() -> Iterator[AnyConnection]:
            with scripted(script) as server:
                yield connect(Place("127.0.0.1", server.port))

        return Scenario(name, system, expected)

    def serve_tls(
        name: str, expected: Reason, host: str = "127.0.0.1", until: timedelta = HOUR, *, is_known: bool = True
    ) -> Scenario:
        @contextmanager
        def system() -> Iterator[AnyConnection]:
            now = datetime.now(UTC)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            leaf = authority().issue_cert(host, not_before=now - 24 * HOUR, not_after=now + until)
            leaf.configure_cert(context)
            ca = authority().cert_pem.bytes().decode() if is_known else ""
            with scripted(accept, context) as server:
                yield connect(Place("127.0.0.1", server.port, is_tls=True, ca=ca))

        return Scenario(name, system, expected)

    def point_at(name: str, expected: Reason, host: str, port: Callable[[], int]) -> Scenario:
        @contextmanager
        def system() -> Iterator[AnyConnection]:
            yield connect(Place(host, port()))

        return Scenario(name, system, expected)

    return (
        serve("accepts", Reason.OK, accept),
        point_at("refuses the connection", Reason.RETRY_CONNECT, "127.0.0.1", free_port),
        serve("hangs", Reason.RETRY_TIMEOUT, lambda peer: peer.hang()),
        point_at("has no name", Reason.RETRY_DNS, "no-such-host.invalid", lambda: 25),
        serve("resets the connection", Reason.RETRY_CONNECT, lambda peer: peer.reset()),
        serve("closes the connection", Reason.RETRY_CONNECT, lambda _: None),
        serve("answers without end", Reason.RETRY_CONNECT, lambda peer: peer.flood(flood)),
        serve("answers with one line without end", Reason.RETRY_CONNECT, lambda peer: peer.flood(b"x" * 1000)),
        serve("drips its answer", Reason.RETRY_TIMEOUT, lambda peer: peer.drip(drip + b"x" * 10_000)),
        serve("speaks HTTP", Reason.RETRY_CONNECT, lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        serve_tls("has a good certificate", Reason.OK),
        serve_tls("has a certificate of an unknown authority", Reason.RETRY_TLS, is_known=False),
        serve_tls("has a certificate for another host", Reason.RETRY_TLS, host="other.test"),
        serve_tls("has an expired certificate", Reason.RETRY_TLS, until=-HOUR),
        point_at("has a denied address", Reason.BLOCKED_TARGET, "169.254.169.254", lambda: 25),
        serve("sends the secrets back", echoed, echo),
    )
