"""Actions and the event log."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.serializers import ActionSerializer, EventLogEntrySerializer
from actions.models import REASONS, Action, EventLogEntry
from actions.services import delete_action, duplicate_action, update_action
from spaces.api.copies import CopySerializer, answer_copy
from spaces.api.queries import KeyFilter, NamedFilter, count_of
from spaces.api.views import ObjectViewSet, RecordViewSet
from spaces.models import Space
from spaces.roles import Ability


class ActionFilter(NamedFilter):
    """What a list of actions can be narrowed to."""

    connector = CharFilter("connector__public_id", label="ID of a connector.")


class ActionViewSet(ObjectViewSet[Action]):
    """What to say to a connector."""

    queryset = Action.objects.select_related("connector", "fallback")
    serializer_class = ActionSerializer
    filterset_class = ActionFilter
    abilities: ClassVar = {"duplicate": Ability.EDIT}
    summaries: ClassVar = {"duplicate": "Copy an action"}

    def narrow(self, rows: QuerySet[Action], space: Space) -> QuerySet[Action]:
        """Return the space's actions, each with the number of rules that trigger it."""
        links = Action._meta.get_field("links").related_model._default_manager.all()
        return super().narrow(rows, space).annotate(referenced_by_count=count_of(links, "action"))

    def perform_destroy(self, instance: Action) -> None:
        delete_action(instance)

    def switch(self, row: Action, *, enabled: bool) -> None:
        update_action(row, enabled=enabled)

    @extend_schema(request=CopySerializer, responses={201: ActionSerializer})
    @action(detail=True, methods=["post"], url_path="duplicate", serializer_class=CopySerializer)
    def duplicate(self, request: Request, **kwargs: Any) -> Response:
        """The copy sends the same through the same connector; no rule triggers it yet."""
        return answer_copy(self, duplicate_action, ActionSerializer)


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
