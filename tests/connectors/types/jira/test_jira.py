"""Issues reach Jira as its REST API takes them, and none is made twice. Sources: see site."""

from typing import Any

import pytest

from actions.templating import compile_params
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.jira import connector_type
from connectors.types.jira.schemas import JiraConfig, JiraParams, JiraSecrets
from connectors.types.tickets import SETTLES
from tests.connectors.types.jira.site import EMAIL, TOKEN, JiraSystem
from tests.vendors import Answer, Vendor, vendor


def connect(running: Vendor, system: JiraSystem, **config: Any) -> Connection[JiraConfig, JiraSecrets]:
    deployment = "cloud" if system.version == 3 else "server"
    auth = "bearer" if system.bearer else "basic"
    settings = {"api_url": running.url, "project_key": "OPS", "deployment": deployment, "auth": auth, **config}
    secrets = {"api_token": system.bearer} if system.bearer else {"email": EMAIL, "api_token": TOKEN}
    return Connection(1, 1, JiraConfig.model_validate(settings), JiraSecrets.model_validate(secrets))


def deliver(running: Vendor, system: JiraSystem, params: dict[str, Any], webhook_id: str = "msg_1") -> Outcome:
    message = Message(7, webhook_id, JiraParams.model_validate({"summary": "disk full", **params}))
    (outcome,) = connector_type.deliver(connect(running, system), [message])
    return outcome


def probe(running: Vendor, system: JiraSystem, **config: Any) -> list[Step]:
    return list(connector_type.probe(connect(running, system, **config), timeout=5.0))


# --- Making issues ---


def test_an_issue_carries_every_field() -> None:
    system = JiraSystem()
    params = {
        "external_id": "disk/7",
        "summary": "disk\nfull",
        "description": "*No* space.\nOn {code}web-7{code}.\n\n\n[~admin]",
        "issue_type": "10006",
        "priority": "High",
        "labels": ["prod", ""],
        "parent": "OPS-1",
        "comments": ["first", "", "second"],
        "other_fields": {"customfield_10010": {"value": "web"}},
    }
    with vendor(system) as running:
        outcome = deliver(running, system, params)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Jira made the issue OPS-1.")
    (issue,) = system.issues.values()
    assert issue["fields"] == {
        "project": {"key": "OPS"},
        "summary": "disk full",
        "description": {
            "type": "doc",
            "version": 1,
            "content": [
                {
                    "type": "paragraph",
                    "content": [
                        {"type": "text", "text": "*No* space."},
                        {"type": "hardBreak"},
                        {"type": "text", "text": "On {code}web-7{code}."},
                    ],
                },
                {"type": "paragraph", "content": [{"type": "text", "text": "[~admin]"}]},
            ],
        },
        "issuetype": {"id": "10006"},
        "priority": {"name": "High"},
        "labels": ["switchyard:disk/7", "prod"],
        "parent": {"key": "OPS-1"},
        "customfield_10010": {"value": "web"},
    }
    texts = [comment["body"]["content"][0]["content"][0]["text"] for comment in issue["comments"]]
    assert texts == ["first", "second"]


def test_server_and_data_center_get_text_and_a_personal_access_token() -> None:
    system = JiraSystem(version=2, bearer="NjgzMjc0NTI4NzY3Oh")
    params = {"description": "h1. *big*", "comments": ["{quote}x{quote}"]}
    with vendor(system) as running:
        assert deliver(running, system, params).reason is Reason.OK
    (issue,) = system.issues.values()
    assert issue["fields"]["description"] == "h1. *big*"
    assert issue["comments"][0]["body"] == "{quote}x{quote}"


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [("server", r"*web* \[\~admin\] h1. \{code\}"), ("cloud", "*web* [~admin] h1. {code}")],
)
def test_values_are_no_markup_where_jira_reads_wiki_markup(deployment: Any, expected: str) -> None:
    config = JiraConfig(api_url="https://jira.example", project_key="OPS", deployment=deployment)
    template = "*web* {{ event.data.text }}"
    params = {"description": template, "comments": [template], "other_fields": {"customfield_1": "{{ event.data.n }}"}}
    compiled = compile_params(
        params,
        lambda field: connector_type.template_format(config, params, field),
        nested_format=connector_type.nested_format,
    )
    rendered = compiled.render({"event": {"data": {"text": "[~admin] h1. {code}", "n": 7}}})
    assert rendered == {"description": expected, "comments": [expected], "other_fields": {"customfield_1": 7}}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("external_id", ["", "disk/7", "a b\n\"é' OR labels = x", "x" * 4000])
