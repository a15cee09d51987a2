"""Filters of lists whose choices are of the spaces that may be seen."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from spaces.admin.base import AutocompleteSelectFilter, RelatedDropdownFilter, TextFilter
from spaces.admin.scoping import scoped


class RelatedFilter(RelatedDropdownFilter):
    """By what a foreign key refers to."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what may be seen of it."""
        return [(str(row.pk), str(row)) for row in scoped(field.related_model).get_queryset(request)]


class AutocompleteFilter(AutocompleteSelectFilter):
    """By what a foreign key refers to, which is searched for."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the form; it names what is chosen only if that may be seen."""
        for choice in super().choices(changelist):
            model: Any = self.field.related_model
            choice["form"].fields[self.lookup_kwarg].queryset = scoped(model).get_queryset(self.request)
            yield choice


class WordFilter(TextFilter):
    """By one word, which is that of the lookup ``parameter_name``."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with this word."""
        word = self.value()
        if not word:
            return queryset
        if "\0" in word:
            raise ValidationError("No column holds this.")  # as a filter's own lookups raise, which leads back
        return self.narrow(queryset, word)

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        """Return the rows with this word, which is not empty."""
        return rows.filter(**{str(self.parameter_name): word})
