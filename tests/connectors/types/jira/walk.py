"""From events to Jira: an issue is made, commented on and done."""

from tests.connectors.types.jira.site import EMAIL, TOKEN, JiraSystem
from tests.services.transcripts.declared import AS_LINE, COOL, HOT, OVEN, SAYS, SEEN, Step, Walk
from tests.services.transcripts.receivers import receiver

WALK = Walk(
    receiver(JiraSystem, {"api_url": "{url}", "project_key": "OPS"}, {"email": EMAIL, "api_token": TOKEN}),
    AS_LINE,
    (
        Step(
            "An issue is made",
            HOT,
            {"external_id": OVEN, "summary": f"Too hot: {SAYS}", "description": SAYS, "labels": ["ovens"]},
            ("POST /rest/api/3/issue",),
        ),
        Step(
            "A comment is added",
            SEEN,
            {"sub_action": "addComment", "external_id": OVEN, "comments": [f"Seen: {SAYS}"]},
            ("POST /rest/api/3/issue/OPS-1/comment",),
        ),
        Step(
            "It is done",
            COOL,
            {"sub_action": "transitionIssue", "external_id": OVEN, "transition": "Done"},
            ("POST /rest/api/3/issue/OPS-1/transitions", '"transition":{"id":"31"}'),
        ),
    ),
)
