"""Rules, sources, their types and events, as the API shows them."""

from typing import Any, ClassVar

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from actions.api.serializers import ConnectorField
from actions.models import Action
from connectors.models import Connector
from rules.api.history_serializers import HISTORY_FIELDS, HistorySerializer
from rules.api.silence_serializers import SILENCE_FIELDS, AlertSilencesSerializer, SilencesSerializer
from rules.links import SAID, Link, shown
from rules.models import Alert, Event, Frequency, NamedCondition, Rule, RuleRun, Source, SourceReader
from rules.services import (
    create_condition,
    create_rule,
    create_source,
    update_condition,
    update_rule,
    update_source,
)
from rules.sources.base import AnySourceType
from rules.types.base import AnyRuleType
from spaces.api.fields import Text, Whole
from spaces.api.serializers import KnownFields, ObjectSerializer

MAX_ACTIONS = 100


@extend_schema_field({})
class AnyJson(serializers.JSONField):
    """Any JSON, null as well."""


class HoursSerializer(KnownFields):
    """Times of day."""

    start = Text(help_text="From 00:00 to 23:59.")
    end = Text(help_text="To 24:00, outside; before the start: on the next day.")


class TimeFrameSerializer(KnownFields):
    """When an action may be told."""

    days = serializers.ListField(child=Whole(), help_text="Days of the week, 1 (Monday) to 7.")
    hours = HoursSerializer()
    timezone = Text(help_text="Whose clock that is, such as `Europe/Berlin`.")


class LinkSerializer(KnownFields):
    """An action, and which events or alerts it hears of, how often, and when."""

    id = Text(help_text="ID of an action of the same space.")
    group = Text(
        default="",
        allow_blank=True,
        help_text="A group of the rule type, or `recovered`; empty: any but `recovered`. Of rules that keep alerts.",
    )
    frequency = serializers.ChoiceField(
        Frequency.choices,
        default=Frequency.CHANGE.value,
        help_text="How often it hears of an alert that stays active: `each` run, on `change`, or at an `interval`; "
        "`summary`: of all alerts together.",
    )
    throttle = Whole(
        default=None,
        allow_null=True,
        help_text="With the frequencies `interval` and `summary`: at most every so many seconds.",
    )
    condition = Text(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        help_text="CEL over the event, that of the alert in rules that keep alerts; empty: all.",
    )
    time_frame = TimeFrameSerializer(default=None, allow_null=True, help_text="When it is told; null: at all times.")


