"""From an event to a subscriber of a real mosquitto, which lets in who has a password."""

from collections.abc import Iterator
from contextlib import contextmanager

import trustme
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.mosquitto import mosquitto, mosquitto_version
from tests.servers import wait_until
from tests.services.transcripts.declared import AS_JSON, HOT, SAYS, Arrival, Destination, Step, Surroundings, Walk

_USER, _PASSWORD = "ovens", "p4ss-of-the-ovens"


@contextmanager
def broker(_: Surroundings) -> Iterator[Destination]:
    """Run mosquitto, with somebody who has subscribed to all."""
    authority = trustme.CA()
    with mosquitto(users={_USER: _PASSWORD}, certificate=authority.issue_cert("127.0.0.1")) as server:
        came: list[MQTTMessage] = []
        is_subscribed: list[bool] = []
        client = Client(CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set(_USER, _PASSWORD)
        client.on_message = lambda _, __, message: came.append(message)
        client.on_subscribe = lambda *_: is_subscribed.append(True)
        client.connect("127.0.0.1", server.port)
        client.loop_start()
        try:
            wait_until(client.is_connected, "the connection to mosquitto")
            client.subscribe("#", 2)
            wait_until(lambda: is_subscribed, "the subscription to mosquitto")
            yield Destination(
                f"{mosquitto_version()}, by password over TLS, and a subscriber to all topics",
                {
                    "server": f"127.0.0.1:{server.tls_port}",
                    "tls": True,
                    "ca": authority.cert_pem.bytes().decode(),
                    "username": _USER,
                },
                {"password": _PASSWORD},
                lambda: [_of(message) for message in list(came)],
            )
        finally:
            client.disconnect()
            client.loop_stop()


def _of(message: MQTTMessage) -> Arrival:
    headers = dict(getattr(message.properties, "UserProperty", ()))
    if content_type := getattr(message.properties, "ContentType", ""):
        headers = {"content-type": content_type, **headers}
    return Arrival(f"topic {message.topic}, QoS {message.qos}", headers, message.payload.decode())


WALK = Walk(
    broker,
    AS_JSON,
    (
        Step(
            "What an oven says goes to a topic",
            HOT,
            {"topic": "ovens/{{ event.data.oven }}/text", "payload": {"text": SAYS}, "qos": 2},
            ("topic ovens/7/text, QoS 2",),
        ),
    ),
)
