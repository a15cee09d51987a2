"""What an MQTT connector and its actions may say, how it arrives, and what a test of the connector tells."""

import struct
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.outcomes import Reason
from connectors.types.mqtt.connector import MqttConnectorType
from connectors.types.mqtt.schemas import MqttConfig, MqttParams
from tests.connectors.types.mqtt.delivering import deliver, message, probe, published, reasons, serving
from tests.mqtt_wire import (
    CONNECT,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    RETAIN_AVAILABLE,
    Packet,
    broker,
    connack,
)
from tests.servers import wait_until


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"topic": "{{ 'a/#' }}"}, "topic: A message goes to one topic"),
        ({"topic": "{{ '$SYS/x' }}"}, "topic: Topics that begin with $"),
        ({"topic": "{{ }}" + "é" * 40_000}, "topic: It has 80,005 bytes"),
        ({"topic": "{{ }}\0"}, "topic: The character U+0000"),
        ({"response_topic": "{{ }}+"}, "response_topic: A message goes to one topic"),
        ({"content_type": "{{ }}\n"}, "content_type: The character U+000A"),
        ({"user_properties": {"k": "{{ }}\ufffe"}}, "user_properties: The character U+FFFE"),
        ({"payload": "{{ }}\ud800"}, "payload: "),
        ({"payload": {"n": 2**70}}, "payload: "),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(
    mqtt: MqttConnectorType, params: dict[str, Any], said: str
) -> None:
    """The templates stand for what they were rendered to: with a brace they are taken when saved."""
    rendered = MqttParams.model_construct(**{**message().params.model_dump(), **_rendered(params)})
    seen: list[Packet] = []
    with serving(broker(seen=seen)) as (_, connection):
        outcomes = deliver(mqtt, connection, replace(message(0), params=rendered), message(1))
    assert reasons(outcomes) == {0: Reason.TEMPLATE_ERROR, 1: Reason.OK}
    assert outcomes[0].detail.startswith(said)
    assert len(published(seen)) == 1


def _rendered(params: dict[str, Any]) -> dict[str, Any]:
    MqttParams.model_validate({"topic": "a", **{name: value for name, value in params.items() if name != "payload"}})
    return {
        name: value.replace("{{ '", "").replace("' }}", "") if isinstance(value, str) else value
        for name, value in params.items()
    }


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"topic": "a/+/b"}, "one topic"),
        ({"topic": "$share/a"}, "broker's own"),
        ({"topic": ""}, "at least 1 character"),
        ({"topic": "a\tb"}, "U\\+0009"),
        ({"user_properties": {"Webhook-ID": "x"}}, "set by Switchyard"),
        ({"message_expiry": 2**32}, "less than or equal"),
        ({"qos": 3}, "0, 1 or 2"),
    ],
)
def test_what_no_broker_takes_is_refused_when_saved(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        message(**params)


def test_what_goes_along_with_a_message(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(seen=seen)) as (_, connection):
        sent = message(
            7,
            retain=True,
            content_type="text/plain",
            user_properties={"site": "köln"},
            message_expiry=60,
            response_topic="answers/here",
            payload="plain",
        )
        deliver(mqtt, connection, replace(sent, hop=2))
    (given,) = published(seen)
    assert given.flags & 0x01
    for part in (b"webhook-id\x00\x05msg_7", b"switchyard-hop\x00\x013", "site\0\5köln".encode(), b"text/plain"):
        assert part in given.body
    assert b"\x02\x00\x00\x00\x3c" in given.body
    assert b"\x08\x00\x0canswers/here" in given.body


def test_nothing_as_the_payload_clears_a_retained_message(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(greeting=b"\x20\x02\0\0", seen=seen), version="3.1.1") as (_, connection):
        deliver(mqtt, connection, message(payload=None, retain=True, qos=0))
        wait_until(lambda: published(seen), "the message comes", 10)
    assert published(seen)[0].body == b"\x00\x03a/b"


def test_a_probe_tells_what_the_broker_takes_and_what_it_cannot_ask() -> None:
    limits = bytes([MAXIMUM_QOS, 1, RETAIN_AVAILABLE, 0, MAXIMUM_PACKET_SIZE]) + struct.pack("!I", 1024)
    seen: list[Packet] = []
    with serving(broker(greeting=connack(0, limits), seen=seen)) as (_, connection):
        steps = probe(connection)
    assert list(steps) == ["policy", "connect", "authenticate", "limits"]
    assert "Whether it takes messages shows with the first one." in steps["authenticate"].detail
    assert "up to 1,024 bytes, up to QoS 1; it keeps no retained ones" in steps["limits"].detail
    assert not published(seen)


@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        (0x84, Reason.BAD_CONFIG, "another version"),
        (0x85, Reason.BAD_CONFIG, "client id"),
        (0x86, Reason.BAD_CONFIG, "password"),
        (0x89, Reason.RETRY_CONNECT, "busy"),
        (0x9D, Reason.BAD_CONFIG, "moved"),
        (0x9F, Reason.RETRY_429, "fewer connections"),
    ],
)
def test_a_refused_connection_comes_with_advice(code: int, reason: Reason, advice: str) -> None:
    with serving(broker(greeting=connack(code))) as (_, connection):
        step = probe(connection)["authenticate"]
    assert step.reason is reason
    assert advice in step.advice


def test_the_client_id_begins_as_the_connector_says(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(seen=seen), client_id="line-7") as (_, connection):
        deliver(mqtt, connection, message())
        probe(connection)
    first, second = (each.body for each in seen if each.kind == CONNECT)
    assert b"line-7-" in first
    assert b"line-7-" in second
    assert first != second


def test_values_in_a_payload_are_escaped_as_its_content_type_says(mqtt: MqttConnectorType) -> None:
    config = MqttConfig(server="broker.example")
    assert mqtt.template_format(config, {}, "payload") == "json"
    assert mqtt.template_format(config, {"content_type": "application/cloudevents+json"}, "payload") == "json"
    assert mqtt.template_format(config, {"content_type": "text/plain"}, "payload") == "text"
    assert mqtt.template_format(config, {}, "topic") == "text"


def test_secrets_stay_with_the_broker_and_the_way_to_it(mqtt: MqttConnectorType) -> None:
    assert mqtt.targets(MqttConfig(server="broker.example")) == {"mqtt://broker.example:1883"}
    assert mqtt.targets(MqttConfig(server="broker.example", tls=True)) == {"mqtts://broker.example:8883"}


def test_a_broker_that_the_installation_does_not_allow_is_refused_when_saved(
    mqtt: MqttConnectorType, settings: Any
) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["*.example"]
    assert not mqtt.check(MqttConfig(server="broker.example"))
    (error,) = mqtt.check(MqttConfig(server="broker.test"))
    assert error.pointer == "/server"
    (error,) = mqtt.check(MqttConfig(server="broker.example", timeout=299))
    assert error.pointer == "/timeout"


@pytest.mark.parametrize(
    "server", ["mqtt://broker.example", "broker.example/topic", "a:b@broker.example", "", "x:99999"]
)
def test_what_is_no_server_is_refused_when_saved(server: str) -> None:
    with pytest.raises(ValidationError):
        MqttConfig(server=server)
