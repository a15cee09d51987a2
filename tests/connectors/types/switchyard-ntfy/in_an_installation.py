"""What holds where the sample package is installed: tests/connectors/types/test_packages.py installs and runs this."""

from collections.abc import Iterator

import pytest
from django.core.checks import run_checks

from actions.engine.lanes import lanes
from actions.models import Delivery
from spaces.models import Space
from tests.api.client import Api
from tests.factories import make_space
from tests.rules.running import incoming, send
from tests.vendors import Answer, Call, Vendor, vendor

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"


def ntfy(call: Call) -> Answer:
    """ntfy as its pages "Publish as JSON" and "Access tokens" have it."""
    if (call.method, call.path) == ("GET", "/v1/health"):
        return Answer(200, {"healthy": True})
    assert (call.method, call.path) == ("POST", "/")
    assert call.json.keys() <= {"topic", "title", "message", "priority", "tags"}
    if call.headers.get("authorization") != f"Bearer {TOKEN}":
        return Answer(401, {"code": 40101, "http": 401, "error": "unauthorized"})
    return Answer(200, {"id": "sPs71M8A2T", "event": "message", **call.json})


@pytest.fixture
def server() -> Iterator[Vendor]:
    with vendor(ntfy) as running:
        yield running
        lanes.stop()


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def api(space: Space) -> Api:
    return Api(space)


def test_the_type_is_listed_with_its_fields(api: Api) -> None:
    assert "ntfy" in [each["id"] for each in api.send("GET", "connector-types").body]
    shown = api.send("GET", "connector-types/ntfy").body
    assert shown["name"] == "ntfy"
    assert "topic" in str(shown)
    assert not [message for message in run_checks() if message.id == "switchyard.connector_types"]


def test_an_event_goes_through_a_connector_of_the_type(api: Api, space: Space, server: Vendor) -> None:
    connector = {"id": "phones", "connector_type_id": "ntfy", "name": "Phones", "config": {"url": server.url}}
    assert api.send("POST", "connectors", {**connector, "secrets": {"token": TOKEN}}).status == 201
    tested = api.send("POST", "connectors/phones/probe").body
    assert (tested["outcome"], tested["steps"][-1]["name"]) == ("passed", "health")
    action = {
        "id": "tell",
        "name": "Tell",
        "connector": "phones",
        "params": {"topic": "ops", "message": "{{ event.id }}"},
    }
    assert api.send("POST", "actions", action).status == 201
    rule = {"name": "All", "rule_type_id": "event", "params": {"event_types": ["test.ping"]}, "actions": ["tell"]}
    made = api.send("POST", "rules", rule)
    assert made.status == 201, made.body
    send(space, incoming("e1"))
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    (call,) = [call for call in server.calls if call.method == "POST"]
    assert call.json == {"topic": "ops", "title": "test.ping", "message": "e1", "priority": 3, "tags": []}


def test_what_the_system_says_of_a_refusal_stands_in_the_event_log(api: Api, server: Vendor) -> None:
    connector = {"id": "phones", "connector_type_id": "ntfy", "name": "Phones", "config": {"url": server.url}}
    api.send("POST", "connectors", connector)
    answer = api.send("POST", "connectors/phones/execute", {"params": {"topic": "ops", "message": "m"}})
    assert answer.body["reason"] == "permanent_4xx", answer.body
    assert "ntfy says: unauthorized." in str(answer.body)
