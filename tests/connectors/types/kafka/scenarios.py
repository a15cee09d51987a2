"""Kafka clusters, and what is none, for the contract tests."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import trustme

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.kafka.schemas import KafkaConfig, KafkaParams, KafkaSecrets
from tests.contract.harness import CANARY, TIMEOUT, Scenario
from tests.contract.scripted import Peer, Script, scripted
from tests.kafka_mock import mock_cluster
from tests.kafka_wire import (
    METADATA,
    SASL_AUTHENTICATE,
    SASL_HANDSHAKE,
    advertise,
    refuse_and_echo,
    speaking,
    take_any_mechanism,
)
from tests.servers import free_port

KafkaConnection = Connection[KafkaConfig, KafkaSecrets]

TOPIC = "contract"
HOUR = timedelta(hours=1)


def message(key: int) -> Message[KafkaParams]:
    return Message(key, f"msg_{key}", KafkaParams(topic=TOPIC, key=str(key), value={"n": key}))


def connect(servers: str, **config: Any) -> KafkaConnection:
    """Return a connection with the canary in every secret."""
    settings = {"bootstrap_servers": servers, "timeout": TIMEOUT} | config
    secrets = {
        "password": CANARY,
        "client_secret": f"client-{CANARY}",
        "client_passphrase": f"phrase-{CANARY}",
    }
    return Connection(1, 1, KafkaConfig.model_validate(settings), KafkaSecrets.model_validate(secrets))


def serve(name: str, expected: Reason, script: Script, **config: Any) -> Scenario:
    @contextmanager
    def system() -> Iterator[KafkaConnection]:
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
    def system() -> Iterator[KafkaConnection]:
        now = datetime.now(UTC)
        leaf = _authority().issue_cert(host, not_before=now - 24 * HOUR, not_after=now + until)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        with scripted(Peer.hang, context) as server:
            ca = _authority().cert_pem.bytes().decode() if is_known else ""
            yield connect(f"127.0.0.1:{server.port}", tls=True, ca=ca)

    return Scenario(name, system, expected)


def point_at(name: str, expected: Reason, servers: str) -> Scenario:
    @contextmanager
    def system() -> Iterator[KafkaConnection]:
        yield connect(servers.format(free_port=free_port()))

    return Scenario(name, system, expected)


@contextmanager
def _cluster(**config: Any) -> Iterator[KafkaConnection]:
    with mock_cluster() as cluster:
        cluster.create_topic(TOPIC)
        yield connect(cluster.servers, **config)


def _reset(peer: Peer) -> None:
    peer.receive()
    peer.reset()


def _flood(peer: Peer) -> None:
    peer.receive()
    peer.flood(b"<x>" * 20_000)


def _drip(peer: Peer) -> None:
    peer.receive()
    peer.send((1000).to_bytes(4))
    peer.drip(bytes(1000))


SCENARIOS = (
    Scenario("accepts", _cluster, Reason.OK),
    Scenario("accepts compressed batches", lambda: _cluster(compression="zstd", linger=0), Reason.OK),
    point_at("refuses the connection", Reason.RETRY_CONNECT, "127.0.0.1:{free_port}"),
    serve("hangs", Reason.RETRY_TIMEOUT, Peer.hang),
    point_at("has no name", Reason.RETRY_DNS, "no-such-host.invalid"),
    serve("resets the connection", Reason.RETRY_CONNECT, _reset),
    serve("answers without end", Reason.RETRY_CONNECT, _flood),
    serve("drips its answer", Reason.RETRY_TIMEOUT, _drip),
    serve_tls("has a certificate of an unknown authority", Reason.RETRY_TLS, is_known=False),
    serve_tls("has a certificate for another host", Reason.RETRY_TLS, host="other.test"),
    serve_tls("has an expired certificate", Reason.RETRY_TLS, until=-HOUR),
    point_at("has a denied address", Reason.BLOCKED_TARGET, "169.254.169.254:80"),
    serve(
        "advertises a denied address",
        Reason.BLOCKED_TARGET,
        speaking({METADATA: advertise("169.254.169.254", 80, TOPIC)}),
        idempotence=False,
    ),
    serve(
        "sends the secrets back",
        Reason.BAD_CONFIG,
        speaking({SASL_HANDSHAKE: take_any_mechanism, SASL_AUTHENTICATE: refuse_and_echo}),
        auth="plain",
        username="user",
    ),
    serve("does not speak Kafka's protocol", Reason.RETRY_CONNECT, lambda peer: peer.send(b"220 ESMTP\r\n\r\n")),
)
