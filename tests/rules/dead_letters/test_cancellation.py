"""What is cancelled ends: at once where it waits, and with the try that is under way unless that succeeds."""

from datetime import UTC, datetime, timedelta

import pytest

from actions.engine import leases
from actions.models import Delivery
from actions.services.cancel import cancel_delivery
from actions.services.replay import replay_delivery
from connectors.models import Connector
from spaces.errors import ReadOnly
from spaces.models import AuditEntry, Space
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import (
    State,
    accept,
    entries,
    fall_due,
    hold,
    only,
    send_now,
    through,
    wait_for_states,
)
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def held(space: Space, to: Receiver) -> Delivery:
    """Make a delivery that waits, for its connector is disabled."""
    action = through(space, to)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    accept(space)
    Connector.objects.update(enabled=True)
    return only(action)


def test_a_waiting_delivery_that_is_cancelled_is_dead_and_never_sent(space: Space, to: Receiver) -> None:
    delivery = held(space, to)
    cancel_delivery(delivery)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason, delivery.attempts) == (State.DEAD, "cancelled", 0)
    assert delivery.finished_at
    assert entries(delivery) == [("cancel", "success", "cancelled")]
    assert AuditEntry.objects.get(action="delivery.cancel").object_id == str(delivery.pk)
    assert leases.claim(delivery.connector_id or 0, 10) == []
    assert not to.requests


def test_a_delivery_between_two_tries_that_is_cancelled_gets_no_second_one(space: Space, to: Receiver) -> None:
    to.status = 500
    action = through(space, to)
    accept(space)
    wait_for_states(pending=1)
    cancel_delivery(only(action))
    fall_due()
    wait_for_states(dead=1)
    assert len(to.requests) == 1


def test_what_is_cancelled_while_it_is_tried_ends_when_the_try_fails(space: Space, to: Receiver) -> None:
    to.status = 500
    action = hold(space, to)
    cancel_delivery(only(action))
    cancel_delivery(only(action))  # asking twice is asking once
    assert only(action).state == State.LEASED
    to.release.set()
    wait_for_states(dead=1)
    delivery = only(action)
    assert (delivery.last_reason, delivery.attempts, delivery.cancel_asked) == ("cancelled", 1, False)
    assert entries(delivery) == [
        ("cancel", "unknown", "cancelled"),
        ("execute", "failure", "retry_http_5xx"),
        ("cancel", "success", "cancelled"),
    ]


def test_what_is_cancelled_while_it_is_tried_is_delivered_when_the_try_succeeds(space: Space, to: Receiver) -> None:
    action = hold(space, to)
    cancel_delivery(only(action))
    to.release.set()
    wait_for_states(delivered=1)
    assert only(action).last_reason == "ok"
    to.status = 500
    replay_delivery(only(action))  # what was asked of the former life is not asked of this one
    send_now()
    wait_until(lambda: only(action).attempts == 2, "the next try", 15)
    assert (only(action).state, only(action).last_reason) == (State.PENDING, "retry_http_5xx")


def test_what_is_cancelled_ends_with_the_worker_that_vanishes_under_it(space: Space, to: Receiver) -> None:
    delivery = held(space, to)
    assert leases.claim(delivery.connector_id or 0, 10)
    cancel_delivery(delivery)
    Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    leases.reclaim_expired()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason) == (State.DEAD, "cancelled")


def test_what_is_cancelled_ends_when_it_is_given_back_unsent(space: Space, to: Receiver) -> None:
    delivery = held(space, to)
    claimed = leases.claim(delivery.connector_id or 0, 10)
    cancel_delivery(delivery)
    leases.release(claimed)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason, delivery.attempts) == (State.DEAD, "cancelled", 0)


def test_what_has_ended_is_not_cancelled(space: Space, to: Receiver) -> None:
    action = through(space, to)
    accept(space)
    wait_for_states(delivered=1)
    with pytest.raises(ReadOnly, match="it is delivered"):
        cancel_delivery(only(action))


def test_what_was_cancelled_may_be_sent_again_and_is_not_cancelled_by_that(space: Space, to: Receiver) -> None:
    to.status = 500
    action = hold(space, to)
    cancel_delivery(only(action))
    to.release.set()
    wait_for_states(dead=1)
    replay_delivery(only(action))
    send_now()
    wait_until(lambda: only(action).attempts == 2, "the next try", 15)
    assert (only(action).state, only(action).last_reason) == (State.PENDING, "retry_http_5xx")
