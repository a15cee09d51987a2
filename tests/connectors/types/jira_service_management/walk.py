"""From events to the alerts of Jira Service Management."""

from tests.connectors.types.ops_alert_walk import walk_to

WALK = walk_to("/jsm/ops/integration/v2/alerts")
