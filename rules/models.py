"""Events, where they come from, the rules that watch them, and the alerts that rules keep."""

import re
import uuid
from typing import Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from actions.models import Action
from connectors.models import REASONS, Connector
from rules.history.records import RunOutcome
from spaces.boundaries import keep_in_same_space, keep_where_it_is
from spaces.models import Space
from spaces.public_ids import MAX_LENGTH, validate_public_id

_CONDITION_ID: Final = re.compile(r"[a-z](?:[a-z0-9_]{0,62}[a-z0-9])?")

MAX_GROUP: Final = 64
MAX_ALERT_KEY: Final = 512


def validate_condition_id(value: str) -> None:
    """Raise ValidationError unless a condition can be referred to by this ID."""
    if not _CONDITION_ID.fullmatch(value):
        raise ValidationError(
            "Use 1 to 64 lower-case letters, digits and underscores; begin with a letter, end with a letter or digit.",
            code="invalid_condition_id",
        )


class Event(models.Model):
    """One thing that happened: a CloudEvents 1.0 envelope (https://github.com/cloudevents/spec).

    Hot table: written in bulk by rules.services.accept and never changed.
    """

    id = models.BigAutoField(primary_key=True)
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    source = models.CharField(max_length=512)
    event_id = models.CharField("CloudEvents id", max_length=256)
    type = models.CharField(max_length=255)
    subject = models.CharField(max_length=1024, blank=True)
    time = models.DateTimeField(help_text="When it happened; the time of receipt where the sender named none.")
    datacontenttype = models.CharField(max_length=255, blank=True)
    dataschema = models.CharField(max_length=1024, blank=True)
    extensions = models.JSONField(default=dict, help_text="CloudEvents extension attributes.")
    data = models.JSONField(null=True, help_text="JSON data as it came; text as a string; bytes in base64.")
    is_binary = models.BooleanField(default=False, help_text="Whether data is base64 of bytes.")
    digest = models.BinaryField(max_length=16, editable=False, help_text="Hash of the envelope, to tell a repeat.")
    hop = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many deliveries led to it, one after the other."
    )
    cause = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The delivery or event that led to it."
    )
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["space", "source", "event_id"], name="event_once_per_space")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventBatch(models.Model):
    """Outbox row: events that were accepted in one transaction and wait for evaluation.

    It is deleted by the transaction that inserts their deliveries, so an event is evaluated exactly once.
    """

    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    event_ids = models.JSONField(help_text="Keys of at most 500 events.")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"batch {self.pk}"


