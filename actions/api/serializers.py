"""Actions, deliveries and event log entries, as the API shows them."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from actions.models import REASONS, Action, Delivery, EventLogEntry
from actions.policy import RetryPolicy
from actions.services import create_action, update_action
from actions.services.actions import LONGEST_EXPIRY
from connectors.models import Connector
from spaces.api.fields import Text, Whole
from spaces.api.serializers import ObjectSerializer, PublicIdField
from spaces.models import Space

EXAMPLE = {
    "id": "tell-order-desk",
    "name": "Tell the order desk",
    "connector": "order-desk",
    "params": {"body": {"text": "{{ event.data.total }} paid at {{ event.source }}"}},
    "max_attempts": 5,
    "retry": {"delays": [10, 60, 600]},
}


@extend_schema_field({"type": ["string", "null"]})
class ConnectorField(PublicIdField[Connector]):
    """A connector of the space or a preconfigured one, by its public id."""

    def narrow(self, rows: QuerySet[Connector], space: Space) -> QuerySet[Connector]:
        return Connector.objects.usable_in(space)


@extend_schema_field(RetryPolicy.model_json_schema())
class RetryField(serializers.DictField):
    """When a failed try is followed by another, as RetryPolicy has it."""


@extend_schema_field({"type": "string"})
class ActionField(PublicIdField[Action]):
    """An action of the space, by its public id."""


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=EXAMPLE)])
class ActionSerializer(ObjectSerializer[Action]):
    """A templated message to one connector, and how hard to try to deliver it."""

    connector = ConnectorField(
        queryset=Connector.objects.all(),
        help_text="ID of a connector of the same space, or of a preconfigured one; null once that was deleted.",
    )
    connector_type_id = Text(source="connector.type", read_only=True, allow_null=True, default=None)
    lost_connector_id = Text(read_only=True, help_text="ID of the connector that was deleted; empty while it has one.")
    params = serializers.DictField(default=dict, help_text="The message; every string in it is a template.")
    retry = RetryField(default=dict, help_text=Action._meta.get_field("retry").help_text)
    fallback = ActionField(
        queryset=Action.objects.all(),
        allow_null=True,
        default=None,
        help_text="ID of another action of the space, taken when a delivery of this one is dead; null: none.",
    )
    expires_after = Whole(
        allow_null=True,
        default=None,
        min_value=1,
        max_value=LONGEST_EXPIRY,
        help_text="Seconds until it is pointless; null: never.",
    )
    referenced_by_count = Whole(read_only=True, help_text="How many rules trigger it.")

    class Meta:
        model = Action
        fields = [
            "id",
            "name",
            "connector",
            "connector_type_id",
            "lost_connector_id",
            "params",
            "max_attempts",
            "expires_after",
            "retry",
            "timeout",
            "max_per_second",
            "max_concurrency",
            "ordering_key",
            "fallback",
            "enabled",
            "version",
            "referenced_by_count",
            "created_at",
            "updated_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Action:
        return create_action(**validated_data)

    def update(self, instance: Action, validated_data: dict[str, Any]) -> Action:
        return update_action(instance, **validated_data)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One event through one action. An action or connector that was deleted keeps its ID here."""

    event = Whole(source="event_id", help_text="Key of the event.")
    rule = Text(source="rule_id", help_text="ID of the rule.")
    action = Text(source="action_public_id", allow_null=True, help_text="ID that the action has or had.")
    connector = Text(source="connector_public_id", allow_null=True, help_text="ID that the connector has or had.")
    former = serializers.SerializerMethodField(help_text="Key of the delivery that it takes over from, or null.")
    last_reason = serializers.ChoiceField(REASONS, allow_blank=True, read_only=True, help_text="Empty before a try.")
    message = serializers.JSONField(help_text="The rendered params.")

    class Meta:
        model = Delivery
        fields = [
            "id",
            "webhook_id",
            "event",
            "rule",
            "action",
            "connector",
            "former",
            "state",
            "cancel_asked",
            "attempts",
            "due_at",
            "created_at",
            "finished_at",
            "expires_at",
            "last_reason",
            "last_detail",
            "message",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": ["integer", "null"]})
    def get_former(self, delivery: Delivery) -> int | None:
        return delivery.former_id or None


class EventLogEntrySerializer(serializers.ModelSerializer[EventLogEntry]):
    """What the system did, and what came of it."""

    reason = serializers.ChoiceField(
        REASONS, allow_blank=True, read_only=True, help_text="Why; empty for what has none."
    )
    request = serializers.JSONField(help_text="What was sent, secrets masked.")
    response = serializers.JSONField(help_text="What came back, secrets masked and long bodies cut.")

    class Meta:
        model = EventLogEntry
        fields = [
            "id",
            "time",
            "provider",
            "action",
            "outcome",
            "reason",
            "duration",
            "message",
            "event_id",
            "rule_id",
            "action_id",
            "connector_id",
            "delivery_id",
            "attempt",
            "request",
            "response",
        ]
        read_only_fields = fields
