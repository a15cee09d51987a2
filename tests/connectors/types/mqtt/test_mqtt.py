"""What becomes of messages to an MQTT broker. Section numbers are those of OASIS, MQTT Version 5.0."""

import json
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import AnyMessage, Message, Paced
from connectors.types.mqtt import connector_type
from connectors.types.mqtt.connector import MqttConnectorType
from connectors.types.mqtt.schemas import MqttConfig, MqttParams
from connectors.types.mqtt.sessions import MqttConnection
from tests.connectors.types.mqtt.scenarios import connect
from tests.contract.scripted import Peer, ScriptedServer, scripted
from tests.mqtt_wire import (
    CONNECT,
    DISCONNECT,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    PUBACK,
    PUBLISH,
    PUBREC,
    PUBREL,
    REASON_STRING,
    RECEIVE_MAXIMUM,
    RETAIN_AVAILABLE,
    Packet,
    answer,
    broker,
    connack,
    packet,
    take,
    text,
)
from tests.servers import wait_until


@pytest.fixture
def mqtt() -> MqttConnectorType:
    """A type with no connections yet."""
    return MqttConnectorType()


def message(key: int = 0, **params: Any) -> Message[MqttParams]:
    return Message(key, f"msg_{key}", MqttParams.model_validate({"topic": "a/b", **params}))


@contextmanager
def serving(script: Callable[[Peer], None], **config: Any) -> Iterator[tuple[ScriptedServer, MqttConnection]]:
    with scripted(script) as server:
        yield server, connect(f"127.0.0.1:{server.port}", **config)


def deliver(mqtt: MqttConnectorType, connection: MqttConnection, *messages: AnyMessage) -> dict[int, Outcome]:
    return {outcome.key: outcome for outcome in mqtt.deliver(connection, messages)}


def reasons(outcomes: dict[int, Outcome]) -> dict[int, Reason]:
    return {key: outcome.reason for key, outcome in sorted(outcomes.items())}


def probe(connection: MqttConnection) -> dict[str, Step]:
    return {step.name: step for step in connector_type.probe(connection, timeout=5)}


def published(seen: list[Packet]) -> list[Packet]:
    return [each for each in seen if each.kind == PUBLISH]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_is_delivered_once_the_broker_has_it(mqtt: MqttConnectorType, qos: int) -> None:
    seen: list[Packet] = []
    with serving(broker(seen=seen)) as (_, connection):
        (outcome,) = deliver(mqtt, connection, message(qos=qos, payload={"n": 1})).values()
        wait_until(lambda: published(seen), "the message comes", 10)
    assert outcome.reason is Reason.OK
    assert outcome.request == {"topic": "a/b", "qos": qos, "bytes": 7}
    assert published(seen)[0].body.endswith(b'{"n":1}')
    assert ("no broker says" in outcome.detail) is (qos == 0)


def test_a_refusal_of_a_message_of_qos_2_ends_it(mqtt: MqttConnectorType) -> None:
    """Section 4.3.3: after a PUBREC with a failure no PUBREL follows."""
    seen: list[Packet] = []

    def refuse(given: Packet) -> bytes:
        return answer(PUBREC, given.id, 0x97, text(REASON_STRING, "10 a day")) if given.kind == PUBLISH else b""

    with serving(broker(refuse, seen=seen)) as (_, connection):
        (outcome,) = deliver(mqtt, connection, message(qos=2)).values()
        assert (outcome.reason, outcome.response["reason_code"]) == (Reason.RETRY_429, 0x97)
        assert "quota exceeded, 10 a day" in outcome.detail
        deliver(mqtt, connection, message(qos=0))
    assert not [each for each in seen if each.kind == PUBREL]


def test_that_nobody_subscribes_is_told(mqtt: MqttConnectorType) -> None:
    with serving(broker(lambda given: answer(PUBACK, given.id, 0x10))) as (_, connection):
        (outcome,) = deliver(mqtt, connection, message()).values()
    assert outcome.reason is Reason.OK
    assert "Nobody subscribes" in outcome.detail


