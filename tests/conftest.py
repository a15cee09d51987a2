"""Real servers for the tests that ask for them. They are started on first use, so most runs start none."""

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


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    """A Redis for this test alone, which may stop it."""
    with redis_server() as server:
        yield server
