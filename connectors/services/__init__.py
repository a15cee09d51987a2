"""Use cases of connectors."""

from connectors.services.lifecycle import ConnectorChanges, create_connector, delete_connector, update_connector
from connectors.services.opening import CannotOpen, open_connection

__all__ = [
    "CannotOpen",
    "ConnectorChanges",
    "create_connector",
    "delete_connector",
    "open_connection",
    "update_connector",
]
