"""The console's pages of the event log."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from actions.models import EventLogEntry
from spaces.admin.base import ChoicesDropdownFilter, display, number_in
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import EMPTY, json_block, label, list_link, page_link, seconds
from spaces.admin.read_only import HotTableAdmin
from spaces.admin.scoping import OF_RECORDS

OUTCOME_LABELS = {"success": "success", "failure": "danger", "unknown": "warning"}


@admin.register(EventLogEntry)
class EventLogAdmin(HotTableAdmin):
    """What the system did, newest first."""

    abilities = OF_RECORDS
    empty_hint = "Every attempt to deliver is logged here."
    list_display = ["time", "outcome_label", "message", "reason", "duration_text", "space", "links"]
    list_display_links = ["time"]
    list_filter = [
        ("space", RelatedFilter),
        ("outcome", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
    ]
    search_fields = ["message", "rule_id", "action_id", "connector_id"]
    search_help_text = "Number of a delivery, ID of a rule, action or connector, or words of the message."
    indexed_filters = ("delivery_id__exact",)
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "time",
                    ("provider", "action"),
                    "outcome_on_page",
                    "reason",
                    "message",
                    "duration_text",
                    "attempt",
                    "links",
                    "space",
                ]
            },
        ),
        ("Request", {"fields": ["request_block"]}),
        ("Response", {"fields": ["response_block"]}),
    ]

    @display(description="Outcome", label=OUTCOME_LABELS)
    def outcome_label(self, entry: EventLogEntry) -> str:
        """How it ended."""
        return entry.outcome

    @display(description="Outcome")
    def outcome_on_page(self, entry: EventLogEntry) -> SafeString:
        """How it ended, for the entry's own page."""
        return label(entry.outcome, OUTCOME_LABELS.get(entry.outcome, "default"))

    @display(description="Duration")
    def duration_text(self, entry: EventLogEntry) -> str:
        """How long it took."""
        return seconds(entry.duration) if entry.duration else EMPTY

    @display(description="Concerns")
    def links(self, entry: EventLogEntry) -> SafeString:
        """Links to what the entry is about."""
        named = [("rules.rule", entry.rule_id), ("actions.action", entry.action_id)]
        shown = [list_link(model, key, public_id=key, space__id__exact=entry.space_id) for model, key in named if key]
        if entry.connector_id:
            # Preconfigured ones stand in the space as well.
            link = list_link(
                "connectors.connector", entry.connector_id, public_id=entry.connector_id, space=entry.space_id
            )
            shown.append(link)
        if entry.delivery_id is not None:
            shown.append(page_link("actions.delivery", entry.delivery_id, f"Delivery {entry.delivery_id}"))
        if entry.event_id is not None:
            shown.append(page_link("rules.event", entry.event_id, f"Event {entry.event_id}"))
        return format_html_join(" · ", "{}", ((link,) for link in shown))

    @display(description="Request")
    def request_block(self, entry: EventLogEntry) -> str | SafeString:
        """What was sent, secrets masked."""
        return json_block(entry.request) if entry.request else EMPTY

    @display(description="Response")
    def response_block(self, entry: EventLogEntry) -> str | SafeString:
        """What came back, at most 16 KiB of it."""
        return json_block(entry.response) if entry.response else EMPTY

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the entries with their spaces."""
        queryset: QuerySet[Any] = super().rows(request)
        return queryset.prefetch_related("space")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the number of a delivery, or by the words of a search."""
        if (number := number_in(search_term)) is not None:
            return queryset.filter(Q(delivery_id=number) | Q(message__icontains=search_term)), False
        return super().get_search_results(request, queryset, search_term)
