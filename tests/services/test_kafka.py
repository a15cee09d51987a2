"""Kafka connectors against a real broker: who may in, what it refuses, and what a restart does to deliveries."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.kafka.connector import KafkaConnectorType
from connectors.types.kafka.schemas import KafkaConfig, KafkaParams, KafkaSecrets
from tests.contract.scripted import answering, http_answer, scripted
from tests.faults.installation import Outlet, Wired, event, wired_to
from tests.kafka_broker import PASSWORD, STRANGER, STRANGER_PASSWORD, USER, KafkaBroker
from tests.servers import wait_until

KafkaConnection = Connection[KafkaConfig, KafkaSecrets]
Access = Callable[[KafkaBroker], tuple[dict[str, Any], dict[str, Any]]]

DEVICES, READINGS = 20, 100
PLAIN_STEPS = ["policy", "connect", "protocol", "metadata", "brokers", "topic"]
SASL_STEPS = ["policy", "connect", "protocol", "authenticate", "metadata", "brokers", "topic"]


def connection(access: tuple[dict[str, Any], dict[str, Any]], **more: Any) -> KafkaConnection:
    config, secrets = access
    return Connection(
        1, 1, KafkaConfig.model_validate({"timeout": 10, **config, **more}), KafkaSecrets.model_validate(secrets)
    )


def deliver(to: KafkaConnection, topic: str, **params: Any) -> Outcome:
    message = Message(1, "msg_1", KafkaParams(topic=topic, **params))
    (outcome,) = KafkaConnectorType().deliver(to, [message])
    return outcome


def sasl(broker: KafkaBroker, auth: str, user: str = USER, password: str = PASSWORD) -> tuple[Any, Any]:
    return {"bootstrap_servers": broker.sasl, "auth": auth, "username": user}, {"password": password}


def over_tls(broker: KafkaBroker) -> tuple[Any, Any]:
    config = {"bootstrap_servers": broker.sasl_tls, "auth": "scram_sha_512", "username": USER, "tls": True}
    return config | {"ca": broker.ca}, {"password": PASSWORD}


def by_certificate(broker: KafkaBroker) -> tuple[Any, Any]:
    config = {"bootstrap_servers": broker.tls, "tls": True, "ca": broker.ca, "client_cert": broker.client_cert}
    return config, {"client_key": broker.client_key}


ACCESS: dict[str, tuple[Access, list[str]]] = {
    "in plain": (lambda broker: ({"bootstrap_servers": broker.plain}, {}), PLAIN_STEPS),
    "PLAIN": (lambda broker: sasl(broker, "plain"), SASL_STEPS),
    "SCRAM-SHA-256": (lambda broker: sasl(broker, "scram_sha_256"), SASL_STEPS),
    "SCRAM-SHA-512": (lambda broker: sasl(broker, "scram_sha_512"), SASL_STEPS),
    "SCRAM over TLS": (over_tls, ["policy", "connect", "tls", *SASL_STEPS[2:]]),
    "a client certificate": (by_certificate, ["policy", "connect", "tls", *PLAIN_STEPS[2:]]),
}


@pytest.mark.parametrize("name", ACCESS)
def test_who_may_in_delivers_and_passes_every_step(kafka: KafkaBroker, name: str) -> None:
    access, steps = ACCESS[name]
    topic = kafka.create_topic()
    to = connection(access(kafka), probe_topic=topic)
    probed = list(KafkaConnectorType().probe(to, timeout=15))
    assert [step.name for step in probed] == steps, probed
    assert all(step.reason.is_ok for step in probed), probed
    assert "may be written" in probed[-1].detail
    outcome = deliver(to, topic, key="k", value={"n": 1})
    assert outcome.reason is Reason.OK, outcome
    (found,) = kafka.read(topic, 1)
    assert (found.key(), found.value()) == (b"k", b'{"n":1}')


def test_without_idempotence_it_delivers_as_well(kafka: KafkaBroker) -> None:
    topic = kafka.create_topic()
    to = connection(({"bootstrap_servers": kafka.plain}, {}), idempotence=False, acks="leader")
    assert deliver(to, topic).reason is Reason.OK


def unsecured_token(subject: str, seconds: int = 600) -> str:
    """Return a token as Kafka's default validator takes it: a JWT without a signature (RFC 7519, section 6)."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + seconds})
    encoded = [urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join((*encoded, ""))


@pytest.fixture
def token_endpoint() -> Iterator[str]:
    answer = {"access_token": unsecured_token(USER), "token_type": "Bearer", "expires_in": 600}
    with scripted(answering(http_answer(200, json.dumps(answer).encode()))) as server:
        yield server.url


@pytest.mark.django_db(transaction=True)
def test_a_token_of_a_token_endpoint_lets_in(kafka: KafkaBroker, token_endpoint: str) -> None:
    topic = kafka.create_topic()
    config = {"bootstrap_servers": kafka.sasl, "auth": "oauth", "token_url": token_endpoint, "oauth_client_id": "me"}
    to = connection((config, {"client_secret": "hush"}), probe_topic=topic)
    probed = list(KafkaConnectorType().probe(to, timeout=15))
    assert [step.name for step in probed] == ["policy", "token", *SASL_STEPS[1:]], probed
    assert all(step.reason.is_ok for step in probed), probed
    assert deliver(to, topic).reason is Reason.OK


@pytest.mark.parametrize("auth", ["plain", "scram_sha_256", "scram_sha_512"])
def test_a_wrong_password_is_told_where_it_is_found(kafka: KafkaBroker, auth: str) -> None:
    topic = kafka.create_topic()
    to = connection(sasl(kafka, auth, password="wrong-secret"), probe_topic=topic)
    outcome = deliver(to, topic)
    assert outcome.reason is Reason.BAD_CONFIG
    assert "credentials" in outcome.detail
    last = list(KafkaConnectorType().probe(to, timeout=15))[-1]
    assert (last.name, last.reason) == ("authenticate", Reason.BAD_CONFIG), last


def test_a_user_without_the_right_to_write_is_told_so(kafka: KafkaBroker) -> None:
    topic = kafka.create_topic()
    to = connection(sasl(kafka, "scram_sha_256", STRANGER, STRANGER_PASSWORD), probe_topic=topic)
    outcome = deliver(to, topic)
    assert (outcome.reason, outcome.detail.partition(":")[0]) == (Reason.PERMANENT_4XX, "topic")
    last = list(KafkaConnectorType().probe(to, timeout=15))[-1]
    assert (last.name, last.reason) == ("topic", Reason.PERMANENT_4XX), last


@pytest.mark.parametrize("lacking", ["ca", "client_cert"])
def test_tls_that_one_side_does_not_trust_fails_as_tls(kafka: KafkaBroker, lacking: str) -> None:
    config, secrets = by_certificate(kafka)
    to = connection(({**config, lacking: ""}, secrets))
    assert deliver(to, "any").reason is Reason.RETRY_TLS
    last = list(KafkaConnectorType().probe(to, timeout=15))[-1]
    assert (last.name, last.reason) == ("tls", Reason.RETRY_TLS), last


def test_a_missing_topic_is_named_and_found_by_the_probe(kafka: KafkaBroker) -> None:
    to = connection(({"bootstrap_servers": kafka.plain}, {}), probe_topic="missing", timeout=3)
    outcome = deliver(to, "missing")
    assert (outcome.reason, outcome.detail.partition(":")[0]) == (Reason.PERMANENT_4XX, "topic")
    last = list(KafkaConnectorType().probe(to, timeout=15))[-1]
    assert (last.name, last.reason) == ("topic", Reason.PERMANENT_4XX), last


def test_a_message_above_the_topics_limit_is_too_large_and_others_pass(kafka: KafkaBroker) -> None:
    topic = kafka.create_topic(max_message_bytes="2000")
    to = connection(({"bootstrap_servers": kafka.plain}, {}))
    assert deliver(to, topic, value="x" * 3000).reason is Reason.TOO_LARGE
    assert deliver(to, topic, value="x" * 1000).reason is Reason.OK


def test_a_compacted_topic_takes_no_message_without_a_key(kafka: KafkaBroker) -> None:
    topic = kafka.create_topic(cleanup_policy="compact")
    to = connection(({"bootstrap_servers": kafka.plain}, {}))
    outcome = deliver(to, topic)
    assert (outcome.reason, outcome.detail.partition(":")[0]) == (Reason.TEMPLATE_ERROR, "key")
    assert deliver(to, topic, key="k", value=None).reason is Reason.OK


def outlet(broker: KafkaBroker, topic: str) -> Outlet:
    params = {"topic": topic, "key": "{{ event.data.device }}", "value": "{{ event }}"}
    action = {"params": params, "ordering_key": "{{ event.data.device }}", "max_attempts": 50}
    return Outlet("kafka", {"bootstrap_servers": broker.plain}, action | {"retry": {"delays": [2]}})


def send_readings(installation: Wired, first: int, count: int) -> None:
    """Send so many readings of each device, numbered on."""
    events = [
        {**event(f"{device}-{number}"), "data": {"device": f"d{device}", "number": number}}
        for number in range(first, first + count)
        for device in range(DEVICES)
    ]
    for start in range(0, len(events), 500):
        status, answer = installation.call("POST", "events", events[start : start + 500])
        assert status == 202, answer


def readings(broker: KafkaBroker, topic: str, at_least: int) -> dict[str, list[int]]:
    """Return the numbers that a topic holds of each device, in order and each as often as it is there."""
    found: dict[str, list[int]] = {}
    for message in broker.read(topic, at_least):
        data = json.loads(message.value() or b"")["data"]
        found.setdefault(data["device"], []).append(data["number"])
    return found


def check_readings(found: dict[str, list[int]], count: int) -> None:
    """Raise AssertionError unless there are so many of each device, in order but for what came again."""
    assert len(found) == DEVICES
    for device, numbers in found.items():
        assert list(dict.fromkeys(numbers)) == list(range(count)), device


@pytest.mark.timeout(400)
def test_a_broker_that_crashes_in_mid_delivery_loses_nothing_and_keeps_the_order(
    own_kafka: KafkaBroker, tmp_path: Path
) -> None:
    topic = own_kafka.create_topic()
    with wired_to(outlet(own_kafka, topic), tmp_path) as installation:
        send_readings(installation, 0, READINGS)
        wait_until(lambda: len(own_kafka.read(topic)) > DEVICES, "the first readings did not arrive")
        own_kafka.kill()
        send_readings(installation, READINGS, READINGS)
        own_kafka.start()

        installation.settle(within=240)

        assert installation.call("GET", "deliveries?state=dead")[1]["results"] == []
        check_readings(readings(own_kafka, topic, DEVICES * READINGS * 2), READINGS * 2)


@pytest.mark.timeout(400)
def test_deliveries_wait_for_a_broker_that_is_down_at_the_start(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = own_kafka.create_topic()
    own_kafka.stop()
    with wired_to(outlet(own_kafka, topic), tmp_path) as installation:
        send_readings(installation, 0, 5)

        def is_held() -> bool:
            return bool(installation.call("GET", "connectors/receiver")[1]["status"] == "disconnected")

        wait_until(is_held, "nobody saw that the broker is down", 60)
        own_kafka.start()

        installation.settle(within=240)

        assert installation.call("GET", "deliveries?state=dead")[1]["results"] == []
        check_readings(readings(own_kafka, topic, DEVICES * 5), 5)
