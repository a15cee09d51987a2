"""How a rule is doing, as the API shows it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from rules.history.counting import KINDS, STEPS, recent_counts
from rules.history.records import RunOutcome, RunRecord
from rules.history.status import RuleStatus, last_error
from rules.models import Rule
from spaces.api.fields import Text, Whole

HISTORY_FIELDS = ["status", "last_error", "counts"]


class AmountsSerializer(serializers.Serializer[Any]):
    """How often a rule matched, and what became of its deliveries."""

    matched = Whole(help_text="Events that it matched, or changes of its alerts that were told.")
    delivered = Whole()
    failed = Whole(help_text="Deliveries that died.")
    suppressed = Whole(help_text="Deliveries that nobody was to get then.")


class BucketSerializer(AmountsSerializer):
    """The same, of one step."""

    start = serializers.DateTimeField()


class MetricsSerializer(serializers.Serializer[Any]):
    """The counts of a rule over time."""

    step = serializers.ChoiceField(list(STEPS))
    totals = AmountsSerializer()
    buckets = BucketSerializer(many=True, help_text="The oldest first; a step without anything has zeros.")


class LastErrorSerializer(serializers.Serializer[Any]):
    """What went wrong last: a run, until one succeeds; the condition or a message, until the rule is changed."""

    time = serializers.DateTimeField()
    part = serializers.ChoiceField(["condition", "message", "run"])
    action = Text(allow_null=True, help_text="ID of the action whose message it was.")
    reason = Text(help_text="Of a run: `timeout`, `failed` or `error`; else empty.", allow_blank=True)
    detail = Text()
    count = Whole(help_text="How often: of runs those in a row, else all since the rule was changed.")


class RunRecordSerializer(serializers.ModelSerializer[RunRecord]):
    """One run of a rule that runs by itself."""

    number = Whole(read_only=True, help_text="How many runs of the rule there were by then.")
    duration = Whole(read_only=True, help_text="Milliseconds.")
    outcome = serializers.ChoiceField(RunOutcome.choices, read_only=True)
    reason = Text(read_only=True, help_text="Why it failed: `timeout`, `failed` or `error`; else empty.")
    found = Whole(read_only=True, help_text="Things that it found.")
    opened = Whole(read_only=True, help_text="Alerts that became active.")
    active = Whole(read_only=True, help_text="Alerts that were active after it.")
    recovered = Whole(read_only=True, help_text="Alerts that ended.")

    class Meta:
        model = RunRecord
        fields = [
            "id",
            *("number", "started_at", "ended_at", "duration", "outcome", "reason", "detail"),
            *("found", "opened", "active", "recovered"),
        ]
        read_only_fields = fields


class HistorySerializer(serializers.Serializer[Rule]):
    """What a rule says of how it is doing."""

    status = serializers.ChoiceField(
        RuleStatus.choices,
        read_only=True,
        help_text="`failing`: three failures in a row; `warning`: one of late; `pending`: it has not run yet.",
    )
    last_error = serializers.SerializerMethodField(help_text="Null where nothing went wrong.")
    counts = serializers.SerializerMethodField(help_text="Of the last 24 hours.")

    @extend_schema_field(LastErrorSerializer(allow_null=True))
    def get_last_error(self, rule: Rule) -> dict[str, Any] | None:
        found = last_error(rule)
        return LastErrorSerializer(found).data if found else None

    @extend_schema_field(AmountsSerializer)
    def get_counts(self, rule: Rule) -> dict[str, int]:
        known: dict[int, dict[str, int]] | None = getattr(self, "_counts", None)
        if known is None or rule.pk not in known:
            # Those of all rules of a page at once.
            rows: Any = self.parent.instance if isinstance(self.parent, serializers.ListSerializer) else [rule]
            known = recent_counts([row.pk for row in rows])
            self._counts = known
        return {kind: known[rule.pk][kind] for kind in KINDS}
