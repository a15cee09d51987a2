"""Connectors, actions, sources and rules: what is written is what is read; what cannot be is refused at its place."""

import json
from typing import Any

import pytest

from actions.models import Action
from connectors.models import Connector
from rules.models import MaintenanceWindow, Rule, Source
from spaces.models import Space
from tests.api.client import Answer, Api
from tests.factories import make_action, make_connector, make_kafka_connector, make_rule

pytestmark = pytest.mark.django_db

CANARY = "canary-hunter2-🐤"
CONNECTOR: dict[str, Any] = {
    "id": "own",
    "name": "Orders",
    "connector_type_id": "http",
    "config": {"url": "https://receiver.example/hook", "auth": "basic", "username": "anna"},
    "secrets": {"password": CANARY},
}
ACTION: dict[str, Any] = {"id": "own", "name": "Tell them", "connector": "own"}
RULE: dict[str, Any] = {
    "id": "own",
    "name": "Large orders",
    "rule_type_id": "event",
    "params": {"event_types": ["order.*"], "sources": [], "subjects": ["shops/+/orders", "returns/#"]},
    "condition": "event.data.total > 100.0",
    "tags": ["orders"],
    "actions": ["own"],
}
SOURCE: dict[str, Any] = {
    "id": "own",
    "name": "Orders",
    "connector": "own-kafka",
    "params": {"topics": ["orders"], "event_type": "order.{{ message.value.state }}"},
}
RECURRING = {"every": "1w", "on_week_day": ["SU"], "on_month_day": [], "end": None, "occurrences": 9}
WINDOW: dict[str, Any] = {
    "id": "own",
    "name": "Patching",
    "schedule": {
        **{"start": "2026-01-04T01:00:00Z", "duration": 7200, "timezone": "Europe/Berlin"},
        "recurring": RECURRING,
    },
    "condition": "event.data.total > 100.0",
    "rules": ["own"],
    "tags": ["orders"],
}
KINDS = [
    ("connectors", CONNECTOR),
    ("actions", ACTION),
    ("sources", SOURCE),
    ("rules", RULE),
    ("maintenance-windows", WINDOW),
]
MODELS = {
    **{"connectors": Connector, "actions": Action, "sources": Source},
    **{"rules": Rule, "maintenance-windows": MaintenanceWindow},
}


@pytest.fixture
def made(api: Api, space: Space) -> dict[str, Answer]:
    """The answers to making one of each."""
    make_kafka_connector(space, public_id="own-kafka", name="Z")
    return {kind: api.post(kind, body) for kind, body in KINDS}


@pytest.mark.parametrize(("kind", "body"), KINDS)
def test_what_is_made_is_read_back(api: Api, made: dict[str, Answer], kind: str, body: dict[str, Any]) -> None:
    answer = made[kind]
    assert answer.status == 201
    location = answer.headers["Location"]
    assert location == f"{api.root}{kind}/own"
    assert api.get(location).body == api.get(kind).body["results"][0]
    shown = api.get(location).body
    for name, value in body.items():
        if name in ("config", "params"):
            assert shown[name].items() >= value.items()
        elif name != "secrets":
            assert shown[name] == value
    assert (shown["version"], shown["enabled"]) == (1, True)
    assert shown["created_at"].endswith("Z")


def test_the_answer_to_a_write_is_what_a_later_read_shows(api: Api, made: dict[str, Answer]) -> None:
    for kind, body in KINDS:
        assert api.patch(f"{kind}/own", {"name": "Patched"}).body == api.get(f"{kind}/own").body
        assert api.put(f"{kind}/own", body).body == api.get(f"{kind}/own").body
    assert made["rules"].body == api.get("rules/own").body | {
        name: made["rules"].body[name] for name in ("version", "updated_at")
    }


def test_an_id_is_made_up_when_none_is_sent(api: Api) -> None:
    answer = api.post("connectors", {name: value for name, value in CONNECTOR.items() if name != "id"})
    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/connectors/{answer.body['id']}")


