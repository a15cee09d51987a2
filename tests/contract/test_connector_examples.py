"""What the reference shows as an example of each type can be sent as it stands."""

from dataclasses import replace

import pytest

from connectors.outcomes import Reason
from connectors.reference.examples import example_of
from connectors.types.base import AnyConnectorType, Message
from connectors.types.registry import all_types, get_type
from tests.api.client import Api
from tests.connectors.types.sending import rendered
from tests.contract.harness import Harness, harnesses
from tests.factories import make_space

# What of a connection to the system of a scenario says where that is and how it is reached.
WAY = frozenset({"url", "api_url", "host", "port", "server", "servers", "bootstrap_servers", "tls"})
WAY |= frozenset({"security", "verify", "verify_hostname", "ca", "timeout", "auth", "username", "service", "sasl"})


@pytest.mark.django_db
@pytest.mark.parametrize("connector_type", all_types().values(), ids=lambda found: found.id)
def test_the_example_of_a_type_is_taken_as_it_stands(connector_type: AnyConnectorType) -> None:
    example, api = example_of(connector_type), Api(make_space())
    made = api.send("POST", "connectors", example.connector)
    assert made.status == 201, f"give these fields Field(examples=[...]): {made.body}"
    assert not made.body["is_missing_secrets"]
    made = api.send("POST", "actions", example.action)
    assert made.status == 201, f"give these fields Field(examples=[...]): {made.body}"


@pytest.mark.parametrize("harness", harnesses(), ids=lambda harness: harness.type_id)
def test_the_example_of_a_type_is_delivered_to_a_system_that_takes_it(harness: Harness) -> None:
    connector_type = get_type(harness.type_id)
    example = example_of(connector_type)
    accepts = next(scenario for scenario in harness.scenarios if scenario.name == "accepts")
    with accepts.system() as connection:
        way = connection.config.model_dump(include=WAY, exclude_unset=True)
        config = connector_type.config_model.model_validate({**example.connector["config"], **way})
        params = rendered(connector_type, config, dict(example.action["params"]), {"celsius": 80})
        message = Message(7, "0d9f6a1e", connector_type.params_model.model_validate(params))
        (outcome,) = connector_type.deliver(replace(connection, config=config), [message])
    # A Kafka cluster takes messages to the topics that it has; this one has others.
    assert outcome.reason is Reason.OK or outcome.detail == "topic: the cluster has no such topic.", outcome
