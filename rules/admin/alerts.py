"""The console's pages of alerts."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from rules.admin.silencing import ALERT_ABILITIES, AlertSilencing
from rules.models import Alert
from rules.services.silences import with_mutes
from spaces.admin.base import ChoicesDropdownFilter, display
from spaces.admin.filters import RelatedFilter, WordFilter
from spaces.admin.markup import EMPTY, json_block, label, list_link
from spaces.admin.read_only import HotTableAdmin
from spaces.admin.scoping import OF_RECORDS

STATE_LABELS = {
    Alert.State.PENDING.value: "info",
    Alert.State.ACTIVE.value: "danger",
    Alert.State.RECOVERED.value: "success",
    Alert.State.UNTRACKED.value: "warning",
}


class OfRule(WordFilter):
    """By the rule that keeps it."""

    title = "rule ID"
    parameter_name = "rule_public_id__exact"


@admin.register(Alert)
class AlertAdmin(AlertSilencing, HotTableAdmin):
    """What rules have found, and whether it is so still."""

    abilities: ClassVar = {**OF_RECORDS, **ALERT_ABILITIES}
    empty_hint = "A rule that runs by itself, such as one of the type Connector health, opens one for what it finds."
    list_display = [
        "key",
        "state_label",
        "silence_label",
        "group",
        "rule_link",
        "space",
        "since",
        "ended_at",
        "summary",
    ]
    list_display_links = ["key"]
    list_filter = [("space", RelatedFilter), ("state", ChoicesDropdownFilter), OfRule]
    search_fields = ["key", "summary", "rule_public_id"]
    fieldsets = [
        (None, {"fields": ["key", "state_label", "group", "rule_link", "space", "uuid"]}),
        ("Life", {"fields": ["since", "ended_at", "flapping", "change"]}),
        ("Silence", {"fields": ["silence_label", "acknowledgement_text"]}),
        ("What was found last", {"fields": ["summary", "value_block"]}),
    ]

    @display(description="State")
    def state_label(self, alert: Alert) -> SafeString:
        """Where it stands, in color."""
        return label(alert.state, STATE_LABELS.get(alert.state, "default"))

    @display(description="Rule")
    def rule_link(self, alert: Alert) -> SafeString:
        """The way to its rule."""
        return list_link(
            "rules.rule", alert.rule_public_id, public_id=alert.rule_public_id, space__id__exact=alert.space_id
        )

    @display(description="Value")
    def value_block(self, alert: Alert) -> str | SafeString:
        """What was found last, as JSON."""
        return EMPTY if alert.value is None else json_block(alert.value)

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the alerts with their spaces."""
        queryset: QuerySet[Any] = super().rows(request)
        return with_mutes(queryset).prefetch_related("space")
