"""Preconfigured connectors: what CONNECTORS_FILE says stands in every space, read-only, and follows the file."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection
from pytest_django import Settings

from actions.models import Action
from connectors.models import Connector, Status
from connectors.services import create_connector, open_connection
from connectors.services.preconfigured import sync_preconfigured
from spaces.errors import InvalidInput
from spaces.models import AuditEntry, Space
from tests.api.client import Api
from tests.factories import make_connector, make_space
from tests.receiver import receiver

pytestmark = pytest.mark.django_db

CANARY = "S3CR3T-canary-file"
Write = Callable[[str], None]

DESK = """
connectors:
  - id: shared-desk
    type: http
    name: Shared desk
    tags: [all]
    config:
      url: {url}
      auth: bearer
    secrets:
      token: {token}
"""


@pytest.fixture
def write(tmp_path: Path, settings: Settings) -> Write:
    """Write the file anew, as before the next start: a running process keeps what it has read."""
    count = 0

    def write_file(text: str) -> None:
        nonlocal count
        count += 1
        path = tmp_path / f"connectors-{count}.yaml"
        path.write_text(text)
        settings.CONNECTORS_FILE = str(path)

    return write_file


@pytest.fixture
def space() -> Space:
    return make_space()


def desk(url: str = "https://desk.example/hook", token: str = CANARY, more: str = "") -> str:
    return DESK.format(url=url, token=token) + more


def token_of(row: Connector) -> str:
    return str(open_connection(row).secrets.token.get_secret_value())


def stored() -> Connector:
    return Connector.objects.get(space=None, public_id="shared-desk")


# --- Following the file ---


def test_what_the_file_has_stands_in_every_space_also_in_later_ones(write: Write, space: Space) -> None:
    write(desk())
    assert sync_preconfigured().created == ["shared-desk"]
    for each in (space, make_space()):
        (shown,) = Api(each).get("connectors").body["results"]
        assert (shown["id"], shown["is_preconfigured"], shown["tags"]) == ("shared-desk", True, ["all"])
        assert list(shown["secrets_set"]) == ["token"]
    assert token_of(stored()) == CANARY


def test_reading_the_same_file_again_changes_nothing(write: Write) -> None:
    write(desk())
    sync_preconfigured()
    before = Connector.objects.values().get(public_id="shared-desk")
    again = sync_preconfigured()
    assert (again.created, again.updated, again.deleted, again.disabled) == ([], [], [], [])
    assert Connector.objects.values().get(public_id="shared-desk") == before


@pytest.mark.parametrize(
    "text",
    [
        desk(token="another"),
        desk("https://other.example/"),
        desk(more="    expose_config: true\n"),
        desk(more="    health_interval: 0\n"),
        desk(more="    max_concurrency: 5\n"),
        desk(more="    max_per_second: 0.5\n"),
        desk().replace("Shared desk", "Renamed"),
        desk().replace("[all]", "[all, more]"),
    ],
)
def test_a_change_in_the_file_is_taken_up(write: Write, text: str) -> None:
    write(desk())
    sync_preconfigured()
    version = stored().version
    write(text)
    assert sync_preconfigured().updated == ["shared-desk"]
    assert stored().version == version + 1
    assert sync_preconfigured().updated == []


def test_one_that_the_file_no_longer_has_goes_unless_it_is_used(write: Write, space: Space) -> None:
    write(desk())
    sync_preconfigured()
    api = Api(space)
    assert api.post("actions", {"id": "tell", "name": "Tell", "connector": "shared-desk"}).status == 201
    write("connectors: []\n")
    assert sync_preconfigured().disabled == ["shared-desk"]
    assert (stored().enabled, stored().status) == (False, Status.DISABLED)
    assert "no longer stands in CONNECTORS_FILE" in stored().status_detail
    assert sync_preconfigured().disabled == []
    write(desk())
    sync_preconfigured()
    assert stored().enabled
    Action.objects.all().delete()
    write("connectors: []\n")
    assert sync_preconfigured().deleted == ["shared-desk"]
    assert not Connector.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_read_it_at_once_make_one(write: Write) -> None:
    write(desk())
    faults: list[Exception] = []

    def sync() -> None:
        try:
            sync_preconfigured()
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert Connector.objects.filter(public_id="shared-desk").count() == 1


# --- Secrets by value, env: or file: ---


def test_a_secret_comes_from_the_file_the_environment_or_another_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_TOKEN", "from the environment")
    (tmp_path / "token").write_text("from-a-file\n")
    for text, expected in (
        ("written", "written"),
        ("env:DESK_TOKEN", "from the environment"),
        ("file:token", "from-a-file"),
        (f"file:{tmp_path / 'token'}", "from-a-file"),
        ("value:env:DESK_TOKEN", "env:DESK_TOKEN"),
    ):
        write(desk(token=json.dumps(text)))
        sync_preconfigured()
        assert token_of(stored()) == expected


def test_its_secrets_are_in_no_list_audit_entry_or_dump(write: Write, space: Space) -> None:
    write(desk())
    sync_preconfigured()
    write(desk(token=f"{CANARY}-2"))
    sync_preconfigured()
    assert CANARY not in Api(space).get("connectors").text
    entries = list(AuditEntry.objects.filter(object_id="shared-desk").values())
    assert [entry["action"] for entry in entries] == ["connector.update", "connector.create"]
    assert CANARY not in str(entries)
    assert CANARY not in str(Connector.objects.values())


def test_a_config_that_is_not_exposed_is_shown_nowhere(write: Write, space: Space) -> None:
    write(desk("https://hidden-host.example/hook"))
    sync_preconfigured()
    api = Api(space)
    for path in ("connectors", "connectors/shared-desk"):
        assert "hidden-host" not in api.get(path).text
    assert "hidden-host" not in str(list(AuditEntry.objects.values()))
    write(desk("https://hidden-host.example/hook", more="    expose_config: true\n"))
    sync_preconfigured()
    assert "hidden-host" in api.get("connectors/shared-desk").text


# --- Read-only, and of use ---


def test_every_way_to_change_it_is_refused_plainly(write: Write, space: Space) -> None:
    write(desk())
    sync_preconfigured()
    api = Api(space)
    whole = {"name": "Mine", "connector_type_id": "http", "config": {"url": "https://mine.example"}}
    refusals = [
        api.patch("connectors/shared-desk", {"name": "Mine"}),
        api.patch("connectors/shared-desk", {"enabled": False}),
        api.put("connectors/shared-desk", whole),
        api.delete("connectors/shared-desk"),
        api.delete("connectors/shared-desk?force=true"),
        api.post("connectors/shared-desk/duplicate", {}),
    ]
    for refusal in refusals:
        assert refusal.status == 409
        assert "CONNECTORS_FILE" in refusal.body["detail"]
    (result,) = api.post("connectors/_bulk_delete", {"ids": ["shared-desk"], "force": True}).body
    assert (result["ok"], "CONNECTORS_FILE" in result["detail"]) == (False, True)
    made = api.post("connectors", {"id": "shared-desk", **whole})
    assert (made.status, made.places) == (400, ["/id"])
    assert stored().name == "Shared desk"


def test_it_is_tested_executed_and_used_by_actions_of_any_space(write: Write) -> None:
    with receiver() as to:
        write(desk(to.url))
        sync_preconfigured()
        for each in (make_space(), make_space()):
            api = Api(each)
            assert api.post("connectors/shared-desk/probe", None).body["outcome"] == "passed"
            assert api.post("connectors/shared-desk/execute", {"params": {}}).body["outcome"] == "success"
            assert api.post("actions", {"id": "tell", "name": "Tell", "connector": "shared-desk"}).status == 201
            assert api.get("connectors/shared-desk").body["referenced_by_count"] == 1
    assert {request.headers["authorization"] for request in to.requests} == {f"Bearer {CANARY}"}


def test_its_stored_secrets_help_nobody_to_try_other_settings(write: Write, space: Space) -> None:
    write(desk())
    sync_preconfigured()
    body: dict[str, Any] = {"connector_type_id": "http", "config": {"url": "https://evil.example"}}
    assert Api(space).post("connectors/_probe", {**body, "connector": "shared-desk"}).status == 404


def test_a_saved_connector_that_hides_one_is_reported_and_wins_in_its_space(
    write: Write, space: Space, caplog: pytest.LogCaptureFixture
) -> None:
    make_connector(space, "https://own.example/", public_id="shared-desk", name="Own")
    write(desk())
    assert sync_preconfigured().shadowed == [("shared-desk", space.slug)]
    assert "shared-desk" in caplog.text
    (warning,) = [
        each
        for each in run_checks(tags=[Tags.database], databases=["default"])
        if each.id == "switchyard.shadowed_connector"
    ]
    assert (space.slug in warning.msg, "shared-desk" in warning.msg) == (True, True)
    (shown,) = Api(space).get("connectors").body["results"]
    assert (shown["name"], shown["is_preconfigured"]) == ("Own", False)
    (elsewhere,) = Api(make_space()).get("connectors").body["results"]
    assert elsewhere["is_preconfigured"]


def test_services_refuse_its_id(write: Write, space: Space) -> None:
    write(desk())
    sync_preconfigured()
    with pytest.raises(InvalidInput, match="belongs to a preconfigured connector"):
        create_connector(
            space, type="http", public_id="shared-desk", name="X", config={"url": "https://a.example"}, secrets={}
        )
