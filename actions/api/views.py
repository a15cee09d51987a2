"""Actions, deliveries and the event log."""

from typing import Any, ClassVar

from django.db.models import OuterRef, QuerySet, Subquery
from django_filters import CharFilter, ChoiceFilter, FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.serializers import ActionSerializer, DeliverySerializer, EventLogEntrySerializer
from actions.models import REASONS, Action, Delivery, EventLogEntry
from actions.services import delete_action, update_action
from actions.services.replay import replay_delivery
from connectors.models import Connector
from spaces.api.bulk import KeysSerializer, ResultSerializer, answer_each
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

    def narrow(self, rows: QuerySet[Action], space: Space) -> QuerySet[Action]:
        """Return the space's actions, each with the number of rules that trigger it."""
        links = Action._meta.get_field("links").related_model._default_manager.all()
        return super().narrow(rows, space).annotate(referenced_by_count=count_of(links, "action"))

    def perform_destroy(self, instance: Action) -> None:
        delete_action(instance)

    def switch(self, row: Action, *, enabled: bool) -> None:
        update_action(row, enabled=enabled)


class DeliveryFilter(FilterSet):
    """What a list of deliveries can be narrowed to."""

    state = ChoiceFilter(choices=Delivery.State.choices, label="Where it stands.")
    rule = CharFilter("rule_id", label="ID of a rule.")
    action = CharFilter("action__public_id", label="ID of an action.")
    connector = CharFilter("connector__public_id", label="ID of a connector.")
    event = KeyFilter(field_name="event_id", label="Key of an event.")
    reason = ChoiceFilter("last_reason", choices=REASONS, label="Reason of the last outcome.")


class DeliveryViewSet(RecordViewSet[Delivery]):
    """Events on their way through actions."""

    # Subqueries, because a join would lose the deliveries whose action or connector is gone.
    queryset = Delivery.objects.annotate(
        action_public_id=Subquery(Action.objects.order_by().filter(pk=OuterRef("action_id")).values("public_id")),
        connector_public_id=Subquery(
            Connector.objects.order_by().filter(pk=OuterRef("connector_id")).values("public_id")
        ),
    )
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    abilities: ClassVar = {"replay": Ability.OPERATE, "bulk_replay": Ability.OPERATE}
    summaries: ClassVar = {"replay": "Send a delivery again", "bulk_replay": "Send many deliveries again"}

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"], url_path="replay")
    def replay(self, request: Request, **kwargs: Any) -> Response:
        """Puts what was delivered or is dead back into the queue: the same message, the same `webhook-id`."""
        row = self.get_object()
        replay_delivery(row)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=KeysSerializer, responses=ResultSerializer(many=True), filters=False)
    @action(
        detail=False, methods=["post"], url_path="_bulk_replay", pagination_class=None, serializer_class=KeysSerializer
    )
    def bulk_replay(self, request: Request, **kwargs: Any) -> Response:
        """Each is sent again or refused on its own; the answer has one result for each id, in the order sent."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return answer_each(self, given.validated_data["ids"], replay_delivery)


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
