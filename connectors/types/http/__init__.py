"""HTTP: webhooks and REST APIs."""

from connectors.types.http.connector import HttpConnectorType

connector_type = HttpConnectorType()
