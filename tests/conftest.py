"""Real servers for the tests that ask for them. They are started on first use, so most runs start none."""

from collections.abc import Iterator

import pytest

from tests.kafka_broker import KafkaBroker, kafka_broker
from tests.servers import RedisServer, fresh_database, postgresql, redis_server

_USUAL_PATIENCE = 300.0  # seconds


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that may take longest begin first, or one process would be left alone with them at the end."""
    items.sort(key=_patience, reverse=True)


def _patience(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return max(float(mark.args[0]), _USUAL_PATIENCE) if mark and mark.args else _USUAL_PATIENCE


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture
def database_url(_postgresql: str) -> str:
    """The URL of an empty PostgreSQL database."""
    return fresh_database(_postgresql)


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    """A Redis for this test alone, which may stop it."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """A Kafka for all tests, which take topics of their own and leave it running."""
    with kafka_broker() as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """A Kafka for this test alone, which may stop it."""
    with kafka_broker() as server:
        yield server
