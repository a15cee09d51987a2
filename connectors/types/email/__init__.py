"""Email over SMTP."""

from connectors.types.email.connector import EmailConnectorType

connector_type = EmailConnectorType()
