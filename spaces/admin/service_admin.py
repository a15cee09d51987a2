"""Admin of objects that only services write: the form checks its own syntax, the service checks the object.

What a service refuses (InvalidInput) comes back on the form fields that its JSON pointers name.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from spaces.admin.base import action, number_in
from spaces.admin.choosing import SPACE_PARAMETER
from spaces.admin.markup import object_link
from spaces.admin.scoping import SpaceScopedAdmin
from spaces.errors import FieldError, InUse, InvalidInput, ReadOnly

# Where the request carries what the service refused, from the first run of the view to the second.
_REFUSED = "switchyard.refused"


class ServiceForm(forms.ModelForm[Any]):
    """A form whose object a service writes."""

    refused: ClassVar[Sequence[FieldError]] = ()

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the form field that shows the place of ``pointer`` and the rest of the way, None if none does."""
        name, _, rest = pointer.removeprefix("/").partition("/")
        return (name, rest) if name in self.fields else None

    def clean(self) -> dict[str, Any]:
        """Put what the service refused on its fields; what no field shows stands above the form."""
        cleaned = super().clean() or self.cleaned_data
        for error in self.refused:
            place = self.locate(error.pointer)
            field, rest = place if place else (None, error.pointer)
            self.add_error(field, f"{_in_words(rest)}{error.detail}")
        return cleaned

    def _post_clean(self) -> None:
        """Leave the object as it is stored: the service checks and writes it."""


def _in_words(pointer: str) -> str:
    """Return what stands before an error to say where in its field it is."""
    way = pointer.strip("/").replace("~1", "/").replace("~0", "~")
    if way.isdecimal():
        return f"Item {int(way) + 1}: "
    return f"{way}: " if way else ""


class ServiceModelAdmin(SpaceScopedAdmin):
    """A SpaceScopedAdmin whose subclasses say which service adds, changes and deletes."""

    # Said here too: a model's own ordering does not count once rows are counted by group.
    ordering = ("name", "pk")

    def add(self, request: HttpRequest, form: Any) -> Model:
        """Create the object that the valid form describes; raise InvalidInput."""
        raise NotImplementedError

    def change(self, request: HttpRequest, stored: Any, form: Any) -> Model:
        """Change ``stored`` as the valid form says; raise InvalidInput."""
        raise NotImplementedError

    def delete(self, stored: Any) -> None:
        """Delete the object; raise InUse."""
        raise NotImplementedError

    def users(self, stored: Any) -> Iterable[Model]:
        """Return what refers to the object and so keeps it from being deleted."""
        return ()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show or take the form; when the service refuses, show it again with the errors."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except InvalidInput as refusal:
            request.META[_REFUSED] = refusal.errors
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ReadOnly as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.path)
        except self.model.DoesNotExist:
            messages.warning(request, f"Somebody deleted this {self.opts.verbose_name} meanwhile.")
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form class; it knows what the service refused of this request."""
        form_class: Any = super().get_form(request, obj, change, **kwargs)
        form_class.refused = request.META.get(_REFUSED, ())
        return form_class

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand the form to the service, and give ``obj`` what is stored now."""
        if change:
            stored = self.change(request, self.model._default_manager.get(pk=obj.pk), form)
        else:
            stored = self.add(request, form)
        obj.pk = stored.pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Do nothing: the service has written what hangs on the object as well."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Return what a deletion takes along (nothing else), and links to what keeps it from happening."""
        used_by = [
            format_html("{}: {}", capfirst(user._meta.verbose_name), object_link(user, str(user)))
            for stored in objs
            for user in self.users(stored)
        ]
        return [str(stored) for stored in objs], {str(self.opts.verbose_name_plural): len(objs)}, set(), used_by

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete once confirmed; when the service refuses, say why."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except InUse as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.path)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service."""
        self.delete(obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the words of a search; an autocomplete may ask for one space."""
        space = number_in(request.GET.get(SPACE_PARAMETER, ""))
        if space is not None and request.path == reverse("admin:autocomplete"):
            may_see = self.spaces(request, "view").filter(pk=space).exists()
            queryset = self.of_space(queryset, space) if may_see else queryset.none()
        return super().get_search_results(request, queryset, search_term)

    def of_space(self, rows: QuerySet[Any], space_id: int) -> QuerySet[Any]:
        """Return those of the rows that the space has."""
        return rows.filter(space_id=space_id)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions on many rows, without the one that deletes past the services."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @action(description="Enable", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Enable each."""
        self._switch(request, queryset, enabled=True)

    @action(description="Disable", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Disable each."""
        self._switch(request, queryset, enabled=False)

    def switch(self, stored: Any, enabled: bool) -> None:
        """Enable or disable the object; raise InvalidInput."""
        raise NotImplementedError

    def _switch(self, request: HttpRequest, queryset: QuerySet[Any], enabled: bool) -> None:
        switched = 0
        for stored in queryset.exclude(enabled=enabled):
            try:
                self.switch(stored, enabled)
            except (InvalidInput, ReadOnly) as refusal:
                messages.error(request, f"{stored}: {refusal}")
            except self.model.DoesNotExist:
                messages.warning(request, f"{stored}: somebody deleted it meanwhile.")
            else:
                switched += 1
        word = "enabled" if enabled else "disabled"
        names = self.opts.verbose_name if switched == 1 else self.opts.verbose_name_plural
        messages.success(request, f"{switched} {names} {word}.")
