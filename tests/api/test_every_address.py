"""Every address keeps the same contract: each way to be wrong has its status, and is a problem document."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator

from actions.models import DeliveryJob
from spaces.api.parsers import MAX_BYTES
from spaces.models import AuditEntry, Space
from spaces.services import add_member, create_api_key
from tests.api.client import Answer, Api, make_alert, make_delivery, make_event, make_log_entry
from tests.factories import (
    make_action,
    make_condition,
    make_connector,
    make_kafka_connector,
    make_rule,
    make_source,
    make_window,
)

pytestmark = pytest.mark.django_db

Operation = tuple[str, str]  # method and path

METHODS = {"get", "post", "put", "patch", "delete"}
DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
PATHS: dict[str, dict[str, Any]] = DOCUMENT["paths"]
OPERATIONS: list[Operation] = [(method, path) for path, methods in PATHS.items() for method in methods]
WITH_BODY = [(method, path) for method, path in OPERATIONS if "requestBody" in PATHS[path][method]]
# These read their bodies up to limits of their own, and answer with a file whatever Accept says.
OWN_BODIES = re.compile(r"/(events|imports)$")
FILES = re.compile(r"/(events|imports|exports|audit/_export)$")


class Somebody:
    """May do all that is done at any address, where something is at each of them."""

    def __init__(self, space: Space) -> None:
        self._space = space
        connector = make_connector(space, public_id="one")
        action = make_action(connector, public_id="one")
        make_rule(space, public_id="one")
        make_source(make_kafka_connector(space), public_id="one")
        make_window(space, public_id="one")
        make_condition(space, public_id="one")
        jobs = {"space": space, "rate": 1, "total": 0, "last": 0}
        self._names: dict[str, Any] = {
            "connector-types": "http",
            "rule-types": "event",
            "source-types": "kafka",
            "alerts": make_alert(space).pk,
            "events": make_event(space).pk,
            "deliveries": make_delivery(action).pk,
            "replays": DeliveryJob.objects.create(kind="replay", **jobs).pk,
            "cancellations": DeliveryJob.objects.create(kind="cancel", **jobs).pk,
            "event-log": make_log_entry(space).pk,
            "members": add_member(space, User.objects.create_user("ada"), "viewer").pk,
            "api-keys": create_api_key(space, "one")[0].pk,
            "audit": AuditEntry.objects.filter(space=space)[:1].get().pk,
        }
        self._api, self._root = Api(space), Api(space)
        self._root.sign_in(User.objects.create_superuser("root"))

    def send(self, method: str, path: str, content: bytes = b"", content_type: str = "", **headers: str) -> Answer:
        """Send to the address of this path; what comes of it is undone."""
        kind = path.removeprefix("/api/v1/spaces/{space}/").partition("/")[0].partition("?")[0]
        address = path.format(space=self._space.slug, id=self._names.get(kind, "one"))
        api = self._root if path.partition("?")[0] == "/api/v1/spaces" else self._api
        # What is at the addresses is made once for all requests: that takes longer than they do.
        with transaction.atomic():
            answer = api.send_raw(method.upper(), address, content, content_type or "application/json", None, **headers)
            transaction.set_rollback(True)
        return answer


@pytest.fixture
def somebody(space: Space) -> Somebody:
    return Somebody(space)


def expect(status: int, operations: Iterable[Operation], ask: Callable[[str, str], Answer]) -> None:
    """Assert that each of the operations is answered so."""
    answers = {f"{method.upper()} {path}": ask(method, path).status for method, path in operations}
    assert answers
    assert {where: answer for where, answer in answers.items() if answer != status} == {}


def test_a_method_that_it_has_not_is_405_and_names_those_that_it_has(somebody: Somebody) -> None:
    for path, methods in PATHS.items():
        others = sorted(METHODS - set(methods))
        for method in others[:1]:
            answer = somebody.send(method, path)
            named = {each.strip().lower() for each in answer.headers["Allow"].split(",")}
            assert (path, answer.status) == (path, 405)
            assert set(methods) <= named, path
            assert not named & set(others), path


def test_an_answer_of_another_type_cannot_be_had(somebody: Somebody) -> None:
    operations = [each for each in OPERATIONS if not FILES.search(each[1])]
    expect(406, operations, lambda method, path: somebody.send(method, path, b"{}", accept="text/html"))


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_a_body_of_another_type_is_415(somebody: Somebody, content_type: str) -> None:
    expect(415, WITH_BODY, lambda method, path: somebody.send(method, path, b"--x--", content_type))


def test_a_body_that_is_too_large_is_413(somebody: Somebody) -> None:
    operations = [each for each in WITH_BODY if not OWN_BODIES.search(each[1])]
    content = b'{"name": "' + b"x" * MAX_BYTES + b'"}'
    expect(413, operations, lambda method, path: somebody.send(method, path, content))


@pytest.mark.parametrize("content", [b"{", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'"\xff"', b"[]", b"7", b'"x"'])
def test_a_body_that_is_no_json_object_is_400(somebody: Somebody, content: bytes) -> None:
    operations = [each for each in WITH_BODY if not OWN_BODIES.search(each[1])]
    expect(400, operations, lambda method, path: somebody.send(method, path, content))


def test_what_is_not_there_is_404(api: Api) -> None:
    space = api.root.split("/")[4]
    operations = [each for each in OPERATIONS if "{id}" in each[1]]
    expect(404, operations, lambda method, path: api.send(method.upper(), path.format(space=space, id="4711"), {}))


def test_a_fault_of_ours_is_500_and_tells_nothing(somebody: Somebody, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("S3CR3T inside")

    for name in ("spaces.api.checked.CheckedViewSet.initial", "rules.sources.http._read_events"):
        monkeypatch.setattr(name, fail)
    for method, path in OPERATIONS:
        answer = somebody.send(method, path, b"{}")
        assert (path, answer.status, answer.body["title"]) == (path, 500, "Internal Server Error")
        assert "S3CR3T" not in answer.text


def test_a_method_that_it_has_not_is_405_whatever_else_is_wrong(somebody: Somebody) -> None:
    expect(405, [("trace", f"{path}?no_such_parameter=1") for path in PATHS], somebody.send)
