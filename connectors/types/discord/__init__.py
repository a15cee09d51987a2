"""Discord: messages through a channel's webhook."""

from connectors.types.discord.connector import DiscordConnectorType

connector_type = DiscordConnectorType()
