"""No connection to a server that the network policy forbids, however librdkafka comes to know it."""

import socket

import pytest
from pytest_django import Settings

from connectors.net import brokers
from connectors.outcomes import Reason
from connectors.types.kafka.connector import KafkaConnectorType
from tests.connectors.types.kafka.conftest import connect, messages, send
from tests.contract.scripted import Peer, scripted
from tests.kafka_mock import MockCluster
from tests.kafka_wire import METADATA, advertise, speaking


def loopback_name() -> str:
    """Return a name that the system finds at the loopback address, and that the policy does not know beforehand."""
    for name in (socket.gethostname(), "ip6-localhost"):
        try:
            if socket.gethostbyname(name).startswith("127.") and name != "localhost":
                return name.lower()
        except OSError:
            continue
    pytest.skip("no name but localhost is at the loopback address here")


def test_a_server_that_a_cluster_advertises_is_judged_before_it_is_connected_to(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.1/32"]
    with scripted(Peer.hang, host="127.0.0.2") as forbidden:
        script = speaking({METADATA: advertise("127.0.0.2", forbidden.port, "any")})
        with scripted(script) as cluster:
            connection = connect(f"127.0.0.1:{cluster.port}", idempotence=False)
            outcomes = send(connection, messages("any", 3))
        assert {outcome.reason for outcome in outcomes} == {Reason.BLOCKED_TARGET}, outcomes
        assert "127.0.0.2 has a private" in outcomes[0].detail
        assert forbidden.connections == 0


def test_a_host_that_a_cluster_advertises_has_to_be_among_the_allowed_ones(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["127.0.0.1"]
    with scripted(speaking({METADATA: advertise(loopback_name(), 9092, "any")})) as cluster:
        connection = connect(f"127.0.0.1:{cluster.port}", idempotence=False)
        (outcome,) = send(connection, messages("any"))
    assert outcome.reason is Reason.BLOCKED_TARGET
    assert "NETWORK_ALLOWED_HOSTS" in outcome.detail


def test_a_name_that_changes_its_address_after_it_was_looked_at_is_judged_again(
    shared: MockCluster, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    monkeypatch.setattr(brokers, "resolve", lambda _: ("93.184.216.34",))
    with scripted(Peer.hang) as forbidden:
        (outcome,) = send(connect(f"{loopback_name()}:{forbidden.port}"), messages("any"))
        assert outcome.reason is Reason.BLOCKED_TARGET, outcome
        assert "127.0.0.1" not in outcome.detail
        assert forbidden.connections == 0


def test_the_policy_of_now_holds_for_a_producer_that_is_there_already(shared: MockCluster, settings: Settings) -> None:
    topic, connection, connector_type = shared.create_topic(), connect(shared.servers), KafkaConnectorType()
    (outcome,) = connector_type.deliver(connection, messages(topic))
    assert outcome.reason is Reason.OK
    settings.NETWORK_ALLOWED_PRIVATE = []
    (outcome,) = connector_type.deliver(connection, messages(topic))
    assert outcome.reason is Reason.BLOCKED_TARGET
