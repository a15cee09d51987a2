"""Makes the record of a message: what its params say, in the bytes that Kafka carries."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from connectors.net.kafka import Headers
from connectors.types.base import Message
from connectors.types.kafka.schemas import KafkaParams, check_topic

ID_HEADER: Final = "webhook-id"  # the same over all tries and replays of a delivery: it tells duplicates
HOP_HEADER: Final = (
    "switchyard-hop"  # of an event that the message leads to: an installation that takes it in counts on
)
_LAST_PARTITION: Final = 2**31 - 1
_LAST_TIME: Final = 2**63 - 1


class BadMessage(ValueError):
    """These params make no record; the text begins with the field."""


@dataclass(frozen=True, slots=True)
class Record:
    """What goes to Kafka. ``partition`` -1 leaves it to the key; ``timestamp`` is in ms, 0 for the time of sending."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: Headers
    partition: int
    timestamp: int


def record_of(message: Message[KafkaParams]) -> Record:
    """Return the record; raise BadMessage."""
    params = message.params
    headers: Headers = [(ID_HEADER, message.webhook_id), (HOP_HEADER, str(message.hop + 1))]
    for name, value in params.headers.items():
        _encode("headers", name)
        headers.append((name, _encode("headers", value)))
    return Record(
        _topic(params.topic),
        _value(params.value),
        _encode("key", params.key) if params.key else None,
        headers,
        _number("partition", params.partition, _LAST_PARTITION) if params.partition else -1,
        _timestamp(params.timestamp) if params.timestamp else 0,
    )


@lru_cache(maxsize=1024)
def _topic(name: str) -> str:
    try:
        return check_topic(name)
    except ValueError as error:
        raise BadMessage(f"topic: {error}") from None


def _value(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _encode("value", value)
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise BadMessage(f"value: cannot be written as JSON: {error}.") from None


def _encode(field: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadMessage(f"{field}: has a character that cannot be encoded.") from None


def _timestamp(text: str) -> int:
    if text.isascii() and text.isdigit():
        return _number("timestamp", text, _LAST_TIME)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadMessage("timestamp: write milliseconds since 1970, or a time as 2026-01-31T12:00:00Z.") from None
    if time.tzinfo is None:
        raise BadMessage("timestamp: the time has no time zone.")
    milliseconds = int(time.timestamp() * 1000)
    if milliseconds < 1:
        raise BadMessage("timestamp: the time is before 1970.")
    return milliseconds


def _number(field: str, text: str, last: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= last):
        raise BadMessage(f"{field}: write a whole number from 0 to {last}.")
    return int(text)
