"""Form fields generated from a pydantic model, by way of its JSON Schema: one field for each of the model's.

This is what spares a new connector type or rule type any edit in the admin. A string with a ``contentMediaType``
is a document of many lines.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django import forms
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from pydantic import BaseModel

from spaces.admin.base import Checkbox, NumberInput, PasswordInput, Select, Switch, TextInput
from spaces.admin.json_fields import CodeArea, JsonField, LinesField, PairsField, TextField, TextOrJsonField

Schema = Mapping[str, Any]
# Set in a property's schema when it takes null.
_NULLABLE = "nullable"


class SecretArea(CodeArea):
    """A text area that shows nothing of what it holds."""

    def format_value(self, value: object) -> None:
        """Return nothing: a secret never goes back to the browser."""
        return


@dataclass(frozen=True)
class SchemaFields:
    """The form fields of one model within a form.

    The fields are named ``<prefix>_<name>``. ``attribute`` is where the object keeps the model's values, ``pointer``
    the JSON pointer to them within the object as the API shows it.
    """

    model: type[BaseModel]
    prefix: str
    attribute: str
    pointer: str

    @property
    def properties(self) -> dict[str, Schema]:
        """The model's fields by name, each with its JSON Schema, references and null taken out."""
        return _properties(self.model)

    def form_name(self, name: str) -> str:
        """Return the form field's name for the model's field."""
        # The console's conditions are JavaScript over these names.
        return re.sub(r"\W", "_", f"{self.prefix}_{name}")

    def form_names(self) -> list[str]:
        """Return the form fields' names: in the model's order, the advanced ones last."""
        return [self.form_name(name) for name in self.properties]

    def build(self, values: Mapping[str, Any]) -> dict[str, forms.Field]:
        """Return fresh form fields by name, filled with the model's ``values``; defaults stand in for the missing."""
        fields = {}
        for name, schema in self.properties.items():
            field = fields[self.form_name(name)] = _field(schema, name in _required(self.model))
            value = values.get(name, schema.get("default"))
            field.initial = field.to_text(value) if isinstance(field, TextField) else value
        return fields

    def collect(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model's values out of a form's cleaned data.

        What was left empty is null where the model takes that, else it is left to the default.
        """
        found = {}
        for name, schema in self.properties.items():
            value = cleaned.get(self.form_name(name))
            if value not in (None, ""):
                found[name] = value
            elif schema.get(_NULLABLE):
                found[name] = None
        return found

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the form field that shows the place of ``pointer``, and the rest of the way; None if none does."""
        if not pointer.startswith(f"{self.pointer}/"):
            return None
        name, _, rest = pointer.removeprefix(f"{self.pointer}/").partition("/")
        return (self.form_name(name), rest) if name in self.properties else None


@dataclass(frozen=True)
class SecretFields(SchemaFields):
    """The form fields of a model of secrets: never prefilled; an empty one keeps what is set, a box clears it."""

    def clear_name(self, name: str) -> str:
        """Return the name of the box that clears the secret."""
        return self.form_name(f"clear_{name}")

    def build(self, values: Mapping[str, Any]) -> dict[str, forms.Field]:
        """Return fresh form fields.

        ``values`` tells the secrets that are set by name, and since when; "" for one that is awaited and may be
        given up.
        """
        fields: dict[str, forms.Field] = {}
        for name, (form_name, field) in zip(self.properties, super().build({}).items(), strict=True):
            fields[form_name] = field
            if name not in values:
                continue
            if values[name]:
                field.help_text = _kept(field.help_text, values[name])
            if not field.required:
                verb = "Clear" if values[name] else "Do without"
                label = f"{verb} {str(field.label).lower()}"
                fields[self.clear_name(name)] = forms.BooleanField(required=False, label=label, widget=Checkbox())
            field.required = False
        return fields

    def collect(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the secrets to set, and None for each to clear."""
        found = {}
        for name in self.properties:
            if value := cleaned.get(self.form_name(name)):
                found[name] = value
            elif cleaned.get(self.clear_name(name)):
                found[name] = None
        return found


class Unchecked(forms.Field):
    """Stands in for the field of a part of the form that was not chosen: shows what was sent, checks nothing."""

    def __init__(self, field: forms.Field) -> None:
        super().__init__(required=field.required, label=field.label, help_text=field.help_text, widget=field.widget)

    def clean(self, value: Any) -> None:
        """Take nothing."""


@cache
def _properties(model: type[BaseModel]) -> dict[str, Schema]:
    whole = model.model_json_schema()
    found = {name: _plain(schema, whole.get("$defs", {})) for name, schema in whole.get("properties", {}).items()}
    # What a type inherits stands first in its model, and is seldom what a person looks for.
    return dict(sorted(found.items(), key=lambda each: each[1].get("advanced", False)))


@cache
def _required(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that have no default, as the schema has them: an alias is one's only name."""
    return frozenset(model.model_json_schema().get("required", ()))


def _plain(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return the schema with its reference followed, and null taken out of its choices and noted beside them."""
    if reference := schema.get("$ref"):
        schema = {**definitions[reference.rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}
    choices = schema.get("anyOf", [])
    some = [each for each in choices if each.get("type") != "null"]
    if len(some) == 1:
        schema = {**_plain(some[0], definitions), **{k: v for k, v in schema.items() if k != "anyOf"}}
    return {**schema, _NULLABLE: len(some) < len(choices) or _takes_anything(schema)}


def _takes_anything(schema: Schema) -> bool:
    return not schema.keys() & {"type", "anyOf", "enum", "const"}


def _takes_text(schema: Schema) -> bool:
    return schema.get("type") == "string" or any(_takes_text(each) for each in schema.get("anyOf", []))


def _field(schema: Schema, required: bool) -> forms.Field:
    """Return the form field for one property."""
    about: dict[str, Any] = {
        "label": schema.get("title"),
        "help_text": conditional_escape(schema.get("description", "")),
        "required": required,
    }
    match schema:
        case {"const": value}:
            return _choice([value], schema, about)
        case {"enum": list() as values}:
            return _choice(values, schema, about)
        case {"type": "string", "format": "password", "contentMediaType": _}:
            return TextField(widget=SecretArea(), **about)
        case {"type": "string", "format": "password"}:
            return TextField(widget=PasswordInput({"autocomplete": "new-password"}), **about)
        case {"type": "string", "contentMediaType": _}:
            return TextField(widget=CodeArea(), **about)
        case {"type": "string"}:
            return TextField(widget=TextInput(), **about)
        case {"type": "boolean"}:
            return forms.BooleanField(widget=Switch(), **{**about, "required": False})
        case {"type": "integer"}:
            return forms.IntegerField(widget=NumberInput(), **about, **_bounds(schema))
        case {"type": "number"}:
            return forms.FloatField(widget=NumberInput(), **about, **_bounds(schema))
        case {"type": "object", "additionalProperties": dict() as values} if _takes_text(values):
            return PairsField(**_with_help(about, "One “name: value” on each line."))
        case {"type": "array", "items": {"type": "string"}}:
            return LinesField(**_with_help(about, "One on each line."))
        case _ if _takes_anything(schema):
            return TextOrJsonField(**about)
        case _:
            return JsonField(**about)


def _with_help(about: dict[str, Any], more: str) -> dict[str, Any]:
    return {**about, "help_text": format_html("{} {}", about["help_text"], more)}


def _choice(values: list[Any], schema: Schema, about: dict[str, Any]) -> forms.Field:
    by_text = {str(value): value for value in values}
    choices = [(text, text) for text in by_text]
    if not about["required"] and schema.get("default") is None:
        choices.insert(0, ("", "—"))

    def coerce(value: Any) -> Any:
        """Return the value of a text, or of a value: Django asks for both. A ValueError it takes for a change."""
        if (text := str(value)) not in by_text:
            raise ValueError(text)
        return by_text[text]

    return forms.TypedChoiceField(choices=choices, coerce=coerce, empty_value=None, widget=Select(), **about)


def _bounds(schema: Schema) -> dict[str, Any]:
    bounds = {"min_value": schema.get("minimum"), "max_value": schema.get("maximum")}
    return {name: value for name, value in bounds.items() if value is not None}


def _kept(help_text: object, since: str) -> SafeString:
    return format_html("Set on {}; leave empty to keep it. {}", since[:10], help_text)
