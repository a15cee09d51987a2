"""The console's pages of actions."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from actions.admin.execute import ExecutingAdmin
from actions.models import Action
from actions.policy import RetryPolicy
from actions.services import create_action, delete_action, duplicate_action, update_action
from connectors.models import Connector
from connectors.types.registry import all_types
from spaces.admin.base import BooleanRadioFilter, action, display, number_in
from spaces.admin.choosing import SelectOfSpace, ask, ask_for_space, chosen_space
from spaces.admin.duplication import DuplicateForm, DuplicatingAdmin, duplicate_dialog
from spaces.admin.filters import AutocompleteFilter, RelatedFilter
from spaces.admin.markup import json_block, list_link, object_link
from spaces.admin.schema_fields import SchemaFields
from spaces.admin.scoping import OF_OBJECTS, scoped
from spaces.admin.typed_admin import Sections, TypedForm, TypedModelAdmin
from spaces.models import Space
from spaces.roles import Ability
from spaces.validation import reject

DELIVERY_FIELDS = ["max_attempts", "expires_after", "timeout", "max_per_second", "max_concurrency", "ordering_key"]

_DUPLICATE = duplicate_dialog("Duplicate this action", "The copy sends the same; no rule triggers it yet.")


class ActionForm(TypedForm):
    """An action; its params are those of its connector's type."""

    connector_type: ClassVar[str] = ""

    class Meta:
        model = Action
        fields = ["name", "public_id", "connector", "enabled", *DELIVERY_FIELDS, "fallback"]

    @property
    def type_id(self) -> str:
        """The id of the connector's type."""
        return self.connector_type


