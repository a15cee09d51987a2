"""An example of a connector and an action of each type, out of its declaration alone.

A field is in the example when it is required, when it has an example (``Field(examples=[...])``), or when its default
is a template. Secrets are there when the connector would not do without.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from connectors.types.base import AnyConnectorType, is_template

_ID: Final = "ops"


@dataclass(frozen=True, slots=True)
class Example:
    """What is sent to the API to make a connector, and an action that uses it."""

    connector: Mapping[str, Any]
    action: Mapping[str, Any]


def example_of(declared: AnyConnectorType) -> Example:
    """Return the example. A required field without an example is left out of it, which makes it no valid one."""
    config = _shown(declared.config_model)
    connector: dict[str, Any] = {"connector_type_id": declared.id, "name": declared.name, "config": config}
    if secrets := _secrets(declared, config):
        connector["secrets"] = secrets
    params = {**declared.default_params(), **_shown(declared.params_model)}
    return Example({"id": _ID, **connector}, {"name": f"Tell {declared.name}", "connector": _ID, "params": params})


def _shown(model: type[BaseModel]) -> dict[str, Any]:
    return {
        field.alias or name: field.examples[0] if field.examples else field.default
        for name, field in model.model_fields.items()
        if field.examples or (isinstance(field.default, str) and is_template(field.default))
    }


def _secrets(declared: AnyConnectorType, config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        needed = declared.missing_secrets(
            declared.config_model.model_validate(config), declared.secrets_model.model_validate({})
        )
    except ValidationError:
        return {}
    fields = declared.secrets_model.model_fields
    return {name: (fields[name].examples or [f"<{(fields[name].title or name).lower()}>"])[0] for name in needed}
