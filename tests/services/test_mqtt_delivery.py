"""Messages reach a real mosquitto, and what it refuses or how it fails becomes an outcome."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import trustme

from actions.models import Delivery
from connectors.net.mqtt import MqttClient, Received, Session, Version
from connectors.net.urls import Origin
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.mqtt.connector import MqttConnectorType
from connectors.types.mqtt.schemas import MqttConfig, MqttParams, MqttSecrets
from connectors.types.mqtt.sessions import MqttConnection
from tests.api.client import Api
from tests.factories import make_space
from tests.mosquitto import Mosquitto, mosquitto
from tests.rules.running import incoming, send, stop
from tests.servers import wait_until

VERSIONS: tuple[Version, ...] = ("5", "3.1.1")


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with mosquitto() as server:
        yield server


@pytest.fixture(autouse=True)
def _private_allowed(settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]


@pytest.fixture
def mqtt() -> Iterator[MqttConnectorType]:
    made = MqttConnectorType()
    yield made
    made._links.close()


def connect(server: Mosquitto, secrets: dict[str, str] | None = None, **config: Any) -> MqttConnection:
    port = server.tls_port if config.get("tls") else server.port
    settings = {"server": f"127.0.0.1:{port}", "timeout": 5, **config}
    return Connection(1, 1, MqttConfig.model_validate(settings), MqttSecrets.model_validate(secrets or {}))


def message(key: int = 0, topic: str = "out", **params: Any) -> Message[MqttParams]:
    return Message(key, f"msg_{key}", MqttParams.model_validate({"topic": topic, "payload": str(key), **params}))


def deliver(mqtt: MqttConnectorType, connection: MqttConnection, *messages: Message[MqttParams]) -> list[Outcome]:
    return list(mqtt.deliver(connection, messages))


def probe(mqtt: MqttConnectorType, connection: MqttConnection) -> list[Step]:
    return list(mqtt.probe(connection, timeout=10))


@contextmanager
def subscribed(server: Mosquitto, topic: str) -> Iterator[Callable[[int], list[Received]]]:
    """Subscribe; yield what waits for so many messages and returns them."""
    received: list[Received] = []
    client = MqttClient(Session(Origin("mqtt", "127.0.0.1", server.port), "taker"), on_message=received.append)
    client.connect(5)
    client.subscribe([(topic, 2)], 5)

    def wait_for(count: int) -> list[Received]:
        deadline = time.monotonic() + 20
        while len(received) < count:
            assert time.monotonic() < deadline, received
            client.pump(0.1)
            for each in received:
                client.acknowledge(each)
        return received

    yield wait_for
    client.disconnect()


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_arrives(broker: Mosquitto, mqtt: MqttConnectorType, version: Version, qos: int) -> None:
    topic = f"arrives/{version}/{qos}"
    with subscribed(broker, topic) as wait_for:
        sent = message(4, topic, qos=qos, payload={"temperature": 42.5}, user_properties={"site": "köln"})
        (outcome,) = deliver(mqtt, connect(broker, version=version), sent)
        (received,) = wait_for(1)
    assert outcome.reason is Reason.OK
    assert (received.topic, received.payload, received.qos) == (topic, b'{"temperature":42.5}', qos)
    if version == "5":
        assert received.content_type == "application/json"
        properties = (("webhook-id", "msg_4"), ("switchyard-hop", "1"), ("site", "köln"))
        assert received.user_properties == properties


def test_a_retained_message_waits_for_whoever_comes_later(broker: Mosquitto, mqtt: MqttConnectorType) -> None:
    deliver(mqtt, connect(broker), message(1, "kept", retain=True))
    with subscribed(broker, "kept") as wait_for:
        (received,) = wait_for(1)
    assert (received.payload, received.retain) == (b"1", True)
    deliver(mqtt, connect(broker), message(1, "kept", retain=True, payload=None))
    with subscribed(broker, "kept") as wait_for:
        deliver(mqtt, connect(broker), message(2, "kept"))
        assert [each.payload for each in wait_for(1)] == [b"2"]


def test_thousands_of_messages_go_over_one_connection_and_none_is_lost(mqtt: MqttConnectorType) -> None:
    with mosquitto(lines=("max_queued_messages 0", "max_inflight_messages 20")) as server:
        with subscribed(server, "many/#") as wait_for:
            messages = [message(key, f"many/{key % 7}", qos=1 + key % 2) for key in range(3000)]
            outcomes = deliver(mqtt, connect(server), *messages)
            assert {outcome.reason for outcome in outcomes} == {Reason.OK}
            assert sorted(int(each.payload) for each in wait_for(3000)) == list(range(3000))
        assert len(re.findall(r"New client connected from \S+ as switchyard1-", server.log())) == 1


def test_a_connection_that_nobody_uses_is_kept_alive(mqtt: MqttConnectorType) -> None:
    with mosquitto() as server:
        connection = connect(server, keepalive=5)
        deliver(mqtt, connection, message(0))
        wait_until(lambda: "Received PINGREQ from switchyard1-" in server.log(), "it says that it is there", 20)
        assert [outcome.reason for outcome in deliver(mqtt, connection, message(1))] == [Reason.OK]
        assert server.log().count(" as switchyard1-") == 1


def test_a_broker_that_comes_back_is_used_again(mqtt: MqttConnectorType) -> None:
    with mosquitto() as server:
        connection = connect(server)
        assert deliver(mqtt, connection, message(0))[0].reason is Reason.OK
        server.stop(SIGKILL)
        assert deliver(mqtt, connection, message(1))[0].reason is Reason.RETRY_CONNECT
        server.start()
        assert deliver(mqtt, connection, message(2))[0].reason is Reason.OK


@pytest.mark.parametrize("qos", [1, 2])
def test_a_topic_that_the_user_may_not_publish_to_is_told(mqtt: MqttConnectorType, tmp_path: Path, qos: int) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite open/#\n")
    tmp_path.chmod(0o755)
    with mosquitto(lines=(f"acl_file {rules}",)) as server:
        outcomes = deliver(mqtt, connect(server), message(0, "closed/x", qos=qos), message(1, "open/x", qos=qos))
        assert {each.key: each.reason for each in outcomes} == {0: Reason.PERMANENT_4XX, 1: Reason.OK}
        refused = next(each for each in outcomes if each.key == 0)
        assert refused.detail.startswith("topic: the broker does not let this user publish there: not authorized")


def test_the_limits_of_the_broker_are_kept(mqtt: MqttConnectorType) -> None:
    with mosquitto(lines=("max_packet_size 2000", "retain_available false")) as server:
        messages = message(0, payload="x" * 3000), message(1, retain=True), message(2)
        outcomes = deliver(mqtt, connect(server), *messages)
        steps = {step.name: step for step in probe(mqtt, connect(server))}
    found = {each.key: each.reason for each in outcomes}
    assert found == {0: Reason.TOO_LARGE, 1: Reason.PERMANENT_4XX, 2: Reason.OK}
    assert "2,000 bytes" in steps["limits"].detail
    assert "keeps no retained" in steps["limits"].detail


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_is_told_by_test_and_delivery(mqtt: MqttConnectorType, version: Version) -> None:
    with mosquitto(users={"ada": "secret"}) as server:
        right = connect(server, {"password": "secret"}, username="ada", version=version)
        assert deliver(mqtt, right, message())[0].reason is Reason.OK
        assert all(step.reason.is_ok for step in probe(mqtt, right))
        wrong = connect(server, {"password": "guess"}, username="ada", version=version)
        (outcome,) = deliver(mqtt, wrong, message())
        assert outcome.reason is Reason.BAD_CONFIG
        last = probe(mqtt, wrong)[-1]
        assert (last.name, last.reason) == ("authenticate", Reason.BAD_CONFIG)
        assert "password" in last.advice


def test_tls_with_a_client_certificate(mqtt: MqttConnectorType) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("client@example.test")
    ca = authority.cert_pem.bytes().decode()
    key = {"client_key": leaf.private_key_pem.bytes().decode()}
    certificate = leaf.cert_chain_pems[0].bytes().decode()
    with mosquitto(certificate=authority.issue_cert("127.0.0.1"), client_authority=authority) as server:
        known = connect(server, key, tls=True, ca=ca, client_cert=certificate)
        assert deliver(mqtt, known, message())[0].reason is Reason.OK
        steps = probe(mqtt, known)
        assert [step.name for step in steps] == ["policy", "connect", "tls", "authenticate", "limits"]
        assert "It was issued by trustme" in steps[2].detail
        stranger = connect(server, tls=True, ca=ca)
        assert deliver(mqtt, stranger, message())[0].reason in (Reason.RETRY_TLS, Reason.RETRY_CONNECT)
        assert not probe(mqtt, stranger)[-1].reason.is_ok


@pytest.mark.django_db(transaction=True)
def test_an_event_goes_through_a_rule_to_a_topic(broker: Mosquitto) -> None:
    space = make_space()
    api = Api(space)
    connector = {
        "id": "plant",
        "connector_type_id": "mqtt",
        "name": "Plant",
        "config": {"server": f"127.0.0.1:{broker.port}"},
    }
    assert api.send("POST", "connectors", connector).status == 201
    assert api.send("POST", "connectors/plant/probe").body["outcome"] == "passed"
    params = {"topic": "plant/{{ event.data.line }}", "payload": {"id": "{{ event.id }}"}, "qos": 2}
    action = {"id": "tell", "name": "Tell", "connector": "plant", "params": params}
    assert api.send("POST", "actions", action).status == 201
    rule = {"name": "All", "rule_type_id": "event", "params": {"event_types": ["test.ping"]}, "actions": ["tell"]}
    assert api.send("POST", "rules", rule).status == 201
    with subscribed(broker, "plant/#") as wait_for:
        good, bad = send(space, incoming("e1", data={"line": "7"}), incoming("e2", data={"line": "#"}))
        (received,) = wait_for(1)
    stop()
    assert (received.topic, received.payload) == ("plant/7", b'{"id":"e1"}')
    assert Delivery.objects.get(event_id=good).state == "delivered"
    dead = Delivery.objects.get(event_id=bad)
    assert (dead.state, dead.last_reason) == ("dead", "template_error")
    assert "topic: A message goes to one topic" in dead.last_detail
