"""No test of email inherits another's sessions."""

from collections.abc import Iterator

import pytest

from connectors.types.email import connector_type


@pytest.fixture(autouse=True)
def _no_sessions() -> Iterator[None]:
    yield
    connector_type.forget()
