"""The console's pages of named conditions."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from rules.models import NamedCondition, Rule
from rules.named_conditions import PREFIX
from rules.services import create_condition, delete_condition, update_condition
from rules.services.conditions import using
from spaces.admin.base import Select, display
from spaces.admin.choosing import chosen_space
from spaces.admin.filters import RelatedFilter
from spaces.admin.json_fields import CodeArea
from spaces.admin.markup import EMPTY, code, object_link
from spaces.admin.scoping import OF_OBJECTS
from spaces.admin.service_admin import ServiceModelAdmin
from spaces.admin.typed_admin import TypedForm

_ID_HELP = (
    "A word of letters, digits and underscores: rules write conditions.<ID>. It never changes. Empty: one is made."
)


class ConditionForm(TypedForm):
    """A named condition; there is but one type of them."""

    condition = forms.CharField(widget=CodeArea(rows=4), help_text="CEL; it may refer to other named conditions.")

    class Meta:
        model = NamedCondition
        fields = ["name", "public_id", "space", "description", "condition"]

    @property
    def type_id(self) -> str:
        """The id of the one type."""
        return ""


@admin.register(NamedCondition)
class ConditionAdmin(ServiceModelAdmin):
    """Conditions that rules refer to by their ID."""

    abilities = OF_OBJECTS
    form: type[forms.ModelForm[Any]] = ConditionForm
    empty_hint = "A condition that several rules share is written once here; they refer to it as conditions.<ID>."
    list_display = ["name_and_id", "space", "condition_short", "updated_at"]
    list_filter = [("space", RelatedFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    list_per_page = 50
    search_fields = ["name", "public_id", "condition"]

    @display(description="Condition", header=True, ordering="name")
    def name_and_id(self, condition: NamedCondition) -> tuple[str, str]:
        """Name over how others refer to it."""
        return condition.name, f"{PREFIX}.{condition.public_id}"

    @display(description="Says")
    def condition_short(self, condition: NamedCondition) -> str | SafeString:
        """The beginning of its text."""
        return code(condition.condition)

    @display(description="Used by")
    def used_by(self, condition: NamedCondition) -> str | SafeString:
        """Links to what refers to it."""
        links = [(object_link(each, f"{each._meta.verbose_name} {each}"),) for each in self.users(condition)]
        return format_html_join(", ", "{}", links) or EMPTY

    def users(self, stored: NamedCondition) -> Iterable[Model]:
        """Return the rules and conditions that refer to it."""
        ids: dict[str, list[str]] = {"rule": [], "condition": []}
        for each in using(stored):
            ids[each.kind].append(each.public_id)
        in_space = {"space": stored.space_id}
        yield from Rule.objects.filter(**in_space, public_id__in=ids["rule"])
        yield from NamedCondition.objects.filter(**in_space, public_id__in=ids["condition"])

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, with the spaces to choose from or the version that it shows."""
        fields: dict[str, Any] = {}
        if obj is None:
            spaces = self.spaces(request, "add")
            fields["space"] = forms.ModelChoiceField(
                spaces, initial=chosen_space(request, spaces), empty_label=None, widget=Select()
            )
            fields["public_id"] = forms.CharField(label="ID", required=False, help_text=_ID_HELP)
        else:
            fields["public_id"] = None
            fields["seen_version"] = forms.IntegerField(required=False, initial=obj.version, widget=forms.HiddenInput())
        return super().get_form(request, obj, change, form=type("ConditionForm", (self.form,), fields), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: NamedCondition | None = None) -> list[Any]:
        """Return what it is, and who uses it."""
        own = ["name", "public_id", "space", "description", "condition"]
        if obj is None:
            return [(None, {"fields": own})]
        seen = ["seen_version"] if self.has_change_permission(request, obj) else []
        return [(None, {"fields": [*own, *seen]}), ("Use", {"fields": ["used_by"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space", "used_by"] if obj else []

    def add(self, request: HttpRequest, form: ConditionForm) -> NamedCondition:
        """Create the condition."""
        given = form.cleaned_data
        return create_condition(given["space"], public_id=given["public_id"] or None, **_said(given))

    def change(self, request: HttpRequest, stored: NamedCondition, form: ConditionForm) -> NamedCondition:
        """Change the condition."""
        return update_condition(stored, **_said(form.cleaned_data))

    def delete(self, stored: NamedCondition) -> None:
        """Delete the condition."""
        delete_condition(stored)


def _said(given: dict[str, Any]) -> Any:
    return {name: given[name] for name in ("name", "description", "condition")}
