"""What comes of a try, a backtest and a trace, as the API shows it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from actions.models import Delivery
from rules.tracing.backtest import Backtest
from rules.tracing.trial import Tried
from spaces.api.fields import Flag, Text, Whole


class ValueSerializer(serializers.Serializer[Any]):
    """What the event has where a condition looks."""

    path = Text()
    found = Flag(help_text="Whether the event has such a field.")
    value = Text(allow_null=True, help_text="JSON, cut at 200 characters; null where the event has none.")


class PartSerializer(serializers.Serializer[Any]):
    """A part of the condition, between `&&` and `||` outside of brackets."""

    operator = Text(allow_blank=True, help_text="What stands before it: `&&`, `||`, or nothing at the first.")
    text = Text()
    result = serializers.ChoiceField(["true", "false", "error", "not_evaluated"], help_text="Of this part by itself.")
    reason = Text(allow_blank=True, help_text="Why it is neither true nor false.")
    values = ValueSerializer(many=True)


class VerdictSerializer(serializers.Serializer[Any]):
    """Whether the rule matches, and why."""

    matched = Flag()
    failed_at = serializers.ChoiceField(
        ["", "type", "source", "subject", "guard", "condition"],
        help_text="The first thing that keeps it from matching; `guard`: a text that the condition demands, by which "
        "the index of rules tells it.",
    )
    reason = Text(allow_blank=True)
    parts = PartSerializer(many=True)
    parts_left_out = Whole(help_text="Parts beyond the first 20.")


class SendingSerializer(serializers.Serializer[Any]):
    """What an action would send."""

    action = Text(help_text="ID of the action.")
    connector = Text(help_text="ID of its connector.")
    message = serializers.DictField(
        allow_null=True, help_text="The rendered params; null where there are none, or they are longer than 16 KiB."
    )
    beginning = Text(allow_blank=True, help_text="The beginning of those that are longer.")
    size = Whole(help_text="Bytes as JSON.")
    ordering_key = Text(allow_blank=True)
    reason = Text(allow_blank=True, help_text="Why there is no message, as a dead delivery has it.")
    detail = Text(allow_blank=True)
    held_back_by = Text(
        allow_blank=True,
        help_text="What else keeps it from being sent now: the cause of a suppressed delivery, `condition` of the "
        "action in the rule, `disabled`, `loop`, or `time` that is over for this try.",
    )
    note = Text(allow_blank=True, help_text="More of that.")


class TriedEventSerializer(serializers.Serializer[Any]):
    """An event, by what tells it from others."""

    id = Whole(allow_null=True, help_text="Its key; null where it is not stored.")
    event_id = Text()
    type = Text()
    source = Text()  # type: ignore[assignment]  # a field of that name, as DRF allows
    subject = Text(allow_blank=True)


class TriedSerializer(serializers.Serializer[Any]):
    """What the rule makes of one event."""

    event = serializers.SerializerMethodField()
    verdict = VerdictSerializer()
    messages = SendingSerializer(source="sendings", many=True)

    @extend_schema_field(TriedEventSerializer)
    def get_event(self, tried: Tried) -> dict[str, Any]:
        envelope = tried.sample.envelope
        return {
            "id": tried.sample.id,
            "event_id": envelope["id"],
            "type": envelope["type"],
            "source": envelope["source"],
            "subject": envelope.get("subject", ""),
        }


class FoundSerializer(serializers.Serializer[Any]):
    """A thing that the run found, and the alert that it would open."""

    key = Text()
    group = Text()
    value = Text(help_text="JSON, cut at 200 characters.")
    summary = Text(allow_blank=True)
    state = serializers.ChoiceField(
        ["active", "pending"], help_text="`pending`: it has to be found in more runs before its alert is active."
    )
    actions = serializers.ListField(child=Text(), help_text="IDs of the actions that would hear of it.")


class DryRunSerializer(serializers.Serializer[Any]):
    """One run of a rule that runs by itself, as if it had just been enabled."""

    found = FoundSerializer(many=True, help_text="At most 100.")
    count = Whole(help_text="How many things it found.")
    warnings = serializers.ListField(child=Text())
    reason = Text(allow_blank=True, help_text="Why it tells nothing: `timeout`, `failed`, `error`.")
    detail = Text(allow_blank=True)


class TrialSerializer(serializers.Serializer[Any]):
    """What the rule would do."""

    events = TriedSerializer(many=True)
    left_out = Whole(help_text="Events that there was no time for.")
    run = DryRunSerializer(allow_null=True, help_text="Of a rule that runs by itself; else null.")


class HourSerializer(serializers.Serializer[Any]):
    """Matches of one hour."""

    hour = serializers.DateTimeField(help_text="When it begins.")
    matched = Whole()


class DeliveriesOfActionSerializer(serializers.Serializer[Any]):
    """Deliveries that the matches would have made."""

    action = Text(help_text="ID of the action.")
    deliveries = Whole()


class NearMissSerializer(serializers.Serializer[Any]):
    """An event that one part of the condition kept from matching."""

    id = Whole(help_text="Key of the event.")
    part = PartSerializer()


class ReplayedAlertSerializer(serializers.Serializer[Any]):
    """An alert that would have been."""

    key = Text()
    group = Text()
    opened_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null where it was open at the end.")


class ReplayedRunsSerializer(serializers.Serializer[Any]):
    """What the runs of a rule that runs by itself would have come to."""

    count = Whole(help_text="How many runs there would have been.")
    opened = Whole(help_text="Alerts that they would have opened.")
    recovered = Whole()
    alerts = ReplayedAlertSerializer(many=True, help_text="At most 20, the newest first.")
    failure = Text(allow_blank=True, help_text="What ended the runs before their time.")


class BacktestSerializer(serializers.Serializer[Any]):
    """What the rule would have made of past events."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="Of a rule that runs by itself: where its runs ended.")
    reached = serializers.DateTimeField(help_text="How far back the events were looked at.")
    capped_by = serializers.ChoiceField(
        ["", "events", "time"], help_text="What ended it before all of that time was covered; empty: nothing."
    )
    looked_at = Whole(help_text="Events of the types, sources and subjects that the rule watches.")
    matched = Whole()
    failed = Whole(help_text="Events for which the condition went wrong, and not for want of a field.")
    first_failure = Text(allow_blank=True, help_text="How it went wrong for the newest of them.")
    first_match_at = serializers.DateTimeField(allow_null=True)
    last_match_at = serializers.DateTimeField(allow_null=True)
    per_hour = serializers.SerializerMethodField(help_text="The hours that had matches, the oldest first.")
    deliveries = serializers.SerializerMethodField()
    matches = serializers.ListField(child=Whole(), help_text="Keys of at most 10 events that matched.")
    near_misses = NearMissSerializer(many=True, help_text="At most 5.")
    runs = ReplayedRunsSerializer(allow_null=True, help_text="Of a rule that runs by itself; else null.")

    @extend_schema_field(HourSerializer(many=True))
    def get_per_hour(self, test: Backtest) -> Any:
        hours = [{"hour": hour, "matched": matched} for hour, matched in sorted(test.per_hour.items())]
        return HourSerializer(hours, many=True).data

    @extend_schema_field(DeliveriesOfActionSerializer(many=True))
    def get_deliveries(self, test: Backtest) -> list[dict[str, Any]]:
        return [{"action": action, "deliveries": count} for action, count in test.deliveries.items()]


