"""Opsgenie: alerts through its Alert API."""

from connectors.types.opsgenie.connector import OpsgenieConnectorType

connector_type = OpsgenieConnectorType()
