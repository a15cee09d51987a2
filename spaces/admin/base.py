"""The one seam to django-unfold: every admin of this house builds on what is named here."""

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.dateparse import parse_datetime
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.contrib.filters.admin.text_filters import TextFilter
from unfold.decorators import action as _action
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator as BaseInfinitePaginator
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminColorInputWidget as ColorInput
from unfold.widgets import UnfoldAdminDecimalFieldWidget as NumberInput
from unfold.widgets import UnfoldAdminFileFieldWidget as FileInput
from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
from unfold.widgets import UnfoldAdminRadioSelectWidget as RadioSelect
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
from unfold.widgets import UnfoldBooleanSwitchWidget as Switch
from unfold.widgets import UnfoldBooleanWidget as Checkbox

if TYPE_CHECKING:
    from django.contrib import admin

    # Unfold's own annotations contradict django-stubs': seen as Django's classes, which they extend.
    UnfoldModelAdmin = admin.ModelAdmin[Any]
    UnfoldTabularInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.admin import TabularInline as UnfoldTabularInline

__all__ = [
    "ActionVariant",
    "AdminPasswordChangeForm",
    "AutocompleteSelectFilter",
    "BaseDialogForm",
    "BaseInfinitePaginator",
    "BooleanRadioFilter",
    "ChangeList",
    "Checkbox",
    "ChoicesDropdownFilter",
    "ColorInput",
    "DropdownFilter",
    "FileInput",
    "ModelAdmin",
    "NumberInput",
    "PasswordInput",
    "RadioSelect",
    "RelatedDropdownFilter",
    "Select",
    "Switch",
    "TabularInline",
    "TextFilter",
    "TextInput",
    "Textarea",
    "UserChangeForm",
    "UserCreationForm",
    "action",
    "display",
    "number_in",
]

# Its annotation says that it returns a dataclass; what it returns is a function.
action = cast("Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]", _action)

_LONGEST_KEY = 18  # digits


def number_in(text: str) -> int | None:
    """Return the whole number that the text is, if a key may be as large; else None."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_KEY else None


class ModelAdmin(UnfoldModelAdmin):
    """The base of every admin."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse (400) what no column can hold, which the databases would raise for."""
        return _can_be_held(lookup, str(value)) and super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; from filters that no row can meet, lead back with a word about it."""
        wrong = [
            name
            for name, values in request.GET.lists()
            if name != "q" and not all(_can_be_held(name, value) for value in values)
        ]
        if request.method != "GET" or not wrong:
            return super().changelist_view(request, extra_context)
        kept = request.GET.copy()
        for name in wrong:
            del kept[name]
        messages.error(request, f"Nothing can be like this, so the list is not narrowed by: {', '.join(wrong)}.")
        return HttpResponseRedirect(f"{request.path}?{kept.urlencode()}")


def _can_be_held(lookup: str, value: str) -> bool:
    """Whether a column can hold the value: no NUL, no key beyond the largest, no time outside the calendar."""
    if "\0" in value or (lookup.endswith("__id__exact") and len(value) > _LONGEST_KEY):
        return False
    try:
        time = parse_datetime(value)
        if time is not None and time.tzinfo is not None:
            time.astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


class TabularInline(UnfoldTabularInline):
    """The base of every inline."""
