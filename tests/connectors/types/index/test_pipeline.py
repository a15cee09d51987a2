"""Events reach an index through the whole pipeline, many in one request."""

import json
from collections.abc import Iterator

import pytest

from actions.models import Delivery
from actions.services import create_action
from connectors.services import create_connector
from tests.factories import make_rule, make_space
from tests.rules.running import incoming, send, stop
from tests.vendors import Answer, Call, vendor

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State


@pytest.fixture(autouse=True)
def stopped(transactional_db: None) -> Iterator[None]:
    yield
    stop()


def answer(call: Call) -> Answer:
    actions = [json.loads(line)["create"] for line in call.body.splitlines()[::2]]
    items = [
        {"create": {"_index": "events", "_id": each["_id"], "status": 201, "result": "created"}} for each in actions
    ]
    return Answer(200, {"errors": False, "items": items})


def test_events_are_stored_with_their_data_in_fewer_requests_than_there_are() -> None:
    space = make_space()
    with vendor(answer) as running:
        connector = create_connector(
            space, type="index", name="Events", config={"url": running.url, "index": "events"}, secrets={}
        )
        action = create_action(space, connector=connector, name="Store", params={})
        make_rule(space, params={"event_types": ["test.ping"]}, actions=[action])
        send(space, *(incoming(data={"n": n}) for n in range(200)))
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 200
    lines = [json.loads(line) for call in running.calls for line in call.body.splitlines()]
    assert sorted(document["event"]["data"]["n"] for document in lines[1::2]) == list(range(200))
    assert lines[1]["@timestamp"].startswith("2026-01-02T03:04:05")
    sent = {line["create"]["_id"] for line in lines[::2]}
    assert sent == {str(found) for found in Delivery.objects.values_list("webhook_id", flat=True)}
    assert len(running.calls) < 50
