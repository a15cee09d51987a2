"""Notification services through apprise, which is an extra: it is imported when the first message is sent."""

from connectors.types.apprise.connector import AppriseConnectorType

connector_type = AppriseConnectorType()
