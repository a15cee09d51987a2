"""The console's pages of API keys."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from spaces.admin.base import ActionVariant, BaseDialogForm, action, display
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import label
from spaces.admin.scoping import OF_ADMINISTRATION
from spaces.admin.service_admin import ServiceForm, ServiceModelAdmin
from spaces.models import ApiKey
from spaces.roles import Ability
from spaces.services import create_api_key, revoke_api_key

_STATES = {"live": "success", "expired": "warning", "revoked": "danger"}


class ApiKeyForm(ServiceForm):
    """A new key."""

    class Meta:
        model = ApiKey
        fields = ["space", "name", "role", "max_requests_per_minute", "expires_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceModelAdmin):
    """Keys to the API. A key is made and revoked, never changed or deleted: what it did stays attributable."""

    abilities: ClassVar = {**OF_ADMINISTRATION, "revoke": Ability.ADMINISTER}
    form: type[forms.ModelForm[Any]] = ApiKeyForm
    empty_hint = "A key lets a program send events to a space and use its API."
    list_display = ["name", "prefix", "role", "space", "state", "last_used_at", "expires_at"]
    list_filter = [("space", RelatedFilter)]
    list_filter_submit = True
    list_select_related = ["space"]
    search_fields = ["name", "prefix"]
    actions = ["revoke_selected"]
    actions_detail = ["revoke"]
    fields = ["space", "name", "role", "max_requests_per_minute", "expires_at"]

    @display(description="State", label=_STATES)
    def state(self, key: ApiKey) -> str:
        """Whether the key opens its space."""
        return _state(key)

    @display(description="State")
    def state_label(self, key: ApiKey) -> str:
        """The same, for the key's own page."""
        return label(_state(key), _STATES[_state(key)])

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[Any]:
        """Return what is written for a new key, or what is known of an old one."""
        if obj is None:
            return ["space", "name", "role", "max_requests_per_minute", "expires_at"]
        return [
            "name",
            "space",
            "role",
            "max_requests_per_minute",
            "prefix",
            "state_label",
            "created_at",
            "last_used_at",
            "expires_at",
            "revoked_at",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[Any]:
        """Return every field of a key that exists."""
        return self.get_fields(request, obj) if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A key that exists is shown, and may be revoked."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def add(self, request: HttpRequest, form: Any) -> ApiKey:
        """Create the key and show it, this once."""
        key, token = create_api_key(**form.cleaned_data)
        messages.warning(
            request,
            format_html('Copy the key now, it is not shown again: <code class="sy-inline sy-key">{}</code>', token),
        )
        return key

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: Any) -> None:
        """Revoke each."""
        keys = list(queryset.filter(revoked_at=None))
        for key in keys:
            revoke_api_key(key)
        messages.success(request, f"{len(keys)} API {'key' if len(keys) == 1 else 'keys'} revoked.")

    @action(
        description="Revoke",
        permissions=["revoke"],
        icon="block",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Revoke this key?",
            "description": "Whoever uses it is refused from now on. This cannot be undone.",
            "form_submit_text": "Revoke",
        },
    )
    def revoke(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Revoke the key of this page; reached by POST from its dialog."""
        key = self.get_object(request, object_id)
        if key is not None:
            revoke_api_key(key)
            messages.success(request, f"The API key {key} is revoked.")
        # htmx follows this header with a whole page, where a redirect would be loaded into the dialog.
        return HttpResponse(headers={"HX-Redirect": reverse("admin:spaces_apikey_changelist")})


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.is_live else "expired"
