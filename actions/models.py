"""Actions, the deliveries they make, and the event log."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from actions.suppression import Suppression
from connectors.models import Connector
from connectors.outcomes import Reason
from spaces.boundaries import keep_in_same_space, keep_where_it_is
from spaces.models import Space
from spaces.public_ids import MAX_LENGTH, validate_public_id

MAX_ORDERING_KEY = 200
REASONS = [(reason.value, reason.value) for reason in (*Reason, *Suppression)]
FAILING_AFTER: Final = 3  # tries of one delivery

# What the system tells of in its own events; each has a partial index, so that nothing is written to find it.
UNANNOUNCED: Final = models.Q(state="dead") & (
    models.Q(announced_at=None) | models.Q(announced_at__lt=models.F("finished_at"))
)
FAILING: Final = models.Q(finished_at=None, attempts__gte=models.F("replayed_from") + FAILING_AFTER)


# By what dead letters are browsed, by the name of the index.
DEAD_BY: Final[Mapping[str, Sequence[str]]] = {
    "delivery_dead_of_space": (),
    "delivery_dead_by_reason": ("last_reason",),
    "delivery_dead_by_rule": ("rule_id",),
    "delivery_dead_by_action": ("action",),
    "delivery_dead_by_connector": ("connector",),
    "delivery_dead_by_time": ("finished_at",),
}


class Action(models.Model):
    """What: one connector, a templated message and a delivery policy. Written only by actions.services."""

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="actions")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, related_name="actions", null=True, blank=True)
    lost_connector_id = models.CharField(
        max_length=MAX_LENGTH, blank=True, default="", editable=False, help_text="Public id of one that was deleted."
    )
    name = models.CharField(max_length=200)
    params = models.JSONField(default=dict, blank=True, help_text="The message; every string is a template.")
    max_attempts = models.PositiveSmallIntegerField(
        default=10, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="Tries before it is dead."
    )
    expires_after = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds until it is pointless; empty: never.",
    )
    retry = models.JSONField(
        default=dict,
        blank=True,
        help_text="When a failed try is followed by another, and which failures are; empty: as usual.",
    )
    timeout = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds that one try may take, within the installation's limit; empty: as the connector has it.",
    )
    max_per_second = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01), MaxValueValidator(10_000)],
        help_text="Messages a second over all workers; what has to wait uses up no try. Empty: any number.",
    )
    max_concurrency = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Messages under way at once, in each worker. Empty: as many as the connector takes.",
    )
    ordering_key = models.CharField(
        max_length=500,
        blank=True,
        default="",
        help_text="Template. Of what has the same key, one is sent after the other, in order. Empty: no order.",
    )
    fallback = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        related_name="stands_in_for",
        null=True,
        blank=True,
        help_text="Another action, taken when a delivery of this one is dead; empty: none.",
    )
    enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="action_public_id_in_space")]
        indexes = [models.Index(fields=["space", "name", "id"], name="action_by_name")]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One event through one action: the unit of work.

    Hot table: written in bulk by actions.engine, so its references carry no database constraint and history outlives
    what it names. ``due_at`` orders the queue and is never touched by a lease; what waits for an earlier delivery of
    its ordering key has none.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        LEASED = "leased"
        DELIVERED = "delivered"
        DEAD = "dead"
        SUPPRESSED = "suppressed"  # made, and not to be sent

    id = models.BigAutoField(primary_key=True)
    webhook_id = models.UUIDField(default=uuid.uuid4, editable=False)
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    event_id = models.BigIntegerField(help_text="Key of the event.")
    rule_id = models.CharField(max_length=MAX_LENGTH, help_text="Public id of the rule.")
    action = models.ForeignKey(Action, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    connector = models.ForeignKey(
        Connector, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True
    )
    message = models.JSONField(help_text="The rendered params.")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due_at = models.DateTimeField(
        db_default=Now(), null=True, help_text="Null while it waits for an earlier one of its ordering key."
    )
    ordering_key = models.CharField(
        max_length=MAX_ORDERING_KEY,
        blank=True,
        default="",
        db_default="",
        help_text="Of an action's deliveries with the same key, one is sent after the other; empty: no order.",
    )
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Tries whose outcome is in the event log."
    )
    lost_leases = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Tries that ended with their worker."
    )
    replayed_from = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Attempts before it was sent again by hand; only later ones count as tries."
    )
    hop = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Hop of its event.")
    cancel_asked = models.BooleanField(
        default=False, db_default=False, help_text="Whether it ends as cancelled unless the try under way succeeds."
    )
    former_id = models.BigIntegerField(
        default=0, db_default=0, help_text="Key of the delivery that it takes over from; 0: it is the rule's own."
    )
    former_attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Attempts of that one by then: which of its ends this one follows."
    )
    fallbacks = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many actions before its own died on the event, each the next's cause."
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    last_reason = models.CharField(max_length=20, blank=True, default="", db_default="", choices=REASONS)
    last_detail = models.TextField(blank=True, default="", db_default="")
    announced_at = models.DateTimeField(
        null=True, editable=False, help_text="The end of which switchyard.delivery.dead told."
    )

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "rule_id", "action", "former_id", "former_attempts"], name="delivery_once"
            ),
            models.UniqueConstraint(
                fields=["action", "ordering_key"],
                name="delivery_one_in_flight_per_key",
                condition=models.Q(ordering_key__gt="")
                & models.Q(due_at__isnull=False)
                & models.Q(state__in=["pending", "leased"]),
            ),
        ]
        indexes = [
            models.Index(
                fields=["connector", "due_at", "id"], name="delivery_due", condition=models.Q(state="pending")
            ),
            models.Index(fields=["lease_until"], name="delivery_leased", condition=models.Q(state="leased")),
            models.Index(
                fields=["expires_at"],
                name="delivery_expiring",
                condition=models.Q(state="pending") & models.Q(expires_at__isnull=False),
            ),
            models.Index(
                fields=["action", "ordering_key", "id"],
                name="delivery_behind_another",
                condition=models.Q(ordering_key__gt="") & models.Q(due_at=None) & models.Q(state="pending"),
            ),
            # For the console, which shows all spaces together. Without its odd condition PostgreSQL would also take it
            # for one space, and walk the dead of all the others (270 ms against 10 ms for 250,000).
            models.Index(fields=["id"], name="delivery_dead", condition=models.Q(state="dead", id__gt=0)),
            models.Index(fields=["id"], name="delivery_suppressed", condition=models.Q(state="suppressed", id__gt=0)),
            models.Index(
                fields=["space", "id"], name="delivery_suppressed_of_space", condition=models.Q(state="suppressed")
            ),
            models.Index(fields=["id"], name="delivery_unannounced", condition=UNANNOUNCED),
            models.Index(fields=["space", "connector"], name="delivery_failing", condition=FAILING),
            # Dead letters are few: what helps to browse them costs the deliveries that arrive nothing.
            *(
                models.Index(fields=["space", *by, "id"], name=name, condition=models.Q(state="dead"))
                for name, by in DEAD_BY.items()
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


ENDED: Final = (Delivery.State.DELIVERED, Delivery.State.DEAD, Delivery.State.SUPPRESSED)


class GoneObject(models.Model):
    """An action or connector that was deleted: what is stored of it where deliveries still carry its key."""

    class Kind(models.TextChoices):
        ACTION = "action"
        CONNECTOR = "connector"

    kind = models.CharField(max_length=10, choices=Kind)
    key = models.BigIntegerField(help_text="Key that it had.")
    space = models.ForeignKey(
        Space, on_delete=models.CASCADE, null=True, related_name="+", help_text="Null: it was preconfigured."
    )
    public_id = models.CharField(max_length=MAX_LENGTH)
    name = models.CharField(max_length=200)
    type = models.CharField(max_length=64, blank=True, default="", help_text="Of a connector.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="gone_object_once")]
        indexes = [models.Index(fields=["kind", "public_id"], name="gone_object_by_id")]

    def __str__(self) -> str:
        return self.name


class DeliveryJob(models.Model):
    """One thing to do to every delivery of a space that matches a filter, worked off in bounded batches.

    ``position`` moves with each batch, in its transaction: what was done is not done again, whatever crashes.
    """

    class Kind(models.TextChoices):
        REPLAY = "replay"
        CANCEL = "cancel"

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        CANCELLED = "cancelled"

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="delivery_jobs")
    kind = models.CharField(max_length=10, choices=Kind)
    filter = models.JSONField(default=dict, help_text="Which deliveries, as actions.services.browse has it.")
    keys = models.JSONField(null=True, help_text="Keys of the actions and connectors whose IDs the filter names.")
    rate = models.PositiveIntegerField(help_text="Deliveries a second that are sent again.")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    key = models.UUIDField(default=uuid.uuid4, help_text="Under which it was asked for: of one key there is one job.")
    total = models.PositiveBigIntegerField(help_text="How many matched when it was made.")
    done = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0, help_text="How many it could not be done to.")
    last_refusal = models.TextField(blank=True, default="")
    position = models.BigIntegerField(default=0, help_text="Key of the last delivery that was looked at.")
    last = models.BigIntegerField(help_text="Key of the newest delivery when it was made; later ones are left alone.")
    paced_until = models.DateTimeField(null=True, help_text="When the last delivery sent again is due.")
    created_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "bulk job"
        constraints = [models.UniqueConstraint(fields=["space", "key"], name="delivery_job_once")]
        indexes = [
            models.Index(fields=["id"], name="delivery_job_running", condition=models.Q(state="running")),
            models.Index(fields=["space", "kind", "id"], name="delivery_job_of_space"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def changed(self) -> int:
        """How many of those that matched had changed before their turn came; known once the job is done."""
        return max(0, self.total - self.done - self.refused) if self.state == self.State.DONE else 0


class EventLogEntry(models.Model):
    """What the system did; append-only. Field names follow ECS, as Kibana's event log does (``event.provider``)."""

    id = models.BigAutoField(primary_key=True)
    time = models.DateTimeField(db_default=Now())
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    provider = models.CharField(max_length=32, default="actions")
    action = models.CharField(max_length=64, help_text="What was done, such as execute.")
    outcome = models.CharField(
        max_length=10, choices=[(o, o) for o in ("success", "failure", "unknown")], default="success"
    )
    reason = models.CharField(max_length=20, blank=True, choices=REASONS)
    duration = models.BigIntegerField(default=0, help_text="Nanoseconds.")
    message = models.TextField(blank=True)
    event_id = models.BigIntegerField(null=True)
    rule_id = models.CharField(max_length=MAX_LENGTH, blank=True)
    action_id = models.CharField(max_length=MAX_LENGTH, blank=True)
    connector_id = models.CharField(max_length=MAX_LENGTH, blank=True)
    delivery_id = models.BigIntegerField(null=True)
    attempt = models.PositiveSmallIntegerField(null=True)
    request = models.JSONField(default=dict)
    response = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "event log"
        indexes = [models.Index(fields=["delivery_id"], name="event_log_of_delivery")]

    def __str__(self) -> str:
        return f"{self.provider} {self.action} {self.outcome}"


class Pace(models.Model):
    """Up to when the messages of what has a limited rate are given out; Redis keeps that where it is the broker."""

    key = models.CharField(primary_key=True, max_length=64, help_text="What is limited, as connector:5.")
    given_until = models.FloatField(default=0.0, help_text="Seconds since 1970, by the database's clock.")

    def __str__(self) -> str:
        return f"pace of {self.key}"


keep_in_same_space(Action, "space", "connector")
keep_in_same_space(Action, "space", "fallback")
keep_where_it_is(Action)
