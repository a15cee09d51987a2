"""Jira: issues through the REST API of Jira Cloud, Server and Data Center."""

from connectors.types.jira.connector import JiraConnectorType

connector_type = JiraConnectorType()
