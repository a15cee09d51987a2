"""All dead letters that match a filter are sent again, or cancelled, by a job."""

import threading
import uuid
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection

from actions.models import Action, Delivery, DeliveryJob, EventLogEntry
from actions.services import browse, create_action, delete_action, jobs
from actions.services.browse import DeliveryFilter
from actions.services.jobs import cancel_job, pause_job, read_filter, resume_job, start_job, work_batch, work_jobs
from connectors.services import delete_connector
from spaces.errors import InvalidInput, ReadOnly
from spaces.models import AuditEntry, Space
from spaces.services import archive_space
from tests.api.client import make_delivery, make_event
from tests.factories import connector_of, make_action, make_connector
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import State, send_now, through, wait_for_states
from tests.rules.dead_letters.rows import dead_letters, sent
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def break_off(*args: object, **kwargs: object) -> None:
    """End as a killed process does: what is not committed is gone."""
    raise ConnectionError


def replays(delivery: Delivery) -> int:
    return EventLogEntry.objects.filter(delivery_id=delivery.pk, action="replay").count()


def test_a_job_sends_again_what_matches_and_nothing_else(space: Space, to: Receiver) -> None:
    action = through(space, to, rule=False)
    wanted = dead_letters(space, 3, action)
    others = [
        *dead_letters(space, 1, action, last_reason="poison"),
        *dead_letters(space, 1, action, state=State.DELIVERED, last_reason="ok"),
        *dead_letters(space, 1),
    ]
    EventLogEntry.objects.create(
        space=space, action="execute", outcome="success", delivery_id=others[1].pk, event_id=others[1].event_id
    )
    job = start_job(space, "replay", read_filter("replay", {"reason": "expired", "action": action.public_id}))
    assert job.total == 3
    work_jobs()
    wait_until(lambda: sent(4), "all are sent, each when it is due", 15)
    job.refresh_from_db()
    assert (job.state, job.done, job.refused) == ("done", 3, 0)
    assert job.finished_at
    assert sorted(to.webhook_ids) == sorted(str(row.webhook_id) for row in wanted)
    assert [replays(row) for row in others] == [0, 0, 0]


def test_a_job_never_sends_the_same_delivery_twice_whatever_dies_again(space: Space, to: Receiver) -> None:
    to.status = 400
    action = through(space, to, rule=False)
    rows = dead_letters(space, 4, action)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD))
    DeliveryJob.objects.update(rate=1)
    while job.state == "running":
        work_batch(job.pk)
        DeliveryJob.objects.update(paced_until=None)
        Delivery.objects.filter(state=State.PENDING).update(due_at="2026-01-01T00:00:00Z")
        send_now()
        wait_for_states(dead=4)
        job.refresh_from_db()
    assert [replays(row) for row in rows] == [1, 1, 1, 1]
    assert len(to.requests) == 4


def test_a_job_that_breaks_off_goes_on_from_there_and_does_each_once(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = dead_letters(space, 7)
    monkeypatch.setattr(jobs, "_AT_ONCE", 3)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD), rate=1000)
    assert work_batch(job.pk)
    with monkeypatch.context() as broken:
        broken.setattr(DeliveryJob, "save", break_off)  # after its batch is written
        with pytest.raises(ConnectionError):
            work_batch(job.pk)
    assert [replays(row) for row in rows] == [1, 1, 1, 0, 0, 0, 0]
    work_jobs()
    job.refresh_from_db()
    assert [replays(row) for row in rows] == [1] * 7
    assert (job.state, job.done) == ("done", 7)


def test_two_workers_do_each_delivery_of_a_job_once(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = dead_letters(space, 40)
    monkeypatch.setattr(jobs, "_AT_ONCE", 5)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD), rate=1000)

    def work() -> None:
        try:
            while work_batch(job.pk):
                pass
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    work_jobs()
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 40)
    assert [replays(row) for row in rows] == [1] * 40


