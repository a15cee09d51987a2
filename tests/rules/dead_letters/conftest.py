from collections.abc import Iterator

import pytest

from actions.engine.lanes import lanes
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.factories import make_space
from tests.receiver import Receiver, receiver


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def duty() -> Iterator[Receiver]:
    """Where fallbacks send."""
    with receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def stopped_lanes() -> Iterator[None]:
    yield
    lanes.stop()


@pytest.fixture(autouse=True)
def invariants_hold_after(stopped_lanes: None, transactional_db: None) -> Iterator[None]:
    yield
    lanes.stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def space() -> Space:
    return make_space()
