"""PagerDuty: incidents through the Events API v2."""

from connectors.types.pagerduty.connector import PagerDutyConnectorType

connector_type = PagerDutyConnectorType()
