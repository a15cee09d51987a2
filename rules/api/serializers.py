"""Rules, their types and events, as the API shows them."""

from typing import Any, ClassVar

from rest_framework import serializers

from actions.models import Action
from rules.models import Event, Rule
from rules.services import create_rule, update_rule
from rules.types.base import AnyRuleType
from spaces.api.serializers import ObjectSerializer, PublicIdsField


class RuleSerializer(ObjectSerializer[Rule]):
    """When to trigger actions: a rule type with its params, and a condition."""

    fixed: ClassVar = ("id", "rule_type_id")

    id = serializers.CharField(source="public_id", required=False, help_text="Yours to choose; made up when not sent.")
    rule_type_id = serializers.CharField(source="type", default="event", help_text="One of the rule types.")
    params = serializers.DictField(default=dict, help_text="As the type's `params_schema` says.")
    condition = serializers.CharField(
        default="", allow_blank=True, trim_whitespace=False, help_text="CEL; empty matches every event of the params."
    )
    tags = serializers.ListField(child=serializers.CharField(), default=list)
    actions = PublicIdsField(
        queryset=Action.objects.all(), default=list, help_text="IDs of actions of the same space, in their order."
    )

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

    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    params_schema = serializers.DictField(source="params_model.model_json_schema")


class EventSerializer(serializers.ModelSerializer[Event]):
    """A CloudEvents 1.0 envelope; its own ``id`` attribute is ``event_id`` here, ``id`` is our key."""

    extensions = serializers.DictField(help_text="Further CloudEvents attributes.")
    data = serializers.JSONField(allow_null=True, help_text="JSON as it came; text as a string; bytes in base64.")

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
            "received_at",
        ]
        read_only_fields = fields
