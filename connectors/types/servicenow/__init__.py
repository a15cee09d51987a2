"""ServiceNow: incidents through the Table API."""

from connectors.types.servicenow.connector import ServiceNowConnectorType

connector_type = ServiceNowConnectorType()
