"""librdkafka's mock cluster: brokers within this process that speak Kafka's protocol and keep messages in memory.

Its API (rdkafka_mock.h) is C; confluent-kafka hands through no more than the setting that makes one.
"""

import ctypes
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from connectors.net.librdkafka import handle_of, librdkafka
from tests.servers import wait_until

_pointer: Final = ctypes.c_void_p
_mock: Final = librdkafka.rd_kafka_handle_mock_cluster
_mock.argtypes, _mock.restype = [_pointer], _pointer
_servers: Final = librdkafka.rd_kafka_mock_cluster_bootstraps
_servers.argtypes, _servers.restype = [_pointer], ctypes.c_char_p
_create: Final = librdkafka.rd_kafka_mock_topic_create
_create.argtypes, _create.restype = [_pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int], ctypes.c_int
_set_down: Final = librdkafka.rd_kafka_mock_broker_set_down
_set_down.argtypes, _set_down.restype = [_pointer, ctypes.c_int32], ctypes.c_int
_set_up: Final = librdkafka.rd_kafka_mock_broker_set_up
_set_up.argtypes, _set_up.restype = [_pointer, ctypes.c_int32], ctypes.c_int
_set_rtt: Final = librdkafka.rd_kafka_mock_broker_set_rtt
_set_rtt.argtypes, _set_rtt.restype = [_pointer, ctypes.c_int32, ctypes.c_int], ctypes.c_int
_push_errors: Final = librdkafka.rd_kafka_mock_push_request_errors_array
_push_errors.argtypes = [_pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int)]
_push_errors.restype = None
_fail_for_good: Final = librdkafka.rd_kafka_test_fatal_error
_fail_for_good.argtypes, _fail_for_good.restype = [_pointer, ctypes.c_int, ctypes.c_char_p], ctypes.c_int

PRODUCE: Final = 0  # an API key of Kafka's protocol


class MockCluster:
    """A cluster of three brokers. ``servers`` are its addresses."""

    def __init__(self, brokers: int = 3) -> None:
        self._brokers = range(1, brokers + 1)
        self._producer = Producer({"test.mock.num.brokers": brokers, "log_level": 0})
        self._cluster = _mock(handle_of(self._producer))
        self.servers = _servers(self._cluster).decode()

    def create_topic(self, name: str = "", partitions: int = 3) -> str:
        """Create a topic and return its name."""
        name = name or f"topic-{uuid.uuid4().hex[:8]}"
        assert _create(self._cluster, name.encode(), partitions, 1) == 0
        return name

    def stop_answering(self) -> None:
        """Let every broker close its connections and take no others."""
        for broker in self._brokers:
            assert _set_down(self._cluster, broker) == 0

    def answer_again(self) -> None:
        """Undo ``stop_answering``."""
        for broker in self._brokers:
            assert _set_up(self._cluster, broker) == 0

    def answer_after(self, seconds: float) -> None:
        """Let each answer take so long."""
        for broker in self._brokers:
            assert _set_rtt(self._cluster, broker, int(seconds * 1000)) == 0

    def refuse(self, *codes: int) -> None:
        """Answer the next requests to take messages with these error codes, one each."""
        _push_errors(self._cluster, PRODUCE, len(codes), (ctypes.c_int * len(codes))(*codes))

    def read(self, topic: str, at_least: int) -> list[Message]:
        """Return the messages in a topic once there are so many, in order within each partition."""
        with Consumer({"bootstrap.servers": self.servers, "group.id": "reader", "log_level": 0}) as consumer:
            numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
            messages: list[Message] = []

            def read_some() -> bool:
                messages.extend(found for found in consumer.consume(10_000, 0.2) if found.error() is None)
                return len(messages) >= at_least

            wait_until(read_some, f"{topic} did not come to hold {at_least} messages", 30)
            return messages

    def close(self) -> None:
        """End it; its topics are gone."""
        self._producer.close()


def fail_for_good(producer: object, code: int) -> None:
    """Let a producer of confluent-kafka come upon an error that ends it."""
    _fail_for_good(handle_of(producer), code, b"made up for a test")


@contextmanager
def mock_cluster(brokers: int = 3) -> Iterator[MockCluster]:
    """Run a mock cluster."""
    cluster = MockCluster(brokers)
    try:
        yield cluster
    finally:
        cluster.close()