def test_no_more_is_under_way_than_the_broker_takes(mqtt: MqttConnectorType) -> None:
    """Section 4.9: more than its receive maximum is a protocol error."""
    waiting: list[int] = []
    most = 0

    def hoard(given: Packet) -> bytes:
        nonlocal most
        waiting.append(given.id)
        most = max(most, len(waiting))
        if len(waiting) < 5:
            return b""
        answers = b"".join(answer(PUBACK, each) for each in waiting)
        waiting.clear()
        return answers

    greeting = connack(0, bytes([RECEIVE_MAXIMUM]) + struct.pack("!H", 5))
    with serving(broker(hoard, greeting)) as (_, connection):
        outcomes = deliver(mqtt, connection, *(message(key) for key in range(50)))
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.OK}
    assert (len(outcomes), most) == (50, 5)


def test_no_more_is_under_way_than_the_connector_allows(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(lambda _: b"", seen=seen)) as (_, connection):
        outcomes = deliver(mqtt, replace(connection, max_concurrency=2), message(0), message(1))
        assert set(reasons(outcomes).values()) == {Reason.RETRY_TIMEOUT}
    assert len(published(seen)) == 2


def test_what_is_on_its_way_as_the_connection_ends_is_tried_again_and_the_rest_goes_on(mqtt: MqttConnectorType) -> None:
    """Each connection takes one message, and ends at the next."""

    def fickle(peer: Peer) -> None:
        taken: list[int] = []

        def say(given: Packet) -> bytes:
            if given.kind == PUBLISH and taken:
                peer.reset()
            taken.append(given.id)
            return take(given)

        broker(say)(peer)

    with serving(fickle) as (server, connection):
        one_at_a_time = replace(connection, max_concurrency=1)
        outcomes = deliver(mqtt, one_at_a_time, *(message(key) for key in range(6)))
        connections = server.connections
    assert reasons(outcomes) == {
        0: Reason.OK,
        1: Reason.RETRY_CONNECT,
        2: Reason.OK,
        3: Reason.RETRY_CONNECT,
        4: Reason.OK,
        5: Reason.RETRY_CONNECT,
    }
    assert "It may have the message." in outcomes[1].detail
    assert 3 <= connections <= 4


def test_a_broker_that_ends_every_connection_is_not_connected_to_again_and_again(mqtt: MqttConnectorType) -> None:
    def hostile(peer: Peer) -> None:
        peer.receive()
        peer.send(connack())
        peer.receive()
        peer.reset()

    with serving(hostile) as (server, connection):
        outcomes = deliver(mqtt, replace(connection, max_concurrency=1), *(message(key) for key in range(20)))
        assert server.connections == 1
    assert set(reasons(outcomes).values()) == {Reason.RETRY_CONNECT}
    assert len(outcomes) == 20


def test_the_largest_message_is_the_one_that_was_too_large(mqtt: MqttConnectorType) -> None:
    """Section 4.13: a broker that did not tell its limit disconnects with 0x95."""
    waiting: list[int] = []

    def say(given: Packet) -> bytes:
        waiting.append(given.id)
        return packet(DISCONNECT, bytes([0x95, 0])) if len(waiting) == 3 else b""

    with serving(broker(say)) as (_, connection):
        messages = [message(0, payload="x"), message(1, payload="x" * 100), message(2, payload="x" * 10)]
        outcomes = deliver(mqtt, connection, *messages)
    assert reasons(outcomes) == {0: Reason.RETRY_CONNECT, 1: Reason.TOO_LARGE, 2: Reason.RETRY_CONNECT}


@pytest.mark.parametrize(
    ("limit", "params", "reason", "said"),
    [
        (bytes([MAXIMUM_PACKET_SIZE]) + struct.pack("!I", 500), {"payload": "x" * 500}, Reason.TOO_LARGE, "takes 500"),
        (bytes([MAXIMUM_QOS, 1]), {"qos": 2}, Reason.PERMANENT_4XX, "qos: the broker takes no more than QoS 1"),
        (bytes([RETAIN_AVAILABLE, 0]), {"retain": True}, Reason.PERMANENT_4XX, "retain: the broker keeps"),
    ],
)
def test_what_the_broker_said_that_it_does_not_take_is_not_sent(
    mqtt: MqttConnectorType, limit: bytes, params: dict[str, Any], reason: Reason, said: str
) -> None:
    """Section 3.2.2.3: to send it all the same is a protocol error, which ends the connection for all."""
    seen: list[Packet] = []
    with serving(broker(greeting=connack(0, limit), seen=seen)) as (_, connection):
        outcomes = deliver(mqtt, connection, message(0, **params), message(1))
    assert reasons(outcomes) == {0: reason, 1: Reason.OK}
    assert said in outcomes[0].detail
    assert len(published(seen)) == 1


