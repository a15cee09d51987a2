"""Events, where they come from, and the rules that watch them."""

from django.db import models
from django.db.models.functions import Now

from actions.models import Action
from connectors.models import REASONS, Connector
from spaces.boundaries import keep_in_same_space, keep_where_it_is
from spaces.models import Space
from spaces.public_ids import MAX_LENGTH, validate_public_id


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
    actions = models.ManyToManyField(Action, through="RuleAction", related_name="rules")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="rule_public_id_in_space")]
        indexes = [models.Index(fields=["space", "name", "id"], name="rule_by_name")]

    def __str__(self) -> str:
        return self.name


class RuleAction(models.Model):
    """The link from a rule to an action that it triggers."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="links")
    action = models.ForeignKey(Action, on_delete=models.PROTECT, related_name="links")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["rule", "action"], name="rule_action_once")]

    def __str__(self) -> str:
        return f"{self.rule} → {self.action}"


keep_where_it_is(Source)
keep_in_same_space(Source, "space", "connector")
keep_where_it_is(Rule)
keep_in_same_space(RuleAction, "rule", "action")
