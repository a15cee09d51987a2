"""Calls the services when connectors tell of something."""

from typing import Any

from django.dispatch import receiver

from connectors.models import Connector, StatusChange
from connectors.signals import status_changed
from rules.services.own_events import announce_status_change


@receiver(status_changed, sender=Connector)
def on_status_changed(change: StatusChange, **_: Any) -> None:
    """Let rules act on the change."""
    announce_status_change(change)
