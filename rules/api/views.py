"""Rules, their types, and events."""

from django.db.models import Prefetch, QuerySet, Value
from django_filters import CharFilter, FilterSet

from rules.api.serializers import EventSerializer, RuleSerializer, RuleTypeSerializer
from rules.models import Event, Rule, RuleAction
from rules.services import delete_rule, update_rule
from rules.types.registry import all_types
from spaces.api.queries import Holds, NamedFilter
from spaces.api.views import CatalogueViewSet, ObjectViewSet, RecordViewSet


class RuleFilter(NamedFilter):
    """What a list of rules can be narrowed to."""

    type = CharFilter(label="ID of a rule type.")
    tag = CharFilter(method="tagged", label="One of its tags.")
    action = CharFilter("actions__public_id", label="ID of an action that it triggers.")

    def tagged(self, rows: QuerySet[Rule], name: str, value: str) -> QuerySet[Rule]:
        return rows.filter(Holds("tags", Value(value)))


class RuleViewSet(ObjectViewSet[Rule]):
    """What to look for in events, and the actions that follow."""

    queryset = Rule.objects.prefetch_related(Prefetch("links", RuleAction.objects.select_related("action")))
    serializer_class = RuleSerializer
    filterset_class = RuleFilter

    def perform_destroy(self, instance: Rule) -> None:
        delete_rule(instance)

    def switch(self, row: Rule, *, enabled: bool) -> None:
        update_rule(row, enabled=enabled)


class RuleTypeViewSet(CatalogueViewSet):
    """The kinds of rules."""

    serializer_class = RuleTypeSerializer
    types = all_types


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
