"""The OpenAPI document is true: what it shows can be sent, what is answered fits it. Its pages stay on this host."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from jsonschema import Draft202012Validator

from connectors.types.registry import all_types as connector_types
from rules.models import Event
from rules.types.registry import all_types as rule_types
from spaces.models import Space
from tests.api.client import Answer, Api, make_delivery, make_event, make_log_entry
from tests.factories import make_action, make_condition, make_connector, make_rule
from tests.servers import ROOT as PROJECT

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/spaces/{space}"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with StringIO() as out:
        call_command("spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out)
        loaded: dict[str, Any] = json.loads(out.getvalue())
        return loaded


def assert_fits(document: dict[str, Any], method: str, path: str, answer: Answer) -> None:
    """Prove that the document foresees this answer to the operation."""
    responses = document["paths"][path][method.lower()]["responses"]
    foreseen = resolved(document, responses.get(str(answer.status), responses["default"]))
    schema = foreseen["content"][answer.headers["Content-Type"]]["schema"]
    Draft202012Validator({"components": document["components"], **schema}).validate(answer.body)


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference stands for."""
    while "$ref" in part:
        where: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            where = where[step]
        part = where
    return part


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, each) for path, methods in document["paths"].items() for method, each in methods.items()]


def test_each_operation_says_what_it_is_how_to_get_in_and_how_it_fails(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        assert {"apiKey": []} in operation["security"]
        refused = resolved(document, operation["responses"]["401"])["content"]["application/problem+json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Problem"}
        described = {
            each["name"] for each in operation.get("parameters", []) if each["in"] == "path" and each["description"]
        }
        assert described == set(re.findall(r"\{(\w+)\}", path))
        assert all(each["description"] for each in operation.get("parameters", []))


def test_it_refers_to_nothing_that_is_not_there(document: dict[str, Any]) -> None:
    named = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named
    assert named <= document["components"]["schemas"].keys()


def test_titles_read_as_people_say_them(document: dict[str, Any]) -> None:
    titles = {operation["summary"] for _, _, operation in operations(document)}
    assert {"List event log", "Read an event log entry", "Read a delivery", "List connector types"} <= titles
    assert {"List deliveries", "Create a connector", "Replace an action", "Change a rule", "Send events"} <= titles


def test_its_key_scheme_is_the_one_that_opens(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"


def test_its_examples_can_be_sent(document: dict[str, Any], api: Api) -> None:
    for kind in ("connectors", "actions", "rules"):
        content = document["paths"][f"{ROOT}/{kind}"]["post"]["requestBody"]["content"]
        for example in content["application/json"]["examples"].values():
            answer = api.post(kind, example["value"])
            assert answer.status == 201, answer.text
            assert_fits(document, "POST", f"{ROOT}/{kind}", answer)


@pytest.mark.django_db(transaction=True)
def test_its_events_can_be_sent(document: dict[str, Any], api: Api) -> None:
    content = document["paths"][f"{ROOT}/events"]["post"]["requestBody"]["content"]
    sent = 0
    for content_type, body in content.items():
        for example in body["examples"].values():
            value = example["value"]
            raw = value.encode() if content_type == "application/x-ndjson" else json.dumps(value).encode()
            answer = api.send_raw("POST", "events", raw, content_type)
            assert answer.status in (200, 202), answer.text
            assert_fits(document, "POST", f"{ROOT}/events", answer)
            sent += 1
    assert sent == 6
    assert Event.objects.exists()


def test_answers_fit_it(document: dict[str, Any], api: Api, space: Space) -> None:
    action = make_action(make_connector(space, public_id="own"), public_id="own")
    make_rule(space, public_id="own", actions=[action], tags=["a"])
    make_condition(space, public_id="own")
    keys = {
        "connectors": "own",
        "actions": "own",
        "rules": "own",
        "conditions": "own",
        "connector-types": "http",
        "rule-types": "event",
        "events": make_event(space, data={"a": [1, None]}).pk,
        "deliveries": make_delivery(action).pk,
        "event-log": make_log_entry(space, reason="retry_429", outcome="failure").pk,
    }
    for kind, key in keys.items():
        assert_fits(document, "GET", f"{ROOT}/{kind}", api.get(kind))
        assert_fits(document, "GET", f"{ROOT}/{kind}/{{id}}", api.get(f"{kind}/{key}"))
        assert_fits(document, "GET", f"{ROOT}/{kind}/{{id}}", api.get(f"{kind}/99999"))
    assert_fits(document, "GET", "/api/v1/spaces", api.get("/api/v1/spaces"))
    assert_fits(document, "GET", ROOT, api.get(api.root.rstrip("/")))


def test_errors_fit_it(document: dict[str, Any], api: Api, space: Space) -> None:
    make_action(make_connector(space, public_id="own"))
    kinds, one = f"{ROOT}/connectors", f"{ROOT}/connectors/{{id}}"
    assert_fits(document, "POST", kinds, api.post("connectors", {}))
    assert_fits(document, "GET", kinds, api.get("connectors", nonsense=1))
    assert_fits(document, "POST", kinds, api.send_raw("POST", "connectors", b"x", "text/plain"))
    assert_fits(document, "DELETE", one, api.delete("connectors/own"))
    assert_fits(document, "PATCH", one, api.send_raw("PATCH", "connectors/own", b"{}", accept="text/html"))


def test_it_names_every_filter(document: dict[str, Any]) -> None:
    paging = {"cursor", "page_size", "ordering", "space"}
    found = {
        path.removeprefix(f"{ROOT}/"): {each["name"] for each in operation["parameters"]} - paging
        for path, method, operation in operations(document)
        if method == "get" and "{id}" not in path and path != ROOT
    }
    assert found == {
        "/api/v1/spaces": set(),
        "connectors": {"type", "status", "tag", "enabled", "search"},
        "actions": {"connector", "enabled", "search"},
        "conditions": {"search"},
        "rules": {"type", "enabled", "tag", "action", "status", "search"},
        "alerts": {"rule", "state", "group", "key", "uuid"},
        "events": {"type", "source", "event_id"},
        "deliveries": {
            *("state", "reason", "rule", "action", "connector", "event", "event_type"),
            *("since", "until", "finished_since", "finished_until", "search"),
        },
        "replays": {"state"},
        "cancellations": {"state"},
        "event-log": {"outcome", "reason", "rule_id", "action_id", "connector_id", "delivery", "event"},
        "connector-types": set(),
        "rule-types": set(),
        "sources": {"type", "connector", "status", "enabled", "search"},
        "source-types": set(),
        "maintenance-windows": {"enabled", "search"},
        "members": set(),
        "api-keys": set(),
        "audit": {"action", "actor", "actor_kind", "object_id", "since", "until"},
        "audit/_export": {"action", "actor", "actor_kind", "object_id", "since", "until"},
    }


def test_the_committed_document_is_the_one_that_is_served(document: dict[str, Any]) -> None:
    committed = json.loads((PROJECT / "docs" / "openapi.json").read_text())
    assert committed == document, "The API has changed: look at what changed, then run `make schema`."


def test_each_type_has_a_schema_of_its_own_told_apart_by_a_discriminator(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, discriminator, types in (
        ("ConnectorRequest", "connector_type_id", set(connector_types())),
        ("Connector", "connector_type_id", set(connector_types())),
        ("RuleRequest", "rule_type_id", set(rule_types())),
        ("Rule", "rule_type_id", set(rule_types())),
    ):
        told_apart = schemas[name]["discriminator"]
        assert told_apart["propertyName"] == discriminator
        assert set(told_apart["mapping"]) == types
        for type_id, reference in told_apart["mapping"].items():
            properties = resolved(document, {"$ref": reference})["properties"]
            assert properties[discriminator]["const"] == type_id


def test_the_schema_of_a_type_refuses_what_the_type_refuses(document: dict[str, Any]) -> None:
    schema = {"components": document["components"], "$ref": "#/components/schemas/ConnectorRequest"}
    check = Draft202012Validator(schema)
    good = {"name": "x", "connector_type_id": "http", "config": {"url": "https://a.example/"}}
    assert check.is_valid(good)
    for wrong in ({"config": {"url": 1}}, {"config": {"no": 1}}, {"connector_type_id": "no"}, {"secrets": {"x": ""}}):
        assert not check.is_valid(good | wrong)


def test_it_is_served_to_everybody(document: dict[str, Any]) -> None:
    response = Client().get("/api/v1/schema")
    assert response.status_code == 200
    assert json.loads(response.content)["paths"] == document["paths"]


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_its_pages_load_nothing_from_another_host(page: str) -> None:
    response = Client().get(f"/api/v1/{page}")
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200
    html = response.content.decode()
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", html)
    policy = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert all(
        re.fullmatch(r"'self'|'none'|'unsafe-inline'|data:|blob:", each) for each in " ".join(policy.values()).split()
    )
    files = re.findall(r"/static/([^\"']+)", html)
    assert files
    for name in files:
        found = finders.find(name)
        assert found
        assert Path(found).stat().st_size > 0
    assert "/api/v1/schema" in html or b"/api/v1/schema" in Client().get(f"/api/v1/{page}?script=").content
