"""What the reference shows as an example of each type can be sent as it stands."""

import pytest

from connectors.reference.examples import example_of
from connectors.types.base import AnyConnectorType
from connectors.types.registry import all_types
from tests.api.client import Api
from tests.factories import make_space


@pytest.mark.django_db
@pytest.mark.parametrize("connector_type", all_types().values(), ids=lambda found: found.id)
def test_the_example_of_a_type_is_taken_as_it_stands(connector_type: AnyConnectorType) -> None:
    example, api = example_of(connector_type), Api(make_space())
    made = api.send("POST", "connectors", example.connector)
    assert made.status == 201, f"give these fields Field(examples=[...]): {made.body}"
    assert not made.body["is_missing_secrets"]
    made = api.send("POST", "actions", example.action)
    assert made.status == 201, f"give these fields Field(examples=[...]): {made.body}"
