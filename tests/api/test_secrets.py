"""Secrets go in and never come out: not in an answer, not in an error, whatever the request."""

from typing import Any

import pytest

from connectors.models import Connector
from spaces.models import Space
from tests.api.client import Api
from tests.api.test_objects import CANARY, CONNECTOR
from tests.factories import make_connector

pytestmark = pytest.mark.django_db

CONNECTORS = "connectors"
OWN = "connectors/own"


@pytest.fixture(autouse=True)
def made(api: Api) -> None:
    assert api.post(CONNECTORS, CONNECTOR).status == 201


def stored(space: Space) -> dict[str, str]:
    sealed = Connector.objects.get(space=space, public_id="own").secrets.open()
    return {name: value.get_secret_value() for name, value in sealed.items()}


def test_which_are_set_and_since_when_is_all_that_is_shown(api: Api) -> None:
    shown = api.get(OWN).body
    assert list(shown["secrets_set"]) == ["password"]
    assert shown["secrets_set"]["password"].startswith("20")
    assert shown["is_missing_secrets"] is False
    assert "secrets" not in shown


@pytest.mark.parametrize(
    "body",
    [
        CONNECTOR,
        CONNECTOR | {"id": "second"},
        CONNECTOR | {"id": "second", "connector_type_id": "carrier-pigeon"},
        CONNECTOR | {"id": "second", "config": {"url": 5}},
        CONNECTOR | {"id": "second", "secrets": CANARY},
        CONNECTOR | {"id": "second", "secrets": [CANARY]},
        CONNECTOR | {"id": "second", "secrets": {"password": [CANARY]}},
        CONNECTOR | {"id": "second", "secrets": {"password": {"a": CANARY}}},
        CONNECTOR | {"id": "second", "secrets": {"password": CANARY + "\n" * 3, "no_such_field": CANARY}},
        CONNECTOR | {"id": "second", "secrets": {"password": CANARY * 10_000}},
    ],
)
def test_no_answer_carries_one(api: Api, body: dict[str, Any]) -> None:
    answers = [
        api.post(CONNECTORS, body),
        api.put(OWN, body),
        api.patch(OWN, body),
        api.get(OWN),
        api.get(CONNECTORS),
        api.get(CONNECTORS, search=CANARY),
    ]
    for answer in answers:
        assert "canary" not in answer.text


def test_broken_json_around_one_is_not_quoted(api: Api) -> None:
    answer = api.send("POST", CONNECTORS, b'{"secrets": {"password": "canary", "password": "canary"}, }')
    assert answer.status == 400
    assert "canary" not in answer.text


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_one_that_is_not_sent_is_kept(api: Api, space: Space, method: str) -> None:
    since = api.get(OWN).body["secrets_set"]
    body = {name: value for name, value in CONNECTOR.items() if name != "secrets"}
    for sent in (body, body | {"secrets": {}}):
        answer = api.send(method, OWN, sent | {"name": "Renamed"})
        assert answer.status == 200
        assert answer.body["secrets_set"] == since
        assert stored(space) == {"password": CANARY}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_one_that_is_sent_replaces_the_old_one(api: Api, space: Space, method: str) -> None:
    since = api.get(OWN).body["secrets_set"]["password"]
    answer = api.send(method, OWN, CONNECTOR | {"secrets": {"password": "fresh"}})
    assert answer.status == 200
    assert answer.body["secrets_set"]["password"] > since
    assert stored(space) == {"password": "fresh"}


def test_null_clears_one_and_flags_the_connector(api: Api, space: Space) -> None:
    answer = api.patch(OWN, {"secrets": {"password": None}})
    assert answer.status == 200
    assert answer.body["secrets_set"] == {}
    assert answer.body["is_missing_secrets"] is True
    assert stored(space) == {}


def test_spaces_around_one_are_part_of_it(api: Api, space: Space) -> None:
    assert api.patch(OWN, {"secrets": {"password": "  p w  "}}).status == 200
    assert stored(space) == {"password": "  p w  "}


@pytest.mark.parametrize("mask", ["***", "******", "********", "••••••", "<secret>", "[REDACTED]"])
def test_row_31_a_mask_that_is_sent_back_keeps_the_secret(api: Api, space: Space, mask: str) -> None:
    row = make_connector(space, public_id="desk", auth="bearer", secrets={"token": "the real one"})
    answer = api.patch("connectors/desk", {"name": "New name", "secrets": {"token": mask}})
    assert (answer.status, answer.body["name"]) == (200, "New name")
    row.refresh_from_db()
    assert row.secrets.open()["token"].get_secret_value() == "the real one"


def test_row_31_the_mask_of_a_secret_that_is_not_set_is_refused(api: Api) -> None:
    body = {"name": "X", "connector_type_id": "http", "config": {"url": "https://a.example", "auth": "bearer"}}
    answer = api.post("connectors", body | {"secrets": {"token": "******"}})
    assert (answer.status, answer.places) == (400, ["/secrets/token"])
