"""Incidents reach ServiceNow as its Table API takes them, and none is made twice. Sources: see instance."""

from typing import Any

import pytest

from actions.templating import compile_params
from connectors.outcomes import Reason
from connectors.types.servicenow import connector_type
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowParams
from connectors.types.tickets import SETTLES
from tests.connectors.types.servicenow.delivering import deliver
from tests.connectors.types.servicenow.instance import Instance
from tests.vendors import Answer, vendor

# --- Making incidents ---


def test_an_incident_carries_every_field() -> None:
    instance = Instance()
    params = {
        "correlation_id": "disk/7",
        "correlation_display": "Monitoring",
        "short_description": "disk\nfull",
        "description": "No space left.",
        "urgency": "1",
        "impact": "2",
        "severity": "3",
        "priority": "1",
        "category": "hardware",
        "subcategory": "disk",
        "work_notes": "seen",
        "comments": "we are on it",
        "additional_fields": {
            "u_site": "web",
            "u_at": "2026-11-30T10:00:00.123+02:00",
            "assigned_to": "",
            "u_text": "at 2026-11-30T10:00:00Z",
        },
    }
    with vendor(instance) as running:
        outcome = deliver(running, params)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow made INC0000000.")
    (incident,) = instance.incidents
    assert incident == {
        "active": "true",
        "state": "1",
        "sys_id": "0" * 32,
        "number": "INC0000000",
        "correlation_id": "disk/7",
        "correlation_display": "Monitoring",
        "short_description": "disk full",
        "description": "No space left.",
        "urgency": "1",
        "impact": "2",
        "severity": "3",
        "priority": "1",
        "category": "hardware",
        "subcategory": "disk",
        "u_site": "web",
        "u_at": "2026-11-30 08:00:00",
        "assigned_to": "",
        "u_text": "at 2026-11-30T10:00:00Z",
    }
    assert instance.notes == [("work_notes", "seen"), ("comments", "we are on it")]


@pytest.mark.parametrize(
    "correlation_id",
    ["", "disk/7", "rule:alert 7", "x" * 101, "a^active=true", "javascript:gs.log(1)", "NULL", " x", "é", "a\nb"],
)
@pytest.mark.parametrize("sub_action", ["pushToService", "createIncident"])
def test_a_retry_after_a_lost_answer_makes_no_second_incident(correlation_id: str, sub_action: str) -> None:
    instance = Instance(lose="POST")
    params = {"correlation_id": correlation_id, "sub_action": sub_action}
    with vendor(instance) as running:
        first = deliver(running, params)
        second = deliver(running, params)
    assert (first.reason, first.retry_after, second.reason) == (Reason.RETRY_HTTP_5XX, SETTLES, Reason.OK)
    assert len(instance.incidents) == 1


@pytest.mark.parametrize("params", [{"correlation_id": "disk"}, {"correlation_display": "Monitoring"}])
def test_a_retry_finds_its_incident_even_when_somebody_has_closed_it(params: dict[str, Any]) -> None:
    instance = Instance(lose="POST")
    with vendor(instance) as running:
        deliver(running, params)
        instance.incidents[0]["active"] = "false"
        assert deliver(running, params).reason is Reason.OK
    assert len(instance.incidents) == 1


def test_what_happens_again_after_an_incident_is_closed_makes_another() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"}, "msg_1")
        deliver(running, {"correlation_id": "disk", "sub_action": "closeIncident"}, "msg_2")
        assert deliver(running, {"correlation_id": "disk"}, "msg_3").detail == "ServiceNow made INC0000001."


def test_ids_that_differ_by_case_are_different() -> None:
    instance = Instance()
    with vendor(instance) as running:
        for number, correlation_id in enumerate(["Disk", "disk"]):
            deliver(running, {"correlation_id": correlation_id}, f"msg_{number}")
    assert len(instance.incidents) == 2


def test_what_is_too_long_is_cut() -> None:
    instance = Instance()
    long = {"short_description": "x" * 300, "description": "y" * 5000, "correlation_display": "z" * 200}
    with vendor(instance) as running:
        assert deliver(running, long).reason is Reason.OK
    assert instance.incidents[0]["short_description"] == "x" * 157 + "..."


# --- Incidents that are there ---


def test_a_push_updates_the_active_incident() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"}, "msg_1")
        again = {"correlation_id": "disk", "short_description": "disk fuller", "work_notes": "again"}
        outcome = deliver(running, again, "msg_2")
    assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow updated INC0000000.")
    assert [incident["short_description"] for incident in instance.incidents] == ["disk fuller"]
    assert instance.notes == [("work_notes", "again")]


