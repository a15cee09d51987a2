"""Slack: messages through a bot token or an incoming webhook."""

from connectors.types.slack.connector import SlackConnectorType

connector_type = SlackConnectorType()
