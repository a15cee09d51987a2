"""A suppressed delivery is recorded with its cause, never sent by itself, and can be sent by a person."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from actions.engine.expiry import end_expired
from actions.models import Action, Delivery, EventLogEntry
from actions.services.browse import DeliveryFilter
from actions.services.cancel import cancel_delivery
from actions.services.deliveries import Planned, Target, make_deliveries, sweep_deliveries
from actions.services.jobs import start_job, work_jobs
from actions.services.replay import replay_delivery
from actions.services.troubles import failing_connectors, take_deaths
from actions.suppression import Suppression, sentence_of
from connectors.outcomes import Reason
from rules.evaluation.rounds import evaluate_round
from rules.models import Event
from rules.services.accept import accept_events
from rules.services.invariants import check_settled
from rules.services.retention import delete_old
from spaces.errors import ReadOnly
from spaces.models import Space
from spaces.services import update_space
from tests.factories import connector_of, make_action, make_connector
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import send_now
from tests.rules.dead_letters.rows import sent
from tests.rules.running import incoming, run
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline")]

State = Delivery.State
MESSAGE = {"path": "", "method": "POST", "query": {}, "headers": {}, "body": {"n": 1}}


def plan(action: Action, **rest: Any) -> Planned:
    (accepted,) = accept_events(action.space_id, [incoming()])
    connector = connector_of(action)
    target = Target(action.pk, action.public_id, connector.pk, connector.public_id, True, 10, 60)
    return Planned(action.space_id, accepted.id, "a-rule", target, **{"message": MESSAGE} | rest)


def suppress(action: Action, **rest: Any) -> Delivery:
    make_deliveries([plan(action, **{"suppressed": "rule_muted"} | rest)])
    return Delivery.objects.latest("pk")


@pytest.fixture
def action(space: Space, to: Receiver) -> Action:
    return make_action(make_connector(space, url=to.url))


def test_it_ends_at_once_with_its_cause_and_one_entry_and_is_no_trouble(action: Action, to: Receiver) -> None:
    row = suppress(action)
    make_deliveries([plan(action, suppressed="maintenance_window", suppressed_by="Patching."), plan(action)])
    run()
    Delivery.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    sweep_deliveries()
    end_expired()
    assert len(to.requests) == 1
    found = Delivery.objects.order_by("pk").values_list("state", "last_reason", "last_detail", "attempts")
    assert list(found) == [
        ("suppressed", "rule_muted", "The rule is muted.", 0),
        ("suppressed", "maintenance_window", "Patching.", 0),
        ("delivered", "ok", "", 1),
    ]
    entry = EventLogEntry.objects.get(delivery_id=row.pk)
    assert (entry.action, entry.outcome, entry.reason, entry.attempt) == ("suppress", "success", "rule_muted", None)
    assert (take_deaths(), list(failing_connectors())) == ([], [])
    assert not [each for each in check_settled() if each.rows == "deliveries" and each.broken]
    with pytest.raises(ReadOnly):
        cancel_delivery(row)


@pytest.mark.parametrize("rest", [{}, {"ordering_key": "k"}, {"message": {}, "failure": (Reason.TEMPLATE_ERROR, "?")}])
def test_a_person_can_send_it(action: Action, to: Receiver, rest: dict[str, Any]) -> None:
    row = suppress(action, **rest)
    replay_delivery(row)
    send_now()
    run()
    (request,) = to.requests
    row.refresh_from_db()
    assert (row.state, request.headers["webhook-id"]) == (State.DELIVERED, str(row.webhook_id))


def test_a_job_sends_all_of_one_cause(space: Space, action: Action, to: Receiver) -> None:
    for cause in ("rule_muted", "alert_muted", "rule_muted"):
        suppress(action, suppressed=cause)
    job = start_job(space, "replay", DeliveryFilter(state=State.SUPPRESSED, reason=Suppression.RULE_MUTED), rate=1000)
    work_jobs()
    wait_until(lambda: sent(2), "both are delivered", 15)
    job.refresh_from_db()
    assert (job.done, len(to.requests)) == (2, 2)
    assert list(Delivery.objects.filter(state="suppressed").values_list("last_reason", flat=True)) == ["alert_muted"]


def test_it_is_kept_as_long_as_what_was_delivered(space: Space, action: Action) -> None:
    row = suppress(action)
    old = timezone.now() - timedelta(days=9)
    Space.objects.filter(pk=space.pk).update(created_at=old)
    Event.objects.update(received_at=old)
    evaluate_round()
    update_space(space, retention_days=7)
    Delivery.objects.update(finished_at=old)
    EventLogEntry.objects.update(time=old)
    delete_old(rest=lambda _: None)
    assert not Delivery.objects.filter(pk=row.pk).exists()


def test_every_cause_has_a_sentence_and_fits_its_column() -> None:
    longest = Delivery._meta.get_field("last_reason").max_length or 0
    assert all(sentence_of(cause) and len(cause) <= longest for cause in Suppression)
