"""What happens while a request is on its way counts: who may do it is asked when its body has come."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from connectors.models import Connector
from spaces.models import ApiKey, AuditEntry, Space
from spaces.services import archive_space, create_api_key, revoke_api_key
from tests.api.client import Answer, Api
from tests.factories import make_connector

pytestmark = pytest.mark.django_db


class SlowBody(io.BytesIO):
    """A body during which something happens."""

    def __init__(self, content: bytes, meanwhile: Callable[[], object]) -> None:
        super().__init__(content)
        self._meanwhile: Callable[[], object] | None = meanwhile

    def read(self, *args: Any) -> bytes:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return super().read(*args)


def send(space: Space, token: str, method: str, path: str, body: Any, meanwhile: Callable[[], object]) -> Answer:
    content = json.dumps(body).encode()
    environment = {
        "wsgi.input": SlowBody(content, meanwhile),
        "CONTENT_LENGTH": str(len(content)),
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "PATH_INFO": f"/api/v1/spaces/{space.slug}/{path}",
        "REQUEST_METHOD": method,
    }
    return Answer(Client().request(**environment))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "api-keys", {"name": "backdoor", "role": "admin"}),
        ("PATCH", "connectors/desk", {"name": "changed"}),
        ("DELETE", "connectors/desk", {}),
        ("POST", "connectors/_bulk_disable", {"ids": ["desk"]}),
    ],
)
def test_a_key_that_is_revoked_meanwhile_does_nothing(space: Space, method: str, path: str, body: Any) -> None:
    make_connector(space, public_id="desk", name="Desk")
    row, token = create_api_key(space, "thief", role="admin")
    answer = send(space, token, method, path, body, lambda: revoke_api_key(row))
    assert answer.status == 401
    assert Connector.objects.get().name == "Desk"
    assert Connector.objects.get().enabled
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_a_space_that_is_archived_meanwhile_is_not_changed(space: Space) -> None:
    make_connector(space, public_id="desk", name="Desk")
    token = create_api_key(space, "editor", role="editor")[1]
    answer = send(space, token, "PATCH", "connectors/desk", {"name": "changed"}, lambda: archive_space(space))
    assert answer.status == 409
    assert Connector.objects.get().name == "Desk"


def test_a_database_that_is_busy_too_long_is_503_and_not_a_fault_of_ours(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr("connectors.api.serializers.create_connector", locked)
    answer = api.post("connectors", {"name": "x", "connector_type_id": "http"})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert "locked" not in answer.text


def test_a_key_is_rotated_once_and_its_successor_ends_when_it_would_have(api: Api, space: Space) -> None:
    ends = timezone.now() + timedelta(days=90)
    made = api.post("api-keys", {"name": "Robot", "role": "ingest", "expires_at": ends.isoformat()})
    path = f"api-keys/{made.body['id']}"
    first = api.post(f"{path}/rotate", {"overlap": 60})
    again = api.post(f"{path}/rotate", {"overlap": 60})
    assert (again.status, first.body["prefix"] in again.text) == (400, True)
    api.delete(f"api-keys/{first.body['id']}")  # its answer was lost
    second = api.post(f"{path}/rotate", {"overlap": 60})
    assert second.status == 201
    assert second.body["expires_at"] == first.body["expires_at"] == made.body["expires_at"]


@pytest.mark.parametrize("overlap", ["3600", 1.5, "P1D", -1, 30 * 86400 + 1, True, None])
def test_an_overlap_that_is_no_number_of_seconds_is_refused(api: Api, overlap: Any) -> None:
    made = api.post("api-keys", {"name": "Robot", "role": "ingest"})
    assert api.post(f"api-keys/{made.body['id']}/rotate", {"overlap": overlap}).status == 400


def test_a_key_needs_a_role_and_a_time_to_come(api: Api) -> None:
    assert api.post("api-keys", {"name": "Robot"}).places == ["/role"]
    past = (timezone.now() - timedelta(seconds=1)).isoformat()
    assert api.post("api-keys", {"name": "Robot", "role": "ingest", "expires_at": past}).places == ["/expires_at"]


def test_a_key_has_an_etag(api: Api) -> None:
    made = api.post("api-keys", {"name": "Robot", "role": "ingest"})
    path = f"api-keys/{made.body['id']}"
    assert api.get(path).headers["ETag"] == made.headers["ETag"]
    assert api.send_with({"if-match": '"0.0"'}, "DELETE", path).status == 412
    assert ApiKey.objects.get(pk=made.body["id"]).revoked_at is None
    assert api.send_with({"if-match": made.headers["ETag"]}, "DELETE", path).status == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "connectors", {}),
        ("POST", "api-keys", {}),
        ("POST", "connectors/_bulk_enable", {}),
        ("POST", "exports", {}),
        ("GET", "connector-types", None),
        ("GET", "rule-types/event", None),
        ("POST", "connectors/desk/probe", {}),
    ],
)
def test_a_parameter_that_does_not_exist_is_refused_at_every_address(
    api: Api, space: Space, method: str, path: str, body: Any
) -> None:
    make_connector(space, public_id="desk")
    answer = api.send(method, path, body, dry_run="true")
    assert (answer.status, answer.parameters) == (400, ["dry_run"])


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("path", ["audit", "audit/_export"])
def test_a_time_past_all_calendars_is_refused(api: Api, path: str, time: str) -> None:
    assert api.get(path, since=time).parameters == ["since"]


def test_what_is_refused_again_and_again_is_written_down_once_a_minute(space: Space) -> None:
    api = Api(space)
    api.headers = {"authorization": f"Bearer {create_api_key(space, 'viewer', role='viewer')[1]}"}
    assert {api.post("rules", {}).status for _ in range(5)} == {403}
    assert api.get("members").status == 403  # another kind of thing
    assert AuditEntry.objects.filter(action="permission.refused").count() == 2


def test_who_is_made_a_superuser_stands_in_the_audit_log() -> None:
    client, ada = Client(), User.objects.create_user("ada")
    client.force_login(User.objects.create_superuser("root"))
    form = {"username": "ada", "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    client.post(f"/admin/auth/user/{ada.pk}/change/", {**form, **dates})
    changed = AuditEntry.objects.get(action="user.update")
    assert (changed.object_name, changed.actor) == ("ada", "root")
    assert changed.after == {"is_staff": True, "is_superuser": True}
    client.post("/admin/auth/group/add/", {"name": "ops"})
    client.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    actions = AuditEntry.objects.filter(actor="root").values_list("action", flat=True)
    assert {"group.create", "user.delete"} <= set(actions)
    assert "password" not in str(list(AuditEntry.objects.values()))
