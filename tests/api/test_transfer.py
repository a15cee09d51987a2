"""Export and import over the API."""

import json
from typing import Any

import pytest

from connectors.models import Connector
from spaces.models import Space
from tests.api.client import Answer, Api
from tests.factories import make_action, make_connector, make_kafka_connector, make_rule, make_source

pytestmark = pytest.mark.django_db

CANARY = "S3CR3T-canary-file"


@pytest.fixture(autouse=True)
def desk(space: Space) -> Connector:
    row = make_connector(space, public_id="desk", auth="bearer", secrets={"token": CANARY})
    make_rule(space, public_id="all", actions=[make_action(row, public_id="tell")])
    return row


@pytest.fixture
def elsewhere(other_space: Space) -> Api:
    return Api(other_space)


def export(api: Api, **wanted: Any) -> bytes:
    response = api.fetch("POST", "exports", json.dumps(wanted).encode())
    assert response.status_code == 200
    assert response.headers["Content-Disposition"].startswith("attachment")
    return response.content


def bring(api: Api, data: bytes, form: str = "x-ndjson", **query: Any) -> Answer:
    return api.send_raw("POST", "imports", data, f"application/{form}", query)


def test_a_space_travels_without_its_secrets(api: Api, elsewhere: Api) -> None:
    data = export(api)
    assert CANARY.encode() not in data
    answer = bring(elsewhere, data)
    assert (answer.status, answer.body["is_applied"], answer.body["counts"]) == (200, True, {"created": 3})
    arrived = elsewhere.get("connectors/desk").body
    assert (arrived["status"], arrived["missing_secrets"]) == ("missing_secrets", ["token"])
    fixed = elsewhere.patch("connectors/desk", {"secrets": {"token": "new"}}).body
    assert (fixed["status"], fixed["missing_secrets"], fixed["is_missing_secrets"]) == ("unknown", [], False)


def test_sources_travel_after_their_connectors_and_overwrite_what_is_there(
    api: Api, space: Space, elsewhere: Api
) -> None:
    make_source(make_kafka_connector(space, public_id="cluster"), public_id="orders")
    data = export(api, objects=[{"type": "source", "id": "orders"}])
    assert bring(elsewhere, data).body["counts"] == {"created": 2}
    arrived = elsewhere.get("sources/orders").body
    assert (arrived["connector"], arrived["params"]["topics"]) == ("cluster", ["orders"])
    elsewhere.patch("sources/orders", {"name": "Another"})
    assert bring(elsewhere, data, conflicts="overwrite").status == 200
    assert elsewhere.get("sources/orders").body["name"] == api.get("sources/orders").body["name"]


def test_yaml_travels_as_well(api: Api, elsewhere: Api) -> None:
    assert bring(elsewhere, export(api, format="yaml"), "yaml").body["counts"] == {"created": 3}


def test_chosen_objects_come_with_or_without_what_they_refer_to(api: Api) -> None:
    chosen = [{"type": "action", "id": "tell"}]
    assert export(api, objects=chosen).count(b"\n") == 3
    assert export(api, objects=chosen, include_references=False).count(b"\n") == 2
    unknown = api.post("exports", {"objects": [{"type": "action", "id": "nope"}]})
    assert (unknown.status, unknown.places) == (400, ["/objects/0"])


def test_a_failed_import_changes_nothing_and_reports_each(api: Api) -> None:
    answer = bring(api, export(api))
    assert (answer.status, answer.body["title"]) == (400, "Nothing was imported")
    report = answer.body["report"]
    assert (report["is_applied"], report["counts"]) == (False, {"failed": 3})
    assert report["objects"][0]["errors"][0]["pointer"] == "/id"


def test_a_dry_run_changes_nothing(api: Api, elsewhere: Api) -> None:
    answer = bring(elsewhere, export(api), dry_run="true")
    assert (answer.status, answer.body["is_applied"], answer.body["is_dry_run"]) == (200, False, True)
    assert elsewhere.get("connectors").ids == []


def test_conflicts_are_handled_as_asked(api: Api) -> None:
    assert bring(api, export(api), conflicts="overwrite").body["counts"] == {"unchanged": 3}
    assert bring(api, export(api), conflicts="skip").body["counts"] == {"skipped": 3}
    assert bring(api, export(api), conflicts="new_ids").body["counts"] == {"created": 3}
    assert len(api.get("connectors").ids) == 2


def test_a_query_that_is_not_understood_is_refused(api: Api) -> None:
    assert bring(api, b"{}", conflicts="merge").parameters == ["conflicts"]
    assert bring(api, b"{}", dry_run="yes").parameters == ["dry_run"]
    assert bring(api, b"{}", space="other").parameters == ["space"]


def test_a_body_that_is_no_file_is_refused(api: Api) -> None:
    assert bring(api, b"{}", "json").status == 415
    assert bring(api, b"\xff", "yaml").status == 400
    assert bring(api, b"").status == 400
    assert bring(api, b" " * (16 * 1024 * 1024 + 1)).status == 413
    assert bring(api, b"[" * 100_000, "yaml").status == 400


def test_a_file_cannot_reach_into_another_space(api: Api, elsewhere: Api) -> None:
    line = {"type": "action", "id": "mine", "name": "Mine", "connector": "desk"}
    answer = bring(elsewhere, json.dumps(line).encode())
    assert answer.status == 400
    assert "neither in this file nor in this space" in answer.text
    unknown = elsewhere.post("exports", {"objects": [{"type": "connector", "id": "desk"}]})
    assert unknown.status == 400
    assert "There is no connector" in unknown.text


def test_secrets_in_a_refused_file_are_not_said_back(api: Api) -> None:
    line = {
        "type": "connector",
        "id": "x",
        "name": "X",
        "connector_type_id": "http",
        "config": {"url": "https://a.example"},
        "secrets": {"token": f"{CANARY}\n", "nope": CANARY},
    }
    answer = bring(api, json.dumps(line).encode())
    assert answer.status == 400
    assert CANARY not in answer.text
