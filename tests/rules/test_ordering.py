"""Ordering keys: one delivery of a key is in flight, the first blocks those behind it, and others pay nothing."""

import json
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from actions.engine import leases, ordering
from actions.engine.lanes import Lanes, lanes
from actions.engine.outcomes import Finished, record
from actions.models import Delivery, EventLogEntry
from actions.services.deliveries import sweep_deliveries
from actions.services.replay import replay_delivery
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from rules.evaluation.rounds import evaluate_round
from rules.services.accept import accept_events
from spaces.models import Space
from tests.receiver import Receiver
from tests.rules.test_pipeline import fall_due, incoming, wait_for_states, wire
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline")]

State = Delivery.State
KEY = "{{ event.data.device }}"


def send(space: Space, *devices: str) -> None:
    """Send an event of each device, numbered in their order."""
    accept_events(space.pk, [incoming(device=device, number=number) for number, device in enumerate(devices)])
    evaluate_round()


def held(space: Space, to: Receiver, *devices: str) -> Connector:
    """Make deliveries that wait in the database, their connector enabled and no lane running."""
    connector, _ = wire(space, to, ordering_key=KEY)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    send(space, *devices)
    Connector.objects.update(enabled=True)
    return connector


def arrived(to: Receiver) -> dict[str, list[int]]:
    """Return the numbers of the events that arrived, by device, in the order of their arrival."""
    numbers = defaultdict(list)
    for request in to.requests:
        data = json.loads(request.body)["data"]
        numbers[data["device"]].append(data["number"])
    return dict(numbers)


def in_flight() -> list[str]:
    return list(
        Delivery.objects.filter(state__in=[State.PENDING, State.LEASED], due_at__isnull=False)
        .order_by("id")
        .values_list("ordering_key", flat=True)
    )


def outcome(delivery: leases.Leased, reason: Reason) -> Finished:
    return Finished(delivery, Outcome(delivery.id, reason, "told so"), "con")


def test_what_has_the_same_key_is_sent_one_after_the_other(space: Space, to: Receiver) -> None:
    wire(space, to, ordering_key=KEY)
    to.hold = True
    send(space, "a", "b", "a", "a", "b")
    to.wait_for(2)
    assert arrived(to) == {"a": [0], "b": [1]}
    assert sorted(in_flight()) == ["a", "b"]
    to.hold = False
    to.release.set()
    wait_for_states(delivered=5)
    assert arrived(to) == {"a": [0, 2, 3], "b": [1, 4]}


def test_the_order_stands_over_retries_and_a_failing_key_holds_up_no_other(space: Space, to: Receiver) -> None:
    wire(space, to, ordering_key=KEY)
    to.status = 503
    send(space, "a", "a", "a")
    wait_until(lambda: Delivery.objects.filter(attempts=1).exists(), "the first try of the head", 15)
    to.status = 200
    send(space, "b")
    wait_for_states(delivered=1, pending=3)
    assert arrived(to) == {"a": [0], "b": [0]}
    sweep_deliveries()
    assert in_flight() == ["a"]
    fall_due_heads()
    wait_for_states(delivered=4)
    assert arrived(to)["a"] == [0, 0, 1, 2]


def fall_due_heads() -> None:
    heads = Delivery.objects.filter(state=State.PENDING, due_at__isnull=False)
    heads.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    for connector_id in heads.values_list("connector_id", flat=True):
        assert connector_id
        lanes.wake(connector_id)


def test_when_the_head_is_dead_the_next_goes(space: Space, to: Receiver) -> None:
    wire(space, to, ordering_key=KEY, max_attempts=1)
    to.status = 400
    send(space, "a", "a", "a")
    wait_for_states(dead=3)
    assert arrived(to) == {"a": [0, 1, 2]}


def test_when_the_head_is_cancelled_in_the_database_the_sweep_lets_the_next_go(space: Space, to: Receiver) -> None:
    connector = held(space, to, "a", "a", "b")
    head = Delivery.objects.order_by("id")[0]
    Delivery.objects.filter(pk=head.pk).update(state=State.DEAD, last_reason=Reason.CANCELLED, finished_at=Now())
    EventLogEntry.objects.create(space=space, action="cancel", reason=Reason.CANCELLED, delivery_id=head.pk)
    assert sorted(in_flight()) == ["b"]
    sweep_deliveries()
    assert sorted(in_flight()) == ["a", "b"]
    lanes.wake(connector.pk)
    wait_for_states(delivered=2, dead=1)


