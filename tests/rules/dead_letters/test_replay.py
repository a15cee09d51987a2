"""A dead letter is fixed and sent again: as it was, or with another message."""

import json

import pytest

from actions.models import Action, Delivery
from actions.services import update_action
from actions.services.edit import replay_changed
from actions.services.replay import replay_delivery
from connectors.services import delete_connector
from spaces.errors import InvalidInput, ReadOnly
from spaces.models import AuditEntry, Space
from tests.api.client import make_delivery, make_event
from tests.factories import connector_of, make_action, make_connector
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import accept, entries, only, send_now, through, wait_for_states
from tests.rules.dead_letters.rows import MESSAGE

pytestmark = pytest.mark.django_db(transaction=True)


def dead(space: Space, to: Receiver) -> Delivery:
    """Make a delivery that the receiver has refused."""
    to.status = 400
    action = through(space, to, params={"body": {"n": "{{ event.data.n }}"}})
    accept(space, n=1)
    wait_for_states(dead=1)
    to.status = 200
    return only(action)


# --- One, with another message ---


def test_a_changed_message_is_another_delivery_under_its_own_id(space: Space, to: Receiver) -> None:
    former = dead(space, to)
    made = replay_changed(former, {**former.message, "body": {"n": 2}})
    send_now()
    wait_for_states(dead=1, delivered=1)
    assert [json.loads(request.body) for request in to.requests] == [{"n": 1}, {"n": 2}]
    assert to.webhook_ids == [str(former.webhook_id), str(made.webhook_id)]
    assert made.webhook_id != former.webhook_id
    assert (made.former_id, made.event_id, made.rule_id) == (former.pk, former.event_id, former.rule_id)
    assert entries(former)[-1] == ("edit", "success", "")
    audited = AuditEntry.objects.get(action="delivery.edit")
    assert audited.before == {"message": former.message, "delivery": former.pk}
    assert audited.after == {"message": {**former.message, "body": {"n": 2}}, "delivery": made.pk}


def test_a_message_that_the_connector_does_not_take_is_refused_at_its_place(space: Space, to: Receiver) -> None:
    former = dead(space, to)
    for wrong, pointer in (
        ({"method": "BREW"}, "/message/method"),
        ({"nope": 1}, "/message/nope"),
        ({"body": "\0"}, "/message/body"),
        ({"body": "x" * 600_000}, "/message"),
        (former.message, "/message"),
    ):
        with pytest.raises(InvalidInput) as raised:
            replay_changed(former, wrong)
        assert raised.value.errors[0].pointer == pointer
    assert Delivery.objects.count() == 1


def test_templates_in_a_changed_message_are_text(space: Space, to: Receiver) -> None:
    made = replay_changed(dead(space, to), {**MESSAGE, "body": {"n": "{{ event.data.n }}"}})
    assert made.message["body"] == {"n": "{{ event.data.n }}"}


def test_a_change_asked_for_twice_is_made_once(space: Space, to: Receiver) -> None:
    former = dead(space, to)
    made = replay_changed(former, {**former.message, "body": {"n": 2}})
    with pytest.raises(ReadOnly, match=f"goes on as delivery {made.pk}"):
        replay_changed(former, {**former.message, "body": {"n": 2}})
    assert Delivery.objects.count() == 2


def test_what_has_not_ended_is_not_changed(space: Space) -> None:
    waiting = make_delivery(make_action(make_connector(space)), event_id=make_event(space).pk)
    with pytest.raises(ReadOnly, match="has not ended"):
        replay_changed(waiting, MESSAGE)


# --- One, fixed ---


def test_what_could_not_be_rendered_is_rendered_anew_when_it_is_sent_again(space: Space, to: Receiver) -> None:
    action = through(space, to, params={"body": {"n": "{{ event.data.wrong }}"}})
    accept(space, n=7)
    assert only(action).last_reason == "template_error"
    with pytest.raises(ReadOnly, match="still cannot be rendered"):
        replay_delivery(only(action))
    update_action(action, params={"body": {"n": "{{ event.data.n }}"}})
    replay_delivery(only(action))
    send_now()
    wait_for_states(delivered=1)
    assert json.loads(to.requests[0].body) == {"n": 7}


def test_what_lost_its_connector_goes_through_the_one_that_its_action_has_now(space: Space, to: Receiver) -> None:
    former = dead(space, to)
    action = Action.objects.get()
    delete_connector(connector_of(action), force=True)
    with pytest.raises(ReadOnly, match="its connector was deleted"):
        replay_delivery(former)
    update_action(action, connector=make_connector(space, url=to.url))
    replay_delivery(former)
    send_now()
    wait_for_states(delivered=1)
    assert to.webhook_ids == [str(former.webhook_id)] * 2
