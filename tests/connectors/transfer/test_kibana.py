"""Kibana's saved objects: its connectors become connectors of types known here, anything else is told apart.

Lines as Kibana 9 writes them: https://www.elastic.co/docs/api/doc/kibana/operation/operation-post-saved-objects-export
"""

import json
from base64 import b64encode
from typing import Any

import pytest

from connectors.models import Connector
from connectors.transfer.documents import read_file
from connectors.transfer.importing import ImportReport, import_objects
from spaces.models import Space
from tests.factories import make_space

pytestmark = pytest.mark.django_db

ID = "3f2c9a04-7c1d-4b7e-9f57-0a6a4f2b8d11"
DETAILS = {
    "excludedObjects": [],
    "excludedObjectsCount": 0,
    "exportedCount": 1,
    "missingRefCount": 0,
    "missingReferences": [],
}
WEBHOOK = {"url": "https://a.example/hook", "method": "put", "headers": None, "hasAuth": False}


@pytest.fixture
def space() -> Space:
    return make_space()


def line(config: dict[str, Any], type_id: str = ".webhook") -> dict[str, Any]:
    attributes = {"actionTypeId": type_id, "config": config, "isMissingSecrets": True, "name": "Hook", "secrets": {}}
    return {
        "attributes": attributes,
        "coreMigrationVersion": "8.8.0",
        "created_at": "2026-01-02T03:04:05.678Z",
        "id": ID,
        "managed": False,
        "references": [],
        "type": "action",
        "typeMigrationVersion": "10.1.0",
        "updated_at": "2026-01-02T03:04:05.678Z",
        "version": "WzEsMV0=",
    }


def bring(space: Space, *lines: dict[str, Any]) -> ImportReport:
    data = "\n".join(json.dumps(each) for each in (*lines, DETAILS))
    return import_objects(space, read_file(data.encode()))


def test_a_webhook_becomes_an_http_connector_of_the_same_id(space: Space) -> None:
    assert bring(space, line(WEBHOOK)).is_applied
    row = Connector.objects.get(space=space)
    assert (row.public_id, row.name, row.type) == (ID, "Hook", "http")
    assert (row.config["url"], row.config["method"], row.is_missing_secrets) == ("https://a.example/hook", "PUT", False)


def test_basic_authentication_waits_for_user_and_password(space: Space) -> None:
    report = bring(space, line(WEBHOOK | {"hasAuth": True}))
    (found,) = report.objects
    assert found.missing_secrets == ["password"]
    assert "user name" in found.warnings[0]
    assert Connector.objects.get(space=space).config["auth"] == "basic"


def test_oauth2_brings_all_but_the_secret(space: Space) -> None:
    config = WEBHOOK | {
        "hasAuth": True,
        "authType": "webhook-oauth2-client-credentials",
        "accessTokenUrl": "https://id.example/token",
        "clientId": "me",
        "scope": "a b",
        "additionalFields": '{"audience": "x"}',
    }
    (found,) = bring(space, line(config)).objects
    assert found.missing_secrets == ["client_secret"]
    row = Connector.objects.get(space=space)
    assert row.config["token_url"] == "https://id.example/token"
    assert row.config["token_fields"] == {"audience": "x"}


def test_a_client_certificate_that_was_left_out_keeps_the_connector_from_being_used(space: Space) -> None:
    config = WEBHOOK | {"hasAuth": True, "authType": "webhook-authentication-ssl", "certType": "ssl-crt-key"}
    (found,) = bring(space, line(config)).objects
    assert found.missing_secrets == ["client_key"]
    assert "certificate" in found.warnings[0]
    assert not Connector.objects.get(space=space).enabled


def test_pkcs12_waits_for_the_file(space: Space) -> None:
    config = WEBHOOK | {"hasAuth": True, "authType": "webhook-authentication-ssl", "certType": "ssl-pfx"}
    assert bring(space, line(config)).objects[0].missing_secrets == ["client_pkcs12"]


def test_tls_settings_come_along(space: Space) -> None:
    bring(space, line(WEBHOOK | {"verificationMode": "certificate"}))
    assert Connector.objects.get(space=space).config["verify"] == "certificate"


def test_a_certificate_authority_that_is_none_is_refused_at_its_place(space: Space) -> None:
    report = bring(space, line(WEBHOOK | {"ca": b64encode(b"nonsense").decode()}))
    assert [each.pointer for each in report.objects[0].errors] == ["/config/ca"]


@pytest.mark.parametrize(
    ("type_id", "config", "expected", "awaited"),
    [
        (".slack", {}, ("slack", {"method": "webhook"}), ["webhook_url"]),
        (
            ".slack_api",
            {"allowedChannels": [{"id": "C024BE91L", "name": "ops"}]},
            ("slack", {"method": "bot", "allowed_channels": ["C024BE91L", "ops"]}),
            ["token"],
        ),
        (".teams", {}, ("teams", {}), ["webhook_url"]),
    ],
)
def test_chat_connectors_wait_for_their_secrets(
    space: Space, type_id: str, config: dict[str, Any], expected: tuple[str, dict[str, Any]], awaited: list[str]
) -> None:
    assert bring(space, line(config, type_id)).is_applied
    row = Connector.objects.get(space=space)
    assert row.type == expected[0]
    assert expected[1].items() <= row.config.items()
    assert row.missing_secrets == awaited


def test_other_types_and_objects_are_left_out_and_named(space: Space) -> None:
    dashboard = {"type": "dashboard", "id": "d", "attributes": {"title": "Board"}, "references": []}
    report = bring(space, line({}, ".swimlane"), dashboard)
    assert report.counts == {"skipped": 2}
    assert report.objects[0].detail == "There is no connector type here for Kibana's .swimlane."
    assert report.objects[1].name == "Board"


@pytest.mark.parametrize("config", [{}, {"url": 7}, {"url": "https://a.example", "method": ["post"]}, {"headers": "x"}])
def test_a_config_that_makes_no_sense_is_an_error_and_no_crash(space: Space, config: dict[str, Any]) -> None:
    assert bring(space, line(config)).has_failed
