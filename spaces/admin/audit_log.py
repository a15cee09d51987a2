"""The console's pages of the audit log."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from spaces.admin.base import ChoicesDropdownFilter, DropdownFilter, action, display
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import EMPTY, json_block, label, list_link
from spaces.admin.read_only import SEARCHED_ROWS, HotTableAdmin
from spaces.models import AuditEntry
from spaces.roles import Ability
from spaces.services.audit_export import export_entries

_KINDS = {AuditEntry.Kind.USER: "info", AuditEntry.Kind.API_KEY: "warning", AuditEntry.Kind.SYSTEM: "default"}


class ActionFilter(DropdownFilter):
    """By what was done, as far as it was done lately."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return what was done in the newest entries."""
        newest = AuditEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
        recent = model_admin.plain(request).filter(pk__gt=newest - SEARCHED_ROWS)
        return [(each, each) for each in recent.order_by("action").values_list("action", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Return the entries of what is chosen."""
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditLogAdmin(HotTableAdmin):
    """Who changed what, newest first."""

    abilities: ClassVar = {"view": Ability.ADMINISTER, "export": Ability.ADMINISTER}
    actions_list = ["export"]
    empty_hint = "Every change that somebody makes is recorded here."
    list_display = ["time", "actor_label", "action", "object_link", "space", "address"]
    list_display_links = ["time"]
    list_filter = [("space", RelatedFilter), ActionFilter, ("actor_kind", ChoicesDropdownFilter)]
    search_fields = ["actor", "action", "object_id", "object_name"]
    search_help_text = f"Who, what was done, or ID or name of what it was done to; among the newest {SEARCHED_ROWS:,}."
    indexed_filters = ("space__id__exact",)
    fieldsets = [
        (None, {"fields": ["time", "actor_label", "address", "action", "object_link", "space"]}),
        ("Before", {"fields": ["before_block"]}),
        ("After", {"fields": ["after_block"]}),
    ]

    @action(description="Export as CSV", url_path="export", permissions=["export"])
    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Download every entry that may be seen; what stands in the query string of a list narrows it."""
        entries = self.get_changelist_instance(request).get_queryset(request)
        return StreamingHttpResponse(
            export_entries(entries),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
        )

    @display(description="Who")
    def actor_label(self, entry: AuditEntry) -> SafeString:
        """The user, the API key, or the part of the system."""
        kind = AuditEntry.Kind(entry.actor_kind)
        return format_html("{} {}", entry.actor, label(str(kind.label), _KINDS[kind]))

    @display(description="Object")
    def object_link(self, entry: AuditEntry) -> SafeString:
        """What it was done to, as a link to where it stands if it still does."""
        name = entry.object_name or entry.object_id or EMPTY
        shown: str | SafeString = name
        if listed := self._listed(entry):
            shown = list_link(listed, name, public_id=entry.object_id)
        return format_html('{} <code class="sy-inline">{}</code>', shown, entry.object_id)

    @display(description="The fields that changed, as they were")
    def before_block(self, entry: AuditEntry) -> str | SafeString:
        """The former values, secrets masked."""
        return EMPTY if entry.before is None else json_block(entry.before)

    @display(description="The fields that changed, as they are")
    def after_block(self, entry: AuditEntry) -> str | SafeString:
        """The new values, secrets masked."""
        return EMPTY if entry.after is None else json_block(entry.after)

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the entries with their spaces, which may be gone."""
        queryset: QuerySet[Any] = super().rows(request)
        return queryset.prefetch_related("space")

    def _listed(self, entry: AuditEntry) -> str:
        """Return the model ("app.name") whose list has the object; "" where there is none with public ids."""
        kind = entry.action.partition(".")[0]
        for model in self.admin_site._registry:
            names = {field.name for field in model._meta.get_fields()}
            if model._meta.model_name == kind and "public_id" in names:
                return model._meta.label_lower
        return ""
