"""Spaces and the keys that open them."""

from django.contrib.auth.models import Group, User
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from spaces.public_ids import MAX_LENGTH, validate_public_id
from spaces.roles import MEMBER_CHOICES, Role

DEFAULT_SPACE = "default"


def _limit(help_text: str, most: int = 2**31 - 1) -> "models.PositiveIntegerField[int | None, int | None]":
    validators = [MinValueValidator(1), MaxValueValidator(most)]
    return models.PositiveIntegerField(null=True, blank=True, validators=validators, help_text=help_text)


class Space(models.Model):
    """A tenant: every connector, action, rule, event and log entry lives in exactly one."""

    slug = models.CharField(
        "ID", max_length=MAX_LENGTH, unique=True, validators=[validate_public_id], help_text="Used in every URL."
    )
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    color = models.CharField(
        max_length=7, default="#3b82f6", validators=[RegexValidator(r"^#[0-9a-f]{6}$", "Write a colour as #rrggbb.")]
    )
    default_event_type = models.CharField(
        max_length=255, default="custom.event", help_text="Type of a plain JSON event that names none."
    )
    default_event_source = models.CharField(
        max_length=512, blank=True, help_text="Source of a plain JSON event that names none; empty: /spaces/<id>."
    )
    max_events_per_second = _limit("Events that it takes in a second, over ten seconds; empty: no limit.", 1_000_000)
    max_stored_events = _limit("Events that it may hold, counted every minute; empty: no limit.")
    max_connectors = _limit("Connectors of its own; empty: no limit.", 1_000_000)
    retention_days = _limit("Days that events, what became of them and the event log are kept; empty: for ever.", 36500)
    version = models.PositiveIntegerField(default=1, editable=False)
    config_revision = models.BigIntegerField(
        default=0, editable=False, help_text="Moves with every change to a connector, action or rule; workers reload."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    archived_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since then it can be read, takes no events and no changes."
    )

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name

    @property
    def event_source(self) -> str:
        """The CloudEvents ``source`` given to events that name none."""
        return self.default_event_source or f"/spaces/{self.slug}"


class Membership(models.Model):
    """The role of a user, or of every user in a group, in a space."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="memberships")
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, blank=True, related_name="memberships")
    role = models.CharField(max_length=10, choices=MEMBER_CHOICES)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["space", "user"], name="membership_of_user"),
            models.UniqueConstraint(fields=["space", "group"], name="membership_of_group"),
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(group=None), name="membership_of_user_or_group"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.role}"


class Identity(models.Model):
    """A user as an OpenID provider knows them: names and addresses change there, issuer and subject never do."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_of_subject")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class ApiKey(models.Model):
    """A bearer token for one space, in one role. Only its SHA-256 is stored; the key itself is shown once."""

    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=10, choices=Role, default=Role.ADMIN)
    max_requests_per_minute = _limit("Over all its requests; empty: as the installation has it.", 1_000_000)
    prefix = models.CharField(max_length=16, editable=False, help_text="The first characters, to tell keys apart.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To the minute.")
    successor = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="predecessor"
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        """Whether the key opens its space now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())


class SpaceUsage(models.Model):
    """How much a space holds, counted from time to time: for quotas that no request could count itself."""

    space = models.OneToOneField(Space, on_delete=models.CASCADE, primary_key=True, related_name="usage")
    stored_events = models.PositiveBigIntegerField(default=0)
    counted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"usage of {self.space_id}"


class IdempotentRequest(models.Model):
    """A POST that came with an ``Idempotency-Key``, and its answer: the same request again is answered from here.

    Without a status it is being carried out, or broke off.
    """

    caller = models.CharField(max_length=32, help_text="Kind and key of who sent it.")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, address and body.")
    created_at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotency_key_of_caller")]
        indexes = [models.Index(fields=["created_at"], name="idempotent_request_age")]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"


class AuditEntry(models.Model):
    """Who changed what; append-only. Ids are plain columns, so that history outlives what it names."""

    class Kind(models.TextChoices):
        USER = "user"
        API_KEY = "api_key"
        SYSTEM = "system"

    id = models.BigAutoField(primary_key=True)
    time = models.DateTimeField(db_default=Now())
    space = models.ForeignKey(Space, on_delete=models.DO_NOTHING, db_constraint=False, null=True, db_index=False)
    actor_kind = models.CharField(max_length=10, choices=Kind)
    actor = models.CharField(max_length=255, help_text="User name, name of an API key, or part of the system.")
    address = models.GenericIPAddressField(null=True, help_text="Where the request came from.")
    action = models.CharField(max_length=64, help_text="What was done, such as connector.update.")
    object_id = models.CharField(max_length=MAX_LENGTH, blank=True, help_text="Public id.")
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(null=True, help_text="The fields that changed, as they were; secrets masked.")
    after = models.JSONField(null=True, help_text="The fields that changed, as they are; secrets masked.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit log"
        indexes = [models.Index(fields=["space", "id"], name="audit_of_space")]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_id}"
