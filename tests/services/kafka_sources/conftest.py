"""A real Kafka, and a connector to it."""

from typing import Any

import pytest

from connectors.models import Connector
from spaces.models import Space
from tests.factories import make_space
from tests.kafka_broker import KafkaBroker
from tests.sources import make_connector_of


@pytest.fixture
def broker(kafka: KafkaBroker) -> KafkaBroker:
    return kafka


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture(autouse=True)
def _private_allowed(settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]


@pytest.fixture
def connector(space: Space, broker: KafkaBroker) -> Connector:
    return make_connector_of(space, "kafka", bootstrap_servers=broker.plain)


@pytest.fixture
def topic(broker: KafkaBroker) -> str:
    return broker.create_topic(partitions=2)
