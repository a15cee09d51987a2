"""Under /api/ every error is a problem document, whoever raises it; elsewhere pages stay pages."""

import json

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from spaces.models import Space
from tests.api.client import Answer, Api

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v1/", "/api/v2/spaces", "/api/v1/spaces/x/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("debug", [False, True])
def test_unknown_address(method: str, path: str, debug: bool, settings: Settings) -> None:
    settings.DEBUG = debug
    client = Client(enforce_csrf_checks=True)
    assert Answer(client.generic(method, path)).status == 404


def test_trailing_slash_is_another_address(api: Api) -> None:
    assert api.get("connectors").status == 200
    assert api.get("connectors/").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "connectors"), ("POST", "connectors/x"), ("DELETE", "events"), ("POST", "deliveries"), ("TRACE", "rules")],
)
def test_method_that_is_not_allowed_names_those_that_are(api: Api, method: str, path: str) -> None:
    answer = api.send(method, path)
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]


def test_answers_are_json_only(api: Api) -> None:
    assert api.send_raw("GET", "connectors", b"", accept="text/html").status == 406
    assert api.send_raw("GET", "connectors", b"", accept="text/html,*/*;q=0.8").status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_body_that_is_not_json_is_unsupported(api: Api, content_type: str) -> None:
    assert api.send_raw("POST", "connectors", b"name=x", content_type).status == 415


DEEP = b'{"name": ' + b"[" * 65 + b"]" * 65 + b"}"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", ""),
        (b"\xff\xfe", ""),
        (b"[]", ""),
        (b"null", ""),
        (b'"name"', ""),
        (b"", "/name"),
        (b'{"name": "a", "name": "b"}', ""),
        (b'{"name": NaN}', "/name"),
        (b'{"name": 1e999}', "/name"),
        (b'{"name": "\\u0000"}', "/name"),
        (b'{"name": "\\ud800"}', "/name"),
        (b'{"config": {"url": "a\\u0000"}}', "/config/url"),
        (b'{"config": {"\\ud800": 1}}', "/config"),
        (b'{"config": ' + b"9" * 5000 + b"}", "/config"),
        (DEEP, "/name" + "/0" * 63),
        (b"[" * 100_000, ""),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_hostile_body_is_refused_with_the_place(api: Api, body: bytes, place: str) -> None:
    answer = api.send("POST", "connectors", body)
    assert answer.status == 400
    assert place in answer.places


def test_body_over_1_mib_is_too_large(api: Api) -> None:
    fits = json.dumps({"name": "x" * (1024 * 1024 - 100)}).encode()
    assert api.send("POST", "connectors", fits).status == 400
    assert api.send("POST", "connectors", fits + b" " * 100).status == 413


def test_body_of_a_form_over_the_limit_is_too_large(space: Space, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = Api(space).send_raw("POST", "connectors", b"a" * 100, "application/x-www-form-urlencoded")
    assert answer.status in (413, 415)


def test_unknown_host_is_a_problem_too(space: Space) -> None:
    response = Client().get(f"/api/v1/spaces/{space.slug}/connectors", headers={"host": "evil.example"})
    assert Answer(response).status == 400


def _refuse(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def _suspect(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation


def _fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


class BrokenUrls:
    """The installation's error views, and addresses that fail in every way."""

    from connectors_project.urls import handler400, handler403, handler404, handler500

    urlpatterns = [
        path(f"{prefix}{name}", view)
        for prefix in ("api/", "pages/")
        for name, view in (("403", _refuse), ("400", _suspect), ("500", _fail))
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_django_s_own_errors_are_problems_under_api_and_pages_elsewhere(status: int, settings: Settings) -> None:
    settings.ROOT_URLCONF = BrokenUrls
    client = Client(raise_request_exception=False)
    assert Answer(client.get(f"/api/{status}")).status == status
    page = client.get(f"/pages/{status}")
    assert page.status_code == status
    assert page["Content-Type"].startswith("text/html")
