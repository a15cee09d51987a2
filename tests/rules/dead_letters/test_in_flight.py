"""What a change does to deliveries that wait or are under way, as docs/dead-letters.md has it."""

import json

import pytest

from actions.models import Action, Delivery
from actions.services import delete_action, update_action
from connectors.models import Connector
from connectors.services import delete_connector, update_connector
from rules.services import delete_rule, update_rule
from spaces.models import Space
from spaces.services import archive_space
from tests.factories import connector_of, make_connector
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import (
    State,
    accept,
    entries,
    fall_due,
    hold,
    only,
    through,
    wait_for_states,
)

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(space: Space, to: Receiver) -> Action:
    """Make a delivery that has failed once and waits."""
    to.status = 500
    action = through(space, to, params={"body": {"n": "{{ event.data.n }}"}})
    accept(space, n=1)
    wait_for_states(pending=1)
    to.status = 200
    return action


def test_what_waits_goes_to_where_its_connector_is_moved(space: Space, to: Receiver, duty: Receiver) -> None:
    action = waiting(space, to)
    update_connector(connector_of(action), config={"url": duty.url})
    fall_due()
    wait_for_states(delivered=1)
    assert [len(to.requests), len(duty.requests)] == [1, 1]
    assert duty.webhook_ids == to.webhook_ids


def test_what_is_under_way_ends_as_it_began_and_its_next_try_goes_to_the_new_place(
    space: Space, to: Receiver, duty: Receiver
) -> None:
    to.status = 500
    action = hold(space, to)
    update_connector(connector_of(action), config={"url": duty.url})
    to.release.set()
    wait_for_states(pending=1)
    assert only(action).last_reason == "retry_http_5xx"
    fall_due()
    wait_for_states(delivered=1)
    assert [len(to.requests), len(duty.requests)] == [1, 1]


@pytest.mark.parametrize("status", [200, 500])
def test_what_is_under_way_when_its_connector_is_deleted_is_recorded_and_has_no_second_try(
    space: Space, to: Receiver, status: int
) -> None:
    to.status = status
    action = hold(space, to)
    delete_connector(connector_of(action), force=True)
    to.release.set()
    if status == 200:
        wait_for_states(delivered=1)
        return
    wait_for_states(pending=1)
    fall_due()
    wait_for_states(dead=1)
    delivery = only(action)
    assert (delivery.last_reason, delivery.last_detail) == ("bad_config", "The connector was deleted.")
    assert [reason for _, _, reason in entries(delivery)] == ["retry_http_5xx", "bad_config"]
    assert len(to.requests) == 1


def test_what_waits_and_what_is_under_way_goes_on_through_the_replacement(
    space: Space, to: Receiver, duty: Receiver
) -> None:
    to.status = 500
    action = hold(space, to)
    delete_connector(connector_of(action), replace_with=make_connector(space, url=duty.url))
    to.release.set()
    wait_for_states(pending=1)
    fall_due()
    wait_for_states(delivered=1)
    assert duty.webhook_ids == to.webhook_ids
    action = waiting(space, to)
    delete_connector(connector_of(action), replace_with=Connector.objects.get(pk=only_connector(duty)))
    fall_due()
    wait_for_states(delivered=2)


def only_connector(to: Receiver) -> int:
    return Connector.objects.get(config__url=to.url).pk


def test_what_waits_is_sent_as_it_was_rendered_when_its_action_is_edited(space: Space, to: Receiver) -> None:
    action = waiting(space, to)
    update_action(action, params={"body": {"n": "other"}}, enabled=False)
    fall_due()
    wait_for_states(delivered=1)
    assert [json.loads(request.body) for request in to.requests] == [{"n": 1}, {"n": 1}]


def test_what_waits_has_as_many_tries_as_its_action_now_gives(space: Space, to: Receiver) -> None:
    action = waiting(space, to)
    to.status = 500
    update_action(action, max_attempts=2)
    fall_due()
    wait_for_states(dead=1)
    assert only(action).attempts == 2


def test_what_is_under_way_has_no_more_tries_than_its_action_gives_when_it_ends(space: Space, to: Receiver) -> None:
    to.status = 500
    action = hold(space, to)
    update_action(action, max_attempts=1)
    to.release.set()
    wait_for_states(dead=1)
    assert (only(action).attempts, only(action).last_reason) == (1, "retry_http_5xx")


def test_what_waits_ends_at_its_next_try_when_its_action_was_deleted(space: Space, to: Receiver) -> None:
    action = waiting(space, to)
    delete_rule(space.rules.get())
    delete_action(action)
    fall_due()
    wait_for_states(dead=1)
    delivery = Delivery.objects.get()
    assert (delivery.last_reason, delivery.last_detail) == ("bad_config", "The action was deleted.")
    assert len(to.requests) == 1


def test_what_is_under_way_when_its_action_is_deleted_is_recorded(space: Space, to: Receiver) -> None:
    action = hold(space, to)
    delete_rule(space.rules.get())
    delete_action(action)
    to.release.set()
    wait_for_states(delivered=1)


def test_what_a_rule_has_triggered_is_delivered_whatever_becomes_of_the_rule(space: Space, to: Receiver) -> None:
    waiting(space, to)
    rule = space.rules.get()
    update_rule(rule, condition="false", enabled=False)
    delete_rule(rule)
    fall_due()
    wait_for_states(delivered=1)


def test_what_an_archived_space_had_accepted_is_delivered(space: Space, to: Receiver, duty: Receiver) -> None:
    fallback = through(space, duty, rule=False, params={"body": "{{ failure }}"})
    to.status = 500
    action = hold(space, to, fallback=fallback, max_attempts=1)
    archive_space(space)
    to.release.set()
    wait_for_states(dead=1)
    fall_due()
    wait_for_states(dead=1, delivered=1)
    assert only(action).state == State.DEAD
    assert len(duty.requests) == 1
