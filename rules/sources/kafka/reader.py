"""Reads the records of Kafka topics."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from connectors.net.brokers import vet
from connectors.net.dialling import CannotConnect
from connectors.net.kafka import Fault
from connectors.net.kafka_consumer import GroupConsumer, Record
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.resolver import NameNotFound
from connectors.outcomes import Reason
from connectors.types.answers import clean
from connectors.types.kafka.outcomes import READING, explain, reason_for
from connectors.types.kafka.settings import access_of, client_settings, token_for
from connectors.types.oauth2 import NoToken
from rules.sources.base import Message, Reader, Subscription
from rules.sources.kafka.source import KafkaParams

_ATTRIBUTE: Final = "ce_"  # what the headers of a CloudEvent begin with (Kafka protocol binding 1.0.2, section 3.2.3)
_MAX_SUBJECT: Final = 1024  # bytes
_MAX_ID: Final = 240  # characters: what comes to stand where another record was gets some more
_LAST_MOMENT: Final = 253_402_300_799_999  # milliseconds; later years have more than four digits


class KafkaReader(Reader):
    """A member of the source's consumer group."""

    def __init__(self, subscription: Subscription[KafkaParams]) -> None:
        self._subscription = subscription
        self._policy = NetworkPolicy.current()
        self._access = access_of(subscription.connection, self._policy)
        self._consumer: GroupConsumer | None = None

    def open(self) -> None:
        connection, access, params = self._subscription.connection, self._access, self._subscription.params
        self._vet()
        tokens = access.tokens
        opened = GroupConsumer.open(
            client_settings(connection, access),
            access.servers,
            self._policy,
            lambda text: access.masker.mask(text),
            None if tokens is None else lambda: token_for(connection, tokens),
            group=params.group_id or f"switchyard.{self._subscription.space}.{self._subscription.id}",
            topics=params.topics,
            reset=params.offset_reset,
        )
        if isinstance(opened, Fault):
            raise self._explained(opened)
        self._consumer = opened
        if fault := opened.reach(access.terms.timeout):
            raise self._explained(fault)
        opened.subscribe()

    def read(self, most: int, wait: float) -> Sequence[Message]:
        consumer = self._opened()
        records = consumer.read(most, wait)
        if consumer.is_broken and not records:
            raise self._explained(consumer.trouble or consumer.fault or Fault("_FATAL", ""))
        return [_message(self._subscription.connector, self._subscription.id, record) for record in records]

    def done(self, messages: Sequence[Message]) -> None:
        self._opened().store(message.handle for message in messages)

    def idle(self, seconds: float) -> None:
        self._opened().idle(seconds)

    def lag(self) -> int | None:
        return self._opened().lag

    def trouble(self) -> CannotConnect | None:
        fault = self._opened().trouble
        return None if fault is None else self._explained(fault)

    def close(self, *, for_good: bool) -> None:
        # The group stays, with its offsets: whoever makes a source of the same id goes on after what was read.
        if self._consumer is not None:
            self._consumer.close()

    def _vet(self) -> None:
        try:
            for server in self._access.servers:
                vet(self._policy, server)
            if self._access.tokens is not None:
                self._access.tokens.token()
        except BlockedTarget as error:
            raise CannotConnect(Reason.BLOCKED_TARGET, str(error)) from None
        except NameNotFound as error:
            raise CannotConnect(Reason.RETRY_DNS, str(error)) from None
        except NoToken as error:
            raise CannotConnect(error.failure.reason, clean(error.failure.detail, self._access.masker)) from None

    def _opened(self) -> GroupConsumer:
        assert self._consumer is not None
        return self._consumer

    def _explained(self, fault: Fault) -> CannotConnect:
        return CannotConnect(reason_for(fault, READING), explain(fault, self._access.masker, READING))


def _message(connector: str, source: str, record: Record) -> Message:
    topic = record.topic
    place = f"{topic}-{record.partition}-{record.offset}"
    event_id = f"{source}:{place}"  # two sources may read one topic, and each makes its own events
    key = "" if record.key is None else _text(record.key)
    headers = {name: None if value is None else _text(value) for name, value in record.headers}
    extensions: dict[str, str | int | bool] = {
        "kafkatopic": topic,
        "kafkapartition": record.partition,
        "kafkaoffset": str(record.offset),  # beyond the 32 bit of a CloudEvents integer
    }
    is_subject = record.key == key.encode() and _is_subject(key)  # and not in base64
    if is_subject:
        extensions["partitionkey"] = key  # as the CloudEvents extension "Partitioning" has it
    about: dict[str, Any] = {
        "topic": topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": key,
        "headers": headers,
        "timestamp": record.timestamp,
    }
    return Message(
        body=record.value,
        about=about,
        place=place,
        source=f"kafka://{connector}/{topic}",
        subject=key if is_subject else "",
        id=event_id if len(event_id) <= _MAX_ID else blake2b(event_id.encode(), digest_size=16).hexdigest(),
        fingerprint=b"%d\0%b\0" % (record.timestamp or 0, record.key or b""),
        extensions=extensions,
        time=_time(record.timestamp),
        content_type=headers.get("content-type") or "",
        attributes={
            name.removeprefix(_ATTRIBUTE): value
            for name, value in headers.items()
            if name.startswith(_ATTRIBUTE) and value is not None
        },
        hop=headers.get("switchyard-hop") or "",
        webhook_id=headers.get("webhook-id") or "",
        handle=record,
    )


def _is_subject(key: str) -> bool:
    return bool(key) and not key.isspace() and key.isprintable() and len(key.encode()) <= _MAX_SUBJECT


def _text(value: bytes) -> str:
    """Return bytes as text, in base64 where they are not UTF-8 or cannot be stored."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return b64encode(value).decode()
    return text if "\0" not in text else b64encode(value).decode()


def _time(milliseconds: int | None) -> datetime | None:
    if milliseconds is None or not 0 < milliseconds <= _LAST_MOMENT:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
