"""Connectors and their types, as the API shows them."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from connectors.models import CIRCUIT_STATES, Connector, StatusChange
from connectors.services import create_connector, update_connector
from connectors.types.base import AnyConnectorType
from connectors.types.registry import is_enabled
from spaces.api.bulk import IdsSerializer
from spaces.api.fields import Flag, Number, Text, Whole
from spaces.api.serializers import ObjectSerializer, StrictSerializer

EXAMPLE = {
    "id": "order-desk",
    "name": "Order desk",
    "connector_type_id": "http",
    "tags": ["orders"],
    "config": {"url": "https://hooks.example.com/orders", "auth": "bearer"},
    "secrets": {"token": "a token that hooks.example.com gave out"},
}


class SecretsField(serializers.DictField):
    """Secrets by field name, to write only."""

    def __init__(self, **kwargs: Any) -> None:
        child = Text(allow_null=True, allow_blank=True, trim_whitespace=False)
        super().__init__(
            child=child,
            write_only=True,
            required=False,
            help_text="As the type's `secrets_schema` says. One that is not sent is kept, null clears it.",
            **kwargs,
        )


class CircuitSerializer(serializers.Serializer[Connector]):
    """Whether deliveries go out, and what is known of the system's failures."""

    state = serializers.ChoiceField(
        CIRCUIT_STATES,
        source="circuit_state",
        help_text="closed: they go out; degraded: more slowly; open: they are held; half_open: a few go out on trial; "
        "disabled: they are held until somebody enables the connector.",
    )
    since = serializers.DateTimeField(source="circuit_since")
    next_trial_at = serializers.DateTimeField(
        allow_null=True, help_text="When held deliveries are tried again, if the circuit is open."
    )
    failing_since = serializers.DateTimeField(allow_null=True, help_text="First failure since the last success.")


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=EXAMPLE)])
class ConnectorSerializer(ObjectSerializer[Connector]):
    """A connector. Its secrets are written and never read: ``secrets_set`` tells which stand, and since when."""

    fixed: ClassVar = ("id", "connector_type_id")

    connector_type_id = Text(source="type", help_text="One of the connector types.")
    tags = serializers.ListField(child=Text(), default=list)
    config = serializers.DictField(
        default=dict, help_text="As the type's `config_schema` says. Empty where a preconfigured one does not show it."
    )
    secrets = SecretsField()
    secrets_set = serializers.DictField(
        child=serializers.DateTimeField(),
        source="secrets_set_at",
        read_only=True,
        help_text="The secrets that are set, and since when.",
    )
    missing_secrets = serializers.ListField(
        child=Text(),
        read_only=True,
        help_text="Secrets to enter before it is used; null in `secrets` gives up one that is not needed.",
    )
    is_preconfigured = Flag(
        read_only=True, help_text="Whether it comes from the installation's file: in every space, and read-only."
    )
    health_interval = Whole(
        allow_null=True,
        default=None,
        help_text="Seconds between health checks; 0 for none, null for the installation's interval.",
    )
    max_concurrency = Whole(
        allow_null=True,
        default=None,
        help_text="Messages under way at once, per worker; null for as many as the installation allows.",
    )
    max_per_second = Number(
        allow_null=True,
        default=None,
        help_text="Messages a second, over all workers, such as 0.5 for one every two seconds; null for any number.",
    )
    status_reason = Text(read_only=True, help_text="Reason of the failure behind the status.")
    circuit = CircuitSerializer(source="*", read_only=True, help_text="What becomes of its deliveries.")
    referenced_by_count = Whole(read_only=True, help_text="How many actions and sources use it.")

    class Meta:
        model = Connector
        fields = [
            "id",
            "name",
            "connector_type_id",
            "tags",
            "config",
            "secrets",
            "secrets_set",
            "is_missing_secrets",
            "missing_secrets",
            "is_preconfigured",
            "enabled",
            "status",
            "status_reason",
            "status_detail",
            "status_since",
            "health_interval",
            "health_checked_at",
            "max_concurrency",
            "max_per_second",
            "circuit",
            "version",
            "referenced_by_count",
            "created_at",
            "updated_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Connector:
        return create_connector(**{"secrets": {}, **validated_data})

    def update(self, instance: Connector, validated_data: dict[str, Any]) -> Connector:
        return update_connector(instance, **validated_data)

    def to_representation(self, instance: Connector) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not instance.exposes_config:
            shown["config"] = {}
        return shown


class ConnectorTypeSerializer(serializers.Serializer[AnyConnectorType]):
    """A connector type, with the JSON Schemas of what its connectors and their actions take."""

    id = Text()
    name = Text()
    description = Text()
    categories = serializers.ListField(child=Text())
    icon = Text(help_text="Name of a Material Symbol.")
    enabled = serializers.SerializerMethodField(help_text="Whether this installation lets it be used.")
    connector_count = serializers.SerializerMethodField(help_text="How many connectors of the space are of this type.")
    config_schema = serializers.DictField(source="config_model.model_json_schema")
    secrets_schema = serializers.DictField(source="secrets_model.model_json_schema")
    params_schema = serializers.DictField(source="params_model.model_json_schema")

    def get_enabled(self, declared: AnyConnectorType) -> bool:
        return is_enabled(declared.id)

    def get_connector_count(self, declared: AnyConnectorType) -> int:
        counts: dict[str, int] = self.context["counts"]
        return counts.get(declared.id, 0)


class StatusChangeSerializer(serializers.ModelSerializer[StatusChange]):
    """A change of a connector's status."""

    reason = Text(help_text="Reason of the failure behind it; empty for none.")

    class Meta:
        model = StatusChange
        fields = ["time", "former", "status", "reason", "detail"]
        read_only_fields = fields


class RuleOfUserSerializer(serializers.Serializer[Any]):
    """A rule that triggers an action."""

    id = Text()
    name = Text()


class UserSerializer(serializers.Serializer[Any]):
    """An action that sends through the connector, and the rules that trigger it, or a source that reads through it."""

    kind = serializers.ChoiceField(["action", "source"])
    id = Text()
    name = Text()
    rules = RuleOfUserSerializer(many=True)


class ProbeRequestSerializer(StrictSerializer):
    """Settings to try without saving them."""

    connector_type_id = Text(source="type")
    config = serializers.DictField(default=dict)
    secrets = SecretsField()
    connector = Text(
        required=False, help_text="ID of the connector that is edited: its secrets stand in for those not sent."
    )


class StepSerializer(serializers.Serializer[Any]):
    """One step of a probe."""

    name = Text(help_text="What was tried, such as resolve, connect, tls, request.")
    outcome = serializers.ChoiceField(["passed", "failed"])
    duration = serializers.FloatField(help_text="Seconds.")
    reason = Text(help_text="ok, or why a delivery would fail.")
    detail = Text(help_text="What was found.")
    advice = Text(help_text="What to do about it.", allow_blank=True)


class ProbeSerializer(serializers.Serializer[Any]):
    """What a probe found; the first step that fails is the last."""

    outcome = serializers.SerializerMethodField()
    reason = Text(help_text="ok, or why a delivery would fail now.")
    duration = serializers.FloatField(help_text="Seconds.")
    steps = StepSerializer(many=True)

    def get_outcome(self, probe: Any) -> str:
        return "passed" if probe.reason.is_ok else "failed"


class BulkDeleteSerializer(IdsSerializer):
    """Which connectors to delete."""

    force = Flag(default=False, help_text="Also those that actions use.")
