"""Deliveries: browse, look into, send again and cancel, one or many."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter, Filter, FilterSet, IsoDateTimeFilter
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.jobs_serializers import (
    CancellationRequestSerializer,
    DeliveryJobSerializer,
    ReplayRequestSerializer,
)
from actions.api.serializers import DeliverySerializer, EventLogEntrySerializer
from actions.models import REASONS, Delivery, DeliveryJob, EventLogEntry, GoneObject
from actions.services import browse, jobs
from actions.services.cancel import cancel_delivery
from actions.services.edit import replay_changed
from actions.services.gone import public_id_of
from actions.services.replay import replay_delivery
from spaces.api.bulk import KeysSerializer, ResultSerializer, answer_each
from spaces.api.checked import takes_no_body
from spaces.api.problems import InvalidQuery
from spaces.api.queries import KeyFilter, NewestFirst
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.api.views import RecordViewSet
from spaces.errors import InvalidInput
from spaces.models import Space
from spaces.roles import Ability
from spaces.validation import parse_model

SHOWN_ENTRIES = 200


class DeliveryFilter(FilterSet):
    """What a list of deliveries can be narrowed to."""

    state = ChoiceFilter(choices=Delivery.State.choices, label="Where it stands.")
    reason = ChoiceFilter(choices=REASONS, label="Reason of the last outcome.")
    rule = CharFilter(label="ID of a rule.")
    action = CharFilter(label="ID of an action.")
    connector = CharFilter(label="ID of a connector.")
    event = KeyFilter(label="Key of an event.")
    event_type = CharFilter(label=f"CloudEvents type of the event; looks through the newest {browse.SEARCHED_ROWS:,}.")
    since = IsoDateTimeFilter(label="Made at this time or later.")
    until = IsoDateTimeFilter(label="Made before this time.")
    finished_since = IsoDateTimeFilter(label="Ended at this time or later.")
    finished_until = IsoDateTimeFilter(label="Ended before this time.")
    search = CharFilter(
        max_length=browse.LONGEST_SEARCH,
        label="Number of a delivery or an event, a webhook-id, or part of the detail or of a rule's ID; "
        f"looks through the newest {browse.SEARCHED_ROWS:,}.",
    )

    def filter_queryset(self, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        given = {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "")}
        view: Any = self.request.parser_context["view"]
        try:
            wanted = parse_model(browse.DeliveryFilter, given, "")
        except InvalidInput as invalid:
            raise InvalidQuery({error.pointer[1:]: error.detail for error in invalid.errors}) from None
        return browse.matching(queryset, view.space.pk, wanted)


class HistorySerializer(DeliverySerializer):
    """A delivery with everything that became of it."""

    event_log = EventLogEntrySerializer(many=True, help_text="Its entries, the oldest first: each try, and the rest.")
    successors = serializers.ListField(
        child=serializers.IntegerField(), help_text="Keys of the deliveries that took over from it."
    )

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "successors", "event_log"]
        read_only_fields = fields


class ChangedMessageSerializer(StrictSerializer):
    """The message in place of the former."""

    message = serializers.DictField(
        help_text="As the connector type's `params_schema` says, without templates. A field that is left out keeps "
        "what the former message has; one that is sent replaces the whole field."
    )


class DeliveryViewSet(RecordViewSet[Delivery]):
    """Events on their way through actions."""

    queryset = Delivery.objects.annotate(
        action_public_id=public_id_of(GoneObject.Kind.ACTION, "action_id"),
        connector_public_id=public_id_of(GoneObject.Kind.CONNECTOR, "connector_id"),
    )
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    # An operator may send any message by hand already (connectors/{id}/execute), so a changed one needs no more.
    abilities: ClassVar = {
        "attempts": Ability.READ,
        **dict.fromkeys(("replay", "edit_and_replay", "bulk_replay", "cancel", "bulk_cancel"), Ability.OPERATE),
    }
    summaries: ClassVar = {
        "attempts": "Read a delivery with its attempts",
        "replay": "Send a delivery again",
        "edit_and_replay": "Send a delivery again with another message",
        "bulk_replay": "Send many deliveries again",
        "cancel": "Cancel a delivery",
        "bulk_cancel": "Cancel many deliveries",
    }

    @extend_schema(responses=HistorySerializer)
    @action(detail=True, methods=["get"], url_path="attempts", serializer_class=HistorySerializer)
    def attempts(self, request: Request, **kwargs: Any) -> Response:
        """The message, and all that the event log has of it: each try with its request and response, and the cause."""
        row: Any = self.get_object()
        row.event_log = EventLogEntry.objects.filter(delivery_id=row.pk).order_by("pk")[:SHOWN_ENTRIES]
        row.successors = list(browse.successors_of(row).values_list("pk", flat=True))
        return Response(self.get_serializer(row).data)

    @takes_no_body(DeliverySerializer)
    @action(detail=True, methods=["post"], url_path="replay")
    def replay(self, request: Request, **kwargs: Any) -> Response:
        """Puts what has ended, however it did, back into the queue: the same message, the same `webhook-id`."""
        replay_delivery(self.get_object())
        return self._show()

    @extend_schema(
        request=ChangedMessageSerializer,
        responses={201: DeliverySerializer},
        examples=[OpenApiExample("example", request_only=True, value={"message": {"body": {"text": "Mended."}}})],
    )
    @action(detail=True, methods=["post"], url_path="edit-and-replay", serializer_class=ChangedMessageSerializer)
    def edit_and_replay(self, request: Request, **kwargs: Any) -> Response:
        """Makes another delivery of the same event, with a `webhook-id` of its own; the former stays as it ended."""
        row = self.get_object()
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        made = replay_changed(row, given.validated_data["message"])
        shown = DeliverySerializer(self.get_queryset().get(pk=made.pk)).data
        address = request.path.replace(f"/{self.kwargs['id']}/edit-and-replay", f"/{made.pk}")
        return Response(shown, status=201, headers={"Location": address})

    @extend_schema(request=KeysSerializer, responses=ResultSerializer(many=True), filters=False)
    @action(
        detail=False, methods=["post"], url_path="_bulk_replay", pagination_class=None, serializer_class=KeysSerializer
    )
    def bulk_replay(self, request: Request, **kwargs: Any) -> Response:
        """Each is sent again or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self._keys(request), replay_delivery)

    @takes_no_body(DeliverySerializer)
    @action(detail=True, methods=["post"], url_path="cancel")
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """What waits ends dead at once; what is being tried ends with the try, unless that succeeds."""
        cancel_delivery(self.get_object())
        return self._show()

    @extend_schema(request=KeysSerializer, responses=ResultSerializer(many=True), filters=False)
    @action(
        detail=False, methods=["post"], url_path="_bulk_cancel", pagination_class=None, serializer_class=KeysSerializer
    )
    def bulk_cancel(self, request: Request, **kwargs: Any) -> Response:
        """Each is cancelled or refused on its own; the answer has one result for each id, in the order sent."""
        return answer_each(self, self._keys(request), cancel_delivery)

    def _show(self) -> Response:
        return Response(DeliverySerializer(self.get_object()).data)

    def _keys(self, request: Request) -> list[int]:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return list(given.validated_data["ids"])


