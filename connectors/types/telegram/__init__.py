"""Telegram: messages through a bot."""

from connectors.types.telegram.connector import TelegramConnectorType

connector_type = TelegramConnectorType()
