"""Where a delivery dies, the fallback of its action takes over in the same transaction, and no fallback goes round."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from actions.engine import fallbacks, leases
from actions.engine.outcomes import Finished, record
from actions.models import Action, Delivery
from actions.services import create_action, delete_action, update_action
from actions.services.cancel import cancel_delivery
from actions.services.replay import replay_delivery
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services import delete_connector
from spaces.errors import InUse, InvalidInput
from spaces.models import Space
from tests.factories import connector_of, make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import (
    State,
    accept,
    entries,
    hold,
    only,
    send_now,
    through,
    wait_for_states,
)
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TELL = {"body": {"why": "{{ failure }}", "site": "{{ event.data.site }}", "rule": "{{ rule.name }}"}}


def with_fallback(space: Space, to: Receiver, duty: Receiver, **policy: Any) -> tuple[Action, Action]:
    """Make an action with a rule, and its fallback, which tells what failed."""
    fallback = through(space, duty, rule=False, params=TELL, public_id="tell-duty")
    return through(space, to, fallback=fallback, public_id="first", **policy), fallback


def test_the_fallback_tells_why_the_delivery_died(space: Space, to: Receiver, duty: Receiver) -> None:
    to.status = 400
    action, fallback = with_fallback(space, to, duty)
    accept(space, site="north")
    wait_for_states(dead=1)
    dead, taken = only(action), only(fallback)
    assert (taken.former_id, taken.former_attempts, taken.fallbacks) == (dead.pk, 1, 1)
    assert (taken.event_id, taken.rule_id, taken.space) == (dead.event_id, dead.rule_id, space)
    send_now()
    wait_for_states(dead=1, delivered=1)
    (request,) = duty.requests
    assert json.loads(request.body) == {
        "why": {
            "delivery_id": dead.pk,
            "reason": "permanent_4xx",
            "detail": dead.last_detail,
            "action": "first",
            "connector": connector_of(action).public_id,
        },
        "site": "north",
        "rule": space.rules.get().name,
    }
    assert request.headers["webhook-id"] == str(taken.webhook_id) != str(dead.webhook_id)
    assert entries(dead) == [("execute", "failure", "permanent_4xx"), ("fallback", "success", "permanent_4xx")]


def test_a_delivery_that_is_still_tried_has_no_fallback_yet(space: Space, to: Receiver, duty: Receiver) -> None:
    to.status = 500
    _, fallback = with_fallback(space, to, duty)
    accept(space)
    wait_for_states(pending=1)
    assert not Delivery.objects.filter(action=fallback).exists()


def test_death_and_fallback_are_one_transaction(
    space: Space, to: Receiver, duty: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the fallback cannot be written the delivery is not dead either, and its outcome is recorded later."""
    action, fallback = with_fallback(space, to, duty)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    accept(space, site="north")
    (leased,) = leases.claim(action.connector_id or 0, 10)
    refused = [Finished(leased, Outcome(leased.id, Reason.PERMANENT_4XX, "HTTP 400"), "x")]
    with monkeypatch.context() as broken:
        broken.setattr(fallbacks, "_COLUMNS", ("id",))
        with pytest.raises((DatabaseError, ValueError)):  # PostgreSQL's COPY, SQLite's INSERT
            record(refused)
    assert only(action).state == State.LEASED
    assert entries(only(action)) == []
    assert record(refused) == 0
    assert only(action).state == State.DEAD
    assert only(fallback).state == State.PENDING


def test_what_cannot_be_rendered_has_its_fallback(space: Space, to: Receiver, duty: Receiver) -> None:
    action, fallback = with_fallback(space, to, duty, params={"body": "{{ event.data.missing }}"})
    accept(space, site="north")
    assert only(action).last_reason == "template_error"
    assert only(fallback).message["body"]["why"]["reason"] == "template_error"


def test_poison_has_its_fallback(space: Space, to: Receiver, duty: Receiver) -> None:
    action, fallback = with_fallback(space, to, duty)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    accept(space, site="north")
    for _ in range(5):
        assert len(leases.claim(action.connector_id or 0, 10)) == 1
        Delivery.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
        leases.reclaim_expired()
    assert only(action).last_reason == "poison"
    assert only(fallback).message["body"]["why"]["reason"] == "poison"


def test_what_waits_for_a_connector_that_is_deleted_has_its_fallback(
    space: Space, to: Receiver, duty: Receiver
) -> None:
    action, fallback = with_fallback(space, to, duty)
    gone = connector_of(action)
    Connector.objects.filter(pk=gone.pk).update(enabled=False)
    Space.objects.update(config_revision=99)
    accept(space, 3, site="north")
    delete_connector(gone, force=True)
    assert Delivery.objects.filter(action=action, state=State.DEAD, last_reason="bad_config").count() == 3
    taken = Delivery.objects.filter(action=fallback)
    assert taken.count() == 3
    assert {row.message["body"]["why"]["connector"] for row in taken} == {gone.public_id}


def test_what_is_cancelled_has_no_fallback(space: Space, to: Receiver, duty: Receiver) -> None:
    to.status = 400
    fallback = through(space, duty, rule=False, params=TELL)
    action = hold(space, to, fallback=fallback)
    cancel_delivery(only(action))
    to.release.set()
    wait_for_states(dead=1)
    assert only(action).last_reason == "cancelled"
    assert not Delivery.objects.filter(action=fallback).exists()


