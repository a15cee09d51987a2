"""What a system answers becomes an event where the action asks for it, so that rules can act on it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from actions.engine import leases
from actions.engine.lanes import lanes
from actions.engine.outcomes import Finished, record
from actions.models import Action, Delivery, EventLogEntry
from actions.services import create_action
from actions.services.replay import replay_delivery
from actions.signals import answered
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services import create_connector
from rules.evaluation.rounds import evaluate_round
from rules.incoming import MAX_HOPS
from rules.services.accept import accept_events
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver
from tests.rules.running import data_of, incoming, own_events, run, send, stop
from tests.servers import wait_until
from tests.vendors import Answer, Call, Vendor, vendor

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State
JSON: dict[str, Any] = {"response_format": {"type": "json_object"}}


@pytest.fixture(autouse=True)
def stopped(transactional_db: None) -> Iterator[None]:
    yield
    stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def model() -> Iterator[Vendor]:
    """A model that finds everything grave which is full."""

    def answer(call: Call) -> Answer:
        said = json.dumps({"severity": "high" if b"full" in call.body else "low"})
        message = {"role": "assistant", "content": said}
        return Answer(200, {"model": "m1", "choices": [{"message": message, "finish_reason": "stop"}]})

    with vendor(answer) as running:
        yield running


def wire_model(space: Space, model: Vendor, *event_types: str, **params: Any) -> tuple[Connector, Action]:
    """Have the model asked about events of these types."""
    connector = create_connector(
        space, type="openai", name="Model", config={"url": model.url, "provider": "other"}, secrets={}
    )
    action = create_action(space, connector=connector, name="Ask", params={"answer_event": True, **JSON, **params})
    make_rule(space, name="Asking", params={"event_types": list(event_types)}, actions=[action])
    return connector, action


def test_an_answer_is_acted_upon_by_a_rule_that_looks_into_it(space: Space, model: Vendor, to: Receiver) -> None:
    connector, asking = wire_model(space, model, "test.ping")
    body = {"severity": "{{ event.data.answer.json.severity }}", "site": "{{ event.data.event.data.site }}"}
    telling = make_action(make_connector(space, url=to.url), params={"body": body})
    make_rule(
        space,
        params={"event_types": ["switchyard.action.answered"]},
        condition='event.data.answer.json.severity == "high"',
        actions=[telling],
    )
    first, _ = send(space, incoming(data={"site": "A", "disk": "full"}), incoming(data={"site": "B", "disk": "fine"}))
    run()
    assert [json.loads(request.body) for request in to.wait_for(1)] == [{"severity": "high", "site": "A"}]
    assert to.requests[0].headers["switchyard-hop"] == "2"
    grave = next(found for found in own_events(space, "action.answered") if "full" in str(found.data))
    delivery = Delivery.objects.get(event_id=first)
    assert grave.subject == f"actions/{asking.public_id}"
    assert (grave.hop, grave.cause) == (1, f"deliveries/{delivery.webhook_id}")
    data = data_of(grave)
    assert data["answer"]["json"] == {"severity": "high"}
    assert data["action"] == {"id": asking.public_id, "name": "Ask"}
    assert data["connector"] == {"id": connector.public_id, "name": "Model", "connector_type_id": "openai"}
    assert data["rule"]["name"] == "Asking"
    assert (data["event"]["type"], data["event"]["data"]["site"]) == ("test.ping", "A")
    assert EventLogEntry.objects.filter(action="execute", outcome="success").count() == 3


def test_an_action_that_does_not_ask_for_it_makes_no_event(space: Space, model: Vendor) -> None:
    wire_model(space, model, "test.ping", answer_event=False)
    send(space, incoming())
    assert Delivery.objects.filter(state=State.DELIVERED).count() == 1
    assert not own_events(space, "action.answered")


def test_a_model_that_is_asked_about_its_own_answers_is_stopped(space: Space, model: Vendor) -> None:
    wire_model(space, model, "test.ping", "switchyard.action.*")
    send(space, incoming())
    for _ in range(MAX_HOPS + 2):
        run()
    assert len(model.calls) == MAX_HOPS + 1
    assert Delivery.objects.get(state=State.DEAD).last_reason == Reason.LOOP
    assert [event.hop for event in own_events(space, "action.answered")] == list(range(1, MAX_HOPS + 2))


def test_a_replay_makes_another_event(space: Space, model: Vendor) -> None:
    wire_model(space, model, "test.ping")
    send(space, incoming())
    replay_delivery(Delivery.objects.get())
    lanes.wake(Delivery.objects.get().connector_id or 0)
    wait_until(lambda: len(own_events(space, "action.answered")) == 2, "the replay is answered", 20)
    assert len(model.calls) == 2


def test_large_data_of_the_event_behind_it_is_left_out(space: Space, model: Vendor) -> None:
    wire_model(space, model, "test.ping", data="{{ event.id }}")
    send(space, incoming(data={"text": "x" * 70_000}))
    (event,) = own_events(space, "action.answered")
    assert data_of(event)["event"]["type"] == "test.ping"
    assert "data" not in data_of(event)["event"]


def leased(space: Space, model: Vendor) -> tuple[Connector, leases.Leased]:
    """Return a delivery that is being sent."""
    connector, _ = wire_model(space, model, "test.ping")
    Connector.objects.filter(pk=connector.pk).update(enabled=False)
    Space.objects.update(config_revision=99)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    (delivery,) = leases.claim(connector.pk, 1)
    return connector, delivery


def test_an_answer_that_comes_back_after_its_lease_makes_no_event(space: Space, model: Vendor) -> None:
    connector, delivery = leased(space, model)
    Delivery.objects.update(lease_token=None, lease_until=None, state=State.PENDING)
    outcome = Outcome(delivery.id, Reason.OK, answer={"text": "late"})
    assert record([Finished(delivery, outcome, connector.public_id)]) == 1
    assert not own_events(space, "action.answered")


def test_answer_and_delivery_are_recorded_together_or_not_at_all(space: Space, model: Vendor) -> None:
    connector, delivery = leased(space, model)
    finished = [Finished(delivery, Outcome(delivery.id, Reason.OK, answer={"text": "a"}), connector.public_id)]

    def fail(**_: object) -> None:
        raise OperationalError("the disk is full")

    answered.connect(fail, sender=Delivery)
    try:
        with pytest.raises(OperationalError):
            record(finished)
    finally:
        answered.disconnect(fail, sender=Delivery)
    assert Delivery.objects.get().state == State.LEASED
    assert not own_events(space, "action.answered")
    assert record(finished) == 0
    assert Delivery.objects.get().state == State.DELIVERED
    assert len(own_events(space, "action.answered")) == 1
