"""Choices that come before a form: the space, and what of that space the form is about."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from spaces.admin.base import ModelAdmin, Select, number_in
from spaces.models import Space

SPACE_PARAMETER = "space"
_KEY = re.compile("[0-9]{1,18}")


class OfSpace(AutocompleteMixin):
    """An autocomplete of one space's objects. The service still checks what comes back."""

    space_id: int | None = None

    def get_url(self) -> str:
        """Return where the choices are asked for."""
        url = super().get_url()
        return url if self.space_id is None else f"{url}?{SPACE_PARAMETER}={self.space_id}"

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        """Return the chosen objects; what cannot be a key is shown as no choice, where Django's would raise."""
        keys = [each for each in value if _KEY.fullmatch(each)]
        return super().optgroups(name, keys, attr)


class SelectOfSpace(OfSpace, AutocompleteSelect):
    """One object of a space."""


class SelectMultipleOfSpace(OfSpace, AutocompleteSelectMultiple):
    """Objects of a space."""


def chosen_space(request: HttpRequest, spaces: QuerySet[Space]) -> Space | None:
    """Return the one of the spaces that the request names, or the only one that there is."""
    named = request.POST.get(SPACE_PARAMETER) or request.GET.get(SPACE_PARAMETER) or ""
    key = number_in(named)
    found = list((spaces.filter(pk=key) if key is not None else spaces)[:2])
    return found[0] if len(found) == 1 else None


def ask_for_space(model_admin: ModelAdmin, request: HttpRequest, spaces: QuerySet[Space]) -> TemplateResponse:
    """Return the page that asks which of the spaces a new object is to live in."""
    field = forms.ModelChoiceField(spaces, empty_label=None, widget=Select())
    return ask(model_admin, request, SPACE_PARAMETER, field)


def ask(model_admin: ModelAdmin, request: HttpRequest, name: str, field: forms.Field) -> TemplateResponse:
    """Return the page that asks for this field and then comes back with it in the query string."""
    form = type("ChoiceForm", (forms.Form,), {name: field})()
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": f"Add {model_admin.opts.verbose_name}",
        "form": form,
        "media": model_admin.media + form.media,
        "kept": {key: value for key, value in request.GET.items() if key != name},
    }
    return TemplateResponse(request, "admin/choose.html", context)
