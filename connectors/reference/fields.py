"""The fields of a type's models in words, out of their JSON Schema."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

Schema = Mapping[str, Any]

_KINDS: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_ANYTHING: Final = "any JSON value"
# The keywords that bound a value, and the unit they count in.
_BOUNDS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
    ("minProperties", "maxProperties", "entries"),
)


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field. ``name`` leads to it, as in ``links[].href``; all others are words for a person, in Markdown."""

    name: str
    title: str
    kind: str
    default: str
    bounds: str
    description: str


def field_lines(model: type[BaseModel]) -> list[FieldLine]:
    """Return the model's fields as forms show them: in their order, each followed by those of the objects in it, the
    advanced ones last."""
    whole = model.model_json_schema()
    return list(_lines(whole, whole.get("$defs", {}), "", ()))


def _lines(
    schema: Schema, definitions: Mapping[str, Schema], prefix: str, within: tuple[str, ...]
) -> Iterator[FieldLine]:
    required = schema.get("required", [])
    properties: Schema = schema.get("properties", {})
    for name, given in sorted(properties.items(), key=lambda each: each[1].get("advanced", False)):
        plain = _plain(given, definitions)
        place = f"{prefix}{name}"
        yield FieldLine(
            place,
            plain.get("title", ""),
            _kind(plain, definitions),
            "required" if name in required else _default(plain),
            _bounds(plain),
            plain.get("description", ""),
        )
        is_list = plain.get("type") == "array"
        inner = _plain(plain["items"], definitions) if is_list and "items" in plain else plain
        # A model that holds itself is shown once.
        if "properties" in inner and inner.get("title", "") not in within:
            into = f"{place}[]." if is_list else f"{place}."
            yield from _lines(inner, definitions, into, (*within, inner.get("title", "")))


def _plain(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return the schema with its reference followed, and null taken out of its choices."""
    if reference := schema.get("$ref"):
        return {**definitions[reference.rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
    some = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if len(some) == 1:
        return {**_plain(some[0], definitions), **{k: v for k, v in schema.items() if k != "anyOf"}}
    return schema


def _kind(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    match _plain(schema, definitions):
        case {"const": value}:
            return _code(value)
        case {"enum": list() as values}:
            return ", ".join(map(_code, values))
        case {"anyOf": list() as choices}:
            return " or ".join(
                dict.fromkeys(_kind(each, definitions) for each in choices if each.get("type") != "null")
            )
        case {"format": "password"}:
            return "secret"
        case {"type": "array", "items": dict() as items}:
            return f"list of {_kind(items, definitions)}"
        case {"type": "object", "additionalProperties": dict() as values} if values:
            inner = _kind(values, definitions)
            return "object" if inner == _ANYTHING else f"object of {inner}"
        case {"type": ("array" | "object") as kind}:
            return "list" if kind == "array" else "object"
        case {"type": str() as kind}:
            return _KINDS.get(kind, kind)
        case _:
            return _ANYTHING


def _default(schema: Schema) -> str:
    default = schema.get("default")
    # A default that a factory makes stands in no schema, and is an empty list or object.
    return "" if default in (None, "", [], {}) else _code(default)


def _bounds(schema: Schema) -> str:
    found = []
    for least_key, most_key, unit in _BOUNDS:
        least, most = schema.get(least_key), schema.get(most_key)
        if least is not None and most is not None:
            found.append(f"{_number(least)} to {_number(most)} {unit}")
        elif most is not None:
            found.append(f"at most {_number(most)} {unit}")
        elif least is not None:
            found.append(f"at least {_number(least)} {unit}")
    return ", ".join(found).strip()


def _number(value: float) -> str:
    return f"{value:,.15g}"


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"
