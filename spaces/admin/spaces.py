"""The console's pages of spaces."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from spaces.admin.base import ColorInput, Textarea, display
from spaces.admin.refusals import is_superuser
from spaces.admin.service_admin import ServiceForm, ServiceModelAdmin
from spaces.models import Space
from spaces.roles import Ability
from spaces.services import create_space, update_space


class SpaceForm(ServiceForm):
    """A space. Its ID never changes."""

    class Meta:
        model = Space
        fields = [
            "slug",
            "name",
            "description",
            "color",
            "default_event_type",
            "default_event_source",
            "max_events_per_second",
            "max_stored_events",
            "max_connectors",
            "retention_days",
        ]
        widgets = {"color": ColorInput(), "description": Textarea({"rows": 3})}
        help_texts = {
            "default_event_source": "Source of a plain JSON event that names none; empty: /spaces/ and the ID."
        }

    def locate(self, pointer: str) -> tuple[str, str] | None:
        """Return the field of a pointer; the ID's field is ``slug``."""
        return ("slug", "") if pointer == "/id" else super().locate(pointer)


@admin.register(Space)
class SpaceAdmin(ServiceModelAdmin):
    """Tenants. A space cannot be deleted: its events and log entries would have no owner."""

    abilities: ClassVar = {"view": Ability.READ, "change": Ability.ADMINISTER}
    space_lookup = "pk"
    form: type[forms.ModelForm[Any]] = SpaceForm
    list_display = ["name_and_id", "description", "default_event_type", "created_at"]
    search_fields = ["slug", "name", "description"]
    actions = None
    fieldsets = [
        (None, {"fields": ["slug", "name", "description", "color"]}),
        (
            "Plain JSON events",
            {
                "fields": ["default_event_type", "default_event_source"],
                "description": "What an event that is a plain JSON object, not a CloudEvents envelope, becomes.",
            },
        ),
        ("Limits", {"fields": ["max_events_per_second", "max_stored_events", "max_connectors", "retention_days"]}),
    ]

    @display(description="Space", header=True, ordering="name")
    def name_and_id(self, space: Space) -> tuple[str, str]:
        """Name over ID."""
        return space.name, space.slug

    def get_readonly_fields(self, request: HttpRequest, obj: Space | None = None) -> list[str]:
        """Return the fields that never change."""
        return ["slug"] if obj else []

    def space_id_of(self, row: Space) -> int:
        """Return the key of the space itself."""
        return row.pk

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Spaces are made by superusers."""
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Space | None = None) -> bool:
        """Nobody may."""
        return False

    def add(self, request: HttpRequest, form: Any) -> Space:
        """Create the space."""
        given = dict(form.cleaned_data)
        space = create_space(given.pop("slug"), given.pop("name"), given.pop("description"))
        return update_space(space, **given)

    def change(self, request: HttpRequest, stored: Space, form: Any) -> Space:
        """Change the space."""
        return update_space(stored, **form.cleaned_data)
