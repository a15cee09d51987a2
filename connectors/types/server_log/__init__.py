"""Lines in the log of this installation."""

from connectors.types.server_log.connector import ServerLogConnectorType

connector_type = ServerLogConnectorType()
