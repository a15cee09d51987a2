"""The console's pages of deliveries."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from actions import occasions
from actions.admin.dead_letters import DeadLettersAdmin
from actions.admin.event_log import OUTCOME_LABELS
from actions.models import Delivery, EventLogEntry
from actions.services.browse import successors_of
from connectors.outcomes import Reason
from spaces.admin.base import ChoicesDropdownFilter, display, number_in
from spaces.admin.filters import AutocompleteFilter, RelatedFilter, WordFilter
from spaces.admin.markup import EMPTY, json_block, label, list_link, named_link, page_link, seconds
from spaces.admin.scoping import OF_RECORDS, scoped
from spaces.roles import Ability

STATE_LABELS = {
    Delivery.State.PENDING.value: "info",
    Delivery.State.LEASED.value: "warning",
    Delivery.State.DELIVERED.value: "success",
    Delivery.State.DEAD.value: "danger",
    Delivery.State.SUPPRESSED.value: "default",
}
# A delivery has one entry for each attempt and a few more; a page shows no more than these.
SHOWN_ENTRIES = 100


class RuleFilter(WordFilter):
    """By the rule that matched."""

    title = "rule ID"
    parameter_name = "rule_id__exact"


class EventFilter(WordFilter):
    """By the event that is delivered."""

    title = "event number"
    parameter_name = "event_id__exact"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the deliveries of this event."""
        word = self.value()
        if word and number_in(word) is None:
            messages.warning(
                request, "Here an event is found by its number. Search for its CloudEvents id in the list of events."
            )
            return queryset.none()
        return super().queryset(request, queryset)


class EventTypeFilter(WordFilter):
    """By the type of the event."""

    title = "event type"
    parameter_name = "event_type"

    def narrow(self, rows: QuerySet[Any], word: str) -> QuerySet[Any]:
        """Return the deliveries of events of this type."""
        return rows.filter(event_id__in=occasions.source().events_of_type(None, word))


@admin.register(Delivery)
class DeliveryAdmin(DeadLettersAdmin):
    """Each event's way through an action: what is waiting, what arrived, what is dead and why."""

    abilities: ClassVar = {
        **OF_RECORDS,
        **dict.fromkeys(("replay", "edit_message", "cancel", "replay_all", "cancel_all"), Ability.OPERATE),
    }
    empty_hint = "An event that matches a rule makes one for each action of the rule."
    list_display = [
        "number",
        "state_label",
        "last_reason",
        "space",
        "rule_link",
        "action_link",
        "connector_link",
        "attempts",
        "due_at",
        "created_at",
    ]
    list_display_links = ["number"]
    list_filter = [
        ("space", RelatedFilter),
        ("state", ChoicesDropdownFilter),
        ("last_reason", ChoicesDropdownFilter),
        ("action", AutocompleteFilter),
        ("connector", AutocompleteFilter),
        RuleFilter,
        EventFilter,
        EventTypeFilter,
        ("finished_at", admin.DateFieldListFilter),
    ]
    indexed_filters = ("state__exact", "event_id__exact")
    search_fields = ["rule_id", "last_detail"]
    search_help_text = "Number of a delivery or of an event, ID of a rule, or words of the detail."
    change_form_after_template = "admin/actions/delivery/attempts.html"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "state_on_page",
                    "last_reason",
                    "last_detail",
                    "attempts",
                    "lost_leases",
                    "former_links",
                    "event_link",
                    "rule_link",
                    "action_link",
                    "connector_link",
                    "space",
                    "webhook_id",
                ]
            },
        ),
        ("Times", {"fields": [("created_at", "due_at"), ("expires_at", "finished_at")]}),
        ("Message", {"fields": ["message_block"]}),
    ]

    @display(description="Delivery")
    def number(self, delivery: Delivery) -> str:
        """Its number, as it stands in the event log."""
        return str(delivery.pk)

    @display(description="State", label=STATE_LABELS)
    def state_label(self, delivery: Delivery) -> str:
        """The state."""
        return delivery.state

    @display(description="State")
    def state_on_page(self, delivery: Delivery) -> SafeString:
        """The state, for the delivery's own page."""
        return label(delivery.state, STATE_LABELS.get(delivery.state, "default"))

    @display(description="Before and after")
    def former_links(self, delivery: Delivery) -> SafeString:
        """The delivery that it takes over from, and those that took over from it."""
        links = [page_link("actions.delivery", delivery.former_id, f"From delivery {delivery.former_id}")]
        links = links if delivery.former_id else []
        links += [page_link("actions.delivery", row.pk, f"To delivery {row.pk}") for row in successors_of(delivery)]
        return format_html_join(", ", "{}", ((link,) for link in links)) or SafeString(EMPTY)

    @display(description="Event")
    def event_link(self, delivery: Delivery) -> SafeString:
        """The event that is delivered."""
        return page_link("rules.event", delivery.event_id, f"Event {delivery.event_id}")

    @display(description="Rule")
    def rule_link(self, delivery: Delivery) -> SafeString:
        """The rule that matched."""
        return list_link("rules.rule", delivery.rule_id, public_id=delivery.rule_id, space__id__exact=delivery.space_id)

    @display(description="Action")
    def action_link(self, delivery: Delivery) -> SafeString:
        """The action that says what is sent."""
        return named_link(delivery, "action")

    @display(description="Connector")
    def connector_link(self, delivery: Delivery) -> SafeString:
        """The connector that it is sent through."""
        return named_link(delivery, "connector")

    @display(description="Message")
    def message_block(self, delivery: Delivery) -> SafeString:
        """The message as it is sent."""
        return json_block(delivery.message)

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the deliveries, with what they refer to: read apart, for it may be deleted."""
        queryset: QuerySet[Any] = super().rows(request)
        # The condition of the indexes delivery_dead and delivery_suppressed.
        return queryset.filter(pk__gt=0).prefetch_related("space", "action", "connector")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by number, or by the words of a search."""
        if (number := number_in(search_term)) is not None:
            found = Q(pk=number) | Q(event_id=number) | Q(last_detail__icontains=search_term)
            return queryset.filter(found), False
        return super().get_search_results(request, queryset, search_term)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the delivery with its entries in the event log."""
        shown = _attempts(request, object_id)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


def _attempts(request: HttpRequest, object_id: str) -> dict[str, Any]:
    if (number := number_in(object_id)) is None:
        return {}
    entries = scoped(EventLogEntry).plain(request).filter(delivery_id=number).order_by("pk")
    return {"attempts": [_shown(entry) for entry in entries[:SHOWN_ENTRIES]]}


def _shown(entry: EventLogEntry) -> dict[str, Any]:
    return {
        "title": f"Attempt {entry.attempt}" if entry.attempt else entry.action,
        "time": entry.time,
        "outcome": label(entry.outcome, OUTCOME_LABELS.get(entry.outcome, "default")),
        "reason": "" if entry.reason == Reason.OK else entry.reason,
        "duration": seconds(entry.duration) if entry.duration else EMPTY,
        "message": entry.message,
        "request": json_block(entry.request) if entry.request else "",
        "response": json_block(entry.response) if entry.response else "",
        "link": page_link("actions.eventlogentry", entry.pk, f"Entry {entry.pk}"),
    }
