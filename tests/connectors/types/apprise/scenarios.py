"""apprise in the contract tests, which stand behind a proxy: the hosts of its services are fixed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.test import override_settings

from connectors.outcomes import Reason
from connectors.types.apprise.schemas import AppriseConfig, AppriseParams, AppriseSecrets
from connectors.types.base import AnyConnection, Connection, Message
from tests.connectors.types.apprise.behind import HOUR, authority_pem, proxied, services
from tests.contract.harness import CANARY, TIMEOUT, Scenario
from tests.contract.http_systems import OK, STATUSES
from tests.contract.scripted import Peer, Script, answering, http_answer
from tests.servers import free_port

TAKEN = http_answer(200, b'{"http_code": 200, "response_code": "SUCCESS"}')


def message(key: int) -> Message[AppriseParams]:
    return Message(key, f"msg_{key}", AppriseParams(title="t", body=f"event {key}"))


def connect(ca: str = "") -> Connection[AppriseConfig, AppriseSecrets]:
    url = f"clicksend://user:{quote(CANARY, safe='')}@15551234567?note={CANARY}"
    secrets = AppriseSecrets.model_validate({"url": url})
    return Connection(1, 1, AppriseConfig(service="clicksend", timeout=TIMEOUT, ca=ca), secrets)


def serve(name: str, expected: Reason, script: Script, *, is_known: bool = True, **certificate: Any) -> Scenario:
    @contextmanager
    def system() -> Iterator[AnyConnection]:
        with services(script, **certificate):
            yield connect(authority_pem() if is_known else "")

    return Scenario(name, system, expected)


def through(name: str, expected: Reason, url: str) -> Scenario:
    @contextmanager
    def system() -> Iterator[AnyConnection]:
        with proxied(url.format(free_port=free_port())):
            yield connect()

    return Scenario(name, system, expected)


@contextmanager
def denied() -> Iterator[AnyConnection]:
    with override_settings(NETWORK_ALLOWED_HOSTS=["*.example.com"]):
        yield connect()


def hang(peer: Peer) -> None:
    peer.read_request()
    peer.hang()


def reset(peer: Peer) -> None:
    peer.read_request()
    peer.reset()


def flood(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"\r\n")
    peer.flood(b"<x>" * 20_000)


def drip(peer: Peer) -> None:
    peer.read_request()
    peer.send(OK + b"content-length: 10000\r\n\r\n")
    peer.drip(b"x" * 10_000)


def echo(request: bytes) -> bytes:
    plain = CANARY.encode()
    return http_answer(401, request + plain + CANARY.encode("utf-16-le") + plain * 1000, b"location: /" + plain)


SCENARIOS = (
    serve("accepts", Reason.OK, answering(TAKEN)),
    through("refuses the connection", Reason.RETRY_CONNECT, "http://127.0.0.1:{free_port}"),
    serve("hangs", Reason.RETRY_TIMEOUT, hang),
    through("has no name", Reason.RETRY_DNS, "http://no-such-host.invalid:3128"),
    serve("resets the connection", Reason.RETRY_CONNECT, reset),
    serve("answers without end", Reason.OK, flood),
    serve("drips its answer", Reason.RETRY_TIMEOUT, drip),
    serve("has a certificate of an unknown authority", Reason.RETRY_TLS, answering(TAKEN), is_known=False),
    serve("has a certificate for another host", Reason.RETRY_TLS, answering(TAKEN), hosts=["other.test"]),
    serve("has an expired certificate", Reason.RETRY_TLS, answering(TAKEN), until=timedelta(0) - HOUR),
    Scenario("has a denied address", denied, Reason.BLOCKED_TARGET),
    serve("sends the secrets back", STATUSES[401], answering(echo)),
    *(serve(f"answers {status}", reason, answering(http_answer(status))) for status, reason in STATUSES.items()),
)
