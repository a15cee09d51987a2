"""HTTP servers for the contract tests."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import trustme

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams
from tests.contract.harness import CANARY, TIMEOUT, Scenario
from tests.contract.scripted import Peer, Script, answering, http_answer, scripted
from tests.servers import free_port

HttpConnection = Connection[HttpConfig, HttpSecrets]

OK = b"HTTP/1.1 200 OK\r\n"
HOUR = timedelta(hours=1)


def message(key: int) -> Message[HttpParams]:
    return Message(key, f"msg_{key}", HttpParams(body=f'{{"n": {key}}}'))


def connect(url: str, **config: Any) -> HttpConnection:
    """Return a connection with the canary in every secret."""
    settings = {"url": url, "timeout": TIMEOUT, "auth": "basic", "username": "user"} | config
    secrets = HttpSecrets.model_validate(
        {
            "password": CANARY,
            "token": f"token-{CANARY}",
            "api_key": f"key-{CANARY}",
            "client_secret": f"client-{CANARY}",
            "headers": f"X-Secret: header-{CANARY}",
            "client_passphrase": f"phrase-{CANARY}",
            "proxy_password": f"proxy-{CANARY}",
        }
    )
    return Connection(1, 1, HttpConfig.model_validate(settings), secrets)


def serve(name: str, expected: Reason, script: Script) -> Scenario:
    @contextmanager
    def system() -> Iterator[HttpConnection]:
        with scripted(script) as server:
            yield connect(server.url)

    return Scenario(name, system, expected)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def serve_tls(
    name: str, expected: Reason, host: str = "127.0.0.1", until: timedelta = HOUR, *, is_known: bool = True
) -> Scenario:
    @contextmanager
    def system() -> Iterator[HttpConnection]:
        now = datetime.now(UTC)
        leaf = _authority().issue_cert(host, not_before=now - 24 * HOUR, not_after=now + until)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        with scripted(answering(http_answer(200)), context) as server:
            ca = _authority().cert_pem.bytes().decode() if is_known else ""
            yield connect(f"https://127.0.0.1:{server.port}/", ca=ca)

    return Scenario(name, system, expected)


def point_at(name: str, expected: Reason, url: str) -> Scenario:
    @contextmanager
    def system() -> Iterator[HttpConnection]:
        yield connect(url.format(free_port=free_port()))

    return Scenario(name, system, expected)


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
    authorization = next(line for line in request.split(b"\r\n") if line.startswith(b"authorization"))
    token = authorization.partition(b" ")[2].partition(b" ")[2]
    plain = CANARY.encode()
    body = request + plain + CANARY.encode("utf-16-le") + b"\xff\0" + (token + plain) * 1000
    return http_answer(
        401, body, b"location: /" + token, b"www-authenticate: Basic realm=" + plain, b"content-type: " + plain
    )


def _split(at: int) -> Script:
    """Answer with a body that is cut after ``at`` bytes of the secret."""
    return answering(http_answer(500, b"x" * (16 * 1024 - at) + CANARY.encode() * 2))


STATUSES = {
    200: Reason.OK,
    204: Reason.OK,
    302: Reason.BAD_CONFIG,
    400: Reason.PERMANENT_4XX,
    401: Reason.PERMANENT_4XX,
    404: Reason.PERMANENT_4XX,
    408: Reason.RETRY_TIMEOUT,
    409: Reason.RETRY_HTTP_5XX,
    410: Reason.PERMANENT_410,
    425: Reason.RETRY_HTTP_5XX,
    429: Reason.RETRY_429,
    500: Reason.RETRY_HTTP_5XX,
    503: Reason.RETRY_HTTP_5XX,
    999: Reason.RETRY_HTTP_5XX,
}

SCENARIOS = (
    serve("accepts", Reason.OK, answering(http_answer(202, b"thanks"))),
    point_at("refuses the connection", Reason.RETRY_CONNECT, "http://127.0.0.1:{free_port}/"),
    serve("hangs", Reason.RETRY_TIMEOUT, _hang),
    point_at("has no name", Reason.RETRY_DNS, "http://no-such-host.invalid/"),
    serve("resets the connection", Reason.RETRY_CONNECT, _reset),
    serve("answers without end", Reason.OK, _flood),
    serve("drips its answer", Reason.RETRY_TIMEOUT, _drip_body),
    serve("drips its headers", Reason.RETRY_TIMEOUT, _drip_headers),
    serve_tls("has a good certificate", Reason.OK),
    serve_tls("has a certificate of an unknown authority", Reason.RETRY_TLS, is_known=False),
    serve_tls("has a certificate for another host", Reason.RETRY_TLS, host="other.test"),
    serve_tls("has an expired certificate", Reason.RETRY_TLS, until=-HOUR),
    point_at("has a denied address", Reason.BLOCKED_TARGET, "http://169.254.169.254/latest/meta-data"),
    serve("sends the secrets back", Reason.PERMANENT_4XX, answering(_echo)),
    *(serve(f"sends {at} bytes of a secret", Reason.RETRY_HTTP_5XX, _split(at)) for at in (13, 14, 20, 25)),
    serve(
        "sends what cannot be stored", Reason.OK, answering(http_answer(200, b"\0\xff\xed\xa0\x80\0", b"server: \xff"))
    ),
    serve("does not speak HTTP", Reason.RETRY_CONNECT, lambda peer: peer.send(b"220 mail.example.test ESMTP\r\n\r\n")),
    *(serve(f"answers {status}", reason, answering(http_answer(status))) for status, reason in STATUSES.items()),
)
