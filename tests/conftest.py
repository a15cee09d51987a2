"""Real servers for the tests that ask for them. They are started on first use, so most runs start none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import started
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


_of_workers: set[str] = set()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker of pytest-xdist tell the process that sums up which servers it started."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = started.started()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker of pytest-xdist started; one that crashed has told nothing."""
    _of_workers.update(getattr(node, "workeroutput", {}).get("servers", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the real servers that the tests ran against."""
    if servers := started.ordered({*_of_workers, *started.started()}):
        terminalreporter.write_line(f"Real servers: {', '.join(servers)}")
