"""Bulk jobs over deliveries, as the API reads and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from actions.models import REASONS, Delivery, DeliveryJob
from actions.services.browse import LONGEST_SEARCH
from actions.services.jobs import HIGHEST_RATE, USUAL_RATE
from spaces.api.fields import Text, Whole
from spaces.api.queries import LARGEST_KEY
from spaces.api.serializers import StrictSerializer
from spaces.public_ids import MAX_LENGTH


class JobFilterSerializer(StrictSerializer):
    """Which deliveries: those that have all of this in common."""

    state = serializers.ChoiceField(
        Delivery.State.choices,
        required=False,
        help_text="To send again dead, delivered or suppressed, to cancel pending or leased.",
    )
    reason = serializers.ChoiceField(REASONS, required=False, help_text="Reason of the last outcome.")
    rule = Text(required=False, max_length=MAX_LENGTH, help_text="ID of a rule.")
    action = Text(required=False, max_length=MAX_LENGTH, help_text="ID of an action.")
    connector = Text(required=False, max_length=MAX_LENGTH, help_text="ID of a connector.")
    event = Whole(required=False, min_value=1, max_value=LARGEST_KEY, help_text="Key of an event.")
    event_type = Text(required=False, max_length=255, help_text="CloudEvents type of the event.")
    since = serializers.DateTimeField(required=False, help_text="Made at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Made before this time.")
    finished_since = serializers.DateTimeField(required=False, help_text="Ended at this time or later.")
    finished_until = serializers.DateTimeField(required=False, help_text="Ended before this time.")
    search = Text(required=False, max_length=LONGEST_SEARCH, help_text="As the list of deliveries takes it.")


class ReplayRequestSerializer(StrictSerializer):
    """What is to be sent again, and how fast."""

    filter = JobFilterSerializer(help_text="Without a state: what is dead.")
    rate = Whole(
        min_value=1, max_value=HIGHEST_RATE, default=USUAL_RATE, help_text="Deliveries a second that fall due again."
    )


class CancellationRequestSerializer(StrictSerializer):
    """What is to be cancelled."""

    filter = JobFilterSerializer(help_text="Without a state: what is pending.")


class DeliveryJobSerializer(serializers.ModelSerializer[DeliveryJob]):
    """A bulk job and how far it has come."""

    filter = serializers.DictField(help_text="Which deliveries it is about.")
    rate = serializers.SerializerMethodField(help_text="Deliveries a second; null for a cancellation, which has none.")
    left = serializers.SerializerMethodField(help_text="How many it still has to look at, at most.")
    changed = Whole(
        read_only=True,
        help_text="How many matched when it was made and no more when their turn came; told once it is done.",
    )

    class Meta:
        model = DeliveryJob
        fields = [
            "id",
            "kind",
            "filter",
            "rate",
            "state",
            "total",
            "done",
            "refused",
            "changed",
            "left",
            "last_refusal",
            "created_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": ["integer", "null"]})
    def get_rate(self, job: Any) -> int | None:
        return job.rate if job.kind == DeliveryJob.Kind.REPLAY else None

    def get_left(self, job: Any) -> int:
        if job.finished_at is not None:
            return 0
        return int(max(0, job.total - job.done - job.refused))