@admin.register(Action)
class ActionAdmin(ExecutingAdmin, DuplicatingAdmin, TypedModelAdmin):
    """What: messages, each to one connector."""

    abilities: ClassVar = {**OF_OBJECTS, "execute": Ability.OPERATE, "duplicate": Ability.EDIT}
    form: type[forms.ModelForm[Any]] = ActionForm
    empty_hint = "An action says what is sent through a connector. Rules trigger it."
    list_display = ["name_and_id", "space", "connector_link", "enabled", "rule_count", "updated_at"]
    list_filter = [
        ("space", RelatedFilter),
        ("connector", AutocompleteFilter),
        ("enabled", BooleanRadioFilter),
    ]
    list_filter_submit = True
    list_select_related = ["space", "connector"]
    list_per_page = 50
    search_fields = ["name", "public_id", "connector__name", "connector__public_id"]
    actions = ["enable_selected", "disable_selected"]
    actions_detail: ClassVar = ["duplicate"]
    section_titles = {
        "params": ("Message", "Every text is a template over the event, such as {{ event.data.site }}."),
        "retry": ("Retries", "When a failed try is followed by another. Left alone, as Standard Webhooks has it."),
    }

    @display(description="Action", header=True, ordering="name")
    def name_and_id(self, action: Action) -> tuple[str, str]:
        """Name over ID."""
        return action.name, action.public_id

    @display(description="Connector", ordering="connector__name")
    def connector_link(self, action: Action) -> str:
        """The connector that the action sends through."""
        if action.connector is None:
            return f"{action.lost_connector_id} (deleted)"
        return object_link(action.connector, action.connector.name)

    @display(description="Rules", ordering="rule_count")
    def rule_count(self, action: Any) -> int | SafeString:
        """The number of rules that trigger the action."""
        count = int(action.rule_count)
        return list_link("rules.rule", str(count), actions__id__exact=action.pk) if count else 0

    @display(description="Message")
    def params_block(self, action: Action) -> SafeString:
        """The message, where it cannot be changed."""
        return json_block(action.params)

    @display(description="Retries")
    def retry_block(self, action: Action) -> SafeString | str:
        """The retries, where they cannot be changed."""
        return json_block(action.retry) if action.retry else "as usual"

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the actions, each with its number of rules."""
        queryset: QuerySet[Any] = super().rows(request)
        counted: QuerySet[Any] = queryset.annotate(rule_count=Count("rules"))
        return counted

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Ask for the space and the connector first: the connector's type tells the form's fields."""
        spaces = self.spaces(request, "add")
        connector, space = self._connector(request, None), chosen_space(request, spaces)
        is_known = connector is not None and (space or connector.space)
        if request.method == "POST" or is_known or not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)
        if space is None:
            return ask_for_space(self, request, spaces)
        add_url = reverse("admin:connectors_connector_add")
        hint = format_html('Not among them? <a class="text-link" href="{}">Add a connector</a> first.', add_url)
        field = forms.ModelChoiceField(self._offered(request, space.pk), widget=self._select(space.pk), help_text=hint)
        return ask(self, request, "connector", field)

    @property
    def conditional_fields(self) -> dict[str, str]:
        """Nothing: the form has the fields of one type only."""
        return {}

    def sections(self) -> Sections:
        """Return the params of every connector type, and the retries, which are the same for all."""
        return {
            declared.id: (
                SchemaFields(declared.params_model, f"{declared.id}_params", "params", "/params"),
                SchemaFields(RetryPolicy, "retry", "retry", "/retry"),
            )
            for declared in all_types().values()
        }

    def sections_for(self, request: HttpRequest, obj: Action | None) -> Sections:
        """Return the params of the type of the action's connector."""
        if self.is_shown_only(request, obj):
            return {}
        connector = self._connector(request, obj)
        sections = self.sections().get(connector.type) if connector else None
        return {connector.type: sections} if connector and sections else {}

    def values(self, request: HttpRequest, section: SchemaFields, obj: Action | None) -> Mapping[str, Any]:
        """Return the action's params, or what its type proposes for a new one."""
        if obj is not None or section.attribute != "params":
            return super().values(request, section, obj)
        connector = self._connector(request, obj)
        return all_types()[connector.type].default_params() if connector else {}

    def own_fields(self, request: HttpRequest, obj: Action | None) -> dict[str, Any]:
        """Return the connector's type, and the choice of connectors of the same space."""
        connector = self._connector(request, obj)
        space = obj.space if obj else self._space(request, connector)
        space_id = space.pk if space else None
        field = forms.ModelChoiceField(self._offered(request, space_id), widget=self._select(space_id))
        fallback = forms.ModelChoiceField(
            self._fallbacks(request, space_id, obj),
            required=False,
            widget=self._select(space_id, "fallback"),
            help_text=str(Action._meta.get_field("fallback").help_text),
        )
        own = super().own_fields(request, obj) if obj else {}
        return {**own, "connector_type": connector.type if connector else "", "connector": field, "fallback": fallback}

    def own_fieldsets(self, request: HttpRequest, obj: Action | None) -> list[Any]:
        """Return what every action has."""
        fields = ["name", "public_id", "connector", "enabled"]
        return [
            (None, {"fields": [*fields, "space", "seen_version"] if obj else fields}),
            ("Delivery", {"fields": [*DELIVERY_FIELDS, "fallback"]}),
        ]

    def shown_fieldsets(self, obj: Action) -> list[Any]:
        """Return what the page shows of an action that cannot be changed."""
        return [
            (None, {"fields": ["name", "public_id", "connector_link", "enabled", "space"]}),
            ("Delivery", {"fields": [*DELIVERY_FIELDS, "retry_block", "fallback"]}),
            ("Message", {"fields": ["params_block"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Action | None = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space"] if obj else []

    def add(self, request: HttpRequest, form: ActionForm) -> Action:
        """Create the action in its connector's space, in the chosen one where the connector stands in all."""
        space = self._space(request, form.cleaned_data["connector"])
        if space is None:
            raise reject("/connector", "It stands in every space: choose the action's space first.")
        return create_action(
            space,
            public_id=form.cleaned_data["public_id"] or None,
            connector=form.cleaned_data["connector"],
            name=form.cleaned_data["name"],
            params=form.collect("params"),
            **{name: form.cleaned_data[name] for name in (*DELIVERY_FIELDS, "fallback")},
            retry=form.collect("retry"),
            enabled=form.cleaned_data["enabled"],
        )

    def change(self, request: HttpRequest, stored: Action, form: ActionForm) -> Action:
        """Change the action."""
        return update_action(
            stored,
            connector=form.cleaned_data["connector"],
            name=form.cleaned_data["name"],
            params=form.collect("params"),
            **{name: form.cleaned_data[name] for name in (*DELIVERY_FIELDS, "fallback")},
            retry=form.collect("retry"),
            enabled=form.cleaned_data["enabled"],
        )

    def delete(self, stored: Action) -> None:
        """Delete the action."""
        delete_action(stored)

    @action(description="Duplicate", permissions=["duplicate"], icon="content_copy", dialog=_DUPLICATE)
    def duplicate(self, request: HttpRequest, form: DuplicateForm, object_id: str) -> HttpResponse:
        """Copy the action of this page and lead to the copy; reached by POST from its dialog."""
        return self.answer_duplicate(request, form, object_id, _DUPLICATE)

    def copy(self, stored: Action, *, name: str | None, public_id: str | None) -> Action:
        """Copy the action."""
        return duplicate_action(stored, name=name, public_id=public_id)

    def switch(self, stored: Action, enabled: bool) -> None:
        """Enable or disable the action."""
        update_action(stored, enabled=enabled)

    def users(self, stored: Action) -> Iterable[Model]:
        """Return the rules that trigger the action."""
        rules: Iterable[Model] = stored.rules.all()
        return rules

    def _select(self, space_id: int | None, name: str = "connector") -> SelectOfSpace:
        select = SelectOfSpace(Action._meta.get_field(name), self.admin_site)
        select.space_id = space_id
        return select

    def _connector(self, request: HttpRequest, action: Action | None) -> Connector | None:
        """Return the connector that the request names, else the action's."""
        named = request.POST.get("connector") or request.GET.get("connector") or ""
        offered = self._offered(request, action.space_id if action else None)
        key = number_in(named)
        found = offered.filter(pk=key).first() if key is not None else None
        return found or (action.connector if action else None)

    def _offered(self, request: HttpRequest, space_id: int | None) -> QuerySet[Connector]:
        """Return the connectors that an action in the space may have, in any that one may be added to if none is given.

        The space has been found among those of the request.
        """
        seen = scoped(Connector).plain(request)
        if space_id is not None:
            return seen.filter(pk__in=Connector.objects.usable_in(space_id).order_by().values("pk"))
        return seen.filter(Q(space=None) | Q(space__in=self.spaces(request, "add")))

    def _fallbacks(self, request: HttpRequest, space_id: int | None, action: Action | None) -> QuerySet[Any]:
        """Return the actions of the space that may stand in for this one; the service looks for loops."""
        seen = self.plain(request).filter(space=space_id) if space_id is not None else Action.objects.none()
        return seen.exclude(pk=action.pk) if action is not None else seen

    def _space(self, request: HttpRequest, connector: Connector | None) -> Space | None:
        """Return the space of a new action through the connector."""
        return connector.space if connector and connector.space else chosen_space(request, self.spaces(request, "add"))