@pytest.mark.parametrize(("kind", "body"), KINDS)
def test_an_id_that_is_taken_is_refused(api: Api, made: dict[str, Answer], kind: str, body: dict[str, Any]) -> None:
    answer = api.post(kind, body)
    assert (answer.status, answer.places) == (400, ["/id"])


@pytest.mark.parametrize("kind", MODELS)
def test_each_write_counts_as_a_version(api: Api, made: dict[str, Answer], kind: str) -> None:
    before = made[kind].body
    answer = api.patch(f"{kind}/own", {"name": "Another"})
    assert answer.status == 200
    assert (answer.body["name"], answer.body["version"]) == ("Another", 2)
    assert answer.body["updated_at"] > before["updated_at"]
    unchanged = {"id", "created_at", "enabled", *before} - {"name", "version", "updated_at", "referenced_by_count"}
    assert {name: answer.body[name] for name in unchanged} == {name: before[name] for name in unchanged}


@pytest.mark.parametrize("kind", MODELS)
def test_what_was_read_can_be_sent_back(api: Api, made: dict[str, Answer], kind: str) -> None:
    read = api.get(f"{kind}/own").body
    answer = api.put(f"{kind}/own", read)
    assert answer.status == 200
    moving = {"version", "updated_at"}
    assert {k: v for k, v in answer.body.items() if k not in moving} == {
        k: v for k, v in read.items() if k not in moving
    }


def test_put_gives_what_is_not_sent_its_default(api: Api, made: dict[str, Answer]) -> None:
    api.patch("actions/own", {"enabled": False, "max_attempts": 3, "expires_after": 60})
    action = api.put("actions/own", {"name": "Again", "connector": "own"}).body
    assert (action["enabled"], action["max_attempts"], action["expires_after"]) == (True, 10, None)
    rule = api.put("rules/own", {"name": "Again"}).body
    assert (rule["condition"], rule["tags"], rule["actions"]) == ("", [], [])
    assert rule["params"]["event_types"] == []


@pytest.mark.parametrize("kind", MODELS)
def test_put_needs_the_required_fields_and_patch_none(api: Api, made: dict[str, Answer], kind: str) -> None:
    answer = api.put(f"{kind}/own", {})
    assert answer.status == 400
    assert "/name" in answer.places
    assert api.patch(f"{kind}/own", {}).status == 200


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("connectors", "id"),
        ("connectors", "connector_type_id"),
        ("actions", "id"),
        ("rules", "id"),
        ("rules", "rule_type_id"),
    ],
)
def test_what_never_changes_is_refused_unless_it_is_the_same(
    api: Api, made: dict[str, Answer], kind: str, name: str
) -> None:
    answer = api.patch(f"{kind}/own", {name: "another"})
    assert (answer.status, answer.places) == (400, [f"/{name}"])
    assert api.patch(f"{kind}/own", {name: made[kind].body[name]}).status == 200


@pytest.mark.parametrize(("kind", "body"), KINDS)
@pytest.mark.parametrize(
    "name", ["space", "space_id", "pk", "secrets_set_at", "public_id", "type", "__proto__", "a/b~c"]
)
def test_an_unknown_field_is_refused_by_name(
    api: Api, made: dict[str, Answer], kind: str, body: dict[str, Any], name: str
) -> None:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    for answer in (api.post(kind, body | {"id": "new", name: 1}), api.patch(f"{kind}/own", {name: 1})):
        assert (answer.status, answer.places) == (400, [pointer])


def test_read_only_fields_cannot_be_written(api: Api, made: dict[str, Answer]) -> None:
    sent = {"version": 99, "referenced_by_count": 99, "created_at": "1999-01-01T00:00:00Z"}
    read_only = {"secrets_set": {"password": "2001-01-01T00:00:00Z"}, "is_missing_secrets": True}
    after = api.patch("connectors/own", sent | read_only).body
    assert after["version"] == 2
    assert after["is_missing_secrets"] is False
    for name in ("referenced_by_count", "created_at", "secrets_set"):
        assert after[name] == made["connectors"].body[name] or name == "referenced_by_count"
    assert after["referenced_by_count"] == 1


