"""Checks what an action says against the connector that is to send it."""

from typing import Any

from actions.templating import CompiledParams, compile_params
from connectors.models import Connector
from connectors.types.base import Config, Params
from connectors.types.registry import UnknownConnectorType, get_type
from spaces.errors import FieldError, InvalidInput
from spaces.validation import check_storable, parse_model, reject


def compile_ordering_key(template: str) -> CompiledParams | None:
    """Return the template of an ordering key, compiled; None for an empty one. Raise InvalidInput.

    What it renders has the one field ``ordering_key``.
    """
    return compile_params({"ordering_key": template}, lambda _: "text") if template else None


def check_params(connector: Connector, params: dict[str, Any]) -> None:
    """Raise InvalidInput for what the connector or the installation forbids; ``params`` are complete."""
    connector_type = get_type(connector.type)
    config: Config = parse_model(connector_type.config_model, connector.config, "/config")
    parsed: Params = parse_model(connector_type.params_model, params, "/params")
    if forbidden := connector_type.check_params(config, parsed):
        raise InvalidInput(FieldError(f"/params{error.pointer}", error.detail) for error in forbidden)


def complete_params(connector: Connector, params: dict[str, Any]) -> tuple[dict[str, Any], CompiledParams]:
    """Return the params with the type's defaults filled in, and compiled; raise InvalidInput."""
    try:
        connector_type = get_type(connector.type)
        config: Config = parse_model(connector_type.config_model, connector.config, "/config")
    except (UnknownConnectorType, InvalidInput) as error:
        raise reject("/connector", f'The connector "{connector.public_id}" must be repaired first. {error}') from None
    check_storable(params, "/params")
    parsed: Params = parse_model(connector_type.params_model, params, "/params", is_strict=True)
    whole = parsed.model_dump(mode="json")
    compiled = compile_params(
        whole,
        lambda field: connector_type.template_format(config, whole, field),
        "/params",
        nested_format=connector_type.nested_format,
        instead_of_json=connector_type.instead_of_json,
    )
    return whole, compiled