def test_create_leaves_an_incident_that_is_there_as_it_is() -> None:
    instance = Instance()
    create = {"sub_action": "createIncident", "correlation_id": "disk"}
    with vendor(instance) as running:
        deliver(running, create, "msg_1")
        outcome = deliver(running, create | {"short_description": "other", "work_notes": "again"}, "msg_2")
    assert outcome.detail == "INC0000000 is there already."
    assert (instance.incidents[0]["short_description"], instance.notes) == ("disk full", [])


def test_an_incident_is_closed_by_its_correlation_id() -> None:
    instance = Instance()
    close = {"sub_action": "closeIncident", "correlation_id": "disk", "close_code": "Solution provided"}
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"})
        outcome = deliver(running, close | {"work_notes": "recovered"})
        assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow closed INC0000000.")
        again = deliver(running, close)
    assert again.reason is Reason.OK
    assert again.detail == "ServiceNow has no active incident with the correlation ID disk: there is nothing to close."
    (incident,) = instance.incidents
    assert (incident["active"], incident["close_code"]) == ("false", "Solution provided")
    assert incident["short_description"] == "disk full"


def test_an_incident_is_named_by_its_sys_id() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {})
        assert deliver(running, {"sub_action": "updateIncident", "external_id": "0" * 32}).reason is Reason.OK
        outcome = deliver(running, {"sub_action": "updateIncident", "external_id": "f" * 32})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == ("HTTP 404: No Record found: Record doesn't exist or ACL restricts the record retrieval.")


def test_an_update_that_names_no_short_description_leaves_it() -> None:
    params = {"sub_action": "updateIncident", "external_id": "0" * 32, "work_notes": "seen"}
    assert ServiceNowParams.model_validate(params).short_description == ""
    assert ServiceNowParams.model_validate(params | {"short_description": "x"}).short_description == "x"
    assert ServiceNowParams.model_validate({}).short_description


def test_an_update_of_an_incident_that_nobody_made_is_told() -> None:
    with vendor(Instance()) as running:
        outcome = deliver(running, {"sub_action": "updateIncident", "correlation_id": "disk"})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == "ServiceNow has no active incident with the correlation ID disk."


# --- Event text ---


@pytest.mark.parametrize(
    ("field", "template", "expected"),
    [
        ("work_notes", "{{ event.data.x }}", "[\u200bcode]<b>[\u200b/code]"),
        ("comments", "[code]<i>{{ event.data.x }}</i>[/code]", "[code]<i>&#91;code]&lt;b&gt;&#91;/code]</i>[/code]"),
        ("additional_fields", {"u_journal": "{{ event.data.x }}"}, {"u_journal": "[\u200bcode]<b>[\u200b/code]"}),
        ("description", "{{ event.data.x }}", "[code]<b>[/code]"),
    ],
)
def test_values_are_no_html_in_journals(field: str, template: Any, expected: Any) -> None:
    config = ServiceNowConfig(api_url="https://x.service-now.com")
    params = {field: template}
    compiled = compile_params(params, lambda field: connector_type.template_format(config, params, field))
    assert compiled.render({"event": {"data": {"x": "[code]<b>[/code]"}}}) == {field: expected}


# --- What ServiceNow refuses ---


def test_what_the_user_may_not_do_is_told() -> None:
    with vendor(Instance(may_write=False)) as running:
        outcome = deliver(running, {})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == ("HTTP 403: Operation Failed: ACL Exception Insert Failed due to security constraints.")


def test_past_the_rate_limit_the_message_waits() -> None:
    said = {"error": {"message": "Rate limit exceeded", "detail": "Rejected by large REST APIs semaphore."}}
    with vendor(lambda _: Answer(429, said, {"retry-after": "120", "x-ratelimit-limit": "50"})) as running:
        outcome = deliver(running, {})
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 120.0)
    assert "Rate limit exceeded" in outcome.detail


@pytest.mark.parametrize("body", [b"<html>Instance Hibernating page</html>", {"result": "none"}, {"x": 1}])
def test_an_answer_that_is_not_the_table_apis_makes_no_incident(body: Any) -> None:
    with vendor(lambda _: Answer(200, body)) as running:
        outcome = deliver(running, {})
    assert outcome.reason is Reason.BAD_CONFIG
    assert "asleep" in outcome.detail
    assert [call.method for call in running.calls] == ["GET"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sub_action": "{{ x }}"}, "sub_action"),
        ({"sub_action": "closeIncident"}, "correlation_id"),
        ({"short_description": " "}, "short_description"),
        ({"external_id": "../sys_user"}, "external_id"),
        ({"external_id": "0" * 32, "sub_action": "createIncident"}, "external_id"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], said: str) -> None:
    with vendor(Instance()) as running:
        outcome = deliver(running, params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail
    assert not running.calls


@pytest.mark.parametrize("params", [{"sub_action": "getFields"}, {"additional_fields": {"impact": "1"}}])
def test_what_servicenow_cannot_take_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Use one of|of its own"):
        ServiceNowParams.model_validate(params)
