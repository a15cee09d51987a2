"""Connectors in Kibana's saved-objects files: lines of the type ``action``, whose secrets Kibana leaves out.

https://www.elastic.co/docs/api/doc/kibana/operation/operation-post-saved-objects-export
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.types.registry import all_types

_SAVED_OBJECT: Final = "attributes"


@dataclass(frozen=True, slots=True)
class Foreign:
    """The document of a foreign object, or why it is left out."""

    document: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: str = ""


def adopt(value: Mapping[str, Any]) -> Foreign | None:
    """Return what a saved object is here; None for what is none. Raises InvalidInput."""
    attributes = value.get(_SAVED_OBJECT)
    if not isinstance(attributes, dict):
        return None
    shown = {"type": value.get("type"), "id": value.get("id"), "name": attributes.get("name", attributes.get("title"))}
    if value.get("type") != "action":
        return Foreign(shown, refusal="Of Kibana's saved objects, only connectors can be imported.")
    shown["type"] = "connector"
    kibana_id = str(attributes.get("actionTypeId"))
    declared = next((each for each in all_types().values() if kibana_id in each.kibana_ids), None)
    if declared is None:
        return Foreign(shown, refusal=f"There is no connector type here for Kibana's {kibana_id[:64]}.")
    config = attributes.get("config")
    adopted = declared.adopt_as(kibana_id, config if isinstance(config, dict) else {})
    document = {
        **shown,
        "connector_type_id": declared.id,
        "config": adopted.config,
        "missing_secrets": list(adopted.awaited),
        "enabled": adopted.usable,
    }
    return Foreign(document, adopted.warnings)