def test_what_a_job_sends_again_falls_due_at_its_rate(space: Space) -> None:
    dead_letters(space, 200)  # of which a slow machine does not send all in the time of the test either
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD), rate=5)
    work_jobs()
    taken = Delivery.objects.filter(state=State.PENDING).order_by("pk")
    assert 0 < len(taken) < 200
    due = [row.due_at for row in taken if row.due_at]
    assert {later - sooner for sooner, later in pairwise(due)} == {timedelta(seconds=0.2)}
    work_jobs()  # a doubled wake-up brings nothing forward
    again = list(Delivery.objects.filter(state=State.PENDING, due_at__isnull=False).order_by("due_at"))
    assert min(later.due_at - sooner.due_at for sooner, later in pairwise(again) if sooner.due_at and later.due_at) >= (
        timedelta(seconds=0.2)
    )
    job.refresh_from_db()
    assert job.state == "running"


def test_what_is_sent_again_goes_out_as_it_falls_due_and_in_no_burst(space: Space, to: Receiver) -> None:
    """One wake-up is enough: nobody has to sweep until all that it brought has gone out."""
    action = through(space, to, rule=False)
    rows = dead_letters(space, 8, action)
    start_job(space, "replay", DeliveryFilter(state=State.DEAD), rate=4)
    work_jobs()
    send_now()
    wait_for_states(delivered=8)
    ended = Delivery.objects.filter(pk__in=[row.pk for row in rows]).order_by("due_at")
    assert all(row.finished_at > row.due_at for row in ended if row.finished_at and row.due_at)
    due = [row.due_at for row in ended if row.due_at]
    assert {later - sooner for sooner, later in pairwise(due)} == {timedelta(seconds=0.25)}


def test_what_dies_after_a_job_was_asked_for_is_left_alone(space: Space) -> None:
    (early,) = dead_letters(space, 1)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD))
    late = dead_letters(space, 1)[0]
    Delivery.objects.filter(pk=late.pk).update(finished_at=job.created_at + timedelta(seconds=1))
    DeliveryJob.objects.update(last=late.pk)
    work_jobs()
    assert [replays(early), replays(late)] == [1, 0]


def test_of_one_key_there_is_one_job(space: Space) -> None:
    dead_letters(space, 2)
    key = uuid.uuid4()
    first, second = (start_job(space, "replay", DeliveryFilter(state=State.DEAD), key=key) for _ in range(2))
    assert first.pk == second.pk
    assert AuditEntry.objects.filter(action="delivery.bulk_replay").count() == 1


def test_a_cancelled_job_does_no_more_and_a_paused_one_goes_on_when_it_is_resumed(space: Space) -> None:
    rows = dead_letters(space, 2)
    job = pause_job(start_job(space, "replay", DeliveryFilter(state=State.DEAD)))
    work_jobs()
    assert replays(rows[0]) == 0
    resume_job(job)
    assert cancel_job(job).finished_at
    work_jobs()
    assert replays(rows[0]) == 0
    for change in (cancel_job, pause_job, resume_job):
        with pytest.raises(ReadOnly, match="is cancelled"):
            change(job)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD))
    resume_job(pause_job(job))
    work_jobs()
    assert [replays(row) for row in rows] == [1, 1]


def test_a_job_counts_what_it_could_not_send_and_goes_on(space: Space) -> None:
    lost, sent = dead_letters(space, 1), dead_letters(space, 2)
    Delivery.objects.filter(pk=lost[0].pk).update(connector=None)
    Action.objects.filter(pk=lost[0].action_id).update(connector=None)
    job = start_job(space, "replay", DeliveryFilter(state=State.DEAD))
    work_jobs()
    job.refresh_from_db()
    assert (job.state, job.done, job.refused) == ("done", 2, 1)
    assert job.last_refusal.startswith(f"Delivery {lost[0].pk} cannot be sent again: its connector was deleted.")
    assert [replays(row) for row in sent] == [1, 1]


def test_a_job_is_about_what_its_connector_was_when_it_is_replaced_meanwhile(space: Space, to: Receiver) -> None:
    """Found by the lost id, too; and sent through the other one."""
    action = make_action(make_connector(space, public_id="old"))
    rows = dead_letters(space, 3, action)
    wanted = read_filter("replay", {"connector": "old"})
    job = pause_job(start_job(space, "replay", wanted))
    delete_connector(connector_of(action), replace_with=make_connector(space, public_id="new", url=to.url))
    assert jobs.count_matching(space, wanted) == 3
    resume_job(job)
    work_jobs()
    wait_until(lambda: sent(3), "all are sent", 15)
    job.refresh_from_db()
    assert (job.state, job.total, job.done, job.refused, job.changed) == ("done", 3, 3, 0, 0)
    assert sorted(to.webhook_ids) == sorted(str(row.webhook_id) for row in rows)


