"""Use cases of connectors."""

from connectors.services.deletion import delete_connector, delete_connectors, is_used, users_of
from connectors.services.health import check_health
from connectors.services.lifecycle import (
    ConnectorChanges,
    create_connector,
    duplicate_connector,
    update_connector,
)
from connectors.services.opening import CannotOpen, open_connection
from connectors.services.probing import Probe, probe_connector, probe_settings, reconnect

__all__ = [
    "CannotOpen",
    "ConnectorChanges",
    "Probe",
    "check_health",
    "create_connector",
    "delete_connector",
    "delete_connectors",
    "duplicate_connector",
    "is_used",
    "open_connection",
    "probe_connector",
    "probe_settings",
    "reconnect",
    "update_connector",
    "users_of",
]
