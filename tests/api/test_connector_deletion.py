"""Connectors are deleted over the API: refused while they are used, forced, or replaced."""

from collections.abc import Iterator

import pytest

from actions.models import Action, Delivery, EventLogEntry
from connectors.models import Connector
from spaces.models import Space
from tests.api.client import Api, make_delivery
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver, receiver

pytestmark = pytest.mark.django_db

TOKEN = "tok-5ecret-canary"


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def connector(space: Space, to: Receiver) -> Connector:
    return make_connector(space, to.url, public_id="desk", auth="bearer", secrets={"token": TOKEN})


@pytest.fixture
def used(space: Space, connector: Connector) -> Action:
    action = make_action(connector, public_id="tell")
    make_rule(space, public_id="hot", actions=[action])
    return action


def test_who_uses_it_can_be_asked(api: Api, used: Action) -> None:
    (user,) = api.get("connectors/desk/users").body
    assert (user["id"], [rule["id"] for rule in user["rules"]]) == ("tell", ["hot"])


def test_it_is_not_deleted_while_it_is_used(api: Api, used: Action) -> None:
    answer = api.delete("connectors/desk")
    assert answer.status == 409
    assert answer.body["users"] == [{"type": "action", "id": "tell"}, {"type": "rule", "id": "hot"}]


def test_forced_deletion_leaves_its_users_without_one_and_ends_what_waits(api: Api, space: Space, used: Action) -> None:
    waiting = make_delivery(used)
    assert api.send("DELETE", "connectors/desk", force="true").status == 204
    action = api.get("actions/tell").body
    assert (action["connector"], action["lost_connector_id"]) == (None, "desk")
    waiting.refresh_from_db()
    assert (waiting.state, waiting.last_reason) == ("dead", "bad_config")
    entry = EventLogEntry.objects.get(delivery_id=waiting.pk)
    assert (entry.outcome, entry.reason, entry.connector_id) == ("failure", "bad_config", "desk")
    assert api.get("deliveries", state="dead").ids == [waiting.pk]
    assert api.patch("actions/tell", {"name": "Renamed"}).status == 200
    assert api.patch("actions/tell", {"params": {"body": "x"}}).places == ["/connector"]


def test_a_replacement_takes_over_its_users_and_what_waits(api: Api, space: Space, used: Action) -> None:
    waiting = make_delivery(used)
    make_connector(space, "https://b.example/", public_id="desk-2")
    assert api.send("DELETE", "connectors/desk", replace_with="desk-2").status == 204
    assert api.get("actions/tell").body["connector"] == "desk-2"
    waiting.refresh_from_db()
    assert waiting.state == Delivery.State.PENDING
    assert api.get(f"deliveries/{waiting.pk}").body["connector"] == "desk-2"


@pytest.mark.parametrize("chosen", ["desk", "nobody", "theirs", ""])
def test_only_another_connector_of_the_space_can_take_over(api: Api, used: Action, chosen: str) -> None:
    make_connector(make_space(), public_id="theirs")
    assert api.send("DELETE", "connectors/desk", replace_with=chosen).status == 400
    assert Connector.objects.filter(public_id="desk").exists()


def test_many_are_deleted_each_with_its_own_result(api: Api, space: Space, used: Action) -> None:
    make_connector(space, public_id="free")
    answer = api.post("connectors/_bulk_delete", {"ids": ["free", "desk", "nobody", "free"]})
    assert [(each["id"], each["ok"]) for each in answer.body] == [
        ("free", True),
        ("desk", False),
        ("nobody", False),
    ]
    assert "in use" in answer.body[1]["detail"]
    forced = api.post("connectors/_bulk_delete", {"ids": ["desk"], "force": True})
    assert forced.body[0]["ok"]
