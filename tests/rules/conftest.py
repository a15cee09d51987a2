"""What the tests of the pipeline share."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

import rules.types
from actions.engine.lanes import lanes
from rules.services.invariants import check_invariants
from rules.types.registry import all_types, get_type
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


@pytest.fixture
def sample() -> Iterator[Any]:
    """A rule type that is installed by its folder alone, and finds what the test says."""
    folder = str(Path(__file__).parent / "rule_types")
    rules.types.__path__.append(folder)
    all_types.cache_clear()
    declared: Any = get_type("sample")
    declared.reset()
    yield declared
    declared.released.set()
    rules.types.__path__.remove(folder)
    sys.modules.pop("rules.types.sample", None)
    all_types.cache_clear()