def test_a_loop_has_no_fallback(space: Space, to: Receiver, duty: Receiver) -> None:
    action, fallback = with_fallback(space, to, duty)
    Connector.objects.update(enabled=False)
    Space.objects.update(config_revision=99)
    accept(space)
    (leased,) = leases.claim(action.connector_id or 0, 10)
    record([Finished(leased, Outcome(leased.id, Reason.LOOP, "The 9th hop."), "x")])
    assert only(action).state == State.DEAD
    assert not Delivery.objects.filter(action=fallback).exists()


def test_each_death_has_its_own_fallback(space: Space, to: Receiver, duty: Receiver) -> None:
    to.status = 400
    action, fallback = with_fallback(space, to, duty)
    accept(space, site="north")
    wait_for_states(dead=1)
    replay_delivery(only(action))
    send_now()
    wait_until(lambda: Delivery.objects.filter(action=fallback).count() == 2, "the second fallback", 15)
    wanted = [(only(action).pk, 1), (only(action).pk, 2)]
    taken = Delivery.objects.filter(action=fallback).order_by("pk")
    assert list(taken.values_list("former_id", "former_attempts")) == wanted


def test_a_disabled_fallback_does_not_take_over_and_the_log_says_so(space: Space, to: Receiver, duty: Receiver) -> None:
    to.status = 400
    action, fallback = with_fallback(space, to, duty)
    update_action(fallback, enabled=False)
    accept(space)
    wait_for_states(dead=1)
    assert not Delivery.objects.filter(action=fallback).exists()
    assert entries(only(action))[-1] == ("fallback", "failure", "permanent_4xx")


def chain(space: Space, length: int, **policy: Any) -> list[Action]:
    """Make actions, each but the last with the next for its fallback: ``length`` fallbacks."""
    actions = [make_action(make_connector(space), public_id=f"a{length}", **policy)]
    for number in range(length - 1, -1, -1):
        actions.insert(0, make_action(connector_of(actions[0]), public_id=f"a{number}", fallback=actions[0], **policy))
    return actions


def test_a_fallback_that_cannot_be_rendered_has_its_own_and_the_third_is_the_last(space: Space) -> None:
    actions = chain(space, 3, params={"body": "{{ event.data.missing }}"})
    beyond = make_action(connector_of(actions[0]))
    Action.objects.filter(pk=actions[-1].pk).update(fallback=beyond)  # as no service does it
    make_rule(space, actions=actions[:1])
    accept(space)
    assert [only(action).fallbacks for action in actions] == [0, 1, 2, 3]
    assert not Delivery.objects.filter(action=beyond).exists()


def test_fallbacks_that_go_round_end_all_the_same(space: Space) -> None:
    actions = chain(space, 1, params={"body": "{{ event.data.missing }}"})
    Action.objects.filter(pk=actions[1].pk).update(fallback=actions[0])  # as no service does it
    make_rule(space, actions=actions[:1])
    accept(space)
    assert Delivery.objects.filter(state=State.DEAD).count() == 4


def refused(change: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as raised:
        change()
    (error,) = raised.value.errors
    return error.pointer, error.detail


def test_a_fallback_that_comes_back_is_refused(space: Space) -> None:
    first, second, third = chain(space, 2)
    for last in (first, second, third):
        pointer, detail = refused(lambda last=last: update_action(third, fallback=last))
        assert pointer == "/fallback"
        assert 'comes back to "a2"' in detail
    third.refresh_from_db()
    assert third.fallback is None


def test_a_chain_of_more_than_three_fallbacks_is_refused_from_either_end_and_between(space: Space) -> None:
    front, back = chain(space, 3), make_action(make_connector(space))
    connector = connector_of(back)
    assert "more than 3" in refused(lambda: update_action(front[-1], fallback=back))[1]
    assert "more than 3" in refused(lambda: make_action(connector, fallback=front[0]))[1]
    update_action(front[1], fallback=None)
    update_action(back, fallback=front[2])
    assert "more than 3" in refused(lambda: update_action(front[1], fallback=back))[1]
    update_action(front[0], fallback=back)
    back.refresh_from_db()
    assert back.fallback == front[2]


def test_another_spaces_action_is_no_fallback(space: Space) -> None:
    theirs = make_action(make_connector(make_space()), public_id="theirs")
    action = make_action(make_connector(space))
    assert refused(lambda: update_action(action, fallback=theirs)) == (
        "/fallback",
        'There is no action "theirs" in this space.',
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Action.objects.filter(pk=action.pk).update(fallback=theirs)


def test_an_action_that_is_a_fallback_is_not_deleted_and_its_users_are_named(space: Space) -> None:
    first, second = chain(space, 1)
    with pytest.raises(InUse, match="give these actions another fallback, or none: a0") as raised:
        delete_action(second)
    assert raised.value.users == (("action", "a0"),)
    update_action(first, fallback=None)
    delete_action(second)


def test_a_template_may_use_failure_in_any_action(space: Space, to: Receiver) -> None:
    """It is null where nothing failed; a field of it then does not exist."""
    asks = through(
        space, to, rule=False, params={"body": {"text": "{% if failure %}{{ failure.reason }}{% else %}ok{% endif %}"}}
    )
    needs = create_action(space, connector=connector_of(asks), name="Needs", params={"body": "{{ failure.reason }}"})
    make_rule(space, actions=[asks, needs])
    accept(space)
    assert only(asks).message["body"] == {"text": "ok"}
    assert only(needs).last_reason == "template_error"
