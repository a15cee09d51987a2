"""An event, and one execution for each rule that matched it."""

from typing import Any, ClassVar

from django.db import models


class Event(models.Model):
    """One event that came in."""

    objects: ClassVar[models.Manager["Event"]] = models.Manager()
    event_id = models.CharField(max_length=256, unique=True)
    source = models.CharField(max_length=512)
    type = models.CharField(max_length=255)
    data: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.event_id


class Execution(models.Model):
    """One event through one rule's action, and what became of it."""

    objects: ClassVar[models.Manager["Execution"]] = models.Manager()
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    rule = models.CharField(max_length=64)
    status = models.CharField(max_length=16, default="pending")
    response_code = models.PositiveSmallIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.rule} {self.status}"
