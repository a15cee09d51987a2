"""Calls the services when connectors tell of something."""

from typing import Any

from django.dispatch import receiver

from connectors.models import Connector, StatusChange
from connectors.signals import connector_deleted, status_changed
from rules.services.own_events import announce_status_change
from rules.services.sources import part_with_connector


@receiver(connector_deleted, sender=Connector)
def on_connector_deleted(connector: Connector, replacement: Connector | None, **_: Any) -> None:
    """Move the sources that read through the connector, or leave them without one."""
    part_with_connector(connector, replacement)


@receiver(status_changed, sender=Connector)
def on_status_changed(change: StatusChange, **_: Any) -> None:
    """Let rules act on the change."""
    announce_status_change(change)
