"""The column that holds a connector's secrets."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression

from connectors.secrets import Sealed


def empty() -> Sealed:
    """The default of a SealedField: no secrets."""
    return Sealed(b"")


if TYPE_CHECKING:
    _Column = models.BinaryField[Sealed, Sealed]
else:
    _Column = models.BinaryField


class SealedField(_Column):
    """A column of ciphertext that loads as Sealed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", False)
        kwargs.setdefault("default", empty)
        super().__init__(*args, **kwargs)

    def from_db_value(
        self, value: bytes | memoryview | None, expression: Expression, connection: BaseDatabaseWrapper
    ) -> Sealed:
        return Sealed(bytes(value or b""))

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        token = value.token if isinstance(value, Sealed) else value
        return super().get_db_prep_value(token, connection, prepared)

    def value_to_string(self, obj: models.Model) -> str:
        # Django's own serializers (dumpdata) must not carry ciphertext around either.
        return ""
