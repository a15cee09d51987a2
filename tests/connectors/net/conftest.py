"""What the tests of the network module share."""

from collections.abc import Iterator

import pytest

from connectors.net import resolver
from connectors.net.pool import pool


@pytest.fixture(autouse=True)
def _fresh_network() -> Iterator[None]:
    """No test inherits another's connections or names."""
    pool.clear()
    resolver.forget()
    yield
    pool.clear()
    resolver.forget()
