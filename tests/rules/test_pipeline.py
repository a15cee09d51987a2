"""From an accepted event to the receiver and the event log, inside one process, on whichever database is set."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.engine import leases
from actions.engine.lanes import Lanes, lanes
from actions.models import Action, Delivery, EventLogEntry
from actions.services import delete_action
from actions.services.deliveries import sweep_deliveries
from actions.services.replay import replay_delivery
from connectors.models import Connector
from rules.evaluation.rounds import evaluate_round
from rules.incoming import IncomingEvent
from rules.models import EventBatch
from rules.services import delete_rule
from rules.services.accept import accept_events
from spaces.errors import ReadOnly
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver, receiver
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline")]

State = Delivery.State


def incoming(event_id: str = "", type_: str = "test.ping", **data: Any) -> IncomingEvent:
    return IncomingEvent(
        source="/tests",
        event_id=event_id or uuid.uuid4().hex,
        type=type_,
        subject="",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datacontenttype="application/json",
        dataschema="",
        extensions="{}",
        data=json.dumps(data),
        is_binary=False,
        digest=uuid.uuid4().bytes,
    )


def wire(space: Space, to: Receiver, condition: str = "", **policy: Any) -> tuple[Connector, Action]:
    connector = make_connector(space, url=to.url)
    action = make_action(connector, **policy)
    make_rule(space, condition=condition, actions=[action])
    return connector, action


def wait_for_states(**counts: int) -> None:
    def reached() -> bool:
        return all(Delivery.objects.filter(state=state).count() == count for state, count in counts.items())

    wait_until(reached, f"deliveries are {counts}", 15)


def fall_due() -> None:
    """Let what waits be due now, and be taken up."""
    Delivery.objects.filter(state=State.PENDING).update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    sweep_and_wake()


def sweep_and_wake() -> None:
    for connector_id in Delivery.objects.filter(state=State.PENDING).values_list("connector_id", flat=True):
        assert connector_id
        lanes.wake(connector_id)


def test_a_matching_event_arrives_and_its_outcome_is_logged(space: Space, to: Receiver) -> None:
    wire(space, to, condition="event.data.temperature > 30.0")
    accept_events(space.pk, [incoming("hot", temperature=31), incoming("cold", temperature=29)])

    assert evaluate_round() == 2

    wait_for_states(delivered=1)
    (request,) = to.requests
    assert json.loads(request.body)["id"] == "hot"
    assert json.loads(request.body)["data"] == {"temperature": 31}
    delivery = Delivery.objects.get()
    assert request.headers["webhook-id"] == str(delivery.webhook_id)
    entry = EventLogEntry.objects.get(provider="actions")
    assert (entry.outcome, entry.reason, entry.attempt, entry.delivery_id) == ("success", "ok", 1, delivery.pk)
    assert entry.response["status"] == 200
    # The connector's own, of its first contact.
    wait_until(lambda: EventBatch.objects.count() == 1, "the connector tells of its first contact", 15)


def test_an_event_without_a_matching_rule_makes_no_delivery(space: Space, to: Receiver) -> None:
    connector = make_connector(space, url=to.url)
    make_rule(space, params={"event_types": ["other.*"]}, actions=[make_action(connector)])
    accept_events(space.pk, [incoming()])
    assert evaluate_round() == 1
    assert not Delivery.objects.exists()


def test_a_rule_sees_only_events_of_its_own_space(space: Space, to: Receiver) -> None:
    wire(make_space(), to)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    assert not Delivery.objects.exists()


def test_every_matching_rule_and_action_makes_its_own_delivery(space: Space, to: Receiver) -> None:
    connector = make_connector(space, url=to.url)
    first, second = make_action(connector), make_action(connector)
    make_rule(space, actions=[first, second])
    make_rule(space, actions=[first])
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_for_states(delivered=3)
    assert len(set(to.webhook_ids)) == 3


def test_a_missing_field_does_not_match_and_holds_up_nothing(space: Space, to: Receiver) -> None:
    wire(space, to, condition="event.data.temperature > 30.0")
    accept_events(space.pk, [incoming(), incoming(temperature="hot"), incoming("good", temperature=40)])
    evaluate_round()
    wait_for_states(delivered=1)
    assert Delivery.objects.count() == 1


def test_a_message_that_cannot_be_rendered_is_dead_with_the_reason(space: Space, to: Receiver) -> None:
    wire(space, to, params={"body": {"site": "{{ event.data.site }}"}})
    accept_events(space.pk, [incoming("bad"), incoming("good", site="a")])
    evaluate_round()
    wait_for_states(delivered=1, dead=1)
    dead = Delivery.objects.get(state=State.DEAD)
    assert dead.last_reason == "template_error"
    assert "site" in dead.last_detail
    assert EventLogEntry.objects.get(delivery_id=dead.pk).outcome == "failure"


def test_a_failed_delivery_waits_for_its_next_try(space: Space, to: Receiver) -> None:
    wire(space, to)
    to.status = 503
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_until(lambda: Delivery.objects.filter(attempts=1).exists(), "the first try is recorded", 15)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.last_reason) == (State.PENDING, "retry_http_5xx")
    assert delivery.due_at is not None
    wait = delivery.due_at - EventLogEntry.objects.get(provider="actions").time
    assert timedelta(seconds=3.5) < wait < timedelta(seconds=6.5)

    to.status = 200
    Delivery.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
    lanes.wake(key_of(delivery))
    wait_for_states(delivered=1)
    assert len(set(to.webhook_ids)) == 1
    assert list(EventLogEntry.objects.filter(provider="actions").order_by("id").values_list("attempt", flat=True)) == [
        1,
        2,
    ]


def test_the_last_allowed_try_makes_it_dead(space: Space, to: Receiver) -> None:
    wire(space, to, max_attempts=1)
    to.status = 500
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_for_states(dead=1)
    assert Delivery.objects.get().last_reason == "retry_http_5xx"


def test_what_is_sent_again_is_the_same_message_with_all_its_tries_anew(space: Space, to: Receiver) -> None:
    wire(space, to, max_attempts=2, expires_after=3600)
    to.status = 500
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_for_states(pending=1)
    fall_due()
    wait_for_states(dead=1)
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    Delivery.objects.update(created_at=long_ago, expires_at=long_ago + timedelta(hours=1))

    replay_delivery(Delivery.objects.get())
    sweep_and_wake()
    wait_until(lambda: Delivery.objects.get().attempts == 3, "the first try of the second life", 15)
    assert Delivery.objects.get().state == State.PENDING  # it has a second one
    to.status = 200
    fall_due()
    wait_for_states(delivered=1)

    assert len({request.headers["webhook-id"] for request in to.requests}) == 1
    assert len({request.body for request in to.requests}) == 1
    log = EventLogEntry.objects.filter(delivery_id__isnull=False).order_by("id")
    assert [(entry.action, entry.attempt) for entry in log] == [
        ("execute", 1),
        ("execute", 2),
        ("replay", None),
        ("execute", 3),
        ("execute", 4),
    ]


def test_what_was_delivered_may_be_sent_again_and_what_has_lost_its_action_not(space: Space, to: Receiver) -> None:
    _, action = wire(space, to)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_for_states(delivered=1)
    replay_delivery(Delivery.objects.get())
    sweep_and_wake()
    wait_until(lambda: len(to.requests) == 2, "the second request", 15)
    wait_for_states(delivered=1)
    delete_rule(space.rules.get())
    delete_action(action)
    with pytest.raises(ReadOnly, match="its action was deleted"):
        replay_delivery(Delivery.objects.get())


def test_a_refusal_is_not_tried_again(space: Space, to: Receiver) -> None:
    wire(space, to)
    to.status = 400
    accept_events(space.pk, [incoming()])
    evaluate_round()
    wait_for_states(dead=1)
    assert len(to.requests) == 1


def test_deliveries_of_a_disabled_connector_are_held_until_it_is_enabled(space: Space, to: Receiver) -> None:
    from connectors.services import update_connector

    connector, _ = wire(space, to)
    update_connector(connector, enabled=False)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    assert Delivery.objects.get().state == State.PENDING
    update_connector(connector, enabled=True)
    lanes.wake(connector.pk)
    wait_for_states(delivered=1)


def test_an_expired_delivery_is_dead_and_not_sent(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to, expires_after=60)
    connector_id = connector.pk
    Connector.objects.filter(pk=connector_id).update(enabled=False)
    Space.objects.update(config_revision=99)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    Delivery.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    Connector.objects.filter(pk=connector_id).update(enabled=True)
    lanes.wake(connector_id)
    wait_for_states(dead=1)
    assert Delivery.objects.get().last_reason == "expired"
    assert not to.requests


def held_delivery(space: Space, to: Receiver) -> Delivery:
    """Return a delivery that waits in the database, its connector enabled and no lane running."""
    connector, _ = wire(space, to)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    accept_events(space.pk, [incoming()])
    evaluate_round()
    Connector.objects.update(enabled=True)
    return Delivery.objects.get(connector=connector)


def key_of(delivery: Delivery) -> int:
    assert delivery.connector_id is not None
    return delivery.connector_id


def test_an_ended_lease_is_taken_over_and_the_lost_try_is_logged(space: Space, to: Receiver) -> None:
    delivery = held_delivery(space, to)
    (lost,) = leases.claim(key_of(delivery), 10)
    assert lost.id == delivery.pk
    assert leases.claim(key_of(delivery), 10) == []
    Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    assert leases.reclaim_expired() == 1
    lanes.wake(key_of(delivery))
    wait_for_states(delivered=1)
    log = list(
        EventLogEntry.objects.filter(provider="actions").order_by("id").values_list("outcome", "reason", "attempt")
    )
    assert log == [("unknown", "lost_lease", 1), ("success", "ok", 2)]


def test_an_outcome_after_the_end_of_the_lease_changes_nothing(space: Space, to: Receiver) -> None:
    from actions.engine.outcomes import Finished, record
    from connectors.outcomes import Outcome, Reason

    delivery = held_delivery(space, to)
    (late,) = leases.claim(key_of(delivery), 10)
    Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    leases.reclaim_expired()
    assert record([Finished(late, Outcome(late.id, Reason.OK, "HTTP 200"), "con")]) == 1
    assert Delivery.objects.get().state == State.PENDING
    assert EventLogEntry.objects.order_by("-id").values_list("reason", "attempt")[0] == ("lost_lease", None)


def test_a_delivery_under_which_five_workers_vanish_is_dead_as_poison(space: Space, to: Receiver) -> None:
    delivery = held_delivery(space, to)
    for _ in range(5):
        assert len(leases.claim(key_of(delivery), 10)) == 1
        Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
        assert leases.reclaim_expired() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_reason, delivery.attempts) == (State.DEAD, "poison", 5)
    assert leases.claim(key_of(delivery), 10) == []
    assert not to.requests


def test_stopped_lanes_give_back_what_they_did_not_start(space: Space, to: Receiver, settings: Any) -> None:
    settings.CONNECTOR_CONCURRENCY = 2
    wire(space, to)
    to.hold = True
    accept_events(space.pk, [incoming() for _ in range(10)])
    evaluate_round()
    to.wait_for(2)
    to_be_released = Delivery.objects.filter(state=State.LEASED).count()
    assert to_be_released == 10
    to.hold = False

    import threading

    stopper = threading.Thread(target=lanes.stop)
    stopper.start()
    to.release.set()
    stopper.join(20)
    assert not stopper.is_alive()
    sent = len(to.requests)
    assert sent < 10
    assert Delivery.objects.filter(state=State.DELIVERED, attempts=1).count() == sent
    assert Delivery.objects.filter(state=State.PENDING, attempts=0).count() == 10 - sent


def test_the_sweep_wakes_each_connector_that_has_deliveries_due(
    space: Space, to: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = held_delivery(space, to)
    woken: list[tuple[str, int]] = []
    monkeypatch.setattr("actions.services.deliveries.wake", lambda task, connector: woken.append((task, connector)))
    sweep_deliveries()
    assert woken == [("actions.tasks.deliver", delivery.connector_id)]


def test_a_hanging_connector_does_not_hold_up_another(space: Space, to: Receiver) -> None:
    with receiver() as hanging:
        hanging.hold = True
        wire(space, hanging, condition='event.type == "slow"')
        wire(space, to, condition='event.type == "fast"')
        accept_events(space.pk, [incoming(type_="slow"), *(incoming(type_="fast") for _ in range(5))])
        evaluate_round()
        hanging.wait_for(1)
        wait_for_states(delivered=5)
        hanging.release.set()
        wait_for_states(delivered=6)


def test_a_process_takes_no_more_lanes_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actions.engine.lanes.MAX_LANES", 0)
    few = Lanes()
    assert not few.has_room(1)
    few.wake(1)
    few.stop()