class FailureSpell(models.Model):
    """A connector through which deliveries of a space fail again and again; gone once none of them does any more."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="+")
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["space", "connector"], name="failure_spell_once")]

    def __str__(self) -> str:
        return f"connector {self.connector_id} since {self.since}"


class RetentionMark(models.Model):
    """How far what a space does not keep any longer was deleted: below these keys nothing of it is left to delete."""

    space = models.OneToOneField(Space, on_delete=models.CASCADE, primary_key=True, related_name="+")
    log_entry_id = models.BigIntegerField(default=0)
    event_id = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, help_text="When the last run reached its end.")

    def __str__(self) -> str:
        return f"retention of space {self.space_id}"


class Errand(models.Model):
    """Work that one process does at a time: the one that holds the row, until it gives it back or that time is over."""

    name = models.CharField(max_length=32, primary_key=True)
    held_until = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class SourceStatus(models.TextChoices):
    """Whether what happens elsewhere can be expected to come in through a source."""

    UNKNOWN = "unknown"
    CONNECTED = "connected"
    WAITING = "waiting"  # connected, but nothing can be taken in now
    DISCONNECTED = "disconnected"
    STOPPED = "stopped"  # no process reads it
    DISABLED = "disabled"


class Source(models.Model):
    """How events come in: what is read through a connector, and which event each message is.

    Written only by rules.services. Its type is that of its connector.
    """

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="sources")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="sources", null=True, blank=True)
    lost_connector_id = models.CharField(
        max_length=MAX_LENGTH, blank=True, default="", editable=False, help_text="Public id of one that was deleted."
    )
    type = models.CharField(max_length=64, editable=False)
    name = models.CharField(max_length=200)
    params = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    status = models.CharField(max_length=16, choices=SourceStatus, default=SourceStatus.UNKNOWN, editable=False)
    status_reason = models.CharField(max_length=20, blank=True, default="", choices=REASONS, editable=False)
    status_detail = models.TextField(blank=True, default="", editable=False)
    status_since = models.DateTimeField(db_default=Now(), editable=False)
    lag = models.BigIntegerField(
        null=True, editable=False, help_text="Messages that wait to be read; empty where that cannot be known."
    )
    accepted_count = models.PositiveBigIntegerField(default=0, editable=False, help_text="Events that were stored.")
    duplicate_count = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Messages that came again and were known."
    )
    refused_count = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Messages that no event could be made of."
    )
    last_event_at = models.DateTimeField(null=True, editable=False, help_text="When the last event was stored.")
    last_refusal = models.TextField(
        blank=True, default="", editable=False, help_text="Which message was refused last, and why."
    )
    last_refusal_at = models.DateTimeField(null=True, editable=False)
    memory = models.JSONField(default=dict, editable=False, help_text="What its type keeps between connections.")
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="source_public_id_in_space")]
        indexes = [models.Index(fields=["space", "name", "id"], name="source_by_name")]

    def __str__(self) -> str:
        return self.name


class SourceReader(models.Model):
    """What one process says of a source that it reads. It is gone, whatever it said last, once it is not seen."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="readers")
    process = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=SourceStatus)
    reason = models.CharField(max_length=20, blank=True, choices=REASONS)
    detail = models.TextField(blank=True)
    lag = models.BigIntegerField(null=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "process"], name="source_reader_of_process")]
        indexes = [models.Index(fields=["process"], name="source_reader_process")]

    def __str__(self) -> str:
        return f"{self.source_id} in {self.process}"


class NamedCondition(models.Model):
    """A condition that others of its space refer to, as ``conditions.<ID>``. Written only by rules.services."""

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_condition_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="conditions")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", help_text="What it is for; nothing depends on it.")
    condition = models.TextField(help_text="CEL; it may refer to other named conditions.")
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        verbose_name = "condition"
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="condition_public_id_in_space")]
        indexes = [models.Index(fields=["space", "name", "id"], name="condition_by_name")]

    def __str__(self) -> str:
        return self.name


class Rule(models.Model):
    """When: a rule type, its params and a condition, and the actions it triggers. Written only by rules.services."""

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="rules")
    type = models.CharField(max_length=64, default="event")
    name = models.CharField(max_length=200)
    params = models.JSONField(default=dict, blank=True)
    condition = models.TextField(blank=True, help_text="CEL; empty matches every event of the types above.")
    tags = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    epoch = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Moves on with each change of what the rule looks at."
    )
    interval = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds from one run to the next; of rules that run by themselves."
    )
    delay = models.PositiveSmallIntegerField(
        default=1, help_text="Runs in a row that must find a thing before its alert is active."
    )
    flapping_look_back = models.PositiveSmallIntegerField(
        default=20, help_text="Runs over which the changes of an alert are counted."
    )
    flapping_threshold = models.PositiveSmallIntegerField(
        default=4, help_text="Changes from which on it is flapping: held active until they are fewer. 0: never."
    )
    muted = models.BooleanField(default=False, db_default=False, help_text="Whether nobody hears of it, until unmuted.")
    snoozes = models.JSONField(
        default=list, blank=True, help_text="Times in which nobody hears of it, as rules.silences.schedule has them."
    )
    actions = models.ManyToManyField(Action, through="RuleAction", related_name="rules")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="rule_public_id_in_space")]
        indexes = [models.Index(fields=["space", "name", "id"], name="rule_by_name")]

    def __str__(self) -> str:
        return self.name


