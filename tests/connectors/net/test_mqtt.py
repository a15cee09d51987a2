"""What the MQTT client makes of a broker that is not as it should be."""

import socket
import struct
import threading
from typing import Any

import pytest

from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import MqttClient, Received, Session
from connectors.net.urls import Origin
from connectors.outcomes import Reason

CONNACK = b"\x20\x03\x00\x00\x00"
SESSION = Session(Origin("mqtt", "broker.example", 1883), "x")


def publish(packet: int, payload: bytes, properties: bytes = b"") -> bytes:
    """Return a PUBLISH of QoS 1 to the topic t (MQTT 5, section 3.3)."""
    rest = b"\x00\x01t" + struct.pack("!H", packet) + bytes([len(properties)]) + properties + payload
    return bytes([0x32, len(rest)]) + rest


def user_property(name: str, value: str) -> bytes:
    def field(text: str) -> bytes:
        return struct.pack("!H", len(text.encode())) + text.encode()

    return b"\x26" + field(name) + field(value)


class Broker:
    """The other end of a connection: sends what it is told to once it was greeted."""

    def __init__(self) -> None:
        self.end, self._own = socket.socketpair()
        self.got = b""

    def send(self, *packets: bytes) -> None:
        def talk() -> None:
            self._own.recv(1000)
            for packet in packets:
                self._own.sendall(packet)

        threading.Thread(target=talk, daemon=True).start()

    def read(self) -> bytes:
        return self._own.recv(1000)

    def close(self) -> None:
        self._own.close()


@pytest.fixture
def broker() -> Any:
    running = Broker()
    yield running
    running.close()


def test_a_message_that_cannot_be_read_is_told_of_and_acknowledged(broker: Broker) -> None:
    received: list[Received] = []
    unreadable: list[int] = []
    client = MqttClient(SESSION, on_message=received.append, on_unreadable=unreadable.append)
    broker.send(CONNACK, publish(7, b"poison", user_property("bom", "\ufeff")), publish(8, b"good"))
    client.connect(5, broker.end)
    while not received:
        client.pump(1)
    assert (len(unreadable), [each.payload for each in received]) == (1, [b"good"])
    assert broker.read()[:4] == b"\x40\x02\x00\x07"  # PUBACK of 7


def test_a_broker_that_refuses_is_told_with_its_reason(broker: Broker) -> None:
    broker.send(b"\x20\x03\x00\x87\x00")
    with pytest.raises(CannotConnect, match="not authorized") as refused:
        MqttClient(SESSION).connect(5, broker.end)
    assert refused.value.reason is Reason.BAD_CONFIG


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 10, b"\x20\xff\xff\xff\xff\xff", b"\x00\x00"]
)
def test_what_is_no_broker_is_told_apart(broker: Broker, answer: bytes) -> None:
    broker.send(answer)
    with pytest.raises(CannotConnect) as refused:
        MqttClient(SESSION).connect(0.5, broker.end)
    assert refused.value.reason in (Reason.RETRY_CONNECT, Reason.RETRY_TIMEOUT)


def test_a_broker_that_says_nothing_is_left_in_time(broker: Broker) -> None:
    with pytest.raises(CannotConnect) as refused:
        MqttClient(SESSION).connect(0.2, broker.end)
    assert refused.value.reason is Reason.RETRY_TIMEOUT


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Session(Origin("mqtt", "b", 1), "x", username="ada", password="hunter2"))
