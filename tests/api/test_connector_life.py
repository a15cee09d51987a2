"""The life of a connector over the API: tested, copied, executed and watched."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from actions.models import EventLogEntry
from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.services.circuits import observe
from spaces.models import AuditEntry, Space
from tests.api.client import Answer, Api
from tests.factories import make_action, make_connector, make_space
from tests.receiver import Receiver, receiver
from tests.servers import free_port

pytestmark = pytest.mark.django_db

TOKEN = "tok-5ecret-canary"


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def connector(space: Space, to: Receiver) -> Connector:
    return make_connector(space, to.url, public_id="desk", auth="bearer", secrets={"token": TOKEN})


def preconfigured(**values: Any) -> Connector:
    given = {"public_id": "shared", "name": "Shared", "type": "http", "config": {"url": "https://a.example"}}
    return Connector.objects.create(space=None, **given | values)


def steps(answer: Answer) -> list[str]:
    assert answer.status == 200
    return [step["name"] for step in answer.body["steps"]]


# --- Test ---


def test_a_probe_names_each_step_and_sends_nothing(api: Api, connector: Connector, to: Receiver) -> None:
    answer = api.post("connectors/desk/probe", None)
    assert steps(answer) == ["parse", "policy", "connect", "request", "status"]
    assert (answer.body["outcome"], answer.body["reason"]) == ("passed", "ok")
    assert to.requests == []
    assert api.get("connectors/desk").body["status"] == "connected"


def test_a_failing_probe_says_where_why_and_what_to_do(api: Api, space: Space) -> None:
    make_connector(space, f"http://127.0.0.1:{free_port()}/", public_id="down")
    answer = api.post("connectors/down/probe", None)
    assert (answer.body["outcome"], answer.body["reason"]) == ("failed", "retry_connect")
    last = answer.body["steps"][-1]
    assert (last["name"], last["outcome"]) == ("connect", "failed")
    assert last["detail"]
    assert last["advice"]


def test_a_probe_does_not_map_the_inner_network(api: Api, space: Space, settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    make_connector(space, "https://localhost.example/", public_id="inner")
    Connector.objects.filter(public_id="inner").update(config={"url": "http://localhost:9/"})
    answer = api.post("connectors/inner/probe", None)
    assert answer.body["reason"] == "blocked_target"
    assert "127.0.0.1" not in answer.text


def test_settings_are_tried_without_being_saved(api: Api, to: Receiver) -> None:
    answer = api.post("connectors/_probe", {"connector_type_id": "http", "config": {"url": to.url}})
    assert answer.body["outcome"] == "passed"
    assert not Connector.objects.exists()
    wrong = api.post("connectors/_probe", {"connector_type_id": "http", "config": {"url": "ftp://x"}})
    assert (wrong.status, wrong.places) == (400, ["/config/url"])
    unknown = api.post("connectors/_probe", {"connector_type_id": "pigeon", "config": {}})
    assert unknown.status == 400


def test_edited_settings_are_tried_with_the_stored_secrets_and_only_where_they_belong(
    api: Api, connector: Connector, to: Receiver
) -> None:
    edited = {"connector_type_id": "http", "connector": "desk", "config": connector.config | {"timeout": 5}}
    assert api.post("connectors/_probe", edited).body["outcome"] == "passed"
    elsewhere = edited | {"config": connector.config | {"url": "https://elsewhere.example/"}}
    refused = api.post("connectors/_probe", elsewhere)
    assert (refused.status, refused.places) == (400, ["/secrets/token"])


def test_settings_without_their_secrets_fail_with_that_reason(api: Api, to: Receiver) -> None:
    answer = api.post("connectors/_probe", {"connector_type_id": "http", "config": {"url": to.url, "auth": "bearer"}})
    assert answer.body["reason"] == "missing_secrets"


# --- Execute ---


def test_execute_sends_one_real_message_and_logs_it(api: Api, space: Space, connector: Connector, to: Receiver) -> None:
    answer = api.post("connectors/desk/execute", {"params": {"body": {"hello": "{{ event.type }}"}}})
    assert (answer.status, answer.body["outcome"], answer.body["reason"]) == (200, "success", "ok")
    (request,) = to.requests
    assert json.loads(request.body) == {"hello": "switchyard.test"}
    assert request.headers["webhook-id"] == answer.body["webhook_id"]
    assert answer.body["response"]["status"] == 200
    assert TOKEN not in answer.text
    entry = EventLogEntry.objects.get(space=space, action="execute")
    assert (entry.connector_id, entry.outcome, entry.delivery_id) == ("desk", "success", None)
    assert AuditEntry.objects.get(action="connector.execute").actor.startswith("tests (sy_")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"text": "{{ event.data.none }}"}, "Enter a text, blocks or both: Slack takes no empty message."),
        ({"text": "x", "channel": "{{ event.data.long }}"}, "channel: String should have at most 2048 characters."),
    ],
)
def test_execute_says_what_of_the_rendered_params_does_not_fit(api: Api, params: dict[str, str], said: str) -> None:
    chat = {"id": "chat", "name": "Chat", "connector_type_id": "slack", "secrets": {"token": "xoxb-1-long"}}
    assert api.post("connectors", chat).status == 201
    event = {"data": {"none": "", "long": "x" * 3000}}
    answer = api.post("connectors/chat/execute", {"params": params, "event": event})
    assert answer.body["reason"] == "template_error"
    assert said in str(answer.body)
    assert "Value error" not in str(answer.body)
    assert "do not fit: :" not in str(answer.body)


def test_execute_with_an_event_of_ones_own(api: Api, connector: Connector, to: Receiver) -> None:
    event = {"type": "order.paid", "data": {"total": 7}}
    api.post("connectors/desk/execute", {"params": {"body": "{{ event.data.total }}"}, "event": event})
    assert to.requests[0].body == b"7"


def test_execute_answers_with_the_refusal_of_the_system(api: Api, connector: Connector, to: Receiver) -> None:
    to.status = 422
    answer = api.post("connectors/desk/execute", {"params": {}})
    assert (answer.status, answer.body["outcome"], answer.body["reason"]) == (200, "failure", "permanent_4xx")
    assert answer.body["response"]["status"] == 422


@pytest.mark.parametrize(
    ("type_", "config", "params", "field", "remedy"),
    [
        ("http", {"url": "https://h.example/"}, {}, "body", "set the header content-type, such as to text/plain"),
        (
            "kafka",
            {"bootstrap_servers": "k.example"},
            {"topic": "t"},
            "value",
            "add the header content-type: text/plain",
        ),
        ("mqtt", {"server": "m.example"}, {"topic": "t"}, "payload", "set content_type to text/plain"),
    ],
)
def test_a_text_that_is_no_json_is_refused_with_what_to_do(
    api: Api, type_: str, config: dict[str, str], params: dict[str, str], field: str, remedy: str
) -> None:
    values = {"connector_type_id": type_, "name": "Plain", "id": "plain", "config": config}
    assert api.post("connectors", values).status == 201
    for text in ("hello", "Order {{ event.id }}"):
        answer = api.post("connectors/plain/execute", {"params": {**params, field: text}})
        assert (answer.status, answer.places) == (400, [f"/params/{field}"])
        assert f"For a text that is no JSON, {remedy}." in answer.text


def test_idempotence_is_refused_with_other_acknowledgements_only_where_it_was_asked_for(api: Api) -> None:
    config = {"bootstrap_servers": "k.example", "acks": "none"}
    values = {"connector_type_id": "kafka", "name": "Lax", "id": "lax"}
    refused = api.post("connectors", {**values, "config": {**config, "idempotence": True}})
    assert (refused.status, refused.places) == (400, ["/config/idempotence"])
    made = api.post("connectors", {**values, "config": config})
    assert (made.status, made.body["config"]["idempotence"]) == (201, False)
    action = {"name": "Send", "connector": "lax", "params": {"topic": "t"}}
    assert api.post("actions", action).status == 201


def test_execute_refuses_params_that_do_not_fit(api: Api, connector: Connector, to: Receiver) -> None:
    answer = api.post("connectors/desk/execute", {"params": {"verb": "POST"}})
    assert (answer.status, answer.places) == (400, ["/params/verb"])
    Connector.objects.update(enabled=False)
    assert api.post("connectors/desk/execute", {"params": {}}).status == 400
    assert to.requests == []


# --- Copy, find ---


def test_a_copy_has_the_settings_and_not_the_secrets(api: Api, connector: Connector) -> None:
    answer = api.post("connectors/desk/duplicate", {"id": "desk-2", "name": "Second desk"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{api.root}connectors/desk-2"
    copied = api.get("connectors/desk-2").body
    assert (copied["name"], copied["config"]) == ("Second desk", connector.config)
    assert (copied["secrets_set"], copied["is_missing_secrets"], copied["status"]) == ({}, True, "missing_secrets")
    taken = api.post("connectors/desk/duplicate", {"id": "desk"})
    assert (taken.status, taken.places) == (400, ["/id"])


def test_connectors_are_found_by_tag_status_and_text(api: Api, space: Space, connector: Connector) -> None:
    api.patch("connectors/desk", {"tags": ["orders", "eu"]})
    make_connector(space, public_id="other", name="Billing")
    observe(connector.pk, Reason.OK, "")
    assert api.get("connectors", tag="eu").ids == ["desk"]
    assert api.get("connectors", status="connected").ids == ["desk"]
    assert api.get("connectors", search="BILL").ids == ["other"]
    assert api.get("connector-types/http").body["connector_count"] == 2


def test_the_status_has_a_history(api: Api, connector: Connector) -> None:
    observe(connector.pk, Reason.RETRY_DNS, "No such host.")
    (change,) = api.get("connectors/desk/status-history").body
    assert (change["former"], change["status"], change["reason"]) == ("unknown", "degraded", "retry_dns")
    assert change["detail"] == "No such host."


def test_a_health_interval_is_a_number_of_seconds_or_none(api: Api, connector: Connector) -> None:
    for interval in (0, None, 30):
        assert api.patch("connectors/desk", {"health_interval": interval}).body["health_interval"] == interval
    for wrong in (1, 10**9, -5):
        answer = api.patch("connectors/desk", {"health_interval": wrong})
        assert answer.places == ["/health_interval"]
        assert answer.body["errors"][0]["detail"] == "Use a whole number from 5 to 86400, or 0 for no checks."


def test_limits_of_concurrency_and_rate_are_numbers_or_none(api: Api, connector: Connector) -> None:
    fine: dict[str, list[float | None]] = {"max_concurrency": [1, 1000, None], "max_per_second": [0.5, 100_000, None]}
    for field, values in fine.items():
        for value in values:
            assert api.patch("connectors/desk", {field: value}).body[field] == value
    wrong: dict[str, list[object]] = {
        "max_concurrency": [0, 1001, 1.5, "3", True],
        "max_per_second": [0, -1, 1e9, 10**400, "3", True],
    }
    for field, bad in wrong.items():
        for each in bad:
            assert api.patch("connectors/desk", {field: each}).places == [f"/{field}"]


def test_the_circuit_is_shown_with_its_next_trial(api: Api, connector: Connector) -> None:
    assert api.get("connectors/desk").body["circuit"]["state"] == "closed"
    observe(connector.pk, Reason.RETRY_DNS, "No such host.", at_once=True)
    shown = api.get("connectors/desk").body
    assert (shown["status"], shown["status_reason"], shown["circuit"]["state"]) == (
        "disconnected",
        "retry_dns",
        "open",
    )
    assert shown["circuit"]["since"] < shown["circuit"]["next_trial_at"]
    assert shown["circuit"]["failing_since"] is not None


# --- Preconfigured ---


def test_a_preconfigured_connector_stands_in_every_space_and_is_read_only(api: Api, space: Space) -> None:
    preconfigured(exposes_config=False)
    shown = api.get("connectors/shared").body
    assert (shown["is_preconfigured"], shown["config"]) == (True, {})
    assert "shared" in api.get("connectors").ids
    assert api.patch("connectors/shared", {"name": "Mine"}).status == 409
    assert api.delete("connectors/shared").status == 409
    assert api.post("connectors/shared/duplicate", {}).status == 409
    taken = api.post(
        "connectors", {"id": "shared", "name": "x", "connector_type_id": "http", "config": {"url": "https://a.example"}}
    )
    assert (taken.status, taken.places) == (400, ["/id"])
    made = api.post("actions", {"id": "through-it", "name": "x", "connector": "shared", "params": {}})
    assert (made.status, made.body["connector"]) == (201, "shared")
    assert api.get("connectors/shared").body["referenced_by_count"] == 1
    assert Api(make_space()).get("connectors/shared").body["referenced_by_count"] == 0


def test_a_connector_of_the_space_shadows_a_preconfigured_one_of_the_same_id(api: Api, connector: Connector) -> None:
    preconfigured(public_id="desk")
    assert not api.get("connectors/desk").body["is_preconfigured"]
    assert api.get("connectors").ids == ["desk"]


# --- Types, audit ---


def test_a_type_that_is_switched_off_can_be_read_and_not_used(
    api: Api, connector: Connector, settings: Settings
) -> None:
    settings.ENABLED_CONNECTOR_TYPES = ["pigeon"]
    assert api.get("connector-types/http").body["enabled"] is False
    assert api.get("connectors/desk").status == 200
    body = {"name": "x", "connector_type_id": "http", "config": {"url": "https://a.example"}}
    refused = api.post("connectors", body)
    assert (refused.status, refused.places) == (400, ["/connector_type_id"])
    assert "ENABLED_CONNECTOR_TYPES" in refused.text
    assert api.post("connectors/desk/probe", None).body["reason"] == "bad_config"
    assert api.patch("connectors/desk", {"enabled": False}).status == 200
    assert api.delete("connectors/desk").status == 204


def test_each_change_is_audited_with_before_and_after_and_no_secret(api: Api) -> None:
    body = {"id": "desk", "name": "Desk", "connector_type_id": "http"}
    config = {"url": "https://a.example/", "auth": "bearer"}
    api.post("connectors", body | {"config": config, "secrets": {"token": TOKEN}})
    api.patch("connectors/desk", {"name": "New desk", "secrets": {"token": f"{TOKEN}-2"}})
    api.delete("connectors/desk")
    entries = list(AuditEntry.objects.filter(action__startswith="connector.").order_by("id"))
    assert [entry.action for entry in entries] == ["connector.create", "connector.update", "connector.delete"]
    assert (entries[1].before or {})["name"] == "Desk"
    assert (entries[1].after or {})["name"] == "New desk"
    assert (entries[1].after or {})["secrets"] == {"token": "<secret> (new)"}
    assert "config" not in (entries[1].after or {})
    assert {entry.actor_kind for entry in entries} == {"api_key"}
    assert all(entry.address == "127.0.0.1" for entry in entries)
    assert TOKEN not in json.dumps([[entry.before, entry.after] for entry in entries])


def test_the_list_takes_a_constant_number_of_queries(api: Api, space: Space, django_assert_num_queries: Any) -> None:
    for number in range(3):
        make_action(make_connector(space, public_id=f"c{number}"))
    api.get("connectors")  # the first use of a key is noted
    with django_assert_num_queries(3):
        assert len(api.get("connectors").ids) == 3
    for number in range(3, 30):
        make_connector(space, public_id=f"c{number}")
    with django_assert_num_queries(3):
        assert len(api.get("connectors").ids) == 30


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("connectors/_bulk_delete", {"ids": ["desk"], "replacement": "other", "force": True}),
        ("connectors/desk/execute", {"parmas": {}}),
        ("connectors/desk/duplicate", {"nmae": "x"}),
        ("connectors/_probe", {"connector_type_id": "http", "bogus": 1}),
    ],
)
def test_a_field_that_does_not_exist_is_refused_and_nothing_is_done(
    api: Api, connector: Connector, to: Receiver, path: str, body: dict[str, Any]
) -> None:
    answer = api.post(path, body)
    assert (answer.status, len(answer.places)) == (400, 1)
    assert Connector.objects.count() == 1
    assert to.requests == []
