"""The webhook of a workflow of Microsoft Teams, as the tests know it.

Sources, at learn.microsoft.com: connectors/teams, "Microsoft Teams Webhook" and "Known issues and limitations";
microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using.
"""

from tests.vendors import Answer, Call

PATH = "/powerautomate/automations/direct/workflows/0f1e2d3c4b5a69788796a5b4c3d2e1f0/triggers/manual/paths/invoke"
SIGNATURE = "uWJ4Tn0q3mYyS8dT2cVb7rKz1xP5gLh9fA6eD0wQ4sM"
LIMIT = 28 * 1024


def teams(call: Call) -> Answer:
    if (call.method, call.path) == ("HEAD", "/"):
        return Answer(404)
    assert (call.method, call.path) == ("POST", PATH)
    assert call.query == {"api-version": ["1"], "sp": ["/triggers/manual/run"], "sv": ["1.0"], "sig": [SIGNATURE]}
    assert call.headers["content-type"] == "application/json"
    assert len(call.body) <= LIMIT
    sent = call.json
    assert sent.keys() == {"type", "attachments"}
    assert sent["type"] == "message"
    (attachment,) = sent["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert card["type"] == "AdaptiveCard"
    assert card["version"] in {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}
    assert card["body"]
    for element in card["body"]:
        assert element["type"] in {"TextBlock", "FactSet", "RichTextBlock", "ActionSet"}
    return Answer(202)
