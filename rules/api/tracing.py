"""Trying a rule before it is saved, running it over the past, and tracing an event."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from rules.api.serializers import EXAMPLE, RuleSerializer
from rules.api.tracing_serializers import BacktestSerializer, TraceSerializer, TrialSerializer
from rules.models import Event, Rule
from rules.services.rules import Draft, draft_rule
from rules.tracing import reading
from rules.tracing.backtest import CannotReplay, backtest_rule
from rules.tracing.explain import Clock
from rules.tracing.places import WAIT, TooBusy
from rules.tracing.trace import trace_event
from rules.tracing.trial import SECONDS, explainer_of, try_rule
from rules.types.registry import get_type
from spaces.api.fields import Text, Whole
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.errors import FieldError, InvalidInput
from spaces.models import Space
from spaces.roles import Ability
from spaces.validation import reject

_EVENT = {"type": "order.paid", "specversion": "1.0", "id": "A-1", "source": "/shops/7", "data": {"total": 129.9}}
_DRAFT = {name: EXAMPLE[name] for name in ("params", "condition", "actions")}


class DraftField(serializers.Field[Any, Any, Any, Any]):
    """A rule as it is sent to be stored; what is left out is as a new rule has it, or as the stored one."""

    def to_internal_value(self, data: Any) -> RuleSerializer:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Give an object.")
        stored = getattr(self.parent, "stored", None)
        draft = RuleSerializer(stored, data=data, partial=True, context=self.context)
        draft.is_valid(raise_exception=True)
        return draft

    def to_representation(self, value: Any) -> Any:
        return value


class DraftFieldSchema(OpenApiSerializerFieldExtension):
    """Describes a draft as what a rule is changed with."""

    target_class = DraftField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        ref: dict[str, Any] = auto_schema.resolve_serializer(RuleSerializer(partial=True), direction).ref
        return ref


class DraftRequestSerializer(StrictSerializer):
    """A rule that is not saved."""

    stored: Rule | None = None

    id = Text(required=False, help_text="ID of a rule: what `rule` leaves out is as that one has it.")
    rule = DraftField(required=False, help_text="What the rule would say. It is checked as it would be to be saved.")

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return super().to_internal_value(data)
        if isinstance(public_id := data.get("id"), str):
            self.stored = self.context["view"].get_queryset().filter(public_id=public_id).first()
            if self.stored is None:
                raise serializers.ValidationError({"id": [f'There is no "{public_id}" in this space.']})
        return super().to_internal_value({"rule": {}, **data})

    def draft(self) -> Draft:
        """Return the checked draft; raise InvalidInput that points into the body."""
        given: RuleSerializer = self.validated_data["rule"]
        changes = {name: value for name, value in given.validated_data.items() if name != "public_id"}
        try:
            return draft_rule(self.context["view"].space, self.stored, **changes)
        except InvalidInput as invalid:
            errors = [FieldError(f"/rule{given.as_shown(error.pointer)}", error.detail) for error in invalid.errors]
            raise InvalidInput(errors) from None


class TrialRequestSerializer(DraftRequestSerializer):
    """A rule, and the events to try it with: one of three ways."""

    events = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        help_text=f"At most {reading.MAX_EVENTS}, CloudEvents or plain JSON, as the space would take them in.",
    )
    event_ids = serializers.ListField(
        child=Whole(min_value=1, max_value=2**63 - 1),
        required=False,
        help_text=f"Keys of at most {reading.MAX_EVENTS} events of the space.",
    )
    last = Whole(
        required=False, help_text=f"So many of the newest events that the rule looks at, 1 to {reading.MAX_EVENTS}."
    )


class BacktestRequestSerializer(DraftRequestSerializer):
    """A rule, and how far back to run it."""

    hours = Whole(default=24, help_text="1 to 168; not further back than the space keeps events.")


class TracingRules(SpaceScoped[Rule]):
    """The part of the rules' addresses that tries them: for whoever could save them."""

    abilities: ClassVar = dict.fromkeys(("try_draft", "backtest"), Ability.EDIT)
    summaries: ClassVar = {
        "try_draft": "Try a rule before it is saved",
        "backtest": "Run a rule over past events",
    }

    @extend_schema(
        request=TrialRequestSerializer,
        responses=TrialSerializer,
        filters=False,
        examples=[OpenApiExample("example", request_only=True, value={"rule": _DRAFT, "events": [_EVENT]})],
    )
    @action(
        detail=False,
        methods=["post"],
        url_path="_try",
        pagination_class=None,
        serializer_class=TrialRequestSerializer,
    )
    def try_draft(self, request: Request, **kwargs: Any) -> Response:
        """Whether the rule matches each event, which part of it does not, and what its actions would send; a rule that
        runs by itself is run once. Nothing is stored or sent; but a run of `http_check` does ask its address."""
        given: Any = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        draft = given.draft()
        try:
            trial = try_rule(draft, _samples(self.space, draft, given.validated_data))
        except TooBusy as busy:
            raise Throttled(WAIT, str(busy)) from None
        return Response(TrialSerializer(trial).data)

    @extend_schema(
        request=BacktestRequestSerializer,
        responses=BacktestSerializer,
        filters=False,
        examples=[OpenApiExample("example", request_only=True, value={"rule": _DRAFT, "hours": 24})],
    )
    @action(
        detail=False,
        methods=["post"],
        url_path="_backtest",
        pagination_class=None,
        serializer_class=BacktestRequestSerializer,
    )
    def backtest(self, request: Request, **kwargs: Any) -> Response:
        """How often the rule would have matched, and how many deliveries that would have made. At most 50,000 events
        are looked at, for at most 10 s; `capped_by` says which ended it before all of the time was covered."""
        given: Any = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        draft = given.draft()
        try:
            test = backtest_rule(self.space, draft, given.validated_data["hours"])
        except CannotReplay as refusal:
            raise reject("/rule/rule_type_id", str(refusal)) from None
        except TooBusy as busy:
            raise Throttled(WAIT, str(busy)) from None
        return Response(BacktestSerializer(test).data)


