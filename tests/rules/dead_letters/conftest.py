from collections.abc import Iterator

import pytest

from tests.receiver import Receiver, receiver


@pytest.fixture
def duty() -> Iterator[Receiver]:
    """Where fallbacks send."""
    with receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def _sound(sound_pipeline: None) -> None:
    """Hold every test here to the invariants."""
