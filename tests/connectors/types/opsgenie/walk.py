"""From events to the alerts of Opsgenie."""

from tests.connectors.types.ops_alert_walk import walk_to

WALK = walk_to("/v2/alerts")