class TraceViewSet(SpaceScoped[Event]):
    """What became of events."""

    queryset = Event.objects.all()
    serializer_class = TraceSerializer
    pagination_class = None
    filter_backends = ()
    lookup_field = "id"
    abilities: ClassVar = {"explain": Ability.READ}
    summaries: ClassVar = {"explain": "Trace an event"}
    parameters: ClassVar = {"explain": ("rule",)}

    # A method of the name trace would answer HTTP's TRACE.
    @extend_schema(
        responses=TraceSerializer,
        parameters=[
            OpenApiParameter("rule", str, description="ID of a rule: that one alone, whether or not it looked.")
        ],
    )
    def explain(self, request: Request, **kwargs: Any) -> Response:
        """The rules that looked at the event and why each matched or did not, its deliveries, and what led to it. The
        rules are asked as they are now; `changed_since` marks those that were changed after the event came."""
        try:
            found = trace_event(self.get_object(), request.query_params.get("rule", "").replace("\0", "�"))
        except Rule.DoesNotExist:
            raise Http404 from None
        return Response(TraceSerializer(found).data)


def _samples(space: Space, draft: Draft, given: dict[str, Any]) -> list[reading.Sample]:
    """Return the events that the request names, in the one way that it uses."""
    ways = [name for name in ("events", "event_ids", "last") if name in given]
    explainer = explainer_of(draft.rule)
    if ways and not explainer.looks_at_events:
        raise reject(f"/{ways[0]}", "The rule looks at no single events: leave it out.")
    if get_type(draft.rule.type).is_scheduled and not ways:
        return []
    if len(ways) != 1:
        raise reject("", "Give one of events, event_ids and last.")
    if "events" in given:
        return reading.pasted(space, given["events"])
    if "event_ids" in given:
        return reading.stored(space, given["event_ids"])
    return reading.latest(space, explainer.watch, given["last"], Clock(SECONDS))
