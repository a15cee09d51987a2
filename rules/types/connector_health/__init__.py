"""Rules that watch whether connectors reach their systems."""

from rules.types.connector_health.connector_health import ConnectorHealthRule

rule_type = ConnectorHealthRule()
"""The rule type ``connector_health``."""
