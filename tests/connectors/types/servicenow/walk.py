"""From events to ServiceNow: an incident is made, gets a work note and is closed."""

from tests.connectors.types.servicenow.instance import PASSWORD, USER, Instance
from tests.services.transcripts.declared import AS_LINE, COOL, HOT, OVEN, SAYS, SEEN, Step, Walk
from tests.services.transcripts.receivers import receiver

_NOTE = {"sub_action": "updateIncident", "correlation_id": OVEN, "work_notes": f"Seen: {SAYS}"}

WALK = Walk(
    receiver(Instance, {"api_url": "{url}"}, {"username": USER, "password": PASSWORD}),
    AS_LINE,
    (
        Step(
            "An incident is made",
            HOT,
            {"correlation_id": OVEN, "short_description": f"Too hot: {SAYS}", "description": SAYS},
            ("POST /api/now/table/incident", '"correlation_id":"oven/7"'),
        ),
        Step("A work note is added", SEEN, _NOTE, ("PATCH /api/now/table/incident/", '"work_notes":"Seen: ')),
        Step(
            "It is closed",
            COOL,
            {"sub_action": "closeIncident", "correlation_id": OVEN, "close_notes": "Cool again."},
            ("PATCH /api/now/table/incident/", '"state":"7"'),
        ),
    ),
)
