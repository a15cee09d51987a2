"""Every address keeps the same contract: each way to be wrong has its status, and is a problem document."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from drf_spectacular.generators import SchemaGenerator

from actions.models import DeliveryJob
from spaces.api.parsers import MAX_BYTES
from spaces.models import AuditEntry, Space
from spaces.services import add_member, create_api_key
from tests.api.client import Answer, Api, make_alert, make_delivery, make_event, make_log_entry
from tests.factories import make_action, make_connector, make_kafka_connector, make_rule, make_source, make_window

pytestmark = pytest.mark.django_db

METHODS = {"get", "post", "put", "patch", "delete"}
DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
OPERATIONS = [
    pytest.param(method, path, id=f"{method.upper()} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
]
WITH_BODY = [
    pytest.param(method, path, id=f"{method.upper()} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
]
# These read their bodies up to limits of their own, and answer with a file whatever Accept says.
OWN_BODIES = re.compile(r"/(events|imports)$")
FILES = re.compile(r"/(events|imports|exports|audit/_export)$")


def send(space: Space, method: str, path: str, content: bytes = b"", content_type: str = "", **headers: str) -> Answer:
    """Send to the address, where something is, as somebody who may do all that is done there."""
    api = Api(space)
    if path == "/api/v1/spaces":
        api.sign_in(User.objects.create_superuser("root"))
    address = path.format(space=space.slug, id=name_of_one(space, path))
    return api.send_raw(method.upper(), address, content, content_type or "application/json", None, **headers)


def name_of_one(space: Space, path: str) -> Any:
    """Make what the address is about, and return what names it."""
    connector = make_connector(space, public_id="one")
    action = make_action(connector, public_id="one")
    make_rule(space, public_id="one")
    make_source(make_kafka_connector(space), public_id="one")
    make_window(space, public_id="one")
    match path.removeprefix("/api/v1/spaces/{space}/").partition("/")[0]:
        case "connector-types":
            return "http"
        case "rule-types":
            return "event"
        case "source-types":
            return "kafka"
        case "alerts":
            return make_alert(space).pk
        case "events":
            return make_event(space).pk
        case "deliveries":
            return make_delivery(action).pk
        case "replays":
            return DeliveryJob.objects.create(space=space, kind="replay", rate=1, total=0, last=0).pk
        case "cancellations":
            return DeliveryJob.objects.create(space=space, kind="cancel", rate=1, total=0, last=0).pk
        case "event-log":
            return make_log_entry(space).pk
        case "members":
            return add_member(space, User.objects.create_user("ada"), "viewer").pk
        case "api-keys":
            return create_api_key(space, "one")[0].pk
        case "audit":
            return AuditEntry.objects.filter(space=space)[:1].get().pk
        case _:
            return "one"


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_method_that_it_has_not_is_405_and_names_those_that_it_has(space: Space, path: str) -> None:
    others = sorted(METHODS - set(DOCUMENT["paths"][path]))
    for method in others[:1]:
        answer = send(space, method, path)
        assert answer.status == 405
        named = {each.strip().lower() for each in answer.headers["Allow"].split(",")}
        assert set(DOCUMENT["paths"][path]) <= named
        assert not named & set(others)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_answer_of_another_type_cannot_be_had(space: Space, method: str, path: str) -> None:
    if not FILES.search(path):
        assert send(space, method, path, b"{}", accept="text/html").status == 406


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_a_body_of_another_type_is_415(space: Space, method: str, path: str, content_type: str) -> None:
    assert send(space, method, path, b"--x--", content_type).status == 415


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
def test_a_body_that_is_too_large_is_413(space: Space, method: str, path: str) -> None:
    if not OWN_BODIES.search(path):
        assert send(space, method, path, b'{"name": "' + b"x" * MAX_BYTES + b'"}').status == 413


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@pytest.mark.parametrize("content", [b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'"\xff"', b"[]", b"7", b'"x"'])
def test_a_body_that_is_no_json_object_is_400(space: Space, method: str, path: str, content: bytes) -> None:
    if not OWN_BODIES.search(path):
        assert send(space, method, path, content).status == 400


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if "{id}" in path])
def test_what_is_not_there_is_404(api: Api, path: str) -> None:
    for method in DOCUMENT["paths"][path]:
        assert api.send(method.upper(), path.format(space=api.root.split("/")[4], id="4711"), {}).status == 404


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_fault_of_ours_is_500_and_tells_nothing(
    space: Space, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("S3CR3T inside")

    for name in ("spaces.api.checked.CheckedViewSet.initial", "rules.sources.http._read_events"):
        monkeypatch.setattr(name, fail)
    answer = send(space, method, path, b"{}")
    assert (answer.status, answer.body["title"]) == (500, "Internal Server Error")
    assert "S3CR3T" not in answer.text


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_a_method_that_it_has_not_is_405_whatever_else_is_wrong(space: Space, path: str) -> None:
    assert send(space, "TRACE", f"{path}?no_such_parameter=1").status == 405
