import pytest

from spaces.models import Space
from tests.api.client import Api
from tests.factories import make_space


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def other_space() -> Space:
    return make_space()


@pytest.fixture
def api(space: Space) -> Api:
    return Api(space)