def test_a_connection_that_left_a_message_without_answer_takes_no_more(mqtt: MqttConnectorType) -> None:
    """The second message of the first connection is answered by nobody; the third goes over another connection."""
    seen: list[Packet] = []
    lock = threading.Lock()

    def say(given: Packet) -> bytes:
        with lock:
            return b"" if len(published(seen)) == 2 else take(given)

    with serving(broker(say, seen=seen)) as (server, connection):
        outcomes = deliver(mqtt, replace(connection, max_concurrency=1), message(0), message(1), message(2))
        assert server.connections == 2
    assert reasons(outcomes) == {0: Reason.OK, 1: Reason.RETRY_TIMEOUT, 2: Reason.OK}
    assert "it may have the message" in outcomes[1].detail


def test_a_message_may_have_less_time_than_its_connector(mqtt: MqttConnectorType) -> None:
    with serving(broker(lambda _: b""), timeout=60) as (_, connection):
        (outcome,) = deliver(mqtt, connection, replace(message(), timeout=0.2)).values()
    assert outcome.reason is Reason.RETRY_TIMEOUT
    assert outcome.duration < 10


def test_runs_share_one_connection_until_the_connector_changes(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(seen=seen)) as (server, connection):
        for key in range(3):
            deliver(mqtt, connection, message(key))
        assert server.connections == 1
        deliver(mqtt, replace(connection, version=2), message(3))
        assert server.connections == 2
        wait_until(lambda: any(each.kind == DISCONNECT for each in seen), "the former says goodbye", 10)


def test_runs_at_the_same_time_have_connections_of_their_own(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []
    with serving(broker(seen=seen)) as (_, connection):
        first = mqtt.deliver(connection, (message(key) for key in range(3)))
        assert next(first).reason is Reason.OK
        assert reasons(deliver(mqtt, connection, message(9))) == {9: Reason.OK}
        assert [outcome.reason for outcome in first] == [Reason.OK, Reason.OK]
    clients = {each.body[13:] for each in seen if each.kind == CONNECT}
    assert len(clients) == 2


def test_a_connection_that_ended_between_two_runs_is_made_again(mqtt: MqttConnectorType) -> None:
    def once(peer: Peer) -> None:
        def say(given: Packet) -> bytes:
            peer.send(take(given))
            peer.reset()
            return b""

        broker(say)(peer)

    with serving(once) as (_, connection):
        for key in range(3):
            assert reasons(deliver(mqtt, connection, message(key))) == {key: Reason.OK}


def test_a_run_that_is_given_up_leaves_no_answers_for_the_next_one(mqtt: MqttConnectorType) -> None:
    seen: list[Packet] = []

    def say(given: Packet) -> bytes:
        return take(given) if len(published(seen)) != 2 else b""

    with serving(broker(say, seen=seen)) as (server, connection):
        run = mqtt.deliver(connection, (message(key) for key in range(2)))
        next(run)
        run.close()  # type: ignore[attr-defined]  # it is a generator
        assert reasons(deliver(mqtt, connection, message(500))) == {500: Reason.OK}
        assert server.connections == 2


def test_answers_are_read_while_the_next_message_is_not_due(mqtt: MqttConnectorType) -> None:
    told: list[int] = []

    def messages() -> Iterator[AnyMessage]:
        yield message(0)
        yield message(1)

    def wait() -> float:
        return 0.0 if told else 0.05

    with serving(broker()) as (_, connection):
        for outcome in mqtt.deliver(connection, Paced(messages(), wait)):
            told.append(outcome.key)
    assert told == [0, 1]


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


def test_outcomes_are_fit_for_the_log(mqtt: MqttConnectorType) -> None:
    with serving(broker()) as (_, connection):
        outcomes: Iterable[Outcome] = deliver(mqtt, connection, message()).values()
    for outcome in outcomes:
        assert json.loads(json.dumps(outcome.response)) == {"reason_code": 0, "reason": "success"}
