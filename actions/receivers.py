"""Calls the services when connectors tell of something."""

from typing import Any

from django.dispatch import receiver

from actions.services.connectors import log_circuit_change, log_status_change, part_with_connector
from connectors.models import Connector, StatusChange
from connectors.signals import CircuitChange, circuit_changed, connector_deleted, status_changed


@receiver(connector_deleted, sender=Connector)
def on_connector_deleted(connector: Connector, replacement: Connector | None, **_: Any) -> None:
    """Move or end what refers to the connector."""
    part_with_connector(connector, replacement)


@receiver(status_changed, sender=Connector)
def on_status_changed(change: StatusChange, follows_circuit: bool, **_: Any) -> None:
    """Log the change, if the circuit's stands not there already."""
    if not follows_circuit:
        log_status_change(change)


@receiver(circuit_changed, sender=Connector)
def on_circuit_changed(change: CircuitChange, **_: Any) -> None:
    """Log the change."""
    log_circuit_change(change)