def test_every_wrong_place_is_named_at_once(api: Api) -> None:
    answer = api.post("connectors", {"config": [], "secrets": {"password": {}}, "enabled": "perhaps", "nonsense": 1})
    assert answer.status == 400
    assert set(answer.places) == {
        "/name",
        "/connector_type_id",
        "/config",
        "/secrets/password",
        "/enabled",
        "/nonsense",
    }


@pytest.mark.parametrize(
    ("kind", "change", "pointer"),
    [
        ("connectors", {"connector_type_id": "carrier-pigeon"}, "/connector_type_id"),
        ("connectors", {"config": {}}, "/config/url"),
        ("connectors", {"config": {"url": "https://a.example", "colour": 1}}, "/config/colour"),
        ("connectors", {"config": None}, "/config"),
        ("connectors", {"secrets": {"nonsense": "x"}}, "/secrets/nonsense"),
        ("connectors", {"secrets": None}, "/secrets"),
        ("connectors", {"id": "No Such Id!"}, "/id"),
        ("connectors", {"id": None}, "/id"),
        ("connectors", {"name": "  "}, "/name"),
        ("connectors", {"name": "x" * 201}, "/name"),
        ("connectors", {"name": "a\u202eb"}, "/name"),
        ("actions", {"connector": None}, "/connector"),
        ("actions", {"connector": {"id": "own"}}, "/connector"),
        ("actions", {"params": {"nonsense": 1}}, "/params/nonsense"),
        ("actions", {"params": {"body": "{{ unclosed"}}, "/params/body"),
        ("actions", {"max_attempts": 0}, "/max_attempts"),
        ("actions", {"max_attempts": 51}, "/max_attempts"),
        ("actions", {"max_attempts": 2**62}, "/max_attempts"),
        ("actions", {"max_attempts": True}, "/max_attempts"),
        ("actions", {"max_attempts": "many"}, "/max_attempts"),
        ("actions", {"expires_after": 0}, "/expires_after"),
        ("actions", {"expires_after": 2**62}, "/expires_after"),
        ("actions", {"timeout": "5"}, "/timeout"),
        ("actions", {"timeout": 1e300}, "/timeout"),
        ("actions", {"max_per_second": 0}, "/max_per_second"),
        ("actions", {"max_concurrency": 1.5}, "/max_concurrency"),
        ("actions", {"retry": {"delays": [5, "soon"]}}, "/retry/delays/1"),
        ("actions", {"retry": None}, "/retry"),
        ("actions", {"ordering_key": "{{ nobody }}"}, "/ordering_key"),
        ("rules", {"rule_type_id": "horoscope"}, "/rule_type_id"),
        ("rules", {"params": {"nonsense": 1}}, "/params/nonsense"),
        ("rules", {"params": {"subjects": ["sensors/+/temp", "sensors/#/temp"]}}, "/params/subjects/1"),
        ("rules", {"condition": "event.data.total >"}, "/condition"),
        ("rules", {"tags": "prod"}, "/tags"),
        ("rules", {"tags": ["ok", ""]}, "/tags/1"),
        ("rules", {"tags": [str(n) for n in range(1000)]}, "/tags"),
        ("rules", {"actions": "own"}, "/actions"),
        ("rules", {"actions": ["own", "own"]}, "/actions/1"),
        ("rules", {"actions": [["own"]]}, "/actions/0"),
        ("rules", {"actions": [str(n) for n in range(100_000)]}, "/actions"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_a_service_refuses_is_named_where_it_was_sent(
    api: Api, made: dict[str, Answer], kind: str, change: dict[str, Any], pointer: str
) -> None:
    answer = api.post(kind, dict(KINDS)[kind] | {"id": "new"} | change)
    assert (answer.status, answer.places) == (400, [pointer])
    assert MODELS[kind]._default_manager.exclude(public_id="own-kafka").count() == 1


def test_the_error_of_a_condition_names_its_line_and_column(api: Api) -> None:
    answer = api.post("rules", {"name": "x", "condition": "  event.data.total > 1.0 &&\n  event.data.)"})
    assert "line 2" in answer.body["errors"][0]["detail"]


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_deleted_is_gone(api: Api, made: dict[str, Answer], kind: str) -> None:
    for each in ("maintenance-windows", "sources", "rules", "actions", "connectors"):
        answer = api.delete(f"{each}/own")
        assert (answer.status, answer.text) == (204, "")
        if each == kind:
            break
    assert api.get(f"{kind}/own").status == 404
    assert api.delete(f"{kind}/own").status == 404


def test_what_is_in_use_is_not_deleted_and_its_users_are_named(api: Api, space: Space, made: dict[str, Answer]) -> None:
    make_action(Connector.objects.get(space=space, public_id="own"), public_id="second")
    answer = api.delete("connectors/own")
    assert answer.status == 409
    assert answer.body["users"] == [
        {"type": "action", "id": "own"},
        {"type": "action", "id": "second"},
        {"type": "rule", "id": "own"},
    ]
    answer = api.delete("actions/own")
    assert (answer.status, answer.body["users"]) == (409, [{"type": "rule", "id": "own"}])
    assert api.get("connectors/own").body["referenced_by_count"] == 2
    assert api.get("actions/own").body["referenced_by_count"] == 1
    assert api.get("actions/second").body["referenced_by_count"] == 0


def test_the_same_id_in_another_space_is_another_object(api: Api, made: dict[str, Answer], other_space: Space) -> None:
    there = make_connector(other_space, public_id="own", name="Theirs")
    make_rule(other_space, public_id="own", actions=[make_action(there, public_id="own")])
    assert api.patch("connectors/own", {"name": "Ours"}).status == 200
    assert api.delete("rules/own").status == 204
    there.refresh_from_db()
    assert there.name == "Theirs"
    assert api.get("connectors/own").body["name"] == "Ours"
    assert Rule.objects.get().space == other_space


@pytest.mark.parametrize("id_", ["OWN", "own%00", "own%2F..", "%ff", "..", "x" * 300, "é"])
def test_an_id_of_any_form_is_looked_up_without_fault(api: Api, made: dict[str, Answer], id_: str) -> None:
    for kind in (*MODELS, "connector-types", "rule-types", "events", "deliveries", "event-log"):
        assert api.get(f"{kind}/{id_}").status == 404


@pytest.mark.parametrize("key", ["0", "-1", "1.5", str(2**63 - 1), str(2**63), "9" * 40, "9" * 5000])
@pytest.mark.parametrize("kind", ["events", "deliveries", "event-log"])
def test_a_key_of_any_size_is_looked_up_without_fault(api: Api, kind: str, key: str) -> None:
    assert api.get(f"{kind}/{key}").status == 404


def test_types_are_listed_with_their_schemas(api: Api) -> None:
    (http,) = [each for each in api.get("connector-types").body if each["id"] == "http"]
    assert api.get("connector-types/http").body == http
    assert {"name", "description", "categories", "icon"} <= http.keys()
    for part in ("config_schema", "secrets_schema", "params_schema"):
        assert http[part]["type"] == "object"
        assert http[part]["additionalProperties"] is False
    assert http["config_schema"]["required"] == ["url"]
    (event,) = [each for each in api.get("rule-types").body if each["id"] == "event"]
    assert api.get("rule-types/event").body == event
    assert "event_types" in event["params_schema"]["properties"]
    assert api.get("connector-types/carrier-pigeon").status == 404


def test_a_rule_s_actions_keep_their_order(api: Api, made: dict[str, Answer], space: Space) -> None:
    for id_ in ("b", "a", "c"):
        make_action(Connector.objects.get(space=space, public_id="own"), public_id=id_)
    for order in (["c", "own", "a"], ["a", "b", "own", "c"], []):
        assert api.patch("rules/own", {"actions": order}).body["actions"] == order
        assert api.get("rules").body["results"][0]["actions"] == order
