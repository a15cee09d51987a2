"""How the API reads and shows what people write."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db import models
from django.db.models import Field as ModelField
from django.db.models import Model, QuerySet
from rest_framework import serializers

from spaces.api.fields import Flag, Number, Text, Whole
from spaces.api.problems import NON_FIELD
from spaces.errors import FieldError, InvalidInput, QuotaReached
from spaces.models import Space

ModelT = TypeVar("ModelT", bound=Model)


JSON_FIELDS: dict[type[ModelField[Any, Any]], type[serializers.Field[Any, Any, Any, Any]]] = {
    **serializers.ModelSerializer.serializer_field_mapping,
    models.BooleanField: Flag,
    models.CharField: Text,
    models.FloatField: Number,
    models.TextField: Text,
    models.IntegerField: Whole,
    models.PositiveIntegerField: Whole,
    models.PositiveSmallIntegerField: Whole,
}


class KnownFields(serializers.Serializer[Any]):
    """Refuses a field that does not exist."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (wrong := {name for name in data if name not in self.fields}):
            raise serializers.ValidationError({name: ["There is no such field."] for name in wrong})
        return super().to_internal_value(data)


class StrictSerializer(KnownFields):
    """What a request says beside an object."""


class PublicIdField(serializers.SlugRelatedField[ModelT]):
    """Another object of the view's space, by its public id."""

    default_error_messages = {"does_not_exist": 'There is no "{value}" in this space.'}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("public_id", **kwargs)

    def get_queryset(self) -> QuerySet[ModelT]:
        rows = super().get_queryset()
        assert rows is not None
        return self.narrow(rows, self.context["view"].space)

    def narrow(self, rows: QuerySet[ModelT], space: Space) -> QuerySet[ModelT]:
        """Return the rows that the space may refer to."""
        return rows.filter(space=space)


class ObjectSerializer(serializers.ModelSerializer[ModelT]):
    """A connector, action or rule. Services check and store it; here JSON becomes their arguments and back.

    A field that does not exist is refused. A read-only one is ignored, so that what was read can be sent back. PUT
    gives each field that is not sent its default, PATCH keeps it.
    """

    serializer_field_mapping = JSON_FIELDS
    fixed: ClassVar[tuple[str, ...]] = ("id",)  # set on creation, and never changed

    id = Text(source="public_id", required=False, help_text="Yours to choose; made up when not sent.")

    def build_standard_field(
        self, field_name: str, model_field: "ModelField[Any, Any]"
    ) -> tuple[type[serializers.Field[Any, Any, Any, Any]], dict[str, Any]]:
        field, kwargs = super().build_standard_field(field_name, model_field)
        if (model_field.has_default() or model_field.null) and not kwargs.get("read_only"):
            kwargs.pop("required", None)
            kwargs["default"] = model_field.get_default()
        return field, kwargs

    def to_internal_value(self, data: Any) -> Any:
        wrong: dict[str, Any] = {}
        if isinstance(data, Mapping):
            wrong = {name: ["There is no such field."] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            found = error.detail if isinstance(error.detail, dict) else {NON_FIELD: error.detail}
            raise serializers.ValidationError({**found, **wrong}) from None
        if self.instance is not None:
            wrong |= self._changes_of_fixed(values)
        if wrong:
            raise serializers.ValidationError(wrong)
        return values

    def _changes_of_fixed(self, values: dict[str, Any]) -> dict[str, Any]:
        """Take the fixed fields out of ``values``; return an error for each that differs from what stands."""
        wrong = {}
        for name in self.fixed:
            source = self.fields[name].source or name
            standing = getattr(self.instance, source)
            if values.pop(source, standing) != standing:
                wrong[name] = [f'This cannot be changed; it is "{standing}".']
        return wrong

    def save(self, **kwargs: Any) -> ModelT:
        try:
            return super().save(**kwargs)
        except QuotaReached:
            raise
        except InvalidInput as invalid:
            errors = [FieldError(self.as_shown(error.pointer), error.detail) for error in invalid.errors]
            raise InvalidInput(errors) from None

    def as_shown(self, pointer: str) -> str:
        """Return a service's pointer with the name that the API gives its first part."""
        _, *parts = pointer.split("/")
        shown = {field.source: name for name, field in self.fields.items()}
        return "".join(f"/{part}" for part in (*(shown.get(part, part) for part in parts[:1]), *parts[1:]))
