"""What becomes of messages to an MQTT broker. Section numbers are those of OASIS, MQTT Version 5.0."""

import json
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import AnyMessage, Paced
from connectors.types.mqtt.connector import MqttConnectorType
from tests.connectors.types.mqtt.delivering import deliver, message, published, reasons, serving
from tests.contract.scripted import Peer
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


def test_a_try_that_could_not_connect_has_the_time_that_it_took(mqtt: MqttConnectorType) -> None:
    def slow(peer: Peer) -> None:
        peer.receive()
        peer.reset()

    with serving(slow) as (server, connection):
        outcomes = deliver(mqtt, connection, message(1), message(2))
        assert server.connections == 1
    assert set(reasons(outcomes).values()) == {Reason.RETRY_CONNECT}
    assert all(outcome.duration > 0 for outcome in outcomes.values())


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


def test_outcomes_are_fit_for_the_log(mqtt: MqttConnectorType) -> None:
    with serving(broker()) as (_, connection):
        outcomes: Iterable[Outcome] = deliver(mqtt, connection, message()).values()
    for outcome in outcomes:
        assert json.loads(json.dumps(outcome.response)) == {"reason_code": 0, "reason": "success"}
