"""PagerDuty's events endpoint, as the tests know it.

Source: developer.pagerduty.com, "Send an Alert Event" and "Events API v2 Overview".
"""

from tests.vendors import Answer, Call

KEY = "R0UT1NGKEY0000000000000000000000"
_FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def pagerduty(call: Call) -> Answer:
    if call.method == "GET":
        return Answer(405)
    assert (call.method, call.path) == ("POST", "/v2/enqueue")
    assert call.headers["content-type"] == "application/json"
    event = call.json
    assert event.keys() <= _FIELDS
    assert event["event_action"] in {"trigger", "acknowledge", "resolve"}
    assert 0 < len(event["dedup_key"]) <= 255
    if event["routing_key"] != KEY:
        return Answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": ["bad key"]})
    if event["event_action"] == "trigger":
        payload = event["payload"]
        assert payload.keys() <= _PAYLOAD
        assert 0 < len(payload["summary"]) <= 1024
        assert payload["severity"] in {"critical", "error", "warning", "info"}
        assert payload["source"]
        for link in event.get("links", []):
            assert link["href"]
    return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]})
