"""What a space does not keep any longer goes, all of it and nothing else, in steps that hold up nobody."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from actions.models import Delivery, EventLogEntry
from connectors.models import Connector, StatusChange
from rules.models import Alert, Errand, Event, EventBatch, RetentionMark
from rules.services import retention
from rules.services.accept import accept_events
from rules.services.errands import held
from rules.services.invariants import check_invariants
from rules.services.retention import delete_old
from rules.tasks import delete
from spaces.models import AuditEntry, Space, SpaceUsage
from spaces.services import update_space
from tests.api.client import make_alert
from tests.factories import make_action, make_connector, make_space
from tests.rules.running import incoming

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State
KEPT_DAYS = 7


@pytest.fixture
def space() -> Space:
    return keeping(KEPT_DAYS)


def keeping(days: int | None) -> Space:
    """Make a space that is 100 days old and keeps things so long."""
    space = make_space()
    Space.objects.filter(pk=space.pk).update(created_at=ago(100))
    return update_space(space, retention_days=days)


def ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


class History:
    """Writes events with deliveries and entries as they would stand after so many days."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.action = make_action(make_connector(space))

    def event(self, age: float, *, waits: bool = False) -> Event:
        (accepted,) = accept_events(self.space.pk, [incoming()])
        if not waits:
            EventBatch.objects.all().delete()
        Event.objects.filter(pk=accepted.id).update(received_at=ago(age))
        EventBatch.objects.update(created_at=ago(age))
        return Event.objects.get(pk=accepted.id)

    def delivery(self, event: Event, state: str, *ages: float) -> Delivery:
        """A delivery with one attempt for each age; the last one brought it into its state."""
        is_over = state in (State.DELIVERED, State.DEAD)
        reason = "ok" if state == State.DELIVERED else "retry_http_5xx"
        delivery = Delivery.objects.create(
            space=self.space,
            event_id=event.pk,
            rule_id=f"rule-{Delivery.objects.count()}",
            action=self.action,
            connector=self.action.connector,
            message={},
            state=state,
            attempts=len(ages),
            finished_at=ago(ages[-1]) if is_over else None,
            last_reason=reason if ages else "",
        )
        for attempt, age in enumerate(ages, start=1):
            ok = state == State.DELIVERED and attempt == len(ages)
            self.entry(
                age,
                event_id=event.pk,
                delivery_id=delivery.pk,
                attempt=attempt,
                action="execute",
                outcome="success" if ok else "failure",
                reason="ok" if ok else "retry_http_5xx",
            )
        return delivery

    def entry(self, age: float, **fields: Any) -> EventLogEntry:
        return EventLogEntry.objects.create(space=self.space, time=ago(age), **{"action": "status", **fields})


@pytest.fixture
def history(space: Space) -> History:
    return History(space)


def run(seconds: float = 60.0) -> int:
    """Run it as an hour after the last time."""
    RetentionMark.objects.update(finished_at=None)
    deleted = delete_old(seconds=seconds, rest=lambda _: None)
    assert not [finding for finding in check_invariants() if finding.broken]
    return deleted


def exists(*rows: Event | Delivery | EventLogEntry) -> list[bool]:
    return [type(row)._default_manager.filter(pk=row.pk).exists() for row in rows]


def test_what_is_old_goes_and_what_is_not_stays(history: History) -> None:
    matched, unmatched, recent = history.event(9), history.event(8), history.event(6)
    sent, entry = history.delivery(matched, State.DELIVERED, 9), history.entry(8)
    dead = history.delivery(matched, State.DEAD, 9, 8, 8)
    recent_sent, recent_entry = history.delivery(recent, State.DELIVERED, 6), history.entry(6)
    assert run() == 2 + 2 + 4 + 1
    assert exists(matched, unmatched, sent, dead, entry) == [False] * 5
    assert exists(recent, recent_sent, recent_entry) == [True] * 3
    assert run() == 0


@pytest.mark.parametrize("state", [State.PENDING, State.LEASED])
def test_an_event_with_an_unfinished_delivery_stays_whole_until_that_has_ended_and_aged(
    history: History, state: str
) -> None:
    event = history.event(30)
    lease = {"lease_token": "0" * 32, "lease_until": timezone.now()} if state == State.LEASED else {}
    sent = history.delivery(event, State.DELIVERED, 30)
    waiting = history.delivery(event, state, 30, 29, 28)
    Delivery.objects.filter(pk=waiting.pk).update(**lease)
    assert run() == 2  # the other delivery and its entry
    assert exists(event, sent, waiting) == [True, False, True]
    assert EventLogEntry.objects.count() == 3

    over = {"state": State.DEAD, "attempts": 4, "lease_token": None, "lease_until": None}
    Delivery.objects.filter(pk=waiting.pk).update(**over, finished_at=timezone.now())
    last = history.entry(0, delivery_id=waiting.pk, attempt=4, outcome="failure", reason="retry_http_5xx")
    assert run() == 0
    aged = {"finished_at": ago(8)}
    Delivery.objects.filter(pk=waiting.pk).update(**aged)
    EventLogEntry.objects.filter(pk=last.pk).update(time=ago(8))
    assert run() == 6
    assert exists(event, waiting) == [False, False]


