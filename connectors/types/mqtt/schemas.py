"""What a person fills in for an MQTT connector, and what an action says to it."""

import re
from typing import Final, Literal

from pydantic import Field, JsonValue, SecretStr, field_validator

from connectors.net.mqtt import MAX_TOPIC
from connectors.net.urls import MAX_URL, parse_authority
from connectors.types.base import Config, Params, is_template
from connectors.types.http_fields import ADVANCED, JSON_TYPE
from connectors.types.tls_fields import TlsConfig, TlsSecrets

DEFAULT_TIMEOUT: Final = 15.0  # seconds
MAX_TEXT: Final = 65_535  # bytes of UTF-8 of every text (MQTT 5, section 1.5.4)
LONGEST_EXPIRY: Final = 2**32 - 1  # seconds (section 3.3.2.3.3)
# Of the user properties, those that Switchyard itself writes.
ID_PROPERTY: Final = "webhook-id"
HOP_PROPERTY: Final = "switchyard-hop"
# Code points that a broker may close the connection for (section 1.5.4).
_UNWANTED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)


class _Broker(Config):
    """Which broker, and as whom."""

    server: str = Field(
        title="Server",
        description="host:port; the port is 1883, or 8883 with TLS, unless it stands there.",
        min_length=1,
        max_length=MAX_URL,
        examples=["broker.example.com:8883"],
    )
    tls: bool = Field(False, title="TLS", description="Whether the server speaks TLS at this port.")
    version: Literal["5", "3.1.1"] = Field(
        "5", title="MQTT version", description="Brokers of before 2019 speak 3.1.1 only, without properties."
    )
    client_id: str = Field(
        "",
        title="Client ID",
        description=(
            "What the client ids of this connector begin with. Each process adds an ending of its own, as a broker "
            "ends the connection of one that comes twice. Empty: switchyard and a number."
        ),
        max_length=128,
        json_schema_extra=ADVANCED,
    )
    username: str = Field("", title="User name", description="Where the broker wants one.", max_length=1024)
    keepalive: int = Field(
        60,
        title="Keep alive",
        description="Seconds without a message after which the two ask whether the other is still there.",
        ge=5,
        le=65_535,
        json_schema_extra=ADVANCED,
    )
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for the broker to answer, from connecting on.",
        ge=1,
        le=300,
        json_schema_extra=ADVANCED,
    )

    @field_validator("server")
    @classmethod
    def _is_server(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("Write host:port, without mqtt:// and a path; TLS has a switch of its own.")
        parse_authority("mqtt", value.strip())
        return value.strip()

    @field_validator("username", "client_id")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("There are no control characters in it.")
        return value


class MqttConfig(TlsConfig, _Broker):
    """A broker, and as whom it is spoken to."""


class MqttSecrets(TlsSecrets):
    """The password, and the key of the client certificate."""

    password: SecretStr | None = Field(None, title="Password", description="Of the user name.", max_length=4096)


class MqttParams(Params):
    """One message. Every string may be a template."""

    topic: str = Field(
        title="Topic",
        description="Levels by slash, without wildcards; not one of the broker's own, which begin with $.",
        min_length=1,
        max_length=MAX_TOPIC,
    )
    payload: JsonValue = Field(
        "{{ event }}",
        title="Payload",
        description=(
            "A JSON value, or a text that is JSON once rendered: event values in it are written as JSON. For a text "
            "that is no JSON set content_type to text/plain; it is sent as it is, and event values in it too. null "
            "sends none, which clears a retained message."
        ),
    )
    qos: Literal[0, 1, 2] = Field(
        1,
        title="Quality of service",
        description=(
            "0: written and not asked about, so that it may be lost. 1: until the broker has it, at least once. "
            "2: the broker passes it on once for each time that it is sent."
        ),
    )
    retain: bool = Field(
        False, title="Retain", description="The broker keeps it for whoever subscribes to the topic later."
    )
    content_type: str = Field(
        JSON_TYPE,
        title="Content type",
        description="Of the payload. Values in it are written as JSON where this says so. Sent with MQTT 5.",
        max_length=1024,
    )
    user_properties: dict[str, str] = Field(
        default_factory=dict,
        title="User properties",
        description=f"Sent with MQTT 5, beside {ID_PROPERTY}.",
        max_length=100,
    )
    message_expiry: int | None = Field(
        None,
        title="Message expiry",
        description="Seconds after which the broker gives it to nobody any more. Sent with MQTT 5.",
        ge=1,
        le=LONGEST_EXPIRY,
    )
    response_topic: str = Field(
        "",
        title="Response topic",
        description="Where receivers are to answer. Sent with MQTT 5.",
        max_length=MAX_TOPIC,
    )

    @field_validator("topic", "response_topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        return value if not value or is_template(value) else check_topic(value)

    @field_validator("content_type")
    @classmethod
    def _is_text(cls, value: str) -> str:
        return value if is_template(value) else check_text(value)

    @field_validator("user_properties")
    @classmethod
    def _are_properties(cls, properties: dict[str, str]) -> dict[str, str]:
        for name, value in properties.items():
            if name.lower() in (ID_PROPERTY, HOP_PROPERTY):
                raise ValueError(f"{name} is set by Switchyard.")
            check_text(name)
            if not is_template(value):
                check_text(value)
        return properties


def check_topic(topic: str) -> str:
    """Return a topic that messages can be published to; raise ValueError (MQTT 5, section 4.7)."""
    if not topic:
        raise ValueError("A topic has at least one character.")
    if "#" in topic or "+" in topic:
        raise ValueError("A message goes to one topic: + and # are for subscriptions.")
    if topic.startswith("$"):
        raise ValueError("Topics that begin with $ are the broker's own.")
    return check_text(topic)


def check_text(text: str) -> str:
    """Return a text that MQTT carries; raise ValueError."""
    if found := _UNWANTED.search(text):
        raise ValueError(f"The character U+{ord(found[0]):04X} cannot be sent.")
    if len(text.encode()) > MAX_TEXT:
        raise ValueError(f"It has {len(text.encode()):,} bytes; MQTT carries {MAX_TEXT:,}.")
    return text
