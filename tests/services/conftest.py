"""Real servers for the tests of this folder, started once; each test gets a fresh database."""

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer, fresh_database, postgresql, redis_server


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture
def database_url(_postgresql: str) -> str:
    """The URL of an empty PostgreSQL database."""
    return fresh_database(_postgresql)


@pytest.fixture(scope="session")
def _redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def broker(_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    _redis.flush()
    return _redis
