"""From events to the alerts of Opsgenie and of Jira Service Management: one opens, is acknowledged and closes."""

from tests.connectors.types.ops_alerts import KEY, AlertDesk
from tests.services.transcripts.declared import AS_LINE, COOL, HOT, OVEN, SAYS, SEEN, Step, Walk
from tests.services.transcripts.receivers import receiver

_STEPS = (
    Step(
        "An alert opens",
        HOT,
        {"alias": OVEN, "message": f"Too hot: {SAYS}", "description": SAYS, "priority": "P2"},
        ('"alias":"oven/7"',),
    ),
    Step(
        "Somebody has seen it",
        SEEN,
        {"sub_action": "acknowledgeAlert", "alias": OVEN, "note": "Seen."},
        ("/oven%2F7/acknowledge?identifierType=alias",),
    ),
    Step(
        "It closes",
        COOL,
        {"sub_action": "closeAlert", "alias": OVEN, "note": "Cool again."},
        ("/oven%2F7/close?identifierType=alias",),
    ),
)


def walk_to(root: str) -> Walk:
    """Return the walk to the product whose alerts are at this path."""
    return Walk(receiver(lambda: AlertDesk(root), {"api_url": "{url}"}, {"api_key": KEY}), AS_LINE, _STEPS)
