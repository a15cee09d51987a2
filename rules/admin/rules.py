"""The console's pages of rules. The forms are in rules.admin.rule_forms."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from rules.admin.history import HISTORY_ABILITIES, HISTORY_FIELDS, OUTCOME_LABELS, RuleHistoryAdmin, StatusFilter
from rules.admin.link_forms import term_fields, term_fieldsets
from rules.admin.rule_forms import SCHEDULE_FIELDS, RuleForm, action_fields, schedule_fields
from rules.admin.silencing import RULE_ABILITIES, RuleSilencing
from rules.admin.trying import TryingAdmin
from rules.models import Rule, RuleAction, RuleRun
from rules.services import create_rule, delete_rule, update_rule
from rules.types.registry import all_types, keeps_alerts
from spaces.admin.base import BooleanRadioFilter, Select, display
from spaces.admin.choosing import ask_for_space, chosen_space
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import EMPTY, code, json_block, label, list_link, object_link
from spaces.admin.schema_fields import SchemaFields
from spaces.admin.scoping import OF_OBJECTS
from spaces.admin.typed_admin import Sections, TypedModelAdmin
from spaces.roles import Ability


@admin.register(Rule)
class RuleAdmin(TryingAdmin, RuleSilencing, RuleHistoryAdmin, TypedModelAdmin):
    """When: which events, or which alerts of its own, trigger which actions."""

    abilities: ClassVar = {
        **OF_OBJECTS,
        **RULE_ABILITIES,
        **HISTORY_ABILITIES,
        "try": Ability.EDIT,
        "backtest": Ability.EDIT,
    }
    form: type[forms.ModelForm[Any]] = RuleForm
    empty_hint = "A rule says which events trigger which actions."
    list_display = [
        "name_and_id",
        "space",
        "type_name",
        "enabled",
        "status_label",
        "silence_label",
        "condition_short",
        "action_links",
        "run_state",
        "updated_at",
    ]
    list_filter = [("space", RelatedFilter), StatusFilter, ("enabled", BooleanRadioFilter)]
    list_filter_submit = True
    list_select_related = ["space", "last_run"]
    list_per_page = 50
    search_fields = ["name", "public_id", "condition"]
    actions = ["enable_selected", "disable_selected", "mute_selected", "unmute_selected"]
    actions_detail: ClassVar = [*RuleSilencing.actions_detail, "duplicate"]
    section_titles: ClassVar = {"params": ("What it looks at", "")}

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
        # One action may hear of several groups.
        actions = dict.fromkeys(link.action for link in rule.links.all())
        links = [object_link(action, action.name) for action in actions]
        return format_html_join(", ", "{}", ((link,) for link in links)) or EMPTY

    @display(description="Last run")
    def run_state(self, rule: Rule) -> str | SafeString:
        """How the last run went."""
        run = run_of(rule)
        return label(run.outcome, OUTCOME_LABELS[run.outcome]) if run and run.outcome else EMPTY

    @display(description="Last run")
    def last_run_text(self, rule: Rule) -> str | SafeString:
        """When the last run was, and how it went."""
        run = run_of(rule)
        if run is None or run.ended_at is None:
            return "It has not run yet."
        at = localize(timezone.localtime(run.ended_at))
        return f"{at}: {run.outcome}, in {run.duration} ms. {run.detail}".strip()

    @display(description="Next run")
    def next_run_text(self, rule: Rule) -> str:
        """When it runs next."""
        run = run_of(rule)
        return localize(timezone.localtime(run.next_at)) if run and run.next_at else EMPTY

    @display(description="Alerts")
    def alerts_link(self, rule: Rule) -> SafeString:
        """The way to its alerts."""
        return list_link("rules.alert", "Show", rule_public_id__exact=rule.public_id, space__id__exact=rule.space_id)

    @display(description="Runs")
    def schedule_text(self, rule: Rule) -> str:
        """When it runs and when an alert is one, where that cannot be changed."""
        flapping = f"{rule.flapping_threshold} changes in {rule.flapping_look_back} runs are flapping"
        return f"Every {rule.interval} s; an alert after {rule.delay} in a row; {flapping}."

    @display(description="What it looks at")
    def params_block(self, rule: Rule) -> SafeString:
        """What the rule looks at, where it cannot be changed."""
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
            shown = self.try_context(request, None)
            return super().add_view(request, form_url, {**(extra_context or {}), **shown})
        return ask_for_space(self, request, spaces)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the form above what tries it."""
        rule = self.get_object(request, unquote(object_id))
        shown = self.try_context(request, rule) if rule is not None else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

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
        fields = super().own_fields(request, obj)
        is_scheduled = obj is None or (obj.interval is not None and keeps_alerts(obj.type))
        fields |= action_fields(space, self.admin_site, is_scheduled=is_scheduled)
        if is_scheduled:
            fields |= schedule_fields()
        if obj is not None:
            fields |= term_fields(_links(obj))
        if obj is None:
            offered = spaces.filter(pk=space.pk) if space else spaces
            fields["space"] = forms.ModelChoiceField(offered, initial=space, empty_label=None, widget=Select())
        return fields

    @property
    def conditional_fields(self) -> dict[str, str]:
        """Show the condition for types that take one, and the schedule for those that run by themselves."""
        declared = all_types().values()
        runs = " || ".join(f"type === {each.id!r}" for each in declared if each.keeps_alerts) or "false"
        takes = " || ".join(f"type === {each.id!r}" for each in declared if each.takes_condition) or "false"
        return {
            **super().conditional_fields,
            "condition": f"typeof type === 'undefined' || {takes}",
            **dict.fromkeys(SCHEDULE_FIELDS, f"typeof type === 'undefined' || {runs}"),
        }

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> list[Any]:
        """Return what every rule has, what it looks at, and what it then does."""
        if self.is_shown_only(request, obj):
            return super().get_fieldsets(request, obj)
        groups = super().get_fieldsets(request, obj)
        if obj is None or (obj.interval is not None and keeps_alerts(obj.type)):
            groups.append(("Schedule and alerts", {"fields": list(SCHEDULE_FIELDS)}))
        declared = all_types().get(obj.type) if obj else None
        takes_condition = declared is None or declared.takes_condition
        does = [*(["condition"] if takes_condition else []), "actions", "tags"]
        groups.append(("Condition and actions" if takes_condition else "Actions", {"fields": does}))
        if obj is not None:
            groups += term_fieldsets(_links(obj))
        return groups + _silence(obj) + _runs(obj) + _history(obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields that never change, and how its runs go."""
        shown = [name for _, options in (*_silence(obj), *_runs(obj), *_history(obj)) for name in options["fields"]]
        return [*super().get_readonly_fields(request, obj), *shown]

    def shown_fieldsets(self, obj: Rule) -> list[Any]:
        """Return what the page shows of a rule that cannot be changed."""
        schedule = [("Schedule and alerts", {"fields": ["schedule_text"]})] if obj.interval is not None else []
        return [
            (None, {"fields": ["name", "public_id", "space", "type_name", "enabled"]}),
            ("What it looks at", {"fields": ["params_block"]}),
            *schedule,
            ("Condition and actions", {"fields": ["condition", "action_links", "tags_text"]}),
            *_silence(obj),
            *_history(obj),
            *_runs(obj),
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


def run_of(rule: Rule) -> RuleRun | None:
    """Return how the runs of a rule go; None where it does not run by itself."""
    return getattr(rule, "last_run", None)


def _links(rule: Rule) -> list[RuleAction]:
    return list(rule.links.order_by("pk").select_related("action"))


def _silence(obj: Rule | None) -> list[Any]:
    return [("Silence", {"fields": ["silence_text", "snoozes_block"]})] if obj and (obj.muted or obj.snoozes) else []


def _runs(obj: Rule | None) -> list[Any]:
    if obj is None or obj.interval is None:
        return []
    return [("Runs", {"fields": ["last_run_text", "next_run_text", "alerts_link", "runs_table"]})]


def _history(obj: Rule | None) -> list[Any]:
    return [("How it is doing", {"fields": HISTORY_FIELDS})] if obj is not None else []
