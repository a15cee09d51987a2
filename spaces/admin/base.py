"""The one seam to django-unfold: every admin of this house builds on what is named here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest
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
]

# Its annotation says that it returns a dataclass; what it returns is a function.
action = cast("Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]", _action)

_LONGEST_KEY = 18  # digits


class ModelAdmin(UnfoldModelAdmin):
    """The base of every admin."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse (400) what no column can hold, which the databases would raise for."""
        is_held = "\0" not in str(value) and not (lookup.endswith("__id__exact") and len(str(value)) > _LONGEST_KEY)
        return is_held and super().lookup_allowed(lookup, value, request)


class TabularInline(UnfoldTabularInline):
    """The base of every inline."""
