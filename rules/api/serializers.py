"""Rules, sources, their types and events, as the API shows them."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from actions.api.serializers import ConnectorField
from actions.models import Action
from connectors.models import Connector
from rules.models import Event, Rule, Source, SourceReader
from rules.services import create_rule, create_source, update_rule, update_source
from rules.sources.base import AnySourceType
from rules.types.base import AnyRuleType
from spaces.api.fields import Text, Whole
from spaces.api.serializers import ObjectSerializer

MAX_ACTIONS = 100


class ActionsField(serializers.ListField):
    """The actions of a rule, by their public ids."""

    child = Text()

    def get_attribute(self, instance: Rule) -> list[str]:
        return [link.action.public_id for link in instance.links.all()]

    def to_internal_value(self, data: Any) -> list[Action]:
        wanted = super().to_internal_value(data)
        if len(wanted) > MAX_ACTIONS:
            raise serializers.ValidationError(f"Use at most {MAX_ACTIONS} actions.")
        space = self.context["view"].space
        found = {action.public_id: action for action in Action.objects.filter(space=space, public_id__in=wanted)}
        missing = {
            str(position): [f'There is no "{name}" in this space.']
            for position, name in enumerate(wanted)
            if name not in found
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [found[name] for name in wanted]


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
class RuleSerializer(ObjectSerializer[Rule]):
    """When to trigger actions: a rule type with its params, and a condition."""

    fixed: ClassVar = ("id", "rule_type_id")

    rule_type_id = Text(source="type", default="event", help_text="One of the rule types.")
    params = serializers.DictField(default=dict, help_text="As the type's `params_schema` says.")
    condition = Text(
        default="", allow_blank=True, trim_whitespace=False, help_text="CEL; empty matches every event of the params."
    )
    tags = serializers.ListField(child=Text(), default=list)
    actions = ActionsField(default=list, help_text="IDs of actions of the same space, in order.")

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
            "version",
            "created_at",
            "updated_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Rule:
        return create_rule(**validated_data)

    def update(self, instance: Rule, validated_data: dict[str, Any]) -> Rule:
        return update_rule(instance, **validated_data)


class RuleTypeSerializer(serializers.Serializer[AnyRuleType]):
    """A rule type, with the JSON Schema of what its rules take."""

    id = Text()
    name = Text()
    description = Text()
    params_schema = serializers.DictField(source="params_model.model_json_schema")


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


@extend_schema_field({})
class AnyJson(serializers.JSONField):
    """Any JSON, null as well."""


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
