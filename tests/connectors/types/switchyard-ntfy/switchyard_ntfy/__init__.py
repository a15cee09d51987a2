"""ntfy: push notifications to phones and browsers."""

from switchyard_ntfy.connector import NtfyConnectorType

connector_type = NtfyConnectorType()
