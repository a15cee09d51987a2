"""Connectors and their types, as the API shows them."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from connectors.models import Connector
from connectors.services import create_connector, update_connector
from connectors.types.base import AnyConnectorType
from spaces.api.serializers import ObjectSerializer

EXAMPLE = {
    "id": "order-desk",
    "name": "Order desk",
    "connector_type_id": "http",
    "config": {"url": "https://hooks.example.com/orders", "auth": "bearer"},
    "secrets": {"token": "a token that hooks.example.com gave out"},
}


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=EXAMPLE)])
class ConnectorSerializer(ObjectSerializer[Connector]):
    """A connector. Its secrets are written and never read: ``secrets_set`` tells which stand, and since when."""

    fixed: ClassVar = ("id", "connector_type_id")

    connector_type_id = serializers.CharField(source="type", help_text="One of the connector types.")
    config = serializers.DictField(default=dict, help_text="As the type's `config_schema` says.")
    secrets = serializers.DictField(
        child=serializers.CharField(allow_null=True, allow_blank=True, trim_whitespace=False),
        write_only=True,
        required=False,
        help_text="As the type's `secrets_schema` says. One that is not sent is kept, null clears it.",
    )
    secrets_set = serializers.DictField(
        child=serializers.DateTimeField(),
        source="secrets_set_at",
        read_only=True,
        help_text="The secrets that are set, and since when.",
    )
    referenced_by_count = serializers.IntegerField(read_only=True, help_text="How many actions use it.")

    class Meta:
        model = Connector
        fields = [
            "id",
            "name",
            "connector_type_id",
            "config",
            "secrets",
            "secrets_set",
            "is_missing_secrets",
            "enabled",
            "version",
            "referenced_by_count",
            "created_at",
            "updated_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Connector:
        return create_connector(**{"secrets": {}, **validated_data})

    def update(self, instance: Connector, validated_data: dict[str, Any]) -> Connector:
        return update_connector(instance, **validated_data)


class ConnectorTypeSerializer(serializers.Serializer[AnyConnectorType]):
    """A connector type, with the JSON Schemas of what its connectors and their actions take."""

    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    categories = serializers.ListField(child=serializers.CharField())
    icon = serializers.CharField(help_text="Name of a Material Symbol.")
    config_schema = serializers.DictField(source="config_model.model_json_schema")
    secrets_schema = serializers.DictField(source="secrets_model.model_json_schema")
    params_schema = serializers.DictField(source="params_model.model_json_schema")
