"""From events to PagerDuty: an incident opens, is acknowledged and resolved."""

from tests.connectors.types.pagerduty.receiver import KEY, pagerduty
from tests.services.transcripts.declared import AS_JSON, COOL, HOT, OVEN, SAYS, SEEN, Step, Walk
from tests.services.transcripts.receivers import receiver

_DETAILS = {"dedup_key": OVEN, "summary": f"Too hot: {SAYS}", "severity": "critical", "custom_details": {"text": SAYS}}

WALK = Walk(
    receiver(lambda: pagerduty, {"api_url": "{url}/v2/enqueue"}, {"routing_key": KEY}),
    AS_JSON,
    (
        Step("An incident opens", HOT, _DETAILS, ('"event_action":"trigger"', '"dedup_key":"oven/7"')),
        Step(
            "Somebody has seen it",
            SEEN,
            {"event_action": "acknowledge", "dedup_key": OVEN},
            ('"event_action":"acknowledge"', '"dedup_key":"oven/7"'),
        ),
        Step(
            "It is resolved",
            COOL,
            {"event_action": "resolve", "dedup_key": OVEN},
            ('"event_action":"resolve"', '"dedup_key":"oven/7"'),
        ),
    ),
)