class Frequency(models.TextChoices):
    """How often an alert that stays active is told of, or that one message tells of all alerts together."""

    EACH = "each", "Each run"
    CHANGE = "change", "On change"
    INTERVAL = "interval", "At most every N seconds"
    SUMMARY = "summary", "All alerts in one message"


class RuleAction(models.Model):
    """The link from a rule to an action that it triggers."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="links")
    action = models.ForeignKey(Action, on_delete=models.PROTECT, related_name="links")
    group = models.CharField(
        max_length=MAX_GROUP, blank=True, default="", help_text="Of the alert; empty: any but recovered."
    )
    frequency = models.CharField(max_length=10, choices=Frequency, default=Frequency.CHANGE)
    throttle = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds, where the frequency is interval, or summary."
    )
    condition = models.TextField(blank=True, default="", db_default="", help_text="CEL over the event; empty: all.")
    time_frame = models.JSONField(
        null=True, blank=True, help_text="When it may be told, as rules.time_frames has it; null: at all times."
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["rule", "action", "group"], name="rule_action_once_per_group")]

    def __str__(self) -> str:
        return f"{self.rule} → {self.action}"


class GatheredSummary(models.Model):
    """What the next summary of a rule's alerts tells an action. Written by the runs of the rule."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="summaries")
    action = models.ForeignKey(Action, on_delete=models.CASCADE, related_name="+")
    gathered = models.JSONField(help_text="As rules.alerts.summaries has it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "action"], name="gathered_summary_once")]

    def __str__(self) -> str:
        return f"summary of rule {self.rule_id} for action {self.action_id}"


class RuleRun(models.Model):
    """When a rule that runs by itself is due, who runs it, and how its last run went.

    The token fences: what a run found is stored only while the row still has the token that it was claimed with.
    """

    Outcome = RunOutcome

    rule = models.OneToOneField(Rule, on_delete=models.CASCADE, primary_key=True, related_name="last_run")
    next_at = models.DateTimeField(null=True, help_text="Null while the rule is disabled.")
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    number = models.PositiveBigIntegerField(default=0, help_text="How many runs there were.")
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    duration = models.PositiveBigIntegerField(default=0, help_text="Milliseconds.")
    outcome = models.CharField(max_length=10, blank=True, default="", choices=Outcome)
    reason = models.CharField(max_length=20, blank=True, default="", help_text="Why it failed.")
    detail = models.TextField(blank=True, default="")
    failures = models.PositiveIntegerField(default=0, help_text="Runs in a row that failed.")
    claims = models.PositiveIntegerField(default=0, help_text="Claims since a run came to its end.")
    memory = models.JSONField(default=dict, help_text="What its type keeps between runs.")

    class Meta:
        indexes = [models.Index(fields=["next_at"], name="rule_run_due", condition=models.Q(next_at__isnull=False))]

    def __str__(self) -> str:
        return f"run {self.number} of rule {self.rule_id}"


class Bucket(models.Model):
    """What a rule's events of a short stretch of time come to, as one round of evaluation summed them up.

    Hot table: a round adds rows and changes none, so rounds never wait for each other; the run of the rule puts those
    of a stretch together. Rows of another epoch than the rule's, or of a rule that is gone, count for nothing: a round
    whose rules were not of the latest wrote them.
    """

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(
        Rule, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="buckets"
    )
    epoch = models.PositiveIntegerField(help_text="That of the rule whose terms it was made under.")
    start = models.BigIntegerField(help_text="When the stretch begins, in seconds since 1970.")
    data = models.BinaryField(help_text="JSON, as the rule's type has it.")

    class Meta:
        indexes = [models.Index(fields=["rule", "epoch", "start"], name="bucket_of_rule")]

    def __str__(self) -> str:
        return f"bucket {self.start} of rule {self.rule_id}"


class Alert(models.Model):
    """The life of one thing that a rule watches, from when it is found until it is so no more.

    Written only by the run of its rule. It outlives the rule, whose ID it keeps.
    """

    class State(models.TextChoices):
        PENDING = "pending"  # found, not often enough in a row yet
        ACTIVE = "active"
        RECOVERED = "recovered"
        UNTRACKED = "untracked"  # the rule was disabled, deleted, or looks at something else

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    rule = models.ForeignKey(Rule, on_delete=models.SET_NULL, null=True, db_index=False, related_name="alerts")
    rule_public_id = models.CharField("rule ID", max_length=MAX_LENGTH)
    key = models.CharField(max_length=MAX_ALERT_KEY)
    group = models.CharField(max_length=MAX_GROUP)
    state = models.CharField(max_length=10, choices=State)
    since = models.DateTimeField(help_text="When it became active; while it is pending, when it was found first.")
    ended_at = models.DateTimeField(null=True, help_text="When it recovered, or was not tracked any more.")
    value = models.JSONField(null=True, help_text="What was found last.")
    summary = models.TextField(blank=True, default="")
    change = models.PositiveIntegerField(default=0, help_text="Number of the last change that was told of.")
    matches = models.PositiveSmallIntegerField(default=0, help_text="Runs in a row that found it, up to the delay.")
    found = models.BooleanField(default=True, help_text="Whether the last run found it; one that flaps is held active.")
    flapping = models.BooleanField(default=False)
    changes = models.JSONField(default=list, help_text="Numbers of the runs, within the look-back, that changed it.")
    changed_in = models.PositiveBigIntegerField(default=0, help_text="Number of the last such run.")
    told = models.JSONField(default=dict, help_text="When actions that wait between messages were last told, by key.")
    acknowledged_at = models.DateTimeField(null=True, help_text="Since when somebody sees to it.")
    acknowledged_by = models.CharField(max_length=255, blank=True, default="", db_default="")
    acknowledgement_note = models.TextField(blank=True, default="", db_default="")
    held_back = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="The change that a silence kept from all."
    )
    held_back_by = models.CharField(
        max_length=20, blank=True, default="", db_default="", help_text="The cause of that silence."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "key"],
                name="alert_once_while_open",
                condition=models.Q(state__in=["pending", "active"]),
            )
        ]
        indexes = [
            models.Index(fields=["rule", "changed_in"], name="alert_of_rule"),
            models.Index(fields=["space", "id"], name="alert_of_space"),
            models.Index(fields=["space", "ended_at"], name="alert_ended", condition=models.Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.state}"


class AlertMute(models.Model):
    """That nobody hears of the alerts of one key of a rule. It outlives each of them."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="alert_mutes")
    key = models.CharField(max_length=MAX_ALERT_KEY)
    muted_at = models.DateTimeField(db_default=Now())
    muted_by = models.CharField(max_length=255)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["rule", "key"], name="alert_mute_once")]

    def __str__(self) -> str:
        return f"{self.key} of rule {self.rule_id}"


class MaintenanceWindow(models.Model):
    """When nobody hears of what rules of a space find. Written only by rules.services."""

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="maintenance_windows")
    name = models.CharField(max_length=200)
    enabled = models.BooleanField(default=True)
    schedule = models.JSONField(help_text="When it is open, as rules.silences.schedule has it.")
    condition = models.TextField(blank=True, default="", help_text="CEL over the event; empty: all events.")
    rules = models.JSONField(default=list, blank=True, help_text="IDs of the rules that it is about.")
    tags = models.JSONField(default=list, blank=True, help_text="Tags of the rules that it is about.")
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["space", "public_id"], name="maintenance_window_public_id_in_space")
        ]
        indexes = [models.Index(fields=["space", "name", "id"], name="maintenance_window_by_name")]

    def __str__(self) -> str:
        return self.name


keep_where_it_is(Source)
keep_in_same_space(Source, "space", "connector")
keep_where_it_is(NamedCondition)
keep_where_it_is(Rule)
keep_in_same_space(RuleAction, "rule", "action")
keep_where_it_is(Alert)
keep_where_it_is(MaintenanceWindow)
