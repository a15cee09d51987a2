"""MQTT brokers, and what is none, for the contract tests."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import trustme

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.mqtt.schemas import MqttConfig, MqttParams, MqttSecrets
from connectors.types.mqtt.sessions import MqttConnection
from tests.contract.harness import CANARY, TIMEOUT, Scenario
from tests.contract.scripted import Peer, Script, scripted
from tests.mqtt_wire import CONNACK, PUBACK, PUBLISH, REASON_STRING, Packet, answer, broker, connack, packet, text
from tests.servers import free_port

HOUR = timedelta(hours=1)


def message(key: int) -> Message[MqttParams]:
    return Message(key, f"msg_{key}", MqttParams(topic="contract/tests", payload={"n": key}))


def connect(server: str, **config: Any) -> MqttConnection:
    """Return a connection with the canary in every secret."""
    settings = {"server": server, "username": "user", "timeout": TIMEOUT} | config
    secrets = {"password": CANARY, "client_passphrase": f"phrase-{CANARY}"}
    return Connection(1, 1, MqttConfig.model_validate(settings), MqttSecrets.model_validate(secrets))


def serve(name: str, expected: Reason, script: Script, **config: Any) -> Scenario:
    @contextmanager
    def system() -> Iterator[MqttConnection]:
        with scripted(script) as server:
            yield connect(f"127.0.0.1:{server.port}", **config)

    return Scenario(name, system, expected)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def serve_tls(
    name: str, expected: Reason, host: str = "127.0.0.1", until: timedelta = HOUR, *, is_known: bool = True
) -> Scenario:
    @contextmanager
    def system() -> Iterator[MqttConnection]:
        now = datetime.now(UTC)
        leaf = _authority().issue_cert(host, not_before=now - 24 * HOUR, not_after=now + until)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        with scripted(broker(), context) as server:
            ca = _authority().cert_pem.bytes().decode() if is_known else ""
            yield connect(f"127.0.0.1:{server.port}", tls=True, ca=ca)

    return Scenario(name, system, expected)


def point_at(name: str, expected: Reason, server: str) -> Scenario:
    @contextmanager
    def system() -> Iterator[MqttConnection]:
        yield connect(server.format(free_port=free_port()))

    return Scenario(name, system, expected)


def refuse(code: int) -> Script:
    """Return a broker that answers each message with this reason code, and says the password back."""

    def say(given: Packet) -> bytes:
        return answer(PUBACK, given.id, code, text(REASON_STRING, CANARY)) if given.kind == PUBLISH else b""

    return broker(say)


def _reset(peer: Peer) -> None:
    peer.receive()
    peer.reset()


def _reset_on_message(peer: Peer) -> None:
    peer.receive()
    peer.send(connack())
    peer.receive()
    peer.reset()


def _flood(peer: Peer) -> None:
    peer.receive()
    peer.send(connack())
    peer.flood(b"<x>" * 20_000)


def _flood_one_packet(peer: Peer) -> None:
    peer.receive()
    peer.send(bytes([CONNACK << 4]) + b"\xff\xff\xff\x7f")
    peer.flood(bytes(20_000))


def _drip(peer: Peer) -> None:
    peer.receive()
    peer.drip(packet(CONNACK, bytes(1000)))


def _drip_answers(peer: Peer) -> None:
    peer.receive()
    peer.send(connack())
    peer.receive()
    peer.drip(packet(PUBACK, bytes(1000)))


def _echo(peer: Peer) -> None:
    peer.send(connack(0x86, text(REASON_STRING, f"{CANARY} is wrong")))


REFUSALS = {
    0x80: Reason.RETRY_HTTP_5XX,
    0x83: Reason.RETRY_HTTP_5XX,
    0x87: Reason.PERMANENT_4XX,
    0x90: Reason.TEMPLATE_ERROR,
    0x91: Reason.RETRY_HTTP_5XX,
    0x97: Reason.RETRY_429,
    0x99: Reason.TEMPLATE_ERROR,
}
SCENARIOS = (
    serve("accepts", Reason.OK, broker()),
    serve("accepts without a reason code", Reason.OK, broker(lambda given: packet(PUBACK, given.id.to_bytes(2)))),
    serve_tls("has a good certificate", Reason.OK),
    point_at("refuses the connection", Reason.RETRY_CONNECT, "127.0.0.1:{free_port}"),
    serve("hangs", Reason.RETRY_TIMEOUT, Peer.hang),
    serve("takes the connection and hangs", Reason.RETRY_TIMEOUT, broker(lambda _: b"")),
    point_at("has no name", Reason.RETRY_DNS, "no-such-host.invalid"),
    serve("resets the connection", Reason.RETRY_CONNECT, _reset),
    serve("resets the connection at the first message", Reason.RETRY_CONNECT, _reset_on_message),
    serve("answers without end", Reason.RETRY_CONNECT, _flood),
    serve("answers one packet without end", Reason.RETRY_CONNECT, _flood_one_packet),
    serve("drips its answer", Reason.RETRY_TIMEOUT, _drip),
    serve("drips its answer to a message", Reason.RETRY_TIMEOUT, _drip_answers),
    serve_tls("has a certificate of an unknown authority", Reason.RETRY_TLS, is_known=False),
    serve_tls("has a certificate for another host", Reason.RETRY_TLS, host="other.test"),
    serve_tls("has an expired certificate", Reason.RETRY_TLS, until=-HOUR),
    point_at("has a denied address", Reason.BLOCKED_TARGET, "169.254.169.254:1883"),
    serve("sends the secrets back", Reason.BAD_CONFIG, _echo),
    serve("does not speak MQTT", Reason.RETRY_CONNECT, lambda peer: peer.send(b"220 ESMTP\r\n\r\n")),
    *(serve(f"answers {code:#x}", reason, refuse(code)) for code, reason in REFUSALS.items()),
    serve("is busy", Reason.RETRY_429, broker(greeting=connack(0x9F))),
)