class _JobFilter(FilterSet):
    """What a list of bulk jobs can be narrowed to."""

    state: Filter = ChoiceFilter(choices=DeliveryJob.State.choices, label="How far it has come.")


class _JobViewSet(ListModelMixin, RetrieveModelMixin, SpaceScoped[DeliveryJob]):
    """Bulk jobs of one kind."""

    kind: ClassVar[DeliveryJob.Kind]
    queryset = DeliveryJob.objects.all()
    serializer_class = DeliveryJobSerializer
    filterset_class = _JobFilter
    pagination_class = NewestFirst
    lookup_field = "id"
    lookup_value_converter = "int"
    abilities: ClassVar = dict.fromkeys(("create", "cancel", "pause", "resume"), Ability.OPERATE)

    def narrow(self, rows: QuerySet[DeliveryJob], space: Space) -> QuerySet[DeliveryJob]:
        """Return the space's jobs of this kind."""
        return super().narrow(rows, space).filter(kind=self.kind)

    @takes_no_body(DeliveryJobSerializer)
    @action(detail=True, methods=["post"], url_path="cancel")
    def cancel(self, request: Request, **kwargs: Any) -> Response:
        """Stops the job for good; what it has done stays done."""
        return self._show(jobs.cancel_job(self.get_object()))

    @takes_no_body(DeliveryJobSerializer)
    @action(detail=True, methods=["post"], url_path="pause")
    def pause(self, request: Request, **kwargs: Any) -> Response:
        """Stops the job until it is resumed."""
        return self._show(jobs.pause_job(self.get_object()))

    @takes_no_body(DeliveryJobSerializer)
    @action(detail=True, methods=["post"], url_path="resume")
    def resume(self, request: Request, **kwargs: Any) -> Response:
        """Lets a paused job go on from where it stopped."""
        return self._show(jobs.resume_job(self.get_object()))

    def _start(self, request: Request, given: StrictSerializer) -> Response:
        given.is_valid(raise_exception=True)
        wanted = dict(given.validated_data)
        which = jobs.read_filter(self.kind, wanted.pop("filter"))
        job = jobs.start_job(self.space, self.kind, which, **wanted)
        return self._show(job, status=202, headers={"Location": f"{request.path}/{job.pk}"})

    def _show(self, job: DeliveryJob, **rest: Any) -> Response:
        return Response(DeliveryJobSerializer(job).data, **rest)


class ReplayViewSet(_JobViewSet):
    """Jobs that send again what matches a filter."""

    kind = DeliveryJob.Kind.REPLAY
    summaries: ClassVar = {
        "list": "List replays",
        "retrieve": "Read a replay",
        "create": "Send all deliveries that match again",
        "cancel": "Cancel a replay",
        "pause": "Pause a replay",
        "resume": "Resume a replay",
    }

    @extend_schema(
        request=ReplayRequestSerializer,
        responses={202: DeliveryJobSerializer},
        examples=[
            OpenApiExample(
                "example", request_only=True, value={"filter": {"reason": "retry_timeout", "connector": "desk"}}
            )
        ],
    )
    def create(self, request: Request, **kwargs: Any) -> Response:
        """What matches now is sent again at the given rate, each once; the address in `Location` tells how far."""
        return self._start(request, ReplayRequestSerializer(data=request.data))


class CancellationViewSet(_JobViewSet):
    """Jobs that cancel what matches a filter."""

    kind = DeliveryJob.Kind.CANCEL
    summaries: ClassVar = {
        "list": "List cancellations",
        "retrieve": "Read a cancellation",
        "create": "Cancel all deliveries that match",
        "cancel": "Cancel a cancellation",
        "pause": "Pause a cancellation",
        "resume": "Resume a cancellation",
    }

    @extend_schema(
        request=CancellationRequestSerializer,
        responses={202: DeliveryJobSerializer},
        examples=[OpenApiExample("example", request_only=True, value={"filter": {"action": "tell-order-desk"}})],
    )
    def create(self, request: Request, **kwargs: Any) -> Response:
        """What matches now is cancelled; the address in `Location` tells how far it is."""
        return self._start(request, CancellationRequestSerializer(data=request.data))
