"""Jira Service Management: alerts through its integration events."""

from connectors.types.jira_service_management.connector import JiraServiceManagementConnectorType

connector_type = JiraServiceManagementConnectorType()
