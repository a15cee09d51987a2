"""A mock cluster, connections to it, and a connector type of the test's own."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from connectors.outcomes import Outcome
from connectors.types.base import Connection, Message
from connectors.types.kafka.connector import KafkaConnectorType
from connectors.types.kafka.schemas import KafkaConfig, KafkaParams, KafkaSecrets
from tests.kafka_mock import MockCluster, mock_cluster

Connect = Callable[..., Connection[KafkaConfig, KafkaSecrets]]


@pytest.fixture(scope="module")
def shared() -> Iterator[MockCluster]:
    """A cluster for tests that leave it as it is."""
    with mock_cluster() as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """A cluster for this test alone."""
    with mock_cluster() as running:
        yield running


def connect(servers: str, number: int = 1, version: int = 1, limit: int | None = None, **config: Any) -> Any:
    """Return a connection without secrets."""
    settings = {"bootstrap_servers": servers, "timeout": 5.0} | config
    return Connection(number, version, KafkaConfig.model_validate(settings), KafkaSecrets(), limit)


def messages(topic: str, count: int = 1, **params: Any) -> list[Message[KafkaParams]]:
    return [Message(key, f"msg_{key}", KafkaParams(topic=topic, **params)) for key in range(count)]


def send(connection: Any, to_send: Iterable[Message[KafkaParams]]) -> list[Outcome]:
    """Deliver through a connector type that knows no connection yet."""
    return list(KafkaConnectorType().deliver(connection, to_send))