class TracedRuleSerializer(serializers.Serializer[Any]):
    """A rule, and what it makes of the event as it is now."""

    id = Text(help_text="ID that the rule has or had.")
    name = Text()
    verdict = VerdictSerializer(allow_null=True, help_text="Null where it cannot be asked; `note` says why.")
    note = Text(allow_blank=True)
    changed_since = Flag(help_text="Whether it was changed, or made, after the event came: it may have been different.")
    deliveries = serializers.ListField(child=Whole(), help_text="Keys of the deliveries that it made of the event.")


class TracedDeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A delivery that was made of the event."""

    rule = Text(source="rule_id")
    action = Text(source="action_public_id", allow_null=True, help_text="Null once nothing is known of it.")
    connector = Text(source="connector_public_id", allow_null=True)
    attempts = Whole()

    class Meta:
        model = Delivery
        fields = ["id", "webhook_id", "rule", "action", "connector", "state", "attempts", "last_reason", "finished_at"]
        read_only_fields = fields


class CauseSerializer(serializers.Serializer[Any]):
    """A step back from the event."""

    hop = Whole(help_text="Of the event that it led to.")
    cause = Text(help_text="`deliveries/` and a webhook-id, or `events/` and a key.")
    delivery_id = Whole(allow_null=True, help_text="Key of the delivery.")
    event_id = Whole(allow_null=True, help_text="Key of the event, or of that which the delivery was made of.")
    detail = Text(allow_blank=True, help_text="Why no more is known.")


class TraceSerializer(serializers.Serializer[Any]):
    """What became of an event."""

    is_waiting = serializers.BooleanField(
        allow_null=True, help_text="Whether it waits for its evaluation; null where too much waits to tell."
    )
    rules = TracedRuleSerializer(many=True, help_text="Those that made deliveries of it, and those that looked at it.")
    left_out = Whole(help_text="Rules beyond the first 100.")
    did_not_look = Whole(help_text="Enabled rules that look at other types, sources, subjects, or demand other texts.")
    deliveries = TracedDeliverySerializer(many=True)
    deliveries_left_out = Whole(help_text="Deliveries beyond the first 100.")
    causes = CauseSerializer(many=True, help_text="What led to it, step by step back.")
