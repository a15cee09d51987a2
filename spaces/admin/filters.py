"""Filters of lists whose choices are of the spaces that may be seen."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from spaces.admin.base import AutocompleteSelectFilter, RelatedDropdownFilter
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
