"""Rules, sources, their types, and events."""

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet, Value
from django.utils import timezone
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from rules.api.history import RuleHistory
from rules.api.serializers import (
    AlertSerializer,
    ConditionSerializer,
    EventSerializer,
    RuleSerializer,
    RuleTypeSerializer,
    SourceSerializer,
    SourceTypeSerializer,
)
from rules.api.silences import AlertSilences, RuleSilences
from rules.api.tracing import TracingRules
from rules.history.status import RuleStatus, with_status
from rules.models import Alert, Event, NamedCondition, Rule, RuleAction, Source, SourceReader, SourceStatus
from rules.services import delete_condition, delete_rule, delete_source, duplicate_rule, update_rule, update_source
from rules.services.silences import mute_rule, unmute_rule, with_mutes
from rules.services.source_status import LIVE_FOR
from rules.sources.registry import all_types as all_source_types
from rules.types.registry import all_types
from spaces.api.bulk import answer_each
from spaces.api.copies import CopySerializer, answer_copy
from spaces.api.queries import Holds, NamedFilter
from spaces.api.views import CatalogueViewSet, ObjectViewSet, RecordViewSet, bulk
from spaces.models import Space
from spaces.roles import Ability


class RuleFilter(NamedFilter):
    """What a list of rules can be narrowed to."""

    type = CharFilter(label="ID of a rule type.")
    tag = CharFilter(method="tagged", label="One of its tags.")
    action = CharFilter("actions__public_id", label="ID of an action that it triggers.")
    status = ChoiceFilter(choices=RuleStatus.choices, label="How it is doing.")

    def tagged(self, rows: QuerySet[Rule], name: str, value: str) -> QuerySet[Rule]:
        return rows.filter(Holds("tags", Value(value)))


class RuleViewSet(RuleSilences, RuleHistory, TracingRules, ObjectViewSet[Rule]):
    """What to look for in events, and the actions that follow."""

    abilities: ClassVar = {
        **RuleSilences.abilities,
        **RuleHistory.abilities,
        **TracingRules.abilities,
        "duplicate": Ability.EDIT,
        **dict.fromkeys(("bulk_mute", "bulk_unmute"), Ability.OPERATE),
    }
    summaries: ClassVar = {
        **RuleSilences.summaries,
        **RuleHistory.summaries,
        **TracingRules.summaries,
        "duplicate": "Copy a rule",
        "bulk_mute": "Mute many rules",
        "bulk_unmute": "Unmute many rules",
    }
    queryset = Rule.objects.prefetch_related(
        Prefetch("links", RuleAction.objects.select_related("action")), "alert_mutes"
    )
    serializer_class = RuleSerializer
    filterset_class = RuleFilter
    repeatable = frozenset(TracingRules.abilities)

    def narrow(self, rows: QuerySet[Rule], space: Space) -> QuerySet[Rule]:
        """Return the space's rules, each with how it is doing."""
        return with_status(super().narrow(rows, space))

    def perform_destroy(self, instance: Rule) -> None:
        delete_rule(instance)

    def switch(self, row: Rule, *, enabled: bool) -> None:
        update_rule(row, enabled=enabled)

    @extend_schema(request=CopySerializer, responses={201: RuleSerializer})
    @action(detail=True, methods=["post"], url_path="duplicate", serializer_class=CopySerializer)
    def duplicate(self, request: Request, **kwargs: Any) -> Response:
        """The copy is disabled, so that nothing is told twice. Whether the rule is muted is not copied."""
        return answer_copy(self, duplicate_rule, RuleSerializer)

    @bulk("mute")
    def bulk_mute(self, request: Request, **kwargs: Any) -> Response:
        """Each is muted or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self.ids(), mute_rule)

    @bulk("unmute")
    def bulk_unmute(self, request: Request, **kwargs: Any) -> Response:
        """Each is unmuted or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self.ids(), unmute_rule)


class ConditionFilter(NamedFilter):
    """What a list of named conditions can be narrowed to."""

    enabled = None  # type: ignore[assignment]  # so a filter is taken out


class ConditionViewSet(ObjectViewSet[NamedCondition]):
    """Conditions that others refer to by their ID."""

    queryset = NamedCondition.objects.all()
    serializer_class = ConditionSerializer
    filterset_class = ConditionFilter
    # A condition cannot be disabled.
    bulk_enable = bulk_disable = None

    def perform_destroy(self, instance: NamedCondition) -> None:
        delete_condition(instance)


class RuleTypeViewSet(CatalogueViewSet):
    """The kinds of rules."""

    serializer_class = RuleTypeSerializer
    types = all_types


class SourceFilter(NamedFilter):
    """What a list of sources can be narrowed to."""

    type = CharFilter(label="ID of a source type.")
    status = ChoiceFilter(choices=SourceStatus.choices, label="How it is.")
    connector = CharFilter("connector__public_id", label="ID of a connector.")


class SourceViewSet(ObjectViewSet[Source]):
    """What is read through connectors, to come in as events."""

    queryset = Source.objects.select_related("connector")
    serializer_class = SourceSerializer
    filterset_class = SourceFilter

    def narrow(self, rows: QuerySet[Source], space: Space) -> QuerySet[Source]:
        """Return the space's sources, each with the processes that read it."""
        live = SourceReader.objects.filter(seen_at__gte=timezone.now() - LIVE_FOR).order_by("process")
        return super().narrow(rows, space).prefetch_related(Prefetch("readers", live))

    def perform_destroy(self, instance: Source) -> None:
        delete_source(instance)

    def switch(self, row: Source, *, enabled: bool) -> None:
        update_source(row, enabled=enabled)


class SourceTypeViewSet(CatalogueViewSet):
    """The kinds of sources."""

    serializer_class = SourceTypeSerializer
    types = all_source_types


class AlertFilter(FilterSet):
    """What a list of alerts can be narrowed to."""

    rule = CharFilter("rule_public_id", label="ID of a rule.")
    state = ChoiceFilter(choices=Alert.State.choices, label="Where it stands.")
    group = CharFilter(label="One of the groups of its rule's type.")
    key = CharFilter(label="What its rule knows it by.")
    uuid = UUIDFilter(label="Its UUID, as events and templates have it.")


class AlertViewSet(AlertSilences, RecordViewSet[Alert]):
    """What rules have found, and whether it is so still."""

    queryset = with_mutes(Alert.objects.all())
    serializer_class = AlertSerializer
    filterset_class = AlertFilter


class EventFilter(FilterSet):
    """What a list of events can be narrowed to."""

    type = CharFilter(label="CloudEvents type.")
    source = CharFilter(label="CloudEvents source.")
    event_id = CharFilter(label="CloudEvents id.")


class EventViewSet(RecordViewSet[Event]):
    """Things that happened."""

    queryset = Event.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilter

    @property
    def allowed_methods(self) -> list[str]:
        """Those of this view, and POST to the list, which rules.sources.http answers."""
        return super().allowed_methods + ([] if self.detail else ["POST"])
