"""Microsoft Teams: Adaptive Cards through the webhook of a workflow."""

from connectors.types.teams.connector import TeamsConnectorType

connector_type = TeamsConnectorType()
