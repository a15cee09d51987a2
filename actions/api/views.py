"""Actions and the event log."""

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, FilterSet

from actions.api.serializers import ActionSerializer, EventLogEntrySerializer
from actions.models import REASONS, Action, EventLogEntry
from actions.services import delete_action, update_action
from spaces.api.queries import KeyFilter, NamedFilter, count_of
from spaces.api.views import ObjectViewSet, RecordViewSet
from spaces.models import Space


class ActionFilter(NamedFilter):
    """What a list of actions can be narrowed to."""

    connector = CharFilter("connector__public_id", label="ID of a connector.")


class ActionViewSet(ObjectViewSet[Action]):
    """What to say to a connector."""

    queryset = Action.objects.select_related("connector", "fallback")
    serializer_class = ActionSerializer
    filterset_class = ActionFilter

    def narrow(self, rows: QuerySet[Action], space: Space) -> QuerySet[Action]:
        """Return the space's actions, each with the number of rules that trigger it."""
        links = Action._meta.get_field("links").related_model._default_manager.all()
        return super().narrow(rows, space).annotate(referenced_by_count=count_of(links, "action"))

    def perform_destroy(self, instance: Action) -> None:
        delete_action(instance)

    def switch(self, row: Action, *, enabled: bool) -> None:
        update_action(row, enabled=enabled)


class EventLogFilter(FilterSet):
    """What the event log can be narrowed to."""

    outcome = ChoiceFilter(choices=EventLogEntry._meta.get_field("outcome").choices, label="What came of it.")
    reason = ChoiceFilter(choices=REASONS, label="Why.")
    rule_id = CharFilter(label="ID of a rule.")
    action_id = CharFilter(label="ID of an action.")
    connector_id = CharFilter(label="ID of a connector.")
    delivery = KeyFilter(field_name="delivery_id", label="Key of a delivery.")
    event = KeyFilter(field_name="event_id", label="Key of an event.")


class EventLogViewSet(RecordViewSet[EventLogEntry]):
    """What the system did in the space."""

    queryset = EventLogEntry.objects.all()
    serializer_class = EventLogEntrySerializer
    filterset_class = EventLogFilter
