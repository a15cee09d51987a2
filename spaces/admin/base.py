"""The one seam to django-unfold: every admin of this house builds on what is named here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import action as _action
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator as BaseInfinitePaginator
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminAutocompleteWidget as Autocomplete
from unfold.widgets import UnfoldAdminColorInputWidget as ColorInput
from unfold.widgets import UnfoldAdminDecimalFieldWidget as NumberInput
from unfold.widgets import UnfoldAdminMultipleAutocompleteWidget as AutocompleteMultiple
from unfold.widgets import UnfoldAdminPasswordWidget as PasswordInput
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
from unfold.widgets import UnfoldBooleanSwitchWidget as Switch
from unfold.widgets import UnfoldBooleanWidget as Checkbox

if TYPE_CHECKING:
    from django.contrib import admin

    # Unfold's own annotations contradict django-stubs'; these are its classes, as Django's stubs see them.
    class ModelAdmin(admin.ModelAdmin[Any]):
        """unfold.admin.ModelAdmin"""

    class TabularInline(admin.TabularInline[Any, Any]):
        """unfold.admin.TabularInline"""

else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = [
    "ActionVariant",
    "AdminPasswordChangeForm",
    "Autocomplete",
    "AutocompleteMultiple",
    "BaseDialogForm",
    "BaseInfinitePaginator",
    "BooleanRadioFilter",
    "ChangeList",
    "Checkbox",
    "ChoicesDropdownFilter",
    "ColorInput",
    "DropdownFilter",
    "ModelAdmin",
    "NumberInput",
    "PasswordInput",
    "RelatedDropdownFilter",
    "Select",
    "Switch",
    "TabularInline",
    "TextInput",
    "Textarea",
    "UserChangeForm",
    "UserCreationForm",
    "action",
    "display",
]

# Its annotation says that it returns a dataclass; what it returns is a function.
action = cast("Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]", _action)
