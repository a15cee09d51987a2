"""One PostgreSQL and one Redis for all fault tests; each test gets a database of its own."""

from collections.abc import Iterator

import pytest

from tests.servers import RedisServer, postgresql, redis_server


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server