@pytest.mark.parametrize("sub_action", ["pushToService", "createIssue"])
def test_a_retry_after_a_lost_answer_makes_no_second_issue(version: int, external_id: str, sub_action: str) -> None:
    system = JiraSystem(version, lose="/issue")
    with vendor(system) as running:
        first = deliver(running, system, {"external_id": external_id, "sub_action": sub_action})
        second = deliver(running, system, {"external_id": external_id, "sub_action": sub_action})
    assert (first.reason, second.reason) == (Reason.RETRY_HTTP_5XX, Reason.OK)
    assert list(system.issues) == ["OPS-1"]


def test_a_retry_waits_until_jira_cloud_finds_what_it_has_made() -> None:
    system = JiraSystem(lose="/issue")
    with vendor(system) as running:
        assert deliver(running, system, {}).retry_after == SETTLES


def test_a_retry_finds_its_issue_even_when_somebody_is_done_with_it() -> None:
    system = JiraSystem(lose="/issue")
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk"})
        system.issues["OPS-1"]["status"] = "Done"
        assert deliver(running, system, {"external_id": "disk"}).reason is Reason.OK
    assert list(system.issues) == ["OPS-1"]


def test_what_happens_again_after_an_issue_is_done_makes_another() -> None:
    system = JiraSystem()
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk"}, "msg_1")
        system.issues["OPS-1"]["status"] = "Done"
        assert deliver(running, system, {"external_id": "disk"}, "msg_2").detail == "Jira made the issue OPS-2."


@pytest.mark.parametrize("sub_action", ["pushToService", "createIssue"])
def test_comments_whose_answer_was_lost_are_not_written_again(sub_action: str) -> None:
    system = JiraSystem(lose="/comment")
    params = {"sub_action": sub_action, "external_id": "disk", "comments": ["one", "two"]}
    with vendor(system) as running:
        assert deliver(running, system, params).reason is Reason.RETRY_HTTP_5XX
        assert deliver(running, system, params).reason is Reason.OK
    (issue,) = system.issues.values()
    texts = [comment["body"]["content"][0]["content"][0]["text"] for comment in issue["comments"]]
    assert texts == ["one", "two"]


def test_ids_that_differ_by_case_are_different() -> None:
    system = JiraSystem()
    with vendor(system) as running:
        for number, external_id in enumerate(["Disk", "disk"]):
            deliver(running, system, {"external_id": external_id}, f"msg_{number}")
    assert list(system.issues) == ["OPS-1", "OPS-2"]


# --- Issues that are there ---


def test_a_push_updates_the_open_issue_and_comments_on_it() -> None:
    system = JiraSystem()
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk", "labels": ["prod"]}, "msg_1")
        system.issues["OPS-1"]["fields"]["labels"].append("seen")
        again = {"external_id": "disk", "summary": "disk fuller", "labels": ["web"], "comments": ["again"]}
        outcome = deliver(running, system, again, "msg_2")
    assert (outcome.reason, outcome.detail) == (Reason.OK, "Found OPS-1, updated it, commented on it.")
    (issue,) = system.issues.values()
    assert issue["fields"]["summary"] == "disk fuller"
    assert issue["fields"]["labels"] == ["switchyard:disk", "prod", "seen", "web"]
    assert len(issue["comments"]) == 1


