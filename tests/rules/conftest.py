"""What the tests of the pipeline share."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from actions.engine.lanes import lanes
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.factories import make_space
from tests.receiver import Receiver, receiver


@pytest.fixture
def to() -> Iterator[Receiver]:
    """Where deliveries go."""
    with receiver() as running:
        yield running


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def sound_pipeline(transactional_db: None) -> Iterator[None]:
    """Stops what still delivers after the test; all invariants have to hold then."""
    yield
    lanes.stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def nothing_told_yet() -> None:
    cache.clear()