def test_a_head_that_lost_its_worker_blocks_its_followers_until_it_was_tried_again(space: Space, to: Receiver) -> None:
    connector = held(space, to, "a", "a")
    (head,) = leases.claim(connector.pk, 10)
    sweep_deliveries()
    assert leases.claim(connector.pk, 10) == []
    Delivery.objects.filter(pk=head.id).update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    sweep_deliveries()
    (again,) = leases.claim(connector.pk, 10)
    assert again.id == head.id
    record([outcome(again, Reason.OK)])
    assert ordering.let_go([(Delivery.objects.get(pk=head.id).action_id, "a")]) == {connector.pk}
    (follower,) = leases.claim(connector.pk, 10)
    assert follower.id > head.id
    leases.release([follower])


def test_two_workers_keep_the_order_together(space: Space, to: Receiver) -> None:
    devices = [f"d{number % 7}" for number in range(70)]
    connector = held(space, to, *devices)
    other = Lanes()
    try:
        while Delivery.objects.exclude(state=State.DELIVERED).exists():
            for each in (lanes, other):
                each.wake(connector.pk)
            wait_until(lambda: len(in_flight()) < 7 or len(to.requests) == 70, "the heads are taken", 15)
    finally:
        other.stop()
    assert arrived(to) == {f"d{device}": list(range(device, 70, 7)) for device in range(7)}


def test_however_many_let_it_go_at_once_one_of_a_key_is_in_flight(space: Space, to: Receiver) -> None:
    connector = held(space, to, *("a" * 6), *("b" * 6))
    keys = set(Delivery.objects.values_list("action_id", "ordering_key"))
    Delivery.objects.update(due_at=None)
    gate = threading.Barrier(4)

    def let_all_go() -> None:
        try:
            gate.wait(10)
            for _ in range(5):
                ordering.let_go(keys)
                ordering.let_stalled_go()
        finally:
            connection.close()

    threads = [threading.Thread(target=let_all_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert in_flight() == ["a", "b"]
    claimed = leases.claim(connector.pk, 100)
    assert [delivery.ordering and delivery.ordering[1] for delivery in claimed] == ["a", "b"]
    leases.release(claimed)


def test_the_database_refuses_a_second_one_in_flight(space: Space, to: Receiver) -> None:
    held(space, to, "a", "a")
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(due_at=None).update(due_at=Now())


def test_what_is_sent_again_waits_for_its_turn(space: Space, to: Receiver) -> None:
    wire(space, to, ordering_key=KEY)
    send(space, "a")
    wait_for_states(delivered=1)
    to.status = 503
    send(space, "a")
    wait_until(lambda: Delivery.objects.filter(state=State.PENDING, attempts=1).exists(), "a try of the head", 15)
    first = Delivery.objects.order_by("id")[0]
    replay_delivery(first)
    assert in_flight() == ["a"]
    to.status = 200
    fall_due_heads()
    wait_for_states(delivered=2)


@pytest.mark.parametrize(
    ("key", "data", "state", "reason"),
    [
        ("{{ event.data.missing }}", {}, State.DEAD, "template_error"),
        ("{{ event.data.long }}", {"long": "x" * 201}, State.DEAD, "too_large"),
        ("{{ event.data.empty }}", {"empty": ""}, State.DELIVERED, "ok"),
        ("{{ event.data.number }}", {"number": 7}, State.DELIVERED, "ok"),
    ],
)
def test_what_has_no_usable_key_is_dead_and_what_has_an_empty_one_has_no_order(
    space: Space, to: Receiver, key: str, data: dict[str, Any], state: Delivery.State, reason: str
) -> None:
    wire(space, to, ordering_key=key)
    accept_events(space.pk, [incoming(**data)])
    evaluate_round()
    wait_for_states(**{state.value: 1})
    assert Delivery.objects.get().last_reason == reason


def test_without_a_key_no_query_is_added(space: Space, to: Receiver) -> None:
    wire(space, to)
    to.status = 503
    accept_events(space.pk, [incoming() for _ in range(5)])
    with CaptureQueriesContext(
        connection,
    ) as evaluated:
        evaluate_round()
    assert not [query for query in evaluated.captured_queries if "ordering_key >" in query["sql"]]
    wait_until(lambda: Delivery.objects.filter(attempts=1).count() == 5, "the first tries", 15)
    fall_due()
