"""What is kept of how rules did: their runs, counts over time, and what went wrong."""

from typing import Final

from django.db import models

from spaces.models import Space

MINUTE: Final = 60
HOUR: Final = 3600


class RunOutcome(models.TextChoices):
    """How a run of a rule went."""

    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"


class RunRecord(models.Model):
    """One run of a rule that runs by itself; append-only, written in the transaction that stores the run.

    A table of its own, not a view of the event log: an index of runs there would be looked at for each delivery.
    """

    id = models.BigAutoField(primary_key=True)
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    rule = models.ForeignKey(
        "rules.Rule", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="runs"
    )
    number = models.PositiveBigIntegerField(help_text="How many runs of the rule there were by then.")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    duration = models.PositiveBigIntegerField(help_text="Milliseconds.")
    outcome = models.CharField(max_length=10, choices=RunOutcome)
    reason = models.CharField(max_length=20, blank=True, default="", help_text="Why it failed.")
    detail = models.TextField(blank=True, default="")
    found = models.PositiveIntegerField(default=0, help_text="Things that it found.")
    opened = models.PositiveIntegerField(default=0, help_text="Alerts that became active.")
    active = models.PositiveIntegerField(default=0, help_text="Alerts that were active after it.")
    recovered = models.PositiveIntegerField(default=0, help_text="Alerts that ended.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "run"
        indexes = [
            models.Index(fields=["rule", "id"], name="run_of_rule"),
            models.Index(fields=["rule", "outcome", "id"], name="run_of_rule_by_outcome"),
            models.Index(fields=["space", "ended_at"], name="run_ended"),
        ]

    def __str__(self) -> str:
        return f"run {self.number} of rule {self.rule_id}"


class RuleCount(models.Model):
    """How often a rule matched and what became of its deliveries, in one minute or hour.

    Every count stands in an hour and in a minute; those of minutes go after two hours.
    """

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(
        "rules.Rule", on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="counts"
    )
    seconds = models.PositiveSmallIntegerField(help_text="How long: 60 or 3600.")
    start = models.DateTimeField()
    matched = models.PositiveBigIntegerField(default=0, help_text="Events, or changes of alerts that were told.")
    delivered = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0, help_text="Deliveries that died.")
    suppressed = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "seconds", "start"], name="rule_count_once")]
        indexes = [models.Index(fields=["start"], name="rule_count_of_minutes", condition=models.Q(seconds=MINUTE))]

    def __str__(self) -> str:
        return f"{self.start} of rule {self.rule_id}"


class RuleTrouble(models.Model):
    """What went wrong with a rule's condition or messages since the rule was changed last."""

    rule = models.OneToOneField(
        "rules.Rule", on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="trouble"
    )
    failures = models.PositiveIntegerField(default=0, help_text="In a row, without a success between them.")
    count = models.PositiveBigIntegerField(default=0, help_text="All of them.")
    last_at = models.DateTimeField()
    part = models.CharField(max_length=10, help_text="Which part failed last: the condition or a message.")
    action = models.CharField(max_length=64, blank=True, default="", help_text="Public id, where it is a message.")
    detail = models.TextField()

    def __str__(self) -> str:
        return f"{self.part} of rule {self.rule_id}"
