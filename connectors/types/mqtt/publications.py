"""Makes what is published of a message: what its params say, in the bytes that MQTT carries."""

from dataclasses import dataclass
from typing import Any

import orjson

from connectors.net.mqtt import QoS, Sent
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.mqtt.schemas import HOP_PROPERTY, ID_PROPERTY, MqttParams, check_text, check_topic


@dataclass(frozen=True, slots=True)
class Publication:
    """One message as it is handed to the client."""

    topic: str
    payload: bytes
    qos: QoS
    retain: bool
    sent: Sent


def publication_of(message: Message[MqttParams]) -> Publication:
    """Return what is published; raise BadMessage, which names the field."""
    params = message.params
    properties = [(ID_PROPERTY, message.webhook_id), (HOP_PROPERTY, str(message.hop + 1))]
    try:
        field = "topic"
        topic = check_topic(params.topic)
        field = "response_topic"
        response_topic = check_topic(params.response_topic) if params.response_topic else ""
        field = "content_type"
        content_type = check_text(params.content_type)
        field = "user_properties"
        properties += [(check_text(name), check_text(value)) for name, value in params.user_properties.items()]
        field = "payload"
        payload = _encode(params.payload)
    except (ValueError, TypeError) as error:
        raise BadMessage(f"{field}: {error}") from None
    sent = Sent(content_type, tuple(properties), response_topic, expiry=params.message_expiry)
    return Publication(topic, payload, params.qos, params.retain, sent)


def _encode(payload: Any) -> bytes:
    if payload is None:
        return b""
    return payload.encode() if isinstance(payload, str) else orjson.dumps(payload)
