"""Cause and hop count travel with events, and loops end."""

import json
from collections.abc import Iterator

import pytest

from actions.models import Delivery, EventLogEntry
from rules.incoming import MAX_HOPS, Origin
from rules.models import Event, EventBatch
from rules.services.accept import accept_events
from rules.services.invariants import check_invariants
from rules.services.own_events import announce_deaths
from spaces.models import Space
from tests.factories import make_space
from tests.receiver import Receiver
from tests.rules.running import incoming, own_events, run, send, stop, wire
from tests.rules.sources.sender import BINARY, CLOUDEVENT, LINES, Sender, envelope

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State


@pytest.fixture(autouse=True)
def stopped(transactional_db: None) -> Iterator[None]:
    yield
    stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def space() -> Space:
    return make_space()


def test_what_a_delivery_brings_in_has_one_hop_more_and_the_delivery_as_its_cause(space: Space, to: Receiver) -> None:
    wire(space, to, "test.ping")
    sender = Sender(space)
    send(space, incoming())
    for hop in range(1, 4):
        headers = to.requests[-1].headers
        assert headers["switchyard-hop"] == str(hop)
        passed_on = {name: headers[name] for name in ("switchyard-hop", "webhook-id")}
        assert sender.post({"n": hop}, query="?type=test.ping", headers=passed_on).status == 202
        event = Event.objects.order_by("id").filter(type="test.ping").last()
        assert event is not None
        assert (event.hop, event.cause) == (hop, f"deliveries/{headers['webhook-id']}")
        run()
        assert Delivery.objects.filter(event_id=event.pk, hop=hop, state=State.DELIVERED).count() == 1


def test_the_body_carries_the_hop_through_systems_that_pass_on_nothing_else(space: Space, to: Receiver) -> None:
    wire(space, to, "test.ping")
    send(space, incoming(origin=Origin(2)))
    body = json.loads(to.requests[-1].body)
    assert body["switchyardhop"] == 2
    assert Sender(space).post(body | {"id": "again"}, CLOUDEVENT).status == 202
    assert Event.objects.get(event_id="again").hop == 3


@pytest.mark.parametrize(
    ("attribute", "header", "hop"),
    [(None, None, 0), (3, None, 4), (None, "3", 3), (1, "4", 4), (5, "1", 6), (0, None, 1), (10**9, None, 9)],
)
def test_the_greater_hop_counts_in_every_mode(
    space: Space, attribute: int | None, header: str | None, hop: int
) -> None:
    sender = Sender(space)
    headers = {} if header is None else {"switchyard-hop": header}
    given = {} if attribute is None else {"switchyardhop": attribute}
    assert sender.post(envelope("one", **given), CLOUDEVENT, headers=headers).status == 202
    assert sender.post(json.dumps(envelope("line", **given)).encode(), LINES, headers=headers).status == 202
    text = {} if attribute is None else {"ce-switchyardhop": str(attribute)}
    assert sender.post({}, headers=BINARY | text | headers).status == 202
    assert set(Event.objects.values_list("hop", flat=True)) == {hop}
    assert set(map(str, Event.objects.values_list("extensions", flat=True))) == {"{}"}


@pytest.mark.parametrize("bad", ["-1", "x", "1.5", "", "²"])
def test_a_hop_that_is_no_number_is_refused_with_its_place(space: Space, bad: str) -> None:
    sender = Sender(space)
    assert "Switchyard-Hop" in str(sender.post({}, environ={"HTTP_SWITCHYARD_HOP": bad}).body)
    assert sender.post(envelope("a", switchyardhop=bad), CLOUDEVENT).place == "/switchyardhop"
    assert sender.post(envelope("a", switchyardhop=True), CLOUDEVENT).status == 400
    assert not Event.objects.exists()


def test_a_duplicate_and_a_new_event_of_one_request_keep_their_hops(space: Space) -> None:
    accept_events(space.pk, [known := incoming("known")])
    accept_events(space.pk, [known, incoming("new", origin=Origin(3, "deliveries/x"))])
    assert dict(Event.objects.values_list("event_id", "hop")) == {"known": 0, "new": 3}


def test_the_ninth_hop_is_dead_with_reason_loop_and_sends_nothing(space: Space, to: Receiver) -> None:
    wire(space, to, "test.ping")
    send(space, incoming("eighth", origin=Origin(MAX_HOPS)), incoming("ninth", origin=Origin(MAX_HOPS + 1)))
    assert [json.loads(request.body)["id"] for request in to.requests] == ["eighth"]
    dead = Delivery.objects.get(state=State.DEAD)
    assert (dead.last_reason, dead.attempts, dead.hop) == ("loop", 0, MAX_HOPS + 1)
    entry = EventLogEntry.objects.get(delivery_id=dead.pk)
    assert (entry.reason, entry.outcome) == ("loop", "failure")


def test_a_rule_on_dead_deliveries_whose_own_action_dies_does_not_run_away(space: Space, to: Receiver) -> None:
    to.status = 400
    wire(space, to, "test.ping")
    wire(space, to, "switchyard.delivery.dead")
    send(space, incoming())
    for _ in range(3 * MAX_HOPS):
        announce_deaths()
        run()

    dead = own_events(space, "delivery.dead")
    assert [event.hop for event in dead] == list(range(1, MAX_HOPS + 2))
    assert len(to.requests) == 1 + MAX_HOPS
    assert Delivery.objects.filter(last_reason="loop").count() == 1
    assert not EventBatch.objects.exists()