class LinkField(serializers.Field[Any, Any, Any, Any]):
    """The ID of an action, where that says it all, or a Link."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str):
            data = {"id": data}
        if not isinstance(data, dict):
            raise serializers.ValidationError("Give the ID of an action, or an object.")
        link = LinkSerializer(data=data)
        link.is_valid(raise_exception=True)
        values: dict[str, Any] = link.validated_data
        return values

    def to_representation(self, value: Any) -> Any:
        return value


class LinkFieldSchema(OpenApiSerializerFieldExtension):
    """Describes both forms of a link."""

    target_class = LinkField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, auto_schema.resolve_serializer(LinkSerializer, direction).ref]}


class ActionsField(serializers.ListField):
    """The actions of a rule."""

    child = LinkField()

    def get_attribute(self, instance: Rule) -> list[Any]:
        return [shown(link) for link in instance.links.all()]

    def to_internal_value(self, data: Any) -> list[Link]:
        # Counted first: 100,000 links take a minute to be looked at.
        if isinstance(data, list) and len(data) > MAX_ACTIONS:
            raise serializers.ValidationError(f"Use at most {MAX_ACTIONS} actions.")
        wanted = super().to_internal_value(data)
        space = self.context["view"].space
        names = {each["id"] for each in wanted}
        found = {action.public_id: action for action in Action.objects.filter(space=space, public_id__in=names)}
        missing = {
            str(position): [f'There is no "{each["id"]}" in this space.']
            for position, each in enumerate(wanted)
            if each["id"] not in found
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [Link(found[each["id"]], **{name: each[name] for name in SAID}) for each in wanted]


class RuleRunSerializer(serializers.ModelSerializer[RuleRun]):
    """How the last run of a rule went."""

    outcome = serializers.ChoiceField(
        RuleRun.Outcome.choices, allow_blank=True, read_only=True, help_text="Empty before the first run."
    )
    duration = Whole(read_only=True, help_text="Milliseconds.")

    class Meta:
        model = RuleRun
        fields = ["number", "started_at", "ended_at", "duration", "outcome", "reason", "detail", "failures"]
        read_only_fields = fields


EXAMPLE = {
    "id": "large-orders",
    "name": "Large orders",
    "rule_type_id": "event",
    "params": {"event_types": ["order.paid"]},
    "condition": "event.data.total > 100.0",
    "tags": ["orders"],
    "actions": ["tell-order-desk"],
}


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=EXAMPLE)])
class RuleSerializer(HistorySerializer, SilencesSerializer):
    """When to trigger actions: a rule type with its params, and a condition."""

    fixed: ClassVar = ("id", "rule_type_id")

    rule_type_id = Text(source="type", default="event", help_text="One of the rule types.")
    params = serializers.DictField(default=dict, help_text="As the type's `params_schema` says.")
    condition = Text(
        default="", allow_blank=True, trim_whitespace=False, help_text="CEL; empty matches every event of the params."
    )
    tags = serializers.ListField(child=Text(), default=list)
    actions = ActionsField(
        default=list, help_text="Actions of the same space, in order: an ID, or an object that says more."
    )
    interval = Whole(
        default=None,
        allow_null=True,
        help_text="Seconds from one run to the next, 10 to 86400, of rules that run by themselves; null: as is usual "
        "for the type.",
    )
    delay = Whole(default=1, help_text="Runs in a row that must find a thing before its alert is active, 1 to 100.")
    flapping_look_back = Whole(default=20, help_text="Runs over which the changes of an alert are counted, 1 to 100.")
    flapping_threshold = Whole(
        default=4, help_text="Changes from which on it is flapping: held active until they are fewer. 0: never."
    )
    last_run = serializers.SerializerMethodField(help_text="Null where the rule does not run by itself.")
    next_run_at = serializers.SerializerMethodField(help_text="Null where it does not run by itself, or is disabled.")

    class Meta:
        model = Rule
        fields = [
            "id",
            "name",
            "rule_type_id",
            "params",
            "condition",
            "tags",
            "enabled",
            "actions",
            "interval",
            "delay",
            "flapping_look_back",
            "flapping_threshold",
            *SILENCE_FIELDS,
            *HISTORY_FIELDS,
            "last_run",
            "next_run_at",
            "version",
            "created_at",
            "updated_at",
        ]

    @extend_schema_field(RuleRunSerializer(allow_null=True))
    def get_last_run(self, rule: Rule) -> dict[str, Any] | None:
        run = _run_of(rule)
        return RuleRunSerializer(run).data if run else None

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_next_run_at(self, rule: Rule) -> str | None:
        run = _run_of(rule)
        return serializers.DateTimeField().to_representation(run.next_at) if run and run.next_at else None

    def create(self, validated_data: dict[str, Any]) -> Rule:
        return create_rule(**validated_data)

    def update(self, instance: Rule, validated_data: dict[str, Any]) -> Rule:
        return update_rule(instance, **validated_data)


def _run_of(rule: Rule) -> RuleRun | None:
    return getattr(rule, "last_run", None)


CONDITION_EXAMPLE = {
    "id": "business_hours",
    "name": "Business hours",
    "condition": 'now.getHours("Europe/Berlin") >= 8 && now.getHours("Europe/Berlin") < 18',
}


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=CONDITION_EXAMPLE)])
class ConditionSerializer(ObjectSerializer[NamedCondition]):
    """A condition that others of the space refer to, as `conditions.<id>`."""

    description = Text(default="", allow_blank=True, help_text="What it is for; nothing depends on it.")
    condition = Text(trim_whitespace=False, help_text="CEL; it may refer to other named conditions.")

    class Meta:
        model = NamedCondition
        fields = ["id", "name", "description", "condition", "version", "created_at", "updated_at"]

    def create(self, validated_data: dict[str, Any]) -> NamedCondition:
        return create_condition(**validated_data)

    def update(self, instance: NamedCondition, validated_data: dict[str, Any]) -> NamedCondition:
        return update_condition(instance, **validated_data)


class RuleTypeSerializer(serializers.Serializer[AnyRuleType]):
    """A rule type, with the JSON Schema of what its rules take."""

    id = Text()
    name = Text()
    description = Text()
    params_schema = serializers.DictField(source="params_model.model_json_schema")
    is_scheduled = serializers.BooleanField(help_text="Whether its rules run by themselves.")
    usual_interval = Whole(allow_null=True, help_text="Seconds from one run to the next where a rule names none.")
    action_groups = serializers.DictField(
        child=Text(), help_text="The groups of its alerts, each with its name; `recovered` is every type's."
    )


class AlertSerializer(AlertSilencesSerializer):
    """The life of one thing that a rule watches."""

    rule = Text(source="rule_public_id", help_text="ID that the rule has or had.")
    value = AnyJson(help_text="What was found last.", read_only=True)

    class Meta:
        model = Alert
        fields = [
            "id",
            "uuid",
            "rule",
            "key",
            "group",
            "state",
            "since",
            "ended_at",
            "value",
            "summary",
            "flapping",
            "change",
            *AlertSilencesSerializer.Meta.fields,
        ]
        read_only_fields = fields


SOURCE_EXAMPLE = {
    "id": "orders",
    "name": "Orders of the shops",
    "connector": "shop-kafka",
    "params": {"topics": ["orders"], "offset_reset": "earliest", "event_type": "order.{{ message.value.state }}"},
}


class SourceReaderSerializer(serializers.ModelSerializer[SourceReader]):
    """What one process that reads the source says of it."""

    class Meta:
        model = SourceReader
        fields = ["process", "status", "reason", "detail", "lag", "seen_at"]


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=SOURCE_EXAMPLE)])
class SourceSerializer(ObjectSerializer[Source]):
    """What is read through a connector, which event each message is, and how that goes."""

    connector = ConnectorField(
        queryset=Connector.objects.all(),
        help_text="ID of a connector of the same space, or of a preconfigured one; null once that was deleted.",
    )
    source_type_id = Text(source="type", read_only=True, help_text="The type of its connector, which never changes.")
    lost_connector_id = Text(read_only=True, help_text="ID of the connector that was deleted; empty while it has one.")
    params = serializers.DictField(default=dict, help_text="As the type's `params_schema` says.")
    lag = Whole(
        read_only=True, allow_null=True, help_text="Messages that wait to be read; null where that cannot be known."
    )
    readers = SourceReaderSerializer(many=True, read_only=True, help_text="The processes that read it now.")

    class Meta:
        model = Source
        fields = [
            "id",
            "name",
            "connector",
            "source_type_id",
            "lost_connector_id",
            "params",
            "enabled",
            "status",
            "status_reason",
            "status_detail",
            "status_since",
            "lag",
            "accepted_count",
            "duplicate_count",
            "refused_count",
            "last_event_at",
            "last_refusal",
            "last_refusal_at",
            "readers",
            "version",
            "created_at",
            "updated_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Source:
        return create_source(**validated_data)

    def update(self, instance: Source, validated_data: dict[str, Any]) -> Source:
        return update_source(instance, **validated_data)


class SourceTypeSerializer(serializers.Serializer[AnySourceType]):
    """A source type, with the JSON Schema of what its sources take."""

    id = Text(help_text="Also that of the connector type whose connectors it reads through.")
    name = Text()
    description = Text()
    params_schema = serializers.DictField(source="params_model.model_json_schema")
    message = serializers.DictField(child=Text(), help_text="What the templates of the params find as `message`.")


class EventSerializer(serializers.ModelSerializer[Event]):
    """A CloudEvents 1.0 envelope; its own ``id`` attribute is ``event_id`` here, ``id`` is our key."""

    data = AnyJson(help_text="JSON data as it came; text as a string; bytes in base64.", read_only=True)  # type: ignore[assignment]  # a field of that name, as DRF allows
    extensions = serializers.DictField(help_text="Further CloudEvents attributes.")

    class Meta:
        model = Event
        fields = [
            "id",
            "event_id",
            "source",
            "type",
            "subject",
            "time",
            "datacontenttype",
            "dataschema",
            "extensions",
            "data",
            "is_binary",
            "hop",
            "cause",
            "received_at",
        ]
        read_only_fields = fields