def test_create_leaves_an_issue_that_is_there_as_it_is() -> None:
    system = JiraSystem()
    create = {"sub_action": "createIssue", "external_id": "disk"}
    with vendor(system) as running:
        deliver(running, system, create, "msg_1")
        outcome = deliver(running, system, create | {"summary": "other", "comments": ["again"]}, "msg_2")
    assert outcome.detail == "Found OPS-1."
    assert system.issues["OPS-1"]["fields"]["summary"] == "disk full"
    assert not system.issues["OPS-1"]["comments"]


def test_an_issue_is_named_by_its_key() -> None:
    system = JiraSystem()
    with vendor(system) as running:
        deliver(running, system, {})
        params = {"sub_action": "addComment", "issue_key": "OPS-1", "comments": ["seen"]}
        assert deliver(running, system, params).reason is Reason.OK
        outcome = deliver(running, system, params | {"issue_key": "OPS-9"})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == "HTTP 404: Issue does not exist."
    assert len(system.issues["OPS-1"]["comments"]) == 1


@pytest.mark.parametrize("name", ["Done", "done", "Close"])
def test_an_issue_moves_by_the_name_of_a_status_or_a_transition(name: str) -> None:
    system = JiraSystem()
    move = {
        "sub_action": "transitionIssue",
        "external_id": "disk",
        "transition": name,
        "other_fields": {"resolution": {"name": "Fixed"}},
    }
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk"})
        outcome = deliver(running, system, move)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "OPS-1 went from To Do to Done.")
    assert system.issues["OPS-1"]["status"] == "Done"
    assert system.issues["OPS-1"]["fields"]["resolution"] == {"name": "Fixed"}


def test_an_issue_that_is_there_already_is_not_moved() -> None:
    system = JiraSystem(lose="/transitions")
    move = {"sub_action": "transitionIssue", "external_id": "disk", "transition": "Done"}
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk"})
        assert deliver(running, system, move).reason is Reason.RETRY_HTTP_5XX
        outcome = deliver(running, system, move)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "OPS-1 is in Done already.")


def test_where_an_issue_may_move_is_told() -> None:
    system = JiraSystem()
    move = {"sub_action": "transitionIssue", "external_id": "disk", "transition": "Blocked"}
    with vendor(system) as running:
        deliver(running, system, {"external_id": "disk"})
        outcome = deliver(running, system, move)
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail.endswith("cannot go to 'Blocked', but to Done, In Progress, To Do.")


def test_an_update_that_names_no_summary_leaves_it() -> None:
    params = {"sub_action": "updateIssue", "external_id": "disk", "priority": "High"}
    assert JiraParams.model_validate(params).summary == ""
    assert JiraParams.model_validate(params | {"summary": "x"}).summary == "x"
    assert JiraParams.model_validate({}).summary


@pytest.mark.parametrize("sub_action", ["updateIssue", "addComment", "transitionIssue"])
def test_an_issue_that_nobody_made_is_told(sub_action: str) -> None:
    system = JiraSystem()
    params = {"sub_action": sub_action, "external_id": "disk", "comments": ["x"], "transition": "Done"}
    with vendor(system) as running:
        outcome = deliver(running, system, params)
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == "Jira has no issue with the external ID 'disk' in OPS."


# --- What Jira refuses ---


def test_required_fields_are_told_by_field() -> None:
    system = JiraSystem(required=("customfield_10010", "duedate"))
    with vendor(system) as running:
        outcome = deliver(running, system, {})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == (
        "HTTP 400: customfield_10010: customfield_10010 is required; duedate: duedate is required."
    )


def test_past_the_rate_limit_the_message_waits() -> None:
    with vendor(lambda _: Answer(429, {"errorMessages": ["Rate limit exceeded."]}, {"retry-after": "90"})) as running:
        outcome = deliver(running, JiraSystem(), {})
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 90.0)
    assert outcome.detail == "HTTP 429: Rate limit exceeded."


