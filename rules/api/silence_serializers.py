"""Silences as the API shows them: schedules, snoozes, maintenance windows, and what rules and alerts say of them."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from rules.models import Alert, MaintenanceWindow, Rule
from rules.services.silences import LONGEST_NOTE
from rules.services.windows import create_window, update_window
from rules.silences.stored import MOST_SNOOZES, WindowStatus, begins_next, snoozed_until, status_of
from spaces.api.fields import Text, Whole
from spaces.api.serializers import KnownFields, ObjectSerializer, StrictSerializer

WEEKLY = {"start": "2026-01-04T01:00:00+01:00", "duration": 7200, "timezone": "Europe/Berlin"}
EXAMPLE = {
    "id": "patching",
    "name": "Sunday patching",
    "schedule": {**WEEKLY, "recurring": {"every": "1w", "on_week_day": ["SU"]}},
    "condition": 'event.source.startsWith("/plant/north")',
    "tags": ["plant"],
}


class RecurrenceSerializer(KnownFields):
    """How a schedule recurs: a part of RFC 5545."""

    every = Text(help_text="`1d`, `2w`, `1M`: days, weeks or months, up to 99.")
    on_week_day = serializers.ListField(
        child=Text(),
        required=False,
        help_text="`MO` to `SU`; of months also `+1MO`, the first, and `-1FR`, the last. Empty: as the start has it.",
    )
    on_month_day = serializers.ListField(
        child=Whole(), required=False, help_text="Of months: 1 to 31, or -1, the last, to -31."
    )
    end = Text(required=False, allow_null=True, help_text="None begins later than this time.")
    occurrences = Whole(required=False, allow_null=True, help_text="How many there are, up to 1000; null: no end.")


class ScheduleSerializer(KnownFields):
    """When it is silent: once, or again and again by the clock of a time zone."""

    start = Text(help_text="When it begins first: a time with its offset from UTC.")
    duration = Whole(help_text="Seconds that it lasts: 60 to 31622400, where it recurs at most 2678400.")
    timezone = Text(default="UTC", help_text="By whose clock it recurs, such as `Europe/Berlin`.")
    recurring = RecurrenceSerializer(
        required=False, allow_null=True, default=None, help_text="How it recurs; null: it does not."
    )


class SnoozeSerializer(ScheduleSerializer):
    """A time in which nobody hears of a rule."""

    id = Text(required=False, help_text="Yours to choose; made up when not sent.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("for an hour", request_only=True, value={"duration": 3600}),
        OpenApiExample("again and again", request_only=True, value=EXAMPLE["schedule"]),
    ]
)
class NewSnoozeSerializer(SnoozeSerializer, StrictSerializer):
    """A snooze to add to a rule."""

    start = Text(required=False, allow_null=True, help_text="When it begins first; null: now.")


class UnsnoozeSerializer(StrictSerializer):
    """Which snoozes to take off a rule."""

    ids = serializers.ListField(
        child=Text(), default=list, max_length=MOST_SNOOZES, help_text="IDs of snoozes of the rule; empty: all."
    )


class SilencesSerializer(ObjectSerializer[Rule]):
    """The fields of a rule that say when nobody hears of it. They are changed by actions of their own."""

    mute_all = serializers.BooleanField(source="muted", read_only=True, help_text="Whether nobody hears of it.")
    snooze_schedule = SnoozeSerializer(
        source="snoozes", many=True, read_only=True, help_text="Times in which nobody hears of it."
    )
    is_snoozed_until = serializers.SerializerMethodField(help_text="Until when it is snoozed now; null: it is not.")
    muted_alert_ids = serializers.SerializerMethodField(help_text="Keys of its alerts that nobody hears of.")

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_is_snoozed_until(self, rule: Rule) -> str | None:
        until = snoozed_until(rule, timezone.now())
        return serializers.DateTimeField().to_representation(until) if until else None

    @extend_schema_field(serializers.ListField(child=Text()))
    def get_muted_alert_ids(self, rule: Rule) -> list[str]:
        return [mute.key for mute in rule.alert_mutes.all()]


SILENCE_FIELDS = ["mute_all", "snooze_schedule", "is_snoozed_until", "muted_alert_ids"]


class AcknowledgementSerializer(StrictSerializer):
    """What somebody says who sees to an alert."""

    note = Text(default="", allow_blank=True, max_length=LONGEST_NOTE, help_text="What others should know.")


class AlertSilencesSerializer(serializers.ModelSerializer[Alert]):
    """The fields of an alert that say why nobody hears of it."""

    is_muted = serializers.BooleanField(
        read_only=True, help_text="Whether nobody hears of alerts of its key, this one and later ones."
    )

    class Meta:
        model = Alert
        fields = ["acknowledged_at", "acknowledged_by", "acknowledgement_note", "is_muted"]


@extend_schema_serializer(examples=[OpenApiExample("example", request_only=True, value=EXAMPLE)])
class WindowSerializer(ObjectSerializer[MaintenanceWindow]):
    """When nobody hears of what rules find: of all of them, or of some; of all events, or of some."""

    schedule = ScheduleSerializer()
    condition = Text(
        default="", allow_blank=True, trim_whitespace=False, help_text="CEL over the event; empty: all events."
    )
    rules = serializers.ListField(
        child=Text(), default=list, help_text="IDs of rules that it is about. With neither rules nor tags: all."
    )
    tags = serializers.ListField(child=Text(), default=list, help_text="Tags, of which such a rule has one.")
    status = serializers.SerializerMethodField(help_text="Whether it is open.")
    next_start_at = serializers.SerializerMethodField(help_text="When it opens next; null: not within a year.")

    class Meta:
        model = MaintenanceWindow
        fields = [
            "id",
            "name",
            "enabled",
            "schedule",
            "condition",
            "rules",
            "tags",
            "status",
            "next_start_at",
            "version",
            "created_at",
            "updated_at",
        ]

    @extend_schema_field(serializers.ChoiceField(WindowStatus.choices))
    def get_status(self, window: MaintenanceWindow) -> str:
        return status_of(window, timezone.now()).value

    @extend_schema_field({"type": ["string", "null"], "format": "date-time"})
    def get_next_start_at(self, window: MaintenanceWindow) -> str | None:
        begin = begins_next(window, timezone.now())
        return serializers.DateTimeField().to_representation(begin) if begin else None

    def create(self, validated_data: dict[str, Any]) -> MaintenanceWindow:
        return create_window(**validated_data)

    def update(self, instance: MaintenanceWindow, validated_data: dict[str, Any]) -> MaintenanceWindow:
        return update_window(instance, **validated_data)
