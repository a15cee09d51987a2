"""The console's pages of events."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from actions.admin.deliveries import STATE_LABELS
from actions.models import Delivery
from rules.admin.verdicts import shown_verdict
from rules.models import Event, Rule
from rules.tracing.trace import Cause, trace_event
from spaces.admin.base import TextInput, display, number_in
from spaces.admin.filters import RelatedFilter
from spaces.admin.markup import EMPTY, code_block, json_block, label, list_link, named_link, page_link
from spaces.admin.read_only import HotTableAdmin, NewestFirst
from spaces.admin.scoping import OF_RECORDS, scoped

# An event that many rules match has as many deliveries; a page shows no more than these.
SHOWN_DELIVERIES = 100
_WAITING: Final = {
    True: "It waits for its evaluation.",
    False: "",
    None: "So much waits for its evaluation that this event may be among it.",
}


class CountedEvents(NewestFirst):
    """Events, each on the page with its number of deliveries."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then count by the index of deliveries on their event."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        of_page = (
            scoped(Delivery).plain(request).filter(event_id__in=[event.pk for event in self.result_list]).order_by()
        )
        counts = dict(of_page.values_list("event_id").annotate(count=Count("pk")))
        for event in self.result_list:
            event.delivery_count = counts.get(event.pk, 0)


@admin.register(Event)
class EventAdmin(HotTableAdmin):
    """What happened, newest first."""

    abilities = OF_RECORDS
    empty_hint = "The overview has a command that sends one."
    list_display = ["type", "source", "event_id", "subject", "space", "received_at", "delivery_count"]
    list_display_links = ["type"]
    list_filter = [("space", RelatedFilter)]
    search_fields = ["type", "source", "subject", "event_id"]
    search_help_text = "Number of an event, or words of its type, source, subject or id."
    change_form_after_template = "admin/rules/event/deliveries.html"
    change_form_outer_after_template = "admin/rules/event/trace.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "type",
                    "source",
                    "event_id",
                    "subject",
                    "space",
                    ("time", "received_at"),
                    ("content_type", "schema"),
                    ("hop", "cause"),
                ]
            },
        ),
        ("Data", {"fields": ["data_block"]}),
        ("Extension attributes", {"fields": ["extensions_block"]}),
    ]

    @display(description="Data content type")
    def content_type(self, event: Event) -> str:
        """The media type of the data, as its sender says."""
        return event.datacontenttype or EMPTY

    @display(description="Data schema")
    def schema(self, event: Event) -> str:
        """The schema of the data, as its sender says."""
        return event.dataschema or EMPTY

    @display(description="Deliveries")
    def delivery_count(self, event: Any) -> SafeString | int:
        """How many deliveries it made."""
        count = event.delivery_count
        return list_link("actions.delivery", str(count), event_id__exact=event.pk) if count else 0

    @display(description="Data")
    def data_block(self, event: Event) -> str | SafeString:
        """The data: JSON indented, text as it is, bytes in base64."""
        if event.data is None:
            return EMPTY
        return code_block(event.data) if isinstance(event.data, str) else json_block(event.data)

    @display(description="Attributes")
    def extensions_block(self, event: Event) -> str | SafeString:
        """The CloudEvents extension attributes."""
        return json_block(event.extensions) if event.extensions else EMPTY

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the events with their spaces."""
        queryset: QuerySet[Any] = super().rows(request)
        return queryset.prefetch_related("space")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that counts deliveries."""
        return CountedEvents

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the words of a search, or by number."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        number = number_in(search_term)
        return found if number is None else found | queryset.filter(Q(pk=number)), duplicates

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the event with its deliveries, and what the rules make of it."""
        shown = {**_deliveries(request, object_id), **_trace(self.row(request, object_id), request.GET.get("rule", ""))}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


def _deliveries(request: HttpRequest, object_id: str) -> dict[str, Any]:
    if (number := number_in(object_id)) is None:
        return {}
    seen = scoped(Delivery).plain(request).filter(event_id=number)
    of_event = seen.order_by("pk").prefetch_related("action", "connector")
    rows = [
        [
            page_link("actions.delivery", delivery.pk, f"Delivery {delivery.pk}"),
            label(delivery.state, STATE_LABELS.get(delivery.state, "default")),
            delivery.last_reason or EMPTY,
            list_link("rules.rule", delivery.rule_id, public_id=delivery.rule_id, space__id__exact=delivery.space_id),
            named_link(delivery, "action"),
            named_link(delivery, "connector"),
            delivery.attempts,
        ]
        for delivery in of_event[:SHOWN_DELIVERIES]
    ]
    headers = ["Delivery", "State", "Reason", "Rule", "Action", "Connector", "Attempts"]
    return {"deliveries": {"headers": headers, "rows": rows}}


class TraceForm(forms.Form):
    """Which rule to ask."""

    rule = forms.CharField(required=False, widget=TextInput({"id": "sy-trace-rule"}))


def _trace(event: Event | None, asked: str) -> dict[str, Any]:
    if event is None:
        return {}
    asked = asked.replace("\0", "").strip()
    shown: dict[str, Any] = {"form": TraceForm({"rule": asked}), "asked": asked}
    try:
        trace = trace_event(event, asked)
    except Rule.DoesNotExist:
        return {"trace": {**shown, "unknown": asked}}
    rules = [
        {
            "link": list_link("rules.rule", rule.name, public_id=rule.id, space__id__exact=event.space_id),
            "note": rule.note,
            "changed_since": rule.changed_since,
            "verdict": shown_verdict(rule.verdict) if rule.verdict else None,
        }
        for rule in trace.rules
    ]
    counts = {"left_out": trace.left_out, "did_not_look": trace.did_not_look}
    waiting = _WAITING[trace.is_waiting]
    return {"trace": {**shown, **counts, "rules": rules, "waiting": waiting, "causes": list(map(_cause, trace.causes))}}


def _cause(cause: Cause) -> str | SafeString:
    links = [
        page_link(model, key, f"{name} {key}")
        for model, name, key in (
            ("actions.delivery", "Delivery", cause.delivery_id),
            ("rules.event", "Event", cause.event_id),
        )
        if key is not None
    ]
    found = format_html_join(" of ", "{}", ((link,) for link in links))
    return format_html("Hop {}: {} {}", cause.hop, found or cause.cause, cause.detail)
