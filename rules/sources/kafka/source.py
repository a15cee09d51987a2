"""The source type ``kafka``."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from rules.sources.base import Reader, SourceType, Subscription
from rules.sources.mapping import MAX_TEMPLATE, MappedParams
from spaces.errors import FieldError, InvalidInput

# What a broker takes: org.apache.kafka.common.internals.Topic.
_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def _check_topic(topic: str) -> str:
    if topic.startswith("^"):
        try:
            re.compile(topic)
        except re.error as error:
            raise ValueError(f"This is not a regular expression: {error}.") from None
    elif not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise ValueError(
            "A topic has 1 to 249 letters, digits, dots, underscores and hyphens. A pattern begins with ^, as in "
            "^orders-.*"
        )
    return topic


def _distinct(topics: list[str]) -> list[str]:
    return list(dict.fromkeys(topics))


Topic = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_check_topic)]


class KafkaParams(MappedParams):
    """What to read, and which event a record is."""

    topics: Annotated[list[Topic], Field(min_length=1, max_length=100), AfterValidator(_distinct)] = Field(
        title="Topics",
        description="Names, or patterns that begin with ^, such as ^orders-.* for all topics that begin so. Patterns "
        "leave out topics that begin with __, the cluster's own: such a one is named, by a source without patterns.",
        examples=[["orders"]],
    )
    group_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=249)] = Field(
        "",
        title="Consumer group",
        description="Under which the offsets are kept. Empty: switchyard.<space>.<ID of the source>.",
    )
    offset_reset: Literal["latest", "earliest"] = Field(
        "latest",
        title="Where to begin",
        description="Where the group has no offset yet: latest, with what comes from now on, or earliest, with all "
        "that is there.",
    )
    event_type: str = Field(
        "",
        title="Event type",
        description="Template, such as order.{{ message.headers.kind }}. Empty: kafka.record.",
        max_length=MAX_TEMPLATE,
    )
    event_source: str = Field(
        "",
        title="Event source",
        description="Template. Empty: kafka://<ID of the connector>/<topic>.",
        max_length=MAX_TEMPLATE,
    )
    event_subject: str = Field(
        "",
        title="Event subject",
        description="Template. Empty: the record's key, where it is text.",
        max_length=MAX_TEMPLATE,
    )
    event_id: str = Field(
        "",
        title="Event ID",
        description="Template. Empty: <ID of the source>:<topic>-<partition>-<offset>, by which a record that comes "
        "again is known.",
        max_length=MAX_TEMPLATE,
    )

    def check(self, pointer: str) -> None:
        errors = []
        internal = next((topic for topic in self.topics if topic.startswith("__")), None)
        if internal is not None and any(topic.startswith("^") for topic in self.topics):
            detail = f"Patterns leave out the cluster's own topics: read {internal} by a source without patterns."
            errors.append(FieldError(f"{pointer}/topics", detail))
        if not self.group_id.isprintable():
            errors.append(FieldError(f"{pointer}/group_id", "There are no control characters in it."))
        if errors:
            raise InvalidInput(errors)
        super().check(pointer)


class KafkaSource(SourceType[KafkaParams]):
    """Reads topics as a member of a consumer group."""

    id = "kafka"
    name = "Kafka consumer"
    description = "Reads topics as a member of a consumer group: every record is an event."
    reads_alone = False
    event_type = "kafka.record"
    message = {
        "topic": "Its topic.",
        "partition": "The number of its partition.",
        "offset": "Its offset there.",
        "key": "Its key as text, in base64 where it is not UTF-8, empty where it has none.",
        "headers": "Its headers by name, as the key; of several with one name the last.",
        "timestamp": "Milliseconds since 1970; null where it has none.",
        "value": "Its value: JSON, text or base64 as the format has it.",
    }
    params_model = KafkaParams

    def reader(self, subscription: Subscription[KafkaParams]) -> Reader:
        from rules.sources.kafka.reader import KafkaReader

        return KafkaReader(subscription)
