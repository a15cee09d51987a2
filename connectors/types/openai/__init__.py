"""OpenAI and what speaks its chat API: a question for each message, whose answer may become an event."""

from connectors.types.openai.connector import OpenAiConnectorType

connector_type = OpenAiConnectorType()
