"""What the tests of the pipeline share."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from tests.receiver import Receiver, receiver


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def nothing_told_yet() -> None:
    cache.clear()
