"""The MQTT client of connectors.net against a real mosquitto."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import trustme

from connectors.net import resolver
from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import MqttClient, QoS, Received, Sent, Session, Version
from connectors.net.mqtt_answers import Answer
from connectors.net.terms import Overrides
from connectors.net.urls import Origin
from connectors.outcomes import Reason
from tests.mosquitto import Mosquitto, mosquitto

VERSIONS: tuple[Version, ...] = ("5", "3.1.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def broker(authority: trustme.CA) -> Iterator[Mosquitto]:
    with mosquitto(certificate=authority.issue_cert("127.0.0.1")) as server:
        yield server


@pytest.fixture(autouse=True)
def _private_allowed(settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]
    resolver.forget()


class Peer:
    """A client that keeps what comes in, and acknowledges when it is told to."""

    def __init__(self, session: Session) -> None:
        self.received: list[Received] = []
        self.published: dict[int, Answer] = {}
        self.client = MqttClient(session, on_message=self.received.append, on_published=self.published.__setitem__)

    def __enter__(self) -> "Peer":
        self.client.connect(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()

    def pump_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.received
            self.client.pump(0.1)

    def publish(self, topic: str, payload: bytes, qos: QoS = 1, sent: Sent | None = None, retain: bool = False) -> None:
        packet = self.client.publish(topic, payload, qos, retain=retain, sent=sent)
        self.pump_until(lambda: packet in self.published)
        assert not self.published[packet].is_refusal

    def drain(self) -> None:
        """Read until the broker has answered a question that was put after all that it had to send."""
        self.client.unsubscribe(["nothing/of/the/kind"], 5)


def session(broker: Mosquitto, client_id: str, version: Version = "5", **parts: Any) -> Session:
    return replace(Session(Origin("mqtt", "127.0.0.1", broker.port), client_id, version), **parts)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_goes_through(broker: Mosquitto, version: Version, qos: QoS) -> None:
    topic = f"through/{version}/{qos}"
    with Peer(session(broker, "in", version)) as taker, Peer(session(broker, "out", version)) as giver:
        taker.client.subscribe([(f"through/{version}/+", qos)], 5)
        giver.publish(topic, b"\x00\xff", qos)
        taker.pump_until(lambda: taker.received)
        taker.client.acknowledge(taker.received[0])
        taker.drain()
        assert [(each.topic, each.payload, each.qos) for each in taker.received] == [(topic, b"\x00\xff", qos)]


def test_properties_of_mqtt_5_go_along(broker: Mosquitto) -> None:
    with Peer(session(broker, "in")) as taker, Peer(session(broker, "out")) as giver:
        taker.client.subscribe([("properties", 1)], 5)
        giver.publish("properties", b"{}", 1, Sent("application/json", (("site", "berlin"), ("site", "köln"))))
        taker.pump_until(lambda: taker.received)
        assert taker.received[0].content_type == "application/json"
        assert taker.received[0].user_properties == (("site", "berlin"), ("site", "köln"))


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_not_acknowledged_comes_again(broker: Mosquitto, version: Version, qos: QoS) -> None:
    lasting = session(broker, f"lasting-{version}-{qos}", version, clean_start=False, expiry=60)
    with Peer(session(broker, "out", version)) as giver:
        with Peer(lasting) as first:
            first.client.subscribe([(f"again/{version}/{qos}", qos)], 5)
            giver.publish(f"again/{version}/{qos}", b"1", qos)
            giver.publish(f"again/{version}/{qos}", b"2", qos)
            first.pump_until(lambda: len(first.received) == 2)
            first.client.acknowledge(first.received[0])
            first.drain()
            first.client.drop()
        giver.publish(f"again/{version}/{qos}", b"3", qos)
        with Peer(lasting) as second:
            second.pump_until(lambda: len(second.received) == 2)
            assert [each.payload for each in second.received] == [b"2", b"3"]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_taken_over_while_the_connection_broke_is_not_handed_over_again(
    broker: Mosquitto, version: Version, qos: QoS
) -> None:
    topic = f"owed/{version}/{qos}"
    lasting = session(broker, f"owing-{version}-{qos}", version, clean_start=False, expiry=60)
    with Peer(session(broker, "out", version)) as giver, Peer(lasting) as taker:
        taker.client.subscribe([(topic, qos)], 5)
        giver.publish(topic, b"1", qos)
        taker.pump_until(lambda: taker.received)
        taker.client.drop()
        taker.client.acknowledge(taker.received[0])
        assert taker.client.connect(5)
        giver.publish(topic, b"2", qos)
        taker.pump_until(lambda: len(taker.received) == 2)
        assert [each.payload for each in taker.received] == [b"1", b"2"]
        taker.client.acknowledge(taker.received[1])
        taker.drain()
        taker.client.drop()
        assert taker.client.connect(5)
        taker.drain()
        assert len(taker.received) == 2


def test_a_session_that_is_over_brings_no_answers_of_the_last_one_along(broker: Mosquitto) -> None:
    lasting = session(broker, "over", clean_start=False, expiry=60)
    with Peer(session(broker, "out")) as giver, Peer(lasting) as taker:
        taker.client.subscribe([("over", 1)], 5)
        giver.publish("over", b"1")
        taker.pump_until(lambda: taker.received)
        taker.client.disconnect(for_good=True)
        assert not taker.client.connect(5)
        taker.client.acknowledge(taker.received[0])
        taker.client.subscribe([("over", 1)], 5)
        giver.publish("over", b"2")
        taker.pump_until(lambda: len(taker.received) == 2)
        taker.client.drop()
        assert taker.client.connect(5)
        taker.pump_until(lambda: len(taker.received) == 3)
        assert taker.received[2].payload == b"2"


def test_a_retained_message_comes_once_when_only_new_subscriptions_get_them(broker: Mosquitto) -> None:
    lasting = session(broker, "retained", clean_start=False, expiry=60)
    with Peer(session(broker, "out")) as giver, Peer(lasting) as taker:
        giver.publish("kept", b"1", retain=True)
        taker.client.subscribe([("kept", 1)], 5, only_new=True)
        taker.pump_until(lambda: taker.received)
        taker.client.acknowledge(taker.received[0])
        taker.client.subscribe([("kept", 1)], 5, only_new=True)
        taker.drain()
        assert [(each.payload, each.retain) for each in taker.received] == [(b"1", True)]


def test_tls_is_verified_and_used(broker: Mosquitto, authority: trustme.CA) -> None:
    trusting = Overrides(ca=authority.cert_pem.bytes().decode())
    secure = Session(Origin("mqtts", "127.0.0.1", broker.tls_port), "tls", overrides=trusting)
    with Peer(secure) as peer:
        peer.client.subscribe([("tls", 1)], 5)
        peer.publish("tls", b"x" * 100_000)
        peer.pump_until(lambda: peer.received)
    with pytest.raises(CannotConnect, match="The certificate is not trusted") as refused:
        MqttClient(replace(secure, overrides=Overrides())).connect(5)
    assert refused.value.reason is Reason.RETRY_TLS


def test_a_client_certificate_is_shown(authority: trustme.CA) -> None:
    leaf = authority.issue_cert("client@example.test")
    pair = leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()
    with mosquitto(certificate=authority.issue_cert("127.0.0.1"), client_authority=authority) as broker:
        ca = authority.cert_pem.bytes().decode()
        origin = Origin("mqtts", "127.0.0.1", broker.tls_port)
        with Peer(Session(origin, "known", overrides=Overrides(ca=ca, client=pair))) as peer:
            peer.publish("known", b"1")
        with pytest.raises(CannotConnect):
            MqttClient(Session(origin, "stranger", overrides=Overrides(ca=ca))).connect(5)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_is_told_as_such(version: Version) -> None:
    with mosquitto(users={"ada": "secret"}) as broker:
        with Peer(session(broker, "ada", version, username="ada", password="secret")) as peer:
            peer.publish("hello", b"1")
        for wrong in ({"username": "ada", "password": "guess"}, {}):
            with pytest.raises(CannotConnect, match=r"not authorized|bad user name") as refused:
                MqttClient(session(broker, "eve", version, **wrong)).connect(5)
            assert refused.value.reason is Reason.BAD_CONFIG
            assert "guess" not in str(refused.value)


def test_a_private_address_is_refused_unless_allowed(broker: Mosquitto, settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    with pytest.raises(CannotConnect) as refused:
        MqttClient(session(broker, "x")).connect(5)
    assert refused.value.reason is Reason.BLOCKED_TARGET


def test_a_name_with_a_private_address_is_refused(broker: Mosquitto, settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    resolver._answers["broker.example"] = (time.monotonic() + 60, ("127.0.0.1",))
    with pytest.raises(CannotConnect) as refused:
        MqttClient(Session(Origin("mqtt", "broker.example", broker.port), "x")).connect(5)
    assert refused.value.reason is Reason.BLOCKED_TARGET


def test_a_closed_port_a_silent_and_a_foreign_server_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(CannotConnect) as refused:
            MqttClient(Session(Origin("mqtt", "127.0.0.1", port), "x")).connect(0.3)
        assert refused.value.reason is Reason.RETRY_TIMEOUT
    with pytest.raises(CannotConnect) as refused:
        MqttClient(Session(Origin("mqtt", "127.0.0.1", port), "x")).connect(5)
    assert refused.value.reason is Reason.RETRY_CONNECT


def test_the_end_of_a_connection_is_told(broker: Mosquitto) -> None:
    with Peer(session(broker, "twin")) as first, Peer(session(broker, "twin")):
        with pytest.raises(CannotConnect, match="The broker ended the connection"):
            first.pump_until(lambda: False)
        assert not first.client.is_connected


def test_a_topic_that_cannot_be_published_to_is_refused(broker: Mosquitto) -> None:
    with Peer(session(broker, "out")) as giver, pytest.raises(ValueError, match="wildcard"):
        giver.client.publish("a/#", b"", 1)
