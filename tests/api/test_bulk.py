"""One request about many objects: each is done or refused on its own, in the order sent."""

from typing import Any

import pytest

from actions.models import Action, Delivery
from connectors.models import Connector
from rules.models import MaintenanceWindow, Rule, Source
from spaces.models import AuditEntry, Space
from tests.api.client import Api, make_delivery
from tests.factories import make_action, make_connector, make_kafka_connector, make_rule, make_source, make_window

pytestmark = pytest.mark.django_db

KINDS: dict[str, Any] = {
    "connectors": Connector,
    "actions": Action,
    "sources": Source,
    "rules": Rule,
    "maintenance-windows": MaintenanceWindow,
}


@pytest.fixture
def names(space: Space, other_space: Space) -> list[str]:
    for where, name in ((space, "one"), (space, "two"), (other_space, "theirs")):
        action = make_action(make_connector(where, public_id=name), public_id=name)
        make_rule(where, public_id=name, actions=[action])
        make_source(make_kafka_connector(where, public_id=f"{name}-kafka"), public_id=name)
        make_window(where, public_id=name)
    return ["two", "theirs", "nobody", "one", "two"]


@pytest.mark.parametrize("kind", KINDS)
def test_many_are_disabled_and_enabled_and_another_space_s_are_as_good_as_none(
    api: Api, names: list[str], kind: str
) -> None:
    for verb, enabled in (("disable", False), ("enable", True)):
        answer = api.post(f"{kind}/_bulk_{verb}", {"ids": names})
        nothing = {"ok": False, "detail": "There is nothing by this ID."}
        assert answer.status == 200
        assert answer.body == [
            {"id": "two", "ok": True, "detail": ""},
            {"id": "theirs", **nothing},
            {"id": "nobody", **nothing},
            {"id": "one", "ok": True, "detail": ""},
        ]
        of_kind = KINDS[kind].objects
        assert set(of_kind.filter(public_id__in=["one", "two"]).values_list("enabled", flat=True)) == {enabled}
        assert of_kind.get(public_id="theirs").enabled


def test_many_are_deleted_as_far_as_nothing_uses_them(api: Api, space: Space, names: list[str]) -> None:
    make_action(make_connector(space, public_id="free"), public_id="free")
    answer = api.post("actions/_bulk_delete", {"ids": ["one", "free"]})
    assert [each["ok"] for each in answer.body] == [False, True]
    assert "in use" in answer.body[0]["detail"]
    assert [each["ok"] for each in api.post("rules/_bulk_delete", {"ids": ["one", "two"]}).body] == [True, True]
    assert [each["ok"] for each in api.post("actions/_bulk_delete", {"ids": ["one"]}).body] == [True]
    assert AuditEntry.objects.filter(action="rule.delete").count() == 2


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": "one"}, {"ids": [["a"]]}, {"ids": ["x"] * 1001}, {"id": []}])
@pytest.mark.parametrize("path", ["rules/_bulk_disable", "deliveries/_bulk_replay"])
def test_a_request_that_names_none_is_refused(api: Api, path: str, body: dict[str, Any]) -> None:
    assert api.post(path, body).status == 400


def test_many_deliveries_are_sent_again_each_with_its_own_result(api: Api, space: Space, other_space: Space) -> None:
    action = make_action(make_connector(space))
    dead = make_delivery(action, state="dead", attempts=10, last_reason="expired")
    waiting = make_delivery(action)
    theirs = make_delivery(make_action(make_connector(other_space)), state="dead")
    answer = api.post("deliveries/_bulk_replay", {"ids": [dead.pk, waiting.pk, theirs.pk]})
    assert [each["ok"] for each in answer.body] == [True, False, False]
    assert "has not ended" in answer.body[1]["detail"]
    assert Delivery.objects.get(pk=dead.pk).state == "pending"
    assert Delivery.objects.get(pk=theirs.pk).state == "dead"


def test_one_delivery_is_sent_again_and_shown_so(api: Api, space: Space) -> None:
    dead = make_delivery(make_action(make_connector(space)), state="dead", attempts=10, last_reason="expired")
    assert api.post(f"deliveries/{dead.pk}/replay", None).body["state"] == "pending"
    assert api.post(f"deliveries/{dead.pk}/replay", None).status == 409
    assert AuditEntry.objects.get(action="delivery.replay").object_id == str(dead.pk)
