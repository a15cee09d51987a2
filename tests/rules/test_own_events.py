"""The system's own troubles come as events, each within its bounds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from actions.engine import leases
from actions.models import Action, Delivery
from actions.services import delete_action
from actions.services.replay import replay_delivery
from connectors.services import delete_connector
from rules.evaluation.failures import REPEATEDLY, RuleFailures, rule_failures
from rules.evaluation.rounds import evaluate_round
from rules.models import FailureSpell
from rules.services import delete_rule
from rules.services.accept import accept_events
from rules.services.own_events import announce_deaths, announce_failing
from rules.tasks import announce
from spaces.models import Space
from spaces.services import update_space
from tests.factories import connector_of, make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver
from tests.rules.running import data_of, incoming, own_events, run, send, stop, wire

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nothing_told_yet")]

State = Delivery.State


@pytest.fixture(autouse=True)
def stopped(transactional_db: None) -> Iterator[None]:
    yield
    stop()


@pytest.fixture(autouse=True)
def no_failures_of_other_tests() -> None:
    rule_failures._failing.clear()
    rule_failures._told.clear()


@pytest.fixture
def space() -> Space:
    return make_space()


def make_dead(space: Space, to: Receiver, count: int = 1) -> None:
    to.status = 400
    wire(space, to, "test.ping")
    send(space, *(incoming() for _ in range(count)))
    assert Delivery.objects.filter(state=State.DEAD).count() == count


class TestDead:
    """``switchyard.delivery.dead``."""

    def test_a_dead_delivery_is_told_of_once_with_what_a_person_needs(self, space: Space, to: Receiver) -> None:
        make_dead(space, to)
        announce_deaths()
        announce_deaths()
        (event,) = own_events(space, "delivery.dead")
        delivery = Delivery.objects.get()
        action, connector = delivery.action, delivery.connector
        assert connector is not None
        assert event.subject == f"actions/{action.public_id}"
        assert (event.hop, event.cause) == (1, f"deliveries/{delivery.webhook_id}")
        data = data_of(event)
        (example,) = data.pop("examples")
        assert data == {
            "action": {"id": action.public_id, "name": action.name},
            "connector": {"id": connector.public_id, "name": connector.name, "connector_type_id": "http"},
            "reason": "permanent_4xx",
            "count": 1,
        }
        assert example["detail"] == delivery.last_detail
        assert (example["delivery"], example["event"]) == (delivery.pk, delivery.event_id)
        assert (example["rule"], example["attempts"]) == (delivery.rule_id, 1)

    def test_the_names_of_an_action_and_a_connector_that_were_deleted_still_stand_there(
        self, space: Space, to: Receiver
    ) -> None:
        make_dead(space, to)
        action = Action.objects.get()
        connector = connector_of(action)
        delete_rule(space.rules.get())
        delete_action(action)
        delete_connector(connector)
        announce_deaths()
        (event,) = own_events(space, "delivery.dead")
        assert event.subject == f"actions/{action.public_id}"
        data = data_of(event)
        assert data["action"] == {"id": action.public_id, "name": action.name}
        assert data["connector"] == {"id": connector.public_id, "name": connector.name, "connector_type_id": "http"}

    def test_many_that_die_at_once_are_one_event_with_a_count_and_examples(self, space: Space, to: Receiver) -> None:
        make_dead(space, to, 1)
        row = Delivery.objects.values().get()
        copies = [{**row, "id": row["id"] + n, "event_id": row["event_id"] + n} for n in range(1, 12_000)]
        Delivery.objects.bulk_create((Delivery(**copy) for copy in copies), batch_size=500)
        announce_deaths()
        (event,) = own_events(space, "delivery.dead")
        assert data_of(event)["count"] == 12_000
        assert [example["delivery"] for example in data_of(event)["examples"]] == [row["id"] + n for n in range(5)]
        announce_deaths()
        assert len(own_events(space, "delivery.dead")) == 1

    def test_each_reason_and_action_has_its_own(self, space: Space, to: Receiver) -> None:
        make_dead(space, to, 3)
        first, second, _ = Delivery.objects.order_by("id")
        Delivery.objects.filter(pk=first.pk).update(last_reason="expired")
        other = make_action(make_connector(space))
        Delivery.objects.filter(pk=second.pk).update(action=other)
        announce_deaths()
        told = {(event.subject, data_of(event)["reason"]) for event in own_events(space, "delivery.dead")}
        action = f"actions/{first.action.public_id}"
        assert told == {
            (action, "expired"),
            (action, "permanent_4xx"),
            (f"actions/{other.public_id}", "permanent_4xx"),
        }

    def test_one_that_dies_again_after_a_replay_is_told_of_again(self, space: Space, to: Receiver) -> None:
        make_dead(space, to)
        announce_deaths()
        replay_delivery(Delivery.objects.get())
        from actions.engine.lanes import lanes

        lanes.wake(Delivery.objects.get().connector_id or 0)
        run_until_dead()
        announce_deaths()
        assert len(own_events(space, "delivery.dead")) == 2

    def test_a_delivery_that_killed_its_workers_is_told_of(self, space: Space, to: Receiver) -> None:
        connector, _ = wire(space, to, "test.ping")
        accept_events(space.pk, [incoming()])
        with_connector_off(connector.pk)
        evaluate_round()
        for _ in range(leases.MAX_LOST_LEASES):
            leases.claim(connector.pk, 1)
            Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
            leases.reclaim_expired()
        announce_deaths()
        (event,) = own_events(space, "delivery.dead")
        assert data_of(event)["reason"] == "poison"

    def test_what_is_not_dead_is_not_told_of(self, space: Space, to: Receiver) -> None:
        wire(space, to, "test.ping")
        send(space, incoming())
        announce_deaths()
        assert not own_events(space, "delivery.dead")

    def test_a_rule_that_names_it_can_act_on_it_and_one_that_names_nothing_does_not(
        self, space: Space, to: Receiver
    ) -> None:
        make_dead(space, to)
        to.status = 200
        wire(space, to)
        wire(space, to, "switchyard.delivery.*")
        announce_deaths()
        run()
        assert Delivery.objects.filter(state=State.DELIVERED).count() == 1

    def test_it_comes_past_the_quotas_of_its_space(self, space: Space, to: Receiver) -> None:
        make_dead(space, to)
        update_space(space, max_events_per_second=1, max_stored_events=1)
        announce_deaths()
        assert len(own_events(space, "delivery.dead")) == 1


def with_connector_off(pk: int) -> None:
    """Hold what is made now in the database, as a disabled connector's deliveries are."""
    from connectors.models import Connector

    Connector.objects.filter(pk=pk).update(enabled=False)
    Space.objects.update(config_revision=99)


