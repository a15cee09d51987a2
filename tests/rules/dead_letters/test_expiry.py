"""What is not delivered within ``expires_after`` is dead by then, whatever it waits for."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from actions.engine import expiry, leases
from actions.models import Delivery
from actions.services.deliveries import sweep_deliveries
from connectors.models import Connector
from rules.services.own_events import announce_deaths
from spaces.models import Space
from tests.api.client import make_delivery, make_event
from tests.factories import connector_of, make_action, make_connector
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import State, accept, entries, only, send_now, through, wait_for_states
from tests.rules.running import data_of, own_events

pytestmark = pytest.mark.django_db(transaction=True)


def expire(**which: object) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    Delivery.objects.filter(expires_at__isnull=False, **which).update(expires_at=past)


def test_what_expires_behind_an_open_circuit_is_dead_at_once_and_has_its_fallback(
    space: Space, to: Receiver, duty: Receiver
) -> None:
    fallback = through(space, duty, rule=False, params={"body": {"why": "{{ failure.reason }}"}})
    action = make_action(make_connector(space, url=to.url), expires_after=60, fallback=fallback)
    delivery = make_delivery(
        action,
        event_id=make_event(space).pk,
        expires_at=datetime.now(UTC) - timedelta(seconds=1),
        due_at=datetime.now(UTC) + timedelta(hours=1),
    )
    Connector.objects.filter(pk=connector_of(action).pk).update(
        circuit_state="open", next_trial_at=datetime.now(UTC) + timedelta(hours=1)
    )
    sweep_deliveries()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason, delivery.attempts) == (State.DEAD, "expired", 0)
    assert delivery.last_detail.startswith("It was pointless after ")
    assert delivery.finished_at
    assert entries(delivery) == [("execute", "failure", "expired"), ("fallback", "success", "expired")]
    assert only(fallback).message["body"] == {"why": "expired"}
    announce_deaths()
    (told,) = own_events(space, "delivery.dead")
    assert (data_of(told)["reason"], data_of(told)["count"]) == ("expired", 1)
    send_now()
    wait_for_states(dead=1, delivered=1)
    assert not to.requests


def test_what_expires_while_its_connector_is_disabled_is_dead(space: Space) -> None:
    action = make_action(make_connector(space, enabled=False), expires_after=60)
    delivery = make_delivery(action, event_id=make_event(space).pk)
    Delivery.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    sweep_deliveries()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason) == (State.DEAD, "expired")


def test_the_followers_of_an_expired_head_move_up_and_expired_followers_end(space: Space, to: Receiver) -> None:
    to.status = 503
    action = through(
        space,
        to,
        ordering_key="one",
        expires_after=3600,
        retry={"delays": [3600]},
        params={"body": {"n": "{{ event.data.n }}"}},
    )
    for number in range(3):
        accept(space, n=number)
        if not number:
            wait_for_states(pending=1)
            to.wait_for(1)
    wait_for_states(pending=3)
    to.status = 200
    keys = list(Delivery.objects.filter(action=action).order_by("pk").values_list("pk", flat=True))
    expire(pk__in=keys[:2])
    sweep_deliveries()
    assert dict(Delivery.objects.filter(pk__in=keys[:2]).values_list("pk", "last_reason")) == dict.fromkeys(
        keys[:2], "expired"
    )
    send_now()
    wait_for_states(dead=2, delivered=1)
    assert [json.loads(request.body)["n"] for request in to.requests] == [0, 2]


def test_what_is_under_lease_is_left_to_its_worker(space: Space) -> None:
    action = make_action(make_connector(space), expires_after=60)
    make_delivery(action, event_id=make_event(space).pk, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert leases.claim(connector_of(action).pk, 10)
    expire()
    assert expiry.end_expired() == 0
    assert only(action).state == State.LEASED


def test_what_expires_ends_in_bounded_batches_and_what_does_not_is_left_alone(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_AT_ONCE", 3)
    monkeypatch.setattr(expiry, "_BATCHES", 2)
    action = make_action(make_connector(space, enabled=False))
    past, future = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    for expires_at in [*[past] * 8, future, None]:
        make_delivery(action, event_id=make_event(space).pk, expires_at=expires_at)
    assert [expiry.end_expired() for _ in range(3)] == [6, 2, 0]
    assert Delivery.objects.filter(state=State.PENDING).count() == 2


def test_what_has_expired_is_found_by_an_index(space: Space) -> None:
    """Of the deliveries that wait and can expire, in the order of their expiry: nothing else is read."""
    action = make_action(make_connector(space))
    later = datetime.now(UTC) + timedelta(hours=1)
    fields = {"space": space, "rule_id": "r", "action": action, "connector_id": action.connector_id, "message": {}}
    rows = [Delivery(event_id=key, expires_at=later if key % 2 else None, **fields) for key in range(1, 3001)]
    Delivery.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {expiry.expired_query()}", [0, 10])
        plan = "\n".join(str(column) for row in cursor.fetchall() for column in row)
    Delivery.objects.all().delete()  # of events that there are not
    assert "delivery_expiring" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
