"""The source type ``mqtt``."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from rules.sources.base import Reader, SourceType, Subscription
from rules.sources.mapping import MAX_TEMPLATE, MappedParams
from rules.topics import MAX_TOPIC, check_filter
from spaces.validation import reject

_WEEK: Final = 7 * 24 * 3600


def _check_filter(topic: str) -> str:
    """Check what to subscribe to as MQTT 5 has it, sections 4.7 and 4.8.2."""
    shared, _, rest = topic.partition("/")
    if shared != "$share":
        return check_filter(topic)
    group, _, rest = rest.partition("/")
    if not group or not rest or {"+", "#", "\0"} & set(group):
        raise ValueError("A shared subscription is $share/<group>/<topics>; the group has no +, # or U+0000.")
    check_filter(rest)
    return topic


def _distinct(topics: list[str]) -> list[str]:
    return list(dict.fromkeys(topics))


Topic = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOPIC), AfterValidator(_check_filter)]


class MqttParams(MappedParams):
    """What to subscribe to, and which event a message is."""

    topics: Annotated[list[Topic], Field(min_length=1, max_length=100), AfterValidator(_distinct)] = Field(
        title="Topics",
        description="With + for any one level and # for all that follow, such as site/+/temperature or site/#. "
        "$share/<group>/site/# shares the messages with the other members of the group.",
        examples=[["site/+/temperature"]],
    )
    qos: Literal[0, 1, 2] = Field(
        1,
        title="QoS",
        description="0: what comes while nobody reads, or cannot be stored at once, is lost. 1: nothing is lost, and "
        "what the broker sends twice may be stored twice. 2: nothing is lost, and it is stored twice only where a "
        "process was killed.",
    )
    client_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)] = Field(
        "",
        title="Client ID",
        description="Under which the broker keeps the session; no other client may have it. Empty: "
        "switchyard-<space>-<ID of the source>.",
    )
    session_expiry: int = Field(
        _WEEK,
        title="Session expiry",
        description="Seconds that the broker keeps the session, and what comes in meanwhile, while nobody reads; with "
        "MQTT 3.1.1 the broker decides. 0: it keeps none.",
        ge=0,
        le=0xFFFFFFFF,
    )
    retained: bool = Field(
        True,
        title="Retained messages",
        description="Whether to take in those that the broker already had when the source first subscribed.",
    )
    event_type: str = Field(
        "",
        title="Event type",
        description="Template, such as {{ message.user_properties.type }}. Empty: mqtt.message.",
        max_length=MAX_TEMPLATE,
    )
    event_source: str = Field(
        "",
        title="Event source",
        description="Template. Empty: mqtt://<ID of the connector>/<topic>.",
        max_length=MAX_TEMPLATE,
    )
    event_subject: str = Field(
        "", title="Event subject", description="Template. Empty: the topic.", max_length=MAX_TEMPLATE
    )
    event_id: str = Field(
        "",
        title="Event ID",
        description="Template, such as {{ message.user_properties.id }}, or {{ message.digest }} where equal messages "
        "of a topic are one event. Empty: a fresh one, and what the broker sends again after a crash is stored twice.",
        max_length=MAX_TEMPLATE,
    )

    def check(self, pointer: str) -> None:
        if not self.client_id.isprintable():
            raise reject(f"{pointer}/client_id", "There are no control characters in it.")
        super().check(pointer)


class MqttSource(SourceType[MqttParams]):
    """Subscribes to topics with a session that lasts."""

    id = "mqtt"
    name = "MQTT subscriber"
    description = "Subscribes to topics with a session that outlives the connection: every message is an event."
    reads_alone = True
    event_type = "mqtt.message"
    message = {
        "topic": "Its topic.",
        "qos": "With which it came.",
        "retain": "Whether the broker had kept it from before.",
        "content_type": "As its sender says; empty with MQTT 3.1.1.",
        "user_properties": "By name; of several with one name the last. Empty with MQTT 3.1.1.",
        "digest": "32 hexadecimal digits that are the same for equal messages of a topic.",
        "value": "Its payload: JSON, text or base64 as the format has it.",
    }
    params_model = MqttParams

    def reader(self, subscription: Subscription[MqttParams]) -> Reader:
        from rules.sources.mqtt.reader import MqttReader

        return MqttReader(subscription)
