"""What tests write to a topic, and how they read it."""

from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.models import Connector
from rules.models import Source
from tests.kafka_broker import KafkaBroker
from tests.sources import make_source


def produce(broker: KafkaBroker, topic: str, *values: bytes | None, **rest: Any) -> None:
    producer = Producer({"bootstrap.servers": broker.plain, "log_level": 0})
    for value in values:
        producer.produce(topic, value, **rest)
    assert producer.flush(30) == 0


def committed(broker: KafkaBroker, group: str, topic: str) -> int:
    """Return how many records the group has behind it."""
    with AdminClient({"bootstrap.servers": broker.plain, "log_level": 0}) as admin:
        from confluent_kafka import ConsumerGroupTopicPartitions

        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, number) for number in range(2)])
        found = admin.list_consumer_group_offsets([asked])[group].result(30)
        return sum(max(partition.offset, 0) for partition in found.topic_partitions)


def group_of(source: Source) -> str:
    return f"switchyard.{source.space.slug}.{source.public_id}"


def earliest(connector: Connector, topic: str, **params: Any) -> Source:
    return make_source(connector, topics=[topic], offset_reset="earliest", **params)