def test_a_job_counts_what_lost_its_action_meanwhile_as_refused(space: Space) -> None:
    action = make_action(make_connector(space), public_id="report")
    dead_letters(space, 2, action)
    job = pause_job(start_job(space, "replay", read_filter("replay", {"action": "report"})))
    delete_action(action)
    create_action(space, connector=make_connector(space), name="Another", public_id="report", params={})
    resume_job(job)
    work_jobs()
    job.refresh_from_db()
    assert (job.state, job.done, job.refused, job.changed) == ("done", 0, 2, 0)
    assert job.last_refusal.endswith("its action was deleted.")


def test_of_two_jobs_at_once_the_second_tells_how_many_the_first_had_done(space: Space) -> None:
    dead_letters(space, 4)
    first, second = (start_job(space, "replay", DeliveryFilter(state=State.DEAD), rate=1000) for _ in range(2))
    assert first.changed == second.changed == 0
    work_jobs()
    for job, numbers in ((first, (4, 0)), (second, (0, 4))):
        job.refresh_from_db()
        assert (job.state, job.total, job.done, job.changed) == ("done", 4, *numbers)


def test_digits_are_looked_for_in_the_detail_too(space: Space) -> None:
    row, _ = dead_letters(space, 2)
    Delivery.objects.filter(pk=row.pk).update(last_detail="HTTP 40404")
    found = browse.matching(Delivery.objects.all(), space.pk, DeliveryFilter(search="40404"))
    assert [each.pk for each in found] == [row.pk]


def test_a_job_of_a_time_at_the_end_of_the_calendar_is_about_all(space: Space) -> None:
    dead_letters(space, 2)
    for bounds in (
        {"until": "9999-12-31T23:59:59Z"},
        {"finished_until": "9999-12-31T23:59:59.999999Z"},
        {"since": "0001-01-01T00:00:00Z", "finished_since": "0001-01-01T00:00:00Z"},
    ):
        assert jobs.count_matching(space, read_filter("replay", dict(bounds))) == 2


def test_a_job_of_an_archived_space_waits_for_its_return(space: Space) -> None:
    (row,) = dead_letters(space, 1)
    start_job(space, "replay", DeliveryFilter(state=State.DEAD))
    archive_space(space)
    work_jobs()
    assert replays(row) == 0
    archive_space(space, archived=False)
    work_jobs()
    assert replays(row) == 1


def test_a_job_cancels_what_waits_and_matches(space: Space) -> None:
    action, other = make_action(make_connector(space)), make_action(make_connector(space))
    rows = [make_delivery(action, event_id=make_event(space).pk) for _ in range(5)]
    kept = make_delivery(other, event_id=make_event(space).pk)
    job = start_job(space, "cancel", read_filter("cancel", {"action": action.public_id}))
    work_jobs()
    job.refresh_from_db()
    assert (job.state, job.total, job.done) == ("done", 5, 5)
    states = Delivery.objects.filter(pk__in=[row.pk for row in rows]).values_list("state", "last_reason")
    assert set(states) == {("dead", "cancelled")}
    kept.refresh_from_db()
    assert kept.state == State.PENDING


def test_a_filter_that_makes_no_sense_is_refused_at_its_place() -> None:
    for kind, wanted, pointer in (
        ("replay", {"state": "pending"}, "/filter/state"),
        ("cancel", {"state": "dead"}, "/filter/state"),
        ("replay", {"state": "lost"}, "/filter/state"),
        ("replay", {"colour": "red"}, "/filter/colour"),
        ("replay", {"since": "yesterday"}, "/filter/since"),
        ("replay", {"since": "2026-01-01T00:00:00"}, "/filter/since"),
        ("replay", {"event": 2**63}, "/filter/event"),
        ("replay", {"search": "\0"}, "/filter/search"),
    ):
        with pytest.raises(InvalidInput) as raised:
            read_filter(kind, dict(wanted))
        assert raised.value.errors[0].pointer == pointer
