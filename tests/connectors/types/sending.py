"""Renders an action's params as the engine does, for the tests of connector types."""

from typing import Any

from actions.templating import compile_params
from connectors.types.base import AnyConnectorType, Config

TIME = "2026-11-30T08:00:00+00:00"


def rendered(
    connector_type: AnyConnectorType, config: Config, params: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """Return the params for an event with this data."""
    whole = connector_type.params_model.model_validate(params).model_dump(mode="json")
    compiled = compile_params(
        whole,
        lambda field: connector_type.template_format(config, whole, field),
        nested_format=connector_type.nested_format,
    )
    event = {"id": "1", "type": "sensor.reading", "source": "/sensors/7", "time": TIME, "data": data}
    return compiled.render({"event": event})
