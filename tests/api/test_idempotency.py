"""Idempotency-Key: what is sent again after a broken connection is done once, and answered as the first time."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from connectors.models import Connector
from rules.models import Event
from spaces.models import ApiKey, IdempotentRequest, Space
from spaces.services import idempotency
from tests.api.client import Answer, Api
from tests.factories import make_connector

pytestmark = pytest.mark.django_db

NEW = {"name": "Desk", "connector_type_id": "http", "config": {"url": "https://receiver.example/"}}


def post(api: Api, path: str, body: Any, key: str) -> Answer:
    return api.send_with({"idempotency-key": key}, "POST", path, body)


def test_the_same_request_again_is_answered_as_the_first_time_and_not_done_again(api: Api) -> None:
    first = post(api, "connectors", NEW, "k-1")
    again = post(api, "connectors", NEW, "k-1")
    assert (again.status, again.body) == (201, first.body)
    assert {name: again.headers[name] for name in ("Location", "ETag")} == {
        name: first.headers[name] for name in ("Location", "ETag")
    }
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Connector.objects.count() == 1


def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    post(api, "connectors", NEW, "k-1")
    assert post(api, "connectors", {**NEW, "name": "Other"}, "k-1").status == 422
    assert post(api, "rules", {"name": "Other"}, "k-1").status == 422
    assert Connector.objects.count() == 1


def test_a_request_that_failed_may_be_mended_and_sent_again(api: Api) -> None:
    assert post(api, "connectors", {**NEW, "config": {}}, "k-1").status == 400
    assert post(api, "connectors", NEW, "k-1").status == 201


def test_one_that_broke_off_is_not_done_a_second_time_by_chance(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "finish", lambda *_: None)  # the process ended before it could be noted
    assert post(api, "connectors", NEW, "k-1").status == 201
    refused = post(api, "connectors", NEW, "k-1")
    assert (refused.status, refused.headers["Retry-After"]) == (409, "2")
    assert Connector.objects.count() == 1


def test_callers_have_keys_of_their_own(api: Api, space: Space) -> None:
    post(api, "connectors", NEW, "k-1")
    assert post(Api(space), "connectors", NEW, "k-1").headers.get("Idempotency-Replayed") is None
    assert Connector.objects.count() == 2


def test_after_a_day_a_key_is_as_new_and_what_is_old_is_forgotten(api: Api) -> None:
    post(api, "connectors", NEW, "k-1")
    post(api, "connectors", NEW, "k-2")
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert post(api, "connectors", NEW, "k-1").headers.get("Idempotency-Replayed") is None
    idempotency.forget_old()
    assert [row.key for row in IdempotentRequest.objects.all()] == ["k-1"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "caf\xe9"])
def test_a_header_that_is_no_key_is_refused(api: Api, key: str) -> None:
    assert post(api, "connectors", NEW, key).status == 400
    assert not Connector.objects.exists()


def test_a_new_api_key_is_stored_nowhere_and_shown_once(api: Api) -> None:
    token = post(api, "api-keys", {"name": "Robot", "role": "ingest"}, "k-1").body["key"]
    again = post(api, "api-keys", {"name": "Robot", "role": "ingest"}, "k-1")
    assert (again.status, "shown once" in again.body["detail"]) == (409, True)
    assert ApiKey.objects.filter(name="Robot").count() == 1
    assert token not in json.dumps(list(IdempotentRequest.objects.values()), default=str)


def test_a_probe_that_is_repeated_is_answered_from_the_first(api: Api, space: Space) -> None:
    make_connector(space, "http://127.0.0.1:8999/", public_id="desk")
    first = post(api, "connectors/desk/probe", None, "k-1")
    assert post(api, "connectors/desk/probe", None, "k-1").body == first.body


@pytest.mark.django_db(transaction=True)
def test_of_eight_at_once_one_is_done(api: Api) -> None:
    def send(_: int) -> int:
        try:
            return post(api, "connectors", NEW, "k-1").status
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) <= {201, 409}
    assert Connector.objects.count() == 1
    assert post(api, "connectors", NEW, "k-1").status == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"n": 1}', "application/json"),
        (b'[{"n": 1}, {"n": 2}]', "application/json"),
        (b'{"n": 1}\n\n{"n": 2}\n', "application/x-ndjson"),
    ],
)
def test_plain_events_get_their_ids_from_it(api: Api, body: bytes, content_type: str) -> None:
    def send(content: bytes) -> Answer:
        return api.send_raw("POST", "events", content, content_type, idempotency_key="k-1")

    assert send(body).status == 202
    stored = Event.objects.count()
    again = send(body)
    assert again.status in (200, 202)
    assert Event.objects.count() == stored
    other = send(body.replace(b'"n"', b'"m"'))
    assert other.status in (400, 409)
    assert Event.objects.count() == stored


def test_an_event_with_a_header_that_is_no_key_is_refused(api: Api) -> None:
    assert post(api, "events", {}, "a b").status == 400