def run_until_dead() -> None:
    from tests.servers import wait_until

    wait_until(lambda: not Delivery.objects.exclude(state=State.DEAD).exists(), "it is dead again", 20)


class TestFailing:
    """``switchyard.delivery.failing``."""

    @pytest.fixture
    def failing(self, space: Space, to: Receiver) -> Delivery:
        """A delivery that failed often, and waits for its next try."""
        to.status = 503
        wire(space, to, "test.ping")
        send(space, incoming())
        Delivery.objects.update(attempts=3)
        return Delivery.objects.get()

    def test_a_spell_is_told_of_once_however_long_and_however_many(self, space: Space, failing: Delivery) -> None:
        announce_failing()
        row = Delivery.objects.values().get()
        more = [{**row, "id": row["id"] + n, "event_id": row["event_id"] + n} for n in range(1, 50)]
        Delivery.objects.bulk_create(Delivery(**copy) for copy in more)
        announce_failing()
        Delivery.objects.filter(pk=failing.pk).update(state=State.LEASED)  # its next try
        announce_failing()
        (event,) = own_events(space, "delivery.failing")
        assert failing.connector is not None
        assert event.subject == f"connectors/{failing.connector.public_id}"
        data = data_of(event)
        assert (data["reason"], data["failed_attempts"], data["count"]) == ("retry_http_5xx", 3, 1)
        assert data["examples"][0]["webhook_id"] == str(failing.webhook_id)
        assert (event.hop, event.cause) == (1, f"deliveries/{failing.webhook_id}")

    def test_the_next_spell_is_told_of_again(self, space: Space, failing: Delivery) -> None:
        announce_failing()
        Delivery.objects.update(state=State.DELIVERED, finished_at=datetime.now(UTC))
        announce_failing()
        assert not FailureSpell.objects.exists()
        Delivery.objects.update(state=State.PENDING, finished_at=None)
        announce_failing()
        assert len(own_events(space, "delivery.failing")) == 2

    def test_fewer_failures_than_it_takes_are_not_told_of(self, space: Space, failing: Delivery) -> None:
        Delivery.objects.update(attempts=5, replayed_from=3)
        announce_failing()
        assert not own_events(space, "delivery.failing")

    def test_the_task_tells_of_both(self, space: Space, failing: Delivery) -> None:
        Delivery.objects.create(
            **{
                **Delivery.objects.values().get(),
                "id": failing.pk + 1,
                "event_id": failing.event_id + 1,
                "state": State.DEAD,
                "finished_at": datetime.now(UTC),
            }
        )
        announce()
        assert len(own_events(space, "delivery.failing")) == len(own_events(space, "delivery.dead")) == 1


