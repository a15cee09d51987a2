"""Spaces, members, keys and audit entries, as the API shows them."""

from typing import Any

from django.contrib.auth.models import Group, User
from rest_framework import serializers

from spaces.api.fields import Flag, Text, Whole
from spaces.api.serializers import JSON_FIELDS, KnownFields, ObjectSerializer, StrictSerializer
from spaces.models import ApiKey, AuditEntry, Membership, Space
from spaces.roles import MEMBER_CHOICES, Role
from spaces.services import archive_space, create_api_key, create_space, update_space
from spaces.services.keys import LONGEST_OVERLAP


class SpaceSerializer(ObjectSerializer[Space]):
    """A space."""

    id = Text(source="slug", help_text="Yours to choose; it never changes.")
    archived = Flag(default=False, help_text="Whether it is at rest: it can be read, takes no events and no changes.")

    class Meta:
        model = Space
        fields = [
            "id",
            "name",
            "description",
            "color",
            "default_event_type",
            "default_event_source",
            "max_events_per_second",
            "max_stored_events",
            "max_connectors",
            "retention_days",
            "archived",
            "archived_at",
            "version",
            "created_at",
        ]

    def create(self, validated_data: dict[str, Any]) -> Space:
        archived = validated_data.pop("archived")
        space = create_space(
            validated_data.pop("slug"), validated_data.pop("name"), validated_data.pop("description", "")
        )
        return archive_space(update_space(space, **validated_data), archived=archived)

    def update(self, instance: Space, validated_data: dict[str, Any]) -> Space:
        archived = validated_data.pop("archived", None)
        space = update_space(instance, **validated_data) if validated_data else instance
        return space if archived is None else archive_space(space, archived=archived)

    def to_representation(self, instance: Space) -> dict[str, Any]:
        instance.archived = instance.archived_at is not None  # type: ignore[attr-defined]  # shown, not stored
        shown: dict[str, Any] = super().to_representation(instance)
        return shown


class MembershipSerializer(KnownFields, serializers.ModelSerializer[Membership]):
    """A user, or every user of a group, and their role."""

    serializer_field_mapping = JSON_FIELDS

    user = serializers.SlugRelatedField(
        "username", queryset=User.objects.all(), allow_null=True, default=None, help_text="User name; or a group."
    )
    group = serializers.SlugRelatedField(
        "name", queryset=Group.objects.all(), allow_null=True, default=None, help_text="Name of a group; or a user."
    )
    role = serializers.ChoiceField(MEMBER_CHOICES)

    class Meta:
        model = Membership
        fields = ["id", "user", "group", "role", "version", "created_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None and (attrs.get("user") is None) == (attrs.get("group") is None):
            raise serializers.ValidationError({"user": ["Name a user or a group, and not both."]})
        if self.instance is not None and (attrs.keys() & {"user", "group"}):
            raise serializers.ValidationError({"user": ["Who it is cannot be changed: remove it, and add another."]})
        return attrs


class ApiKeySerializer(KnownFields, serializers.ModelSerializer[ApiKey]):
    """An API key, which is known by its first characters."""

    serializer_field_mapping = JSON_FIELDS

    role = serializers.ChoiceField(Role.choices, help_text="What it may do.")

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "role",
            "max_requests_per_minute",
            "prefix",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        ]

    def create_for(self, space: Space) -> tuple[ApiKey, str]:
        """Create the key in the space; return its row and the key itself."""
        given = self.validated_data
        return create_api_key(
            space,
            given["name"],
            given.get("expires_at"),
            role=given["role"],
            max_requests_per_minute=given.get("max_requests_per_minute"),
        )


class NewApiKeySerializer(ApiKeySerializer):
    """A key that was just made, with the key itself."""

    key = serializers.SerializerMethodField(help_text="The key. It is not shown again.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]

    def get_key(self, row: ApiKey) -> str:
        return str(self.context.get("key", ""))


class RotationSerializer(StrictSerializer):
    """How long the former key stays."""

    overlap = Whole(
        default=24 * 3600, min_value=0, max_value=int(LONGEST_OVERLAP.total_seconds()), help_text="Seconds."
    )


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """Who did what, when and from where; secrets masked."""

    before = serializers.JSONField(help_text="The fields that changed, as they were.")
    after = serializers.JSONField(help_text="The fields that changed, as they are.")

    class Meta:
        model = AuditEntry
        fields = [
            "id",
            "time",
            "actor_kind",
            "actor",
            "address",
            "action",
            "object_id",
            "object_name",
            "before",
            "after",
        ]
        read_only_fields = fields
