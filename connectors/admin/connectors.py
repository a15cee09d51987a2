"""The console's pages of connectors."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from connectors.admin.answers import DELETED
from connectors.admin.deletion import DeletingAdmin
from connectors.admin.duplication import DuplicatingConnectors
from connectors.admin.filters import MissingSecretsFilter, SpaceFilter, TagFilter, TypeFilter
from connectors.admin.forms import LIMITS, ConnectorForm
from connectors.admin.probing import ProbingAdmin
from connectors.admin.secrets import fix_url, secret_fields, secret_values
from connectors.admin.status import page_context, status_with_reason
from connectors.admin.transfer import TransferAdmin
from connectors.models import Connector
from connectors.services import create_connector, update_connector
from connectors.types.registry import all_types
from spaces.admin.base import BooleanRadioFilter, ChoicesDropdownFilter, action, display
from spaces.admin.choosing import chosen_space
from spaces.admin.markup import EMPTY, json_block, label, list_link
from spaces.admin.schema_fields import SchemaFields, SecretFields
from spaces.admin.scoping import OF_OBJECTS, scoped
from spaces.admin.typed_admin import Sections, TypedModelAdmin
from spaces.api.queries import count_of
from spaces.roles import Ability

PRECONFIGURED = "Comes from CONNECTORS_FILE, stands in every space, and is changed there."

# What the query string of the list may ask for.
_QUESTIONS = frozenset(
    {
        "public_id",
        "space",
        "space__id__exact",
        "type",
        "status__exact",
        "tag",
        "enabled__exact",
        "is_missing_secrets__exact",
    }
)


@admin.register(Connector)
class ConnectorAdmin(ProbingAdmin, DuplicatingConnectors, DeletingAdmin, TransferAdmin, TypedModelAdmin):
    """Where: connections to the systems that messages go to."""

    abilities: ClassVar = {
        **OF_OBJECTS,
        "duplicate": Ability.EDIT,
        "probe": Ability.OPERATE,
        "probe_settings": Ability.EDIT,
        "reconnect": Ability.OPERATE,
        "execute": Ability.OPERATE,
        "export": Ability.READ,
        "import": Ability.EDIT,
    }
    stands_in_all = True
    form: type[forms.ModelForm[Any]] = ConnectorForm
    empty_hint = "A connector holds the connection to a system that messages go to: its address and its secrets."
    list_display = [
        "name_and_id",
        "space_name",
        "type_name",
        "status_label",
        "tag_links",
        "secrets_state",
        "action_count",
        "last_checked",
    ]
    list_filter = [
        SpaceFilter,
        TypeFilter,
        ("status", ChoicesDropdownFilter),
        TagFilter,
        ("enabled", BooleanRadioFilter),
        ("is_missing_secrets", MissingSecretsFilter),
    ]
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER  # the types are counted anyway
    list_select_related = ["space"]
    list_per_page = 50
    search_fields = ["name", "public_id"]
    actions = ["enable_selected", "disable_selected", "export_ndjson", "export_yaml", "delete_chosen"]
    actions_detail = ["probe", "reconnect", "execute", "duplicate"]
    section_titles = {
        "config": ("Settings", ""),
        "secrets_set_at": ("Secrets", "Kept encrypted, and never shown again."),
    }

    change_form_outer_before_template = "admin/connectors/connector/before.html"

    @display(description="Connector", header=True, ordering="name")
    def name_and_id(self, connector: Connector) -> tuple[str, str]:
        """Name over ID."""
        return connector.name, connector.public_id

    @display(description="Space", ordering="space__name")
    def space_name(self, connector: Connector) -> str | SafeString:
        """The space, or that it is preconfigured and stands in all of them."""
        if connector.space is not None:
            return connector.space.name
        return format_html('<span title="{}">All spaces {}</span>', PRECONFIGURED, label("preconfigured", "info"))

    @display(description="Status", ordering="status")
    def status_label(self, connector: Connector) -> SafeString:
        """Whether deliveries through it arrive, and why not."""
        return status_with_reason(connector)

    @display(description="Tags")
    def tag_links(self, connector: Connector) -> str | SafeString:
        """Each tag, as a link to all that have it."""
        tags = ((urlencode({"tag": tag}), tag) for tag in connector.tags)
        return format_html_join(" ", '<a href="?{}" class="sy-tag">{}</a>', tags) or EMPTY

    @display(description="Secrets")
    def secrets_state(self, connector: Connector) -> SafeString:
        """Whether a secret is still to be entered, and the way to do it."""
        if connector.is_missing_secrets:
            fix = format_html('<a href="{}" class="text-link">Fix</a>', fix_url(connector))
            return format_html("{} {}", label("missing", "danger"), fix)
        return label("set", "success") if connector.secrets_set_at else SafeString(EMPTY)

    @display(description="Actions", ordering="action_count")
    def action_count(self, connector: Any) -> int | SafeString:
        """The number of actions that use the connector."""
        count = int(connector.action_count)
        return list_link("actions.action", str(count), connector__id__exact=connector.pk) if count else 0

    @display(description="Last checked", ordering="health_checked_at", empty_value="never")
    def last_checked(self, connector: Connector) -> Any:
        """When its health was last checked."""
        return connector.health_checked_at

    @display(description="Tags")
    def tags_text(self, connector: Connector) -> str:
        """The tags, where they cannot be changed."""
        return ", ".join(connector.tags) or EMPTY

    @display(description="Settings")
    def config_block(self, connector: Connector) -> str | SafeString:
        """The config, where it cannot be changed and may be seen."""
        return json_block(connector.config) if connector.exposes_config else "Not shown: CONNECTORS_FILE hides it."

    @display(description="Secrets that are set")
    def secrets_list(self, connector: Connector) -> str:
        """The names of the secrets that are set, and since when."""
        return ", ".join(f"{name} ({since[:10]})" for name, since in connector.secrets_set_at.items()) or EMPTY

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the connectors, each with its number of actions."""
        queryset: QuerySet[Any] = super().rows(request)
        users = Connector._meta.get_field("actions").related_model
        counted: QuerySet[Any] = queryset.annotate(action_count=count_of(scoped(users).plain(request), "connector"))
        return counted

    def of_space(self, rows: QuerySet[Any], space_id: int) -> QuerySet[Any]:
        """Return the connectors that the space may use."""
        return rows.filter(pk__in=Connector.objects.usable_in(space_id).order_by().values("pk"))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse (400) questions about anything but what the list shows: answers would spell out a hidden config."""
        return lookup in _QUESTIONS and super().lookup_allowed(lookup, value, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may change a preconfigured one here."""
        return super().has_change_permission(request, obj) and not self.is_preconfigured(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may delete a preconfigured one here."""
        return super().has_delete_permission(request, obj) and not self.is_preconfigured(request, obj)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        """Show the form of a new connector, with the button that tests it."""
        shown = self.probe_context(request, None)
        return super().add_view(request, form_url, {**(extra_context or {}), **shown})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the form below how the connector is, what it lacks and what uses it."""
        connector = self.get_object(request, unquote(object_id))
        shown = {}
        if connector is not None:
            shown = {**page_context(request, connector), **self.probe_context(request, connector)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @action(description="Send a message", permissions=["execute"], icon="send")
    def execute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page that sends one message through this connector."""
        connector = self.get_object(request, object_id)
        if connector is None:
            messages.warning(request, DELETED)
            return HttpResponseRedirect(reverse("admin:connectors_connector_changelist"))
        return HttpResponseRedirect(reverse("admin:actions_action_execute", args=[connector.pk]))

    def sections(self) -> Sections:
        """Return the config and the secrets of every connector type."""
        return {
            declared.id: (
                SchemaFields(declared.config_model, f"{declared.id}_config", "config", "/config"),
                secret_fields(declared),
            )
            for declared in all_types().values()
        }

    def type_choices(self) -> list[tuple[str, str]]:
        """Return id and name of every connector type."""
        return [(declared.id, declared.name) for declared in all_types().values()]

    def values(self, request: HttpRequest, section: SchemaFields, obj: Connector | None) -> Mapping[str, Any]:
        """Return what fills the section's fields: of secrets, only which are set or awaited."""
        if obj is not None and isinstance(section, SecretFields):
            return secret_values(obj)
        return super().values(request, section, obj)

    def own_fieldsets(self, request: HttpRequest, obj: Connector | None) -> list[Any]:
        """Return what every connector has, whatever its type."""
        kind = ["space_name", "type_name", "seen_version"] if obj else ["space", "type"]
        return [(None, {"fields": ["name", "public_id", *kind, "enabled", "tags", "health_interval", *LIMITS]})]

    def shown_fieldsets(self, obj: Connector) -> list[Any]:
        """Return what the page shows of a connector that cannot be changed."""
        shown = ["name", "public_id", "space_name", "type_name", "enabled", "tags_text", "health_interval", *LIMITS]
        return [(None, {"fields": [*shown, "config_block", "secrets_list"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Connector | None = None) -> list[Any]:
        """Return the fields that never change."""
        return ["public_id", "space_name", "type_name"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the only space."""
        space = chosen_space(request, self.spaces(request, "add"))
        return {"space": space.pk if space else None, **super().get_changeform_initial_data(request)}

    def add(self, request: HttpRequest, form: ConnectorForm) -> Connector:
        """Create the connector."""
        return create_connector(
            form.cleaned_data["space"],
            type=form.type_id,
            name=form.cleaned_data["name"],
            public_id=form.cleaned_data["public_id"] or None,
            tags=form.cleaned_data["tags"],
            health_interval=form.cleaned_data["health_interval"],
            max_concurrency=form.cleaned_data["max_concurrency"],
            max_per_second=form.cleaned_data["max_per_second"],
            config=form.collect("config"),
            secrets=form.collect("secrets_set_at"),
            enabled=form.cleaned_data["enabled"],
        )

    def change(self, request: HttpRequest, stored: Connector, form: ConnectorForm) -> Connector:
        """Change the connector."""
        return update_connector(
            stored,
            name=form.cleaned_data["name"],
            tags=form.cleaned_data["tags"],
            health_interval=form.cleaned_data["health_interval"],
            max_concurrency=form.cleaned_data["max_concurrency"],
            max_per_second=form.cleaned_data["max_per_second"],
            config=form.collect("config"),
            secrets=form.collect("secrets_set_at"),
            enabled=form.cleaned_data["enabled"],
        )

    def switch(self, stored: Connector, enabled: bool) -> None:
        """Enable or disable the connector."""
        update_connector(stored, enabled=enabled)
