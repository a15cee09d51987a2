"""What an action's delivery policy does to its deliveries, with a real receiver, on whichever database is set."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from actions.engine.lanes import Lanes, lanes
from actions.models import Delivery, EventLogEntry
from rules.evaluation.rounds import evaluate_round
from rules.services.accept import accept_events
from spaces.models import Space
from tests.factories import make_action, make_rule
from tests.receiver import Receiver
from tests.rules.test_pipeline import fall_due, incoming, wait_for_states, wire
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline")]

State = Delivery.State


def send(space: Space, *events: Any) -> None:
    accept_events(space.pk, list(events) or [incoming()])
    evaluate_round()


def wait_for_tries(count: int) -> None:
    wait_until(lambda: Delivery.objects.filter(attempts=count).exists(), f"try {count} is recorded", 15)


def test_an_actions_own_delays_are_waited(space: Space, to: Receiver) -> None:
    wire(space, to, retry={"delays": [100, 1000]})
    to.status = 503
    send(space)
    wait_for_tries(1)
    for tries, wait in ((1, 100), (2, 1000), (3, 1000)):
        wait_for_tries(tries)
        delivery = Delivery.objects.get()
        entry = EventLogEntry.objects.get(provider="actions", attempt=tries)
        assert delivery.due_at is not None
        waited = delivery.due_at - entry.time
        assert timedelta(seconds=wait * 0.79) < waited < timedelta(seconds=wait * 1.21)
        fall_due()
    to.status = 200
    fall_due()
    wait_for_states(delivered=1)


def test_an_action_says_which_statuses_are_tried_again(space: Space, to: Receiver) -> None:
    wire(space, to, retry={"retry_on": ["404"], "never_retry_on": ["503"]})
    to.status, to.answer_headers = 404, {"retry-after": "4000"}
    send(space)
    wait_for_tries(1)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_reason) == (State.PENDING, "permanent_4xx")
    assert delivery.due_at is not None
    assert delivery.due_at - EventLogEntry.objects.get(provider="actions").time >= timedelta(seconds=3999)
    to.status = 503
    fall_due()
    wait_for_states(dead=1)
    assert Delivery.objects.get().last_reason == "retry_http_5xx"


def test_a_try_ends_at_the_actions_timeout(space: Space, to: Receiver) -> None:
    wire(space, to, timeout=1)
    to.hold = True
    send(space)
    wait_for_tries(1)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_reason) == (State.PENDING, "retry_timeout")
    assert delivery.last_detail == "No answer within 1 s."


def test_an_actions_timeout_may_pass_its_connectors_but_not_the_installations(
    space: Space, to: Receiver, settings: Any
) -> None:
    settings.NETWORK_TIMEOUT = 3
    connector, _ = wire(space, to, timeout=3)
    type(connector).objects.filter(pk=connector.pk).update(config={**connector.config, "timeout": 1})
    settings.NETWORK_TIMEOUT = 2
    to.hold = True
    send(space)
    wait_for_tries(1)
    assert Delivery.objects.get().last_detail == "No answer within 2 s."


def test_an_actions_rate_holds_over_all_workers_and_uses_up_no_try(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to, max_per_second=20)
    other = Lanes()
    began = time.monotonic()
    try:
        send(space, *(incoming() for _ in range(60)))
        while Delivery.objects.exclude(state=State.DELIVERED).exists():
            assert time.monotonic() - began < 30
            for each in (lanes, other):
                each.wake(connector.pk)
            wait_until(lambda: True, "a moment passes", 1)
    finally:
        other.stop()
    times = sorted(EventLogEntry.objects.filter(provider="actions").values_list("time", flat=True))
    assert time.monotonic() - began > 59 / 20 - 0.3
    assert len(to.requests) == 60
    assert not Delivery.objects.exclude(attempts=1).exists()
    assert times[-1] - times[0] > timedelta(seconds=59 / 20 - 1)


def test_what_waits_for_its_actions_rate_holds_up_no_other_action(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to, 'event.type == "slow"', max_per_second=0.1)
    make_rule(space, condition='event.type == "quick"', actions=[make_action(connector)])
    send(space, *(incoming(type_="slow") for _ in range(50)), *(incoming(type_="quick") for _ in range(50)))
    wait_for_states(delivered=51)
    assert Delivery.objects.filter(attempts=0).count() == 49


def test_no_more_of_an_action_than_it_allows_are_under_way(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to, 'event.type == "few"', max_concurrency=2)
    make_rule(space, condition='event.type == "many"', actions=[make_action(connector)])
    to.hold = True
    send(space, *(incoming(type_="few") for _ in range(10)), *(incoming(type_="many") for _ in range(5)))
    to.wait_for(7)
    few = [request for request in to.requests if json.loads(request.body)["type"] == "few"]
    assert len(few) == 2
    to.hold = False
    to.release.set()
    wait_for_states(delivered=15)
    assert not Delivery.objects.exclude(attempts=1).exists()