def test_an_event_that_waits_for_its_evaluation_stays(history: History) -> None:
    before, waiting = history.event(20), history.event(20, waits=True)
    run()
    assert exists(before, waiting) == [False, True]
    EventBatch.objects.all().delete()
    run()
    assert exists(waiting) == [False]


def test_spaces_keep_things_as_long_as_each_says(history: History) -> None:
    longer, ever = History(keeping(30)), History(keeping(None))
    events = [one.event(age) for age in (40, 20, 1) for one in (history, longer, ever)]
    run()
    assert exists(*events) == [False, False, True, False, True, True, True, True, True]
    update_space(ever.space, retention_days=10)
    update_space(longer.space, retention_days=10)
    run()
    assert exists(*events) == [False] * 6 + [True] * 3


def test_audit_log_status_history_and_usage_stay(history: History) -> None:
    connector = Connector.objects.get()
    StatusChange.objects.create(connector=connector, former="unknown", status="connected", time=ago(90))
    SpaceUsage.objects.create(space=history.space, counted_at=ago(90))
    AuditEntry.objects.update(time=ago(90))
    entries = AuditEntry.objects.count()
    run()
    assert entries
    assert (AuditEntry.objects.count(), StatusChange.objects.count(), SpaceUsage.objects.count()) == (entries, 1, 1)


def test_it_goes_on_where_it_was_stopped(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_SPAN", {"postgresql": 10, "sqlite": 10})
    for _ in range(35):
        history.delivery(history.event(9), State.DELIVERED, 9)
    assert run(seconds=0) == 30  # one step
    mark = RetentionMark.objects.get()
    assert EventLogEntry.objects.order_by("id").first() == EventLogEntry.objects.get(pk=mark.log_entry_id)
    assert run(seconds=0) == 30
    assert run() == 45
    assert not Event.objects.exists()


def test_a_finished_run_is_repeated_after_an_hour(history: History) -> None:
    delete()
    history.event(9)
    assert delete_old() == 0
    RetentionMark.objects.update(finished_at=timezone.now() - timedelta(hours=1, seconds=1))
    delete()
    assert not Event.objects.exists()


def test_one_process_does_it_at_a_time_and_a_vanished_one_is_replaced(history: History) -> None:
    history.event(9)
    with held(retention.ERRAND) as renew:
        assert renew is not None
        assert delete_old() == 0
        assert renew()
        assert delete_old() == 0
        Errand.objects.update(held_until=timezone.now())  # it vanished a minute ago
        assert delete_old() == 1
        assert not renew()


def test_a_transaction_deletes_no_more_than_a_range_of_keys_holds(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_SPAN", {"postgresql": 7, "sqlite": 7})
    for _ in range(30):
        history.event(9)
    with CaptureQueriesContext(connection) as queries:
        run()
    deletes = [query["sql"] for query in queries if query["sql"].startswith('DELETE FROM "rules_event" ')]
    assert len(deletes) == 5


def test_ids_and_times_that_are_slightly_out_of_order_are_found_later(history: History) -> None:
    late, early = history.event(KEPT_DAYS - 0.001), history.event(KEPT_DAYS + 0.001)
    run()
    Event.objects.filter(pk__in=[late.pk, early.pk]).update(received_at=ago(KEPT_DAYS + 0.002))
    run()
    assert exists(late, early) == [False, False]


@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_the_first_key_of_a_time_is_found(history: History, count: int) -> None:
    events = [history.event(30 - number) for number in range(count)]
    Event.objects.filter(pk__in=[event.pk for event in events[1::3]]).delete()
    events = list(Event.objects.order_by("id"))
    find: Callable[[float], int] = lambda age: retention.first_key(Event, "received_at", ago(age))  # noqa: E731
    for age in (40, 30.5, 29.5, 25.5, 14.5, 13, 0):
        younger = [event.pk for event in events if event.received_at >= ago(age)]
        last = events[-1].pk + 1 if events else 0
        key = find(age)
        assert [event.pk for event in events if event.pk >= key] == younger
        assert key <= last


def test_the_command_reports_nothing_amiss_afterwards(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    history.delivery(history.event(9), State.DEAD, 9, 9)
    run()
    call_command("check_invariants")
    assert "invariants hold" in capsys.readouterr().out


def test_alerts_that_ended_long_ago_go_and_open_ones_stay(space: Space) -> None:
    old = {"since": ago(30), "ended_at": ago(KEPT_DAYS + 1)}
    make_alert(space, **old)
    make_alert(keeping(None), **old)
    kept = [
        make_alert(space, ended_at=ago(KEPT_DAYS - 1)),
        make_alert(space, state="active", since=ago(30), ended_at=None),
    ]
    delete_old()
    assert list(Alert.objects.filter(space=space).order_by("id")) == kept
    assert Alert.objects.count() == 3
