"""Connectors: the stored connection to one system, and what is known of its health."""

from django.db import models
from django.db.models.functions import Now

from connectors.circuit import Circuit, CircuitState
from connectors.fields import SealedField
from connectors.outcomes import Reason
from spaces.boundaries import keep_where_it_is
from spaces.models import Space
from spaces.public_ids import MAX_LENGTH, validate_public_id

REASONS = [(reason.value, reason.value) for reason in Reason]
CIRCUIT_STATES = [(state.value, state.value.replace("_", " ")) for state in CircuitState]


class Status(models.TextChoices):
    """Whether deliveries through a connector can be expected to arrive."""

    UNKNOWN = "unknown"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"
    DISABLED = "disabled"
    MISSING_SECRETS = "missing_secrets"


class ConnectorQuerySet(models.QuerySet["Connector"]):
    """Connectors by where they may be used."""

    def usable_in(self, space: Space | int) -> "ConnectorQuerySet":
        """Those of the space, and the preconfigured ones that none of them shadows."""
        same_id = Connector.objects.filter(space=space, public_id=models.OuterRef("public_id"))
        return self.filter(models.Q(space=space) | models.Q(space=None) & ~models.Exists(same_id))


class Connector(models.Model):
    """Where: type, config and secrets of one connection. Written only by connectors.services.

    One without a space is preconfigured: it comes from CONNECTORS_FILE, is read-only, and stands in every space.
    """

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="connectors", null=True, blank=True)
    type = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    tags = models.JSONField(default=list, blank=True)
    config = models.JSONField(default=dict, blank=True)
    secrets = SealedField()
    secrets_set_at = models.JSONField(
        default=dict, editable=False, help_text="Which secrets are set, and since when (field: ISO 8601)."
    )
    is_missing_secrets = models.BooleanField(default=False, editable=False)
    missing_secrets = models.JSONField(
        default=list, editable=False, help_text="Secrets to enter first: needed by the config, or lost by a copy."
    )
    enabled = models.BooleanField(default=True)
    exposes_config = models.BooleanField(
        default=True, editable=False, help_text="Whether people may see the config; a preconfigured one says so itself."
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.UNKNOWN, editable=False)
    status_reason = models.CharField(max_length=20, blank=True, default="", choices=REASONS, editable=False)
    status_detail = models.TextField(blank=True, default="", editable=False)
    status_since = models.DateTimeField(db_default=Now(), editable=False)
    health_interval = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds between health checks; 0: none; empty: as the installation has it."
    )
    health_due_at = models.DateTimeField(null=True, editable=False)
    health_checked_at = models.DateTimeField(null=True, editable=False)
    health_streak = models.SmallIntegerField(
        default=0, editable=False, help_text="Successes in a row; failures in a row count below zero."
    )
    circuit_state = models.CharField(
        max_length=10, choices=CIRCUIT_STATES, default=CircuitState.CLOSED.value, editable=False
    )
    circuit_since = models.DateTimeField(db_default=Now(), editable=False)
    circuit_openings = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Times that it opened in a row."
    )
    next_trial_at = models.DateTimeField(null=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False, help_text="First failure since the last success.")
    resumed_at = models.DateTimeField(null=True, editable=False, help_text="When held deliveries began to go out.")
    failed_at = models.DateTimeField(null=True, editable=False, help_text="Last failure that was counted.")
    max_concurrency = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Messages under way at once, per worker; empty: as the installation has it."
    )
    max_per_second = models.FloatField(
        null=True,
        blank=True,
        help_text="Messages a second, over all workers; a fraction for fewer, as 0.5; empty: any number.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ConnectorQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["space", "public_id"], name="connector_public_id_in_space"),
            models.UniqueConstraint(
                fields=["public_id"], condition=models.Q(space=None), name="preconfigured_connector_public_id"
            ),
        ]
        indexes = [
            models.Index(fields=["space", "name", "id"], name="connector_by_name"),
            models.Index(
                fields=["health_due_at"], name="connector_health_due", condition=models.Q(health_due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_preconfigured(self) -> bool:
        """Whether it comes from CONNECTORS_FILE."""
        return self.space_id is None

    @property
    def circuit(self) -> Circuit:
        """Where its circuit stands."""
        return Circuit(
            state=CircuitState(self.circuit_state),
            streak=self.health_streak,
            openings=self.circuit_openings,
            next_trial_at=self.next_trial_at,
            failing_since=self.failing_since,
            resumed_at=self.resumed_at,
            failed_at=self.failed_at,
        )

    @circuit.setter
    def circuit(self, circuit: Circuit) -> None:
        self.circuit_state = circuit.state
        self.health_streak = circuit.streak
        self.circuit_openings = circuit.openings
        self.next_trial_at = circuit.next_trial_at
        self.failing_since = circuit.failing_since
        self.resumed_at = circuit.resumed_at
        self.failed_at = circuit.failed_at


class StatusChange(models.Model):
    """One step in the history of a connector's status."""

    id = models.BigAutoField(primary_key=True)
    connector = models.ForeignKey(Connector, on_delete=models.CASCADE, related_name="status_changes")
    time = models.DateTimeField(db_default=Now())
    former = models.CharField(max_length=16, choices=Status)
    status = models.CharField(max_length=16, choices=Status)
    reason = models.CharField(max_length=20, blank=True, choices=REASONS)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.former} → {self.status}"


class AccessToken(models.Model):
    """A token that a token endpoint gave out for a connector, kept until shortly before it expires."""

    connector = models.OneToOneField(Connector, on_delete=models.CASCADE, primary_key=True, related_name="access_token")
    version = models.PositiveIntegerField(help_text="Version of the connector that the token was asked for with.")
    token = SealedField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"token of connector {self.pk}"


class SecretsCanary(models.Model):
    """One known value, sealed when the database was set up: what cannot open it has the keys of another database."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    sealed = SealedField()

    def __str__(self) -> str:
        return "canary"


keep_where_it_is(Connector)
