"""Reading Kafka topics as a member of a consumer group, over librdkafka and under the network policy."""

import json
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import confluent_kafka
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException

from connectors.net.kafka import Client, Fault, Token
from connectors.net.kafka_group import UNKNOWN, CallFailed, Group, Place
from connectors.net.policy import NetworkPolicy
from connectors.net.urls import Origin

_STATISTICS_EVERY: Final = 2000  # milliseconds
_ASK_SECONDS: Final = 10.0
_LOOK: Final = 0.1
# librdkafka's own words (CONFIGURATION.md). What is stored is committed each second, and as partitions are given up.
_SETTINGS: Final[Mapping[str, Any]] = {
    "enable.auto.commit": True,
    "enable.auto.offset.store": False,
    "auto.commit.interval.ms": 1000,
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 15_000,
    "statistics.interval.ms": _STATISTICS_EVERY,
    "topic.metadata.refresh.interval.ms": 30_000,
    "fetch.max.bytes": 8 << 20,
    "fetch.error.backoff.ms": 200,
    "queued.max.messages.kbytes": 16 << 10,
    "receive.message.max.bytes": 128 << 20,
}
# Each commit writes a record to one of these: who reads it by a pattern would feed itself. librdkafka hides them from
# exact names as well, so it is told of them only where there are patterns.
_INTERNAL: Final = "^__.*"


@dataclass(frozen=True, slots=True)
class Record:
    """A record. ``timestamp`` is in milliseconds since 1970, None where it has none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int | None


class GroupConsumer(Client):
    """Reads ``topics``, names or patterns that begin with ``^``. For one thread.

    Beside a pattern no topic is read whose name begins with ``__``: those are the cluster's own.
    ``reset`` is where it begins in a partition of which the group has no offset. ``lag`` counts the records that wait
    in the partitions that it has; None before that is known.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        servers: Sequence[Origin],
        policy: NetworkPolicy,
        mask: Callable[[str], str],
        token: Callable[[], Token] | None = None,
        *,
        group: str,
        topics: Sequence[str],
        reset: Literal["earliest", "latest"],
    ) -> None:
        self.lag: int | None = None
        self.faults: dict[str, Fault] = {}  # by topic; "" for what concerns no single one
        self._is_up = True
        self._topics = list(topics)
        self._reset = reset
        self._early: list[Any] = []
        self._begun: dict[Place, int] = {}
        this = weakref.ref(self)

        def see_statistics(text: str) -> None:
            if (found := this()) is not None:
                found._see_statistics(json.loads(text))

        own = {"group.id": group, "auto.offset.reset": reset, "stats_cb": see_statistics}
        if any(map(_is_pattern, topics)):
            own["topic.blacklist"] = _INTERNAL
        super().__init__(confluent_kafka.Consumer, {**settings, **_SETTINGS, **own}, servers, policy, mask, token)
        self._group = Group(self.handle, lambda places: _begin(this, places))

    @property
    def trouble(self) -> Fault | None:
        """Why records may not come now: no server is there, or a topic cannot be read."""
        if not self._is_up:
            return self.fault or Fault("_TRANSPORT", "")
        # That one pattern fits no topic yet keeps nothing of the others from coming.
        is_reading = bool(self._group.places)
        return next((fault for at, fault in self.faults.items() if not (is_reading and _is_pattern(at))), None)

    def has_answered(self, seconds: float) -> bool:
        try:
            self.handle.cluster_id(min(seconds, _LOOK))
        except KafkaException:
            return False
        return True

    def serve(self, seconds: float) -> None:
        """Call back what is due. Only before ``subscribe``: after it, this would take a record."""
        self._keep(self.handle.poll(seconds))

    def subscribe(self) -> None:
        """Join the group, or note why librdkafka does not take these topics."""
        try:
            self._group.subscribe(self._topics)
        except CallFailed as failed:
            error = KafkaError(failed.code)
            self.faults[""] = Fault(error.name(), error.str())

    def read(self, most: int, wait: float) -> list[Record]:
        """Return the records that are there, up to ``most``; where there are none, wait so long for the first."""
        messages, self._early = self._early, []
        if not messages:
            messages = [message for message in [self.handle.poll(wait)] if message is not None]
        if messages and len(messages) < most:
            messages += self.handle.consume(most - len(messages), 0)
        self._commit_beginnings()
        return [_record(message) for message in messages if self._is_record(message)]

    def store(self, records: Iterable[Record]) -> None:
        """Let the group go on after these records."""
        ends: dict[Place, int] = {}
        for record in records:
            place = record.topic, record.partition
            ends[place] = max(ends.get(place, 0), record.offset + 1)
        self._group.store(ends)

    def idle(self, seconds: float) -> None:
        """Stay in the group for so long, and take no records."""
        self._group.pause(self._group.places)
        try:
            self._keep(self.handle.poll(seconds))
        finally:
            self._group.resume()

    def close(self) -> None:
        super().close()
        self._group.forget()

    def _keep(self, message: Any) -> None:
        if message is not None and self._is_record(message):
            self._early.append(message)

    def _is_record(self, message: Any) -> bool:
        """Whether this is a record and no error; notes the error, or that there is none any longer."""
        error, topic = message.error(), message.topic() or ""
        if error is None:
            if self.faults:
                self.faults.pop(topic, None)
            return True
        self.faults[topic] = Fault(error.name(), error.str())
        self.is_broken = self.is_broken or error.fatal()
        return False

    def _begin(self, places: list[Place]) -> Mapping[Place, int]:
        """Return where to begin in partitions that are taken on, where the group itself does not know it.

        Where it is to begin with what comes from now on, that place is committed, or what comes while nobody reads
        would be skipped for as long as no record was read.
        """
        # A pattern's fault is that no topic fits it; without one there is nothing to share out, even among others.
        for topic in {"", *(topic for topic, _ in places), *filter(_is_pattern, self._topics)}:
            self.faults.pop(topic, None)
        if self._reset != "latest":
            return {}
        try:
            known = self._group.committed(places, _ASK_SECONDS)
            begun = {
                place: self._group.end_of(place, _ASK_SECONDS) for place, offset in known.items() if offset == UNKNOWN
            }
        except CallFailed:
            return {}
        self._begun |= begun
        return begun

    def _commit_beginnings(self) -> None:
        if self._begun:
            begun, self._begun = self._begun, {}
            try:
                self._group.commit(begun)
            except CallFailed:
                return

    def _see_statistics(self, statistics: Mapping[str, Any]) -> None:
        brokers = [broker for broker in statistics["brokers"].values() if broker["source"] != "logical"]
        self._is_up = any(broker["state"] == "UP" for broker in brokers)
        partitions = [
            partition
            for topic in statistics["topics"].values()
            for partition in topic["partitions"].values()
            if partition["fetch_state"] == "active" and partition["hi_offset"] >= 0
        ]
        self.lag = sum(map(_lag, partitions)) if partitions else None


def _begin(consumer: "weakref.ref[GroupConsumer]", places: list[Place]) -> Mapping[Place, int]:
    found = consumer()
    return {} if found is None else found._begin(places)


def _is_pattern(topic: str) -> bool:
    return topic.startswith("^")


def _lag(partition: Mapping[str, Any]) -> int:
    """Return how many records of a partition wait; offsets that are not known are negative."""
    settled = max(partition["stored_offset"], partition["committed_offset"])
    reached = settled if settled >= 0 else max(partition["app_offset"], 0) or partition["next_offset"]
    return int(max(0, partition["hi_offset"] - reached))


def _record(message: Any) -> Record:
    kind, milliseconds = message.timestamp()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.headers() or (),
        None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds,
    )
