"""One schema for each type of an object, told apart by a discriminator, from the types' pydantic models."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Components = dict[str, Any]  # name: schema

_REFS = "#/components/schemas/"


def reference(name: str) -> dict[str, str]:
    """Return the reference to a component."""
    return {"$ref": _REFS + name}


def type_name(type_id: str) -> str:
    """Return what the components of a type begin with: ``log_file`` is LogFile."""
    return "".join(part.capitalize() for part in type_id.replace("-", "_").split("_"))


def add_model(components: Components, name: str, model: type[BaseModel]) -> dict[str, str]:
    """Add the model's schema, and those that it refers to, by names that begin with its own; return its reference."""
    schema = model.model_json_schema(ref_template=f"{_REFS}{name}{{model}}")
    for inner, definition in schema.pop("$defs", {}).items():
        components[name + inner] = definition
    components[name] = schema
    return reference(name)


def split_by_type(
    components: Components, name: str, discriminator: str, variants: Mapping[str, Mapping[str, Any]]
) -> None:
    """Put in place of a component one for each type, in which these properties are the type's own.

    ``variants`` is {type id: {property: schema}}. The name stands for any one of them.
    """
    whole = components.pop(name)
    refs = {}
    for type_id, properties in variants.items():
        own = {**whole["properties"], discriminator: {**whole["properties"][discriminator], "const": type_id}}
        for field, schema in properties.items():
            # A description of its own, beside the reference: OpenAPI 3.1 reads both.
            own[field] = {**_texts(whole["properties"][field]), **schema}
        variant = type_name(type_id) + name
        components[variant] = {**whole, "properties": own}
        refs[type_id] = reference(variant)
    components[name] = {
        "oneOf": list(refs.values()),
        "discriminator": {
            "propertyName": discriminator,
            "mapping": {type_id: ref["$ref"] for type_id, ref in refs.items()},
        },
    }


def _texts(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: schema[name] for name in ("description", "writeOnly", "readOnly") if name in schema}