class TestRuleFailed:
    """``switchyard.rule.failed``."""

    def ping(self, space: Space, count: int = REPEATEDLY, **data: Any) -> list[int]:
        accepted = accept_events(space.pk, [incoming(data=data) for _ in range(count)])
        evaluate_round()
        return [acceptance.id for acceptance in accepted]

    def test_a_condition_that_fails_repeatedly_is_told_of(self, space: Space) -> None:
        rule = make_rule(space, params={"event_types": ["test.ping"]}, condition="event.data.n > 1")
        events = self.ping(space, n="one")
        (event,) = own_events(space, "rule.failed")
        assert event.subject == f"rules/{rule.public_id}"
        data = data_of(event)
        assert data["rule"] == {"id": rule.public_id, "name": rule.name}
        assert (data["part"], data["action"], data["count"], data["events"]) == ("condition", None, 3, events)
        assert "n" in data["detail"]
        assert (event.hop, event.cause) == (1, f"events/{events[0]}")

    def test_a_template_that_fails_repeatedly_is_told_of(self, space: Space) -> None:
        action = make_action(make_connector(space), params={"body": "{{ event.data.site }}"})
        make_rule(space, params={"event_types": ["test.ping"]}, actions=[action])
        self.ping(space)
        (event,) = own_events(space, "rule.failed")
        assert (data_of(event)["part"], data_of(event)["action"]) == ("message", action.public_id)

    def test_a_missing_field_and_a_few_failures_are_not_told_of(self, space: Space) -> None:
        make_rule(space, params={"event_types": ["test.ping"]}, condition="event.data.n.deep > 1")
        make_rule(space, params={"event_types": ["test.ping"]}, condition="event.data.rows[3] == 1")
        self.ping(space, 10, rows=[])
        self.ping(space, 10, n=3, rows=[])
        make_rule(space, params={"event_types": ["test.ping"]}, condition='event.data.n > "x"')
        self.ping(space, REPEATEDLY - 1, n=3, rows=[])
        assert not own_events(space, "rule.failed")

    def test_a_rule_is_told_of_at_most_once_a_minute_by_all_processes(self, space: Space) -> None:
        make_rule(space, params={"event_types": ["test.ping"]}, condition="event.data.n > 1")
        for _ in range(5):
            self.ping(space, n="one")
        another = RuleFailures()
        rule = space.rules.get()
        for key in range(10):
            another.note(space.pk, {"id": rule.public_id, "name": ""}, key, 0, "condition", "")
        another.tell()
        assert len(own_events(space, "rule.failed")) == 1
        cache.clear()  # a minute later
        another.tell()
        events = own_events(space, "rule.failed")
        assert [data_of(event)["count"] for event in events] == [3, 10]

    def test_a_rule_that_fails_on_its_own_failure_does_not_run_away(self, space: Space) -> None:
        make_rule(space, params={"event_types": ["test.ping", "switchyard.rule.failed"]}, condition="1 / 0 == 1")
        self.ping(space)
        for _ in range(30):
            cache.clear()
            rule_failures._told.clear()
            while evaluate_round():
                pass
            for failures in rule_failures._failing.values():
                failures.count = REPEATEDLY
            rule_failures.tell()
        assert [event.hop for event in own_events(space, "rule.failed")] == list(range(1, 10))
