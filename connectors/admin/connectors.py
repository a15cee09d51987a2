"""The console's pages of connectors."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from connectors.models import Connector
from connectors.services import create_connector, delete_connector, update_connector
from connectors.types.registry import all_types
from spaces.admin.base import BooleanRadioFilter, DropdownFilter, RelatedDropdownFilter, display
from spaces.admin.choosing import chosen_space
from spaces.admin.markup import list_link
from spaces.admin.schema_fields import SchemaFields, SecretFields
from spaces.admin.typed_admin import Sections, TypedForm, TypedModelAdmin


class ConnectorForm(TypedForm):
    """A connector."""

    class Meta:
        model = Connector
        fields = ["name", "public_id", "space", "type", "enabled"]


class TypeFilter(DropdownFilter):
    """By connector type."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the installed types."""
        return [(each.id, each.name) for each in all_types().values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Connector]) -> QuerySet[Connector]:
        """Return the connectors of the chosen type."""
        return queryset.filter(type=self.value()) if self.value() else queryset


@admin.register(Connector)
class ConnectorAdmin(TypedModelAdmin):
    """Where: connections to the systems that messages go to."""

    form: type[forms.ModelForm[Any]] = ConnectorForm
    empty_hint = "A connector holds the connection to a system that messages go to: its address and its secrets."
    confirm_by_id = True
    delete_confirmation_template = "admin/delete_by_id.html"
    list_display = ["name_and_id", "space", "type_name", "enabled", "secrets_state", "action_count", "updated_at"]
    list_filter = [("space", RelatedDropdownFilter), TypeFilter, ("enabled", BooleanRadioFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    list_per_page = 50
    search_fields = ["name", "public_id"]
    actions = ["enable_selected", "disable_selected"]
    section_titles = {
        "config": ("Settings", ""),
        "secrets_set_at": ("Secrets", "Kept encrypted, and never shown again."),
    }

    @display(description="Connector", header=True, ordering="name")
    def name_and_id(self, connector: Connector) -> tuple[str, str]:
        """Name over ID."""
        return connector.name, connector.public_id

    @display(description="Secrets", label={"missing": "danger", "set": "success"})
    def secrets_state(self, connector: Connector) -> str:
        """Whether a secret that the config calls for is not set."""
        if connector.is_missing_secrets:
            return "missing"
        return "set" if connector.secrets_set_at else ""

    @display(description="Actions", ordering="action_count")
    def action_count(self, connector: Any) -> int | SafeString:
        """The number of actions that use the connector."""
        count = int(connector.action_count)
        return list_link("actions.action", str(count), connector__id__exact=connector.pk) if count else 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the connectors, each with its number of actions."""
        queryset: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = queryset.annotate(action_count=Count("actions"))
        return counted

    def sections(self) -> Sections:
        """Return the config and the secrets of every connector type."""
        return {
            declared.id: (
                SchemaFields(declared.config_model, f"{declared.id}_config", "config", "/config"),
                SecretFields(declared.secrets_model, f"{declared.id}_secret", "secrets_set_at", "/secrets"),
            )
            for declared in all_types().values()
        }

    def type_choices(self) -> list[tuple[str, str]]:
        """Return id and name of every connector type."""
        return [(declared.id, declared.name) for declared in all_types().values()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the only space."""
        space = chosen_space(request)
        return {"space": space.pk if space else None, **super().get_changeform_initial_data(request)}

    def add(self, request: HttpRequest, form: ConnectorForm) -> Connector:
        """Create the connector."""
        return create_connector(
            form.cleaned_data["space"],
            type=form.type_id,
            name=form.cleaned_data["name"],
            public_id=form.cleaned_data["public_id"] or None,
            config=form.collect("config"),
            secrets=form.collect("secrets_set_at"),
            enabled=form.cleaned_data["enabled"],
        )

    def change(self, request: HttpRequest, stored: Connector, form: ConnectorForm) -> Connector:
        """Change the connector."""
        return update_connector(
            stored,
            name=form.cleaned_data["name"],
            config=form.collect("config"),
            secrets=form.collect("secrets_set_at"),
            enabled=form.cleaned_data["enabled"],
        )

    def delete(self, stored: Connector) -> None:
        """Delete the connector."""
        delete_connector(stored)

    def switch(self, stored: Connector, enabled: bool) -> None:
        """Enable or disable the connector."""
        update_connector(stored, enabled=enabled)

    def users(self, stored: Connector) -> Iterable[Model]:
        """Return the actions that send through the connector."""
        return stored.actions.all()
