"""A space and a sender with its key."""

from collections.abc import Iterator

import pytest

from rules.sources import keys
from spaces.models import Space
from tests.rules.sources.sender import Sender


@pytest.fixture
def sender(db: None) -> Sender:
    return Sender(Space.objects.create(slug="plant-7", name="Plant 7"))


@pytest.fixture(autouse=True)
def forgotten_keys() -> Iterator[None]:
    yield
    keys._known.clear()
