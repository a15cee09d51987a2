"""Connectors: the stored connection to one system."""

from django.db import models
from django.db.models.functions import Now

from connectors.fields import SealedField
from spaces.models import Space
from spaces.public_ids import MAX_LENGTH, validate_public_id


class Connector(models.Model):
    """Where: type, config and secrets of one connection. Written only by connectors.services."""

    public_id = models.CharField("ID", max_length=MAX_LENGTH, validators=[validate_public_id])
    space = models.ForeignKey(Space, on_delete=models.PROTECT, related_name="connectors")
    type = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    config = models.JSONField(default=dict, blank=True)
    secrets = SealedField()
    secrets_set_at = models.JSONField(
        default=dict, editable=False, help_text="Which secrets are set, and since when (field: ISO 8601)."
    )
    is_missing_secrets = models.BooleanField(default=False, editable=False)
    enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["space", "public_id"], name="connector_public_id_in_space")]

    def __str__(self) -> str:
        return self.name
