"""The console's pages of rules."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from actions.models import Action
from rules.models import Rule
from rules.services import create_rule, delete_rule, update_rule
from rules.types.registry import all_types
from spaces.admin.base import BooleanRadioFilter, Select, display
from spaces.admin.choosing import SelectMultipleOfSpace, ask_for_space, chosen_space
from spaces.admin.filters import RelatedFilter
from spaces.admin.json_fields import CodeArea, LinesField
from spaces.admin.markup import EMPTY, code, json_block, object_link
from spaces.admin.schema_fields import SchemaFields
from spaces.admin.scoping import OF_OBJECTS
from spaces.admin.typed_admin import Sections, TypedForm, TypedModelAdmin

_CONDITION_HELP = "CEL over the event, such as event.data.temperature > 30.0. Empty: every event of the above."


class RuleForm(TypedForm):
    """A rule."""

    condition = forms.CharField(required=False, widget=CodeArea(rows=4), help_text=_CONDITION_HELP)
    tags = LinesField(required=False, help_text="One on each line.")

    class Meta:
        model = Rule
        fields = ["name", "public_id", "space", "type", "enabled", "condition"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["tags"] = LinesField().to_text(self.instance.tags)
            self.initial["actions"] = self.triggered

    @property
    def triggered(self) -> list[int]:
        """The keys of the actions that the stored rule triggers, in its order."""
        return list(self.instance.links.values_list("action_id", flat=True))

    def changes(self) -> dict[str, Any]:
        """Return what the form says of the rule; the actions that it has already keep their order."""
        before = self.triggered if self.instance.pk else []
        chosen: list[Action] = list(self.cleaned_data["actions"])
        chosen.sort(key=lambda action: before.index(action.pk) if action.pk in before else len(before))
        return {
            "name": self.cleaned_data["name"],
            "params": self.collect("params"),
            "condition": self.cleaned_data["condition"],
            "tags": self.cleaned_data["tags"],
            "enabled": self.cleaned_data["enabled"],
            "actions": chosen,
        }


@admin.register(Rule)
class RuleAdmin(TypedModelAdmin):
    """When: which events trigger which actions."""

    abilities = OF_OBJECTS
    form: type[forms.ModelForm[Any]] = RuleForm
    empty_hint = "A rule says which events trigger which actions."
    list_display = ["name_and_id", "space", "type_name", "enabled", "condition_short", "action_links", "updated_at"]
    list_filter = [("space", RelatedFilter), ("enabled", BooleanRadioFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    list_per_page = 50
    search_fields = ["name", "public_id", "condition"]
    actions = ["enable_selected", "disable_selected"]
    section_titles: ClassVar = {"params": ("Events", "Which events the rule looks at.")}

    @display(description="Rule", header=True, ordering="name")
    def name_and_id(self, rule: Rule) -> tuple[str, str]:
        """Name over ID."""
        return rule.name, rule.public_id

    @display(description="Condition")
    def condition_short(self, rule: Rule) -> str | SafeString:
        """The beginning of the condition."""
        return code(rule.condition) if rule.condition else EMPTY

    @display(description="Actions")
    def action_links(self, rule: Rule) -> str | SafeString:
        """Links to the actions that the rule triggers."""
        links = [object_link(link.action, link.action.name) for link in rule.links.all()]
        return format_html_join(", ", "{}", ((link,) for link in links)) or EMPTY

    @display(description="Events")
    def params_block(self, rule: Rule) -> SafeString:
        """Which events the rule looks at, where it cannot be changed."""
        return json_block(rule.params)

    @display(description="Tags")
    def tags_text(self, rule: Rule) -> str:
        """The tags, where they cannot be changed."""
        return ", ".join(rule.tags) or EMPTY

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rules with their actions."""
        queryset: QuerySet[Any] = super().rows(request)
        return queryset.prefetch_related("links__action")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Ask for the space first: it tells which actions there are."""
        spaces = self.spaces(request, "add")
        if request.method == "POST" or chosen_space(request, spaces) or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        return ask_for_space(self, request, spaces)

    def sections(self) -> Sections:
        """Return the params of every rule type."""
        return {
            declared.id: (SchemaFields(declared.params_model, f"{declared.id}_params", "params", "/params"),)
            for declared in all_types().values()
        }

    def type_choices(self) -> list[tuple[str, str]]:
        """Return id and name of every rule type."""
        return [(declared.id, declared.name) for declared in all_types().values()]

    def own_fields(self, request: HttpRequest, obj: Rule | None) -> dict[str, Any]:
        """Return the form's fields, with the space and its actions to choose from."""
        spaces = self.spaces(request, "add")
        space = obj.space if obj else chosen_space(request, spaces)
        select = SelectMultipleOfSpace(Rule._meta.get_field("actions"), self.admin_site)
        select.space_id = space.pk if space else None
        fields = super().own_fields(request, obj)
        fields["actions"] = forms.ModelMultipleChoiceField(
            Action.objects.filter(space=space), required=False, widget=select, help_text="What the rule triggers."
        )
        if obj is None:
            offered = spaces.filter(pk=space.pk) if space else spaces
            fields["space"] = forms.ModelChoiceField(offered, initial=space, empty_label=None, widget=Select())
        return fields

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> list[Any]:
        """Return what every rule has, the events that it looks at, and what it then does."""
        if self.is_shown_only(request, obj):
            return super().get_fieldsets(request, obj)
        return [
            *super().get_fieldsets(request, obj),
            ("Condition and actions", {"fields": ["condition", "actions", "tags"]}),
        ]

    def shown_fieldsets(self, obj: Rule) -> list[Any]:
        """Return what the page shows of a rule that cannot be changed."""
        return [
            (None, {"fields": ["name", "public_id", "space", "type_name", "enabled"]}),
            ("Events", {"fields": ["params_block"]}),
            ("Condition and actions", {"fields": ["condition", "action_links", "tags_text"]}),
        ]

    def add(self, request: HttpRequest, form: RuleForm) -> Rule:
        """Create the rule."""
        return create_rule(
            form.cleaned_data["space"],
            type=form.type_id,
            public_id=form.cleaned_data["public_id"] or None,
            **form.changes(),
        )

    def change(self, request: HttpRequest, stored: Rule, form: RuleForm) -> Rule:
        """Change the rule."""
        return update_rule(stored, **form.changes())

    def delete(self, stored: Rule) -> None:
        """Delete the rule."""
        delete_rule(stored)

    def switch(self, stored: Rule, enabled: bool) -> None:
        """Enable or disable the rule."""
        update_rule(stored, enabled=enabled)
