"""What the OpenAPI document says of each connector type: drf-spectacular knows one connector only."""

from typing import Any

from connectors.types.registry import all_types
from spaces.api.typed_schemas import add_model, split_by_type, type_name

_HIDDEN = {"type": "object", "maxProperties": 0, "description": "Of a preconfigured one that does not show it."}


def describe_types(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular: give each connector type its own config, secrets and params."""
    components = result["components"]["schemas"]
    configs, secrets, params = {}, {}, {}
    for type_id, declared in sorted(all_types().items()):
        name = type_name(type_id)
        configs[type_id] = add_model(components, f"{name}Config", declared.config_model)
        secrets[type_id] = add_model(components, f"{name}Secrets", declared.secrets_model)
        params[type_id] = add_model(components, f"{name}Params", declared.params_model)
    given = {type_id: {"config": configs[type_id], "secrets": secrets[type_id]} for type_id in configs}
    shown = {type_id: {"config": {"anyOf": [config, _HIDDEN]}} for type_id, config in configs.items()}
    for name, variants in (("ConnectorRequest", given), ("ProbeRequestRequest", given), ("Connector", shown)):
        if name in components:
            split_by_type(components, name, "connector_type_id", variants)
    _allow(components, "PatchedConnectorRequest", "config", configs.values())
    _allow(components, "PatchedConnectorRequest", "secrets", secrets.values())
    for name in ("ActionRequest", "PatchedActionRequest", "ExecutionRequestRequest"):
        _allow(components, name, "params", params.values())
    return result


def _allow(components: dict[str, Any], name: str, field: str, schemas: Any) -> None:
    """Let a field be any one of the types' own, where its object does not say which."""
    if name in components:
        former = components[name]["properties"][field]
        texts = {key: former[key] for key in ("description", "writeOnly") if key in former}
        components[name]["properties"][field] = {**texts, "anyOf": list(schemas)}