@pytest.mark.parametrize("body", [b"<html>Log in</html>", {"hello": "there"}, {"issues": "none"}])
def test_an_answer_that_is_not_jiras_makes_no_issue(body: Any) -> None:
    with vendor(lambda _: Answer(200, body)) as running:
        outcome = deliver(running, JiraSystem(), {})
    assert (outcome.reason, outcome.detail) == (Reason.BAD_CONFIG, "HTTP 200: this is no answer of Jira.")
    assert [call.path for call in running.calls] == ["/rest/api/3/search/jql"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sub_action": "{{ x }}"}, "sub_action"),
        ({"sub_action": "addComment", "comments": ["x"]}, "external_id"),
        ({"sub_action": "addComment", "external_id": "x", "comments": [" "]}, "comments"),
        ({"sub_action": "transitionIssue", "external_id": "x"}, "transition"),
        ({"summary": " \n"}, "summary"),
        ({"issue_type": ""}, "issue_type"),
        ({"labels": ["{{ a b }}"]}, "labels"),
        ({"labels": ["x" * 256]}, "labels"),
        ({"issue_key": ".."}, "address"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], said: str) -> None:
    with vendor(JiraSystem()) as running:
        outcome = deliver(running, JiraSystem(), params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail
    assert not running.calls


@pytest.mark.parametrize(
    "params", [{"sub_action": "delete"}, {"labels": ["a b"]}, {"other_fields": {"summary": "x"}}, {"colour": "red"}]
)
def test_what_jira_cannot_take_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Use one of|no spaces|of its own|Extra inputs"):
        JiraParams.model_validate(params)


# --- The test of a connector ---


def test_the_probe_tells_who_asks_where_and_what_is_allowed() -> None:
    system = JiraSystem()
    with vendor(system) as running:
        steps = probe(running, system)
    assert [(step.name, step.reason) for step in steps[-3:]] == [
        ("authenticate", Reason.OK),
        ("project", Reason.OK),
        ("permissions", Reason.OK),
    ]
    assert "Robot" in steps[-3].detail
    assert {call.method for call in running.calls} == {"GET"}


def test_the_probe_tells_wrong_credentials() -> None:
    with vendor(JiraSystem(bearer="another")) as running:
        step = probe(running, JiraSystem())[-1]
    assert (step.name, step.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert "API token" in step.advice


def test_the_probe_tells_another_deployment() -> None:
    with vendor(JiraSystem(version=2)) as running:
        step = probe(running, JiraSystem())[-1]
    assert (step.name, step.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert "deployment" in step.advice


def test_the_probe_tells_a_missing_project() -> None:
    with vendor(JiraSystem()) as running:
        step = probe(running, JiraSystem(), project_key="NOPE")[-1]
    assert (step.name, step.reason) == ("project", Reason.BAD_CONFIG)
    assert "project key" in step.advice


@pytest.mark.parametrize(
    ("lacking", "reason", "said"),
    [("CREATE_ISSUES", Reason.BAD_CONFIG, "may not make issues"), ("ADD_COMMENTS", Reason.OK, "not comment on them")],
)
def test_the_probe_tells_missing_permissions(lacking: str, reason: Reason, said: str) -> None:
    system = JiraSystem()
    system.held.remove(lacking)
    with vendor(system) as running:
        step = probe(running, system)[-1]
    assert (step.name, step.reason) == ("permissions", reason)
    assert said in step.detail
    assert step.advice


# --- Kibana ---


@pytest.mark.parametrize(
    ("url", "deployment"), [("https://x.atlassian.net", "cloud"), ("https://jira.example.com", "server"), ("", "cloud")]
)
def test_kibanas_connector_brings_all_but_the_secrets(url: str, deployment: str) -> None:
    adopted = connector_type.adopt({"apiUrl": url, "projectKey": "OPS"})
    assert adopted.config == {"api_url": url, "project_key": "OPS", "deployment": deployment}
    assert adopted.awaited == ("email", "api_token")


def test_a_201_that_is_not_jiras_is_told_like_any_other_answer_that_is_not() -> None:
    jira = JiraSystem()
    making = "/rest/api/3/issue"
    with vendor(lambda call: Answer(201, b"<html>Log in</html>") if call.path == making else jira(call)) as running:
        outcome = deliver(running, jira, {})
    assert (outcome.reason, outcome.detail) == (Reason.BAD_CONFIG, "HTTP 201: this is no answer of Jira.")
