"""The check of the invariants finds what is broken, says how much and what to do, and looks at every row."""

import json
import os
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from actions.models import Action, Delivery, EventLogEntry
from rules.models import Bucket, Event, EventBatch, Rule
from rules.services import invariants
from rules.services.accept import accept_events
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.rules.running import incoming

pytestmark = pytest.mark.django_db

State = Delivery.State


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def action(space: Space) -> Action:
    return make_action(make_connector(space))


@pytest.fixture
def delivery(space: Space, action: Action) -> Delivery:
    """A delivery that arrived at the second try."""
    return delivered(space, action)


def delivered(space: Space, action: Action) -> Delivery:
    (accepted,) = accept_events(space.pk, [incoming()])
    EventBatch.objects.all().delete()
    row = Delivery.objects.create(
        space=space,
        event_id=accepted.id,
        rule_id="a-rule",
        action=action,
        connector=action.connector,
        message={},
        state=State.DELIVERED,
        attempts=2,
        finished_at=timezone.now(),
        last_reason="ok",
    )
    entry(row, attempt=1, outcome="failure", reason="retry_http_5xx")
    entry(row, attempt=2, outcome="success", reason="ok")
    return row


def entry(row: Delivery, **fields: Any) -> EventLogEntry:
    return EventLogEntry.objects.create(
        space=row.space, action="execute", event_id=row.event_id, delivery_id=row.pk, **fields
    )


def broken() -> dict[str, tuple[int, int, list[int]]]:
    """Return what is broken, with the numbers of rows checked and broken, and examples."""
    return {
        finding.invariant: (finding.checked, finding.broken, finding.examples)
        for finding in check_invariants()
        if finding.broken
    }


def test_what_is_right_is_called_right(delivery: Delivery) -> None:
    assert broken() == {}


@pytest.mark.parametrize(
    ("fields", "invariants_broken"),
    [
        (
            {"state": State.LEASED, "finished_at": None, "lease_token": uuid.uuid4()},
            ["a leased delivery has a token and an end of its lease"],
        ),
        ({"lease_token": uuid.uuid4()}, ["a delivery that is not leased has neither"]),
        ({"finished_at": None}, ["a delivery that has ended has a time and a reason"]),
        (
            {"last_reason": ""},
            [
                "a delivery that has ended has a time and a reason",
                "a delivery ended with a reason that fits its state",
            ],
        ),
        ({"state": State.PENDING}, ["a waiting delivery has no time of its end"]),
        (
            {"state": State.DEAD},
            ["a delivery ended with a reason that fits its state"],
        ),
        (
            {"state": State.SUPPRESSED},
            ["a delivery ended with a reason that fits its state"],
        ),
        (
            {"state": State.DEAD, "last_reason": "expired"},
            ["a dead or suppressed delivery has its reason in the event log"],
        ),
        ({"lost_leases": 3}, ["lost leases and attempts before a replay are among the attempts"]),
        ({"replayed_from": 3}, ["lost leases and attempts before a replay are among the attempts"]),
        ({"attempts": 3}, ["the event log holds each attempt of a delivery once, numbered from 1"]),
        ({"attempts": 1}, ["the event log holds each attempt of a delivery once, numbered from 1"]),
        ({"event_id": 10**6}, ["a delivery belongs to a stored event"]),
        ({"hop": 1}, ["a delivery has the space and the hop of its event"]),
    ],
)
def test_a_broken_delivery_is_found(delivery: Delivery, fields: dict[str, Any], invariants_broken: list[str]) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(**fields)
    assert broken() == {invariant: (1, 1, [delivery.pk]) for invariant in invariants_broken}


def test_a_lease_without_an_end_in_sight_is_found(delivery: Delivery) -> None:
    until = timezone.now() + timedelta(hours=1)
    leased = {"state": State.LEASED, "finished_at": None, "lease_token": uuid.uuid4(), "lease_until": until}
    Delivery.objects.filter(pk=delivery.pk).update(**leased)
    assert list(broken()) == ["a lease ends within LEASE_SECONDS"]
    Delivery.objects.filter(pk=delivery.pk).update(lease_until=timezone.now() + timedelta(seconds=90))
    assert broken() == {}


@pytest.mark.parametrize("numbers", [(1, 1), (1, 3), (2, 3), (0, 1), (1,), (1, 2, 2)])
def test_attempts_that_are_not_numbered_one_after_the_other_are_found(
    delivery: Delivery, numbers: tuple[int, ...]
) -> None:
    EventLogEntry.objects.all().delete()
    for number in numbers:
        entry(delivery, attempt=number, outcome="success", reason="ok")
    assert list(broken()) == ["the event log holds each attempt of a delivery once, numbered from 1"]


def test_a_delivered_one_without_a_success_in_the_log_is_found(delivery: Delivery) -> None:
    EventLogEntry.objects.update(outcome="failure")
    assert list(broken()) == ["a delivered delivery has a success in the event log"]


def test_entries_of_a_delivery_that_is_gone_are_found(delivery: Delivery) -> None:
    delivery.delete()
    entries = list(EventLogEntry.objects.order_by("id").values_list("pk", flat=True))
    assert broken() == {"an entry of the event log about a delivery is about a stored one": (2, 2, entries)}


def test_a_reference_into_another_space_is_found(delivery: Delivery) -> None:
    other = make_action(make_connector(make_space()))
    Delivery.objects.filter(pk=delivery.pk).update(action=other)
    assert list(broken()) == ["a delivery is of the space of its action and its connector"]
    Delivery.objects.filter(pk=delivery.pk).update(action_id=delivery.action_id, connector=other.connector)
    assert list(broken()) == ["a delivery is of the space of its action and its connector"]
    Delivery.objects.filter(pk=delivery.pk).update(connector=delivery.connector_id)
    Event.objects.update(space=make_space())
    assert list(broken()) == ["a delivery has the space and the hop of its event"]


def test_a_batch_of_events_that_are_gone_or_anothers_is_found(space: Space) -> None:
    (accepted,) = accept_events(space.pk, [incoming()])
    batch = EventBatch.objects.get()
    assert broken() == {}
    Event.objects.update(space=make_space())
    assert list(broken()) == ["a batch that waits for evaluation holds stored events of its space"]
    Event.objects.filter(pk=accepted.id).delete()
    assert list(broken().values()) == [(1, 1, [batch.pk])]


def test_a_bucket_of_a_rule_that_went_long_ago_or_of_an_epoch_to_come_is_found(space: Space) -> None:
    epoch = make_rule(space).epoch
    Bucket.objects.create(rule_id=10**6, epoch=1, start=int(timezone.now().timestamp()) - 86400, data=b"{}")
    assert broken() == {}
    old = Bucket.objects.create(rule_id=10**6, epoch=1, start=0, data=b"{}")
    strange = Bucket.objects.create(rule=Rule.objects.get(), epoch=epoch + 1, start=0, data=b"{}")
    assert [examples for _, _, examples in broken().values()] == [[old.pk], [strange.pk]]


def test_every_row_of_every_range_is_counted_and_few_are_named(
    space: Space, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invariants, "_SPAN", 3)
    rows = [delivered(space, action) for _ in range(20)]
    for gap in rows[3:9]:
        EventLogEntry.objects.filter(delivery_id=gap.pk).delete()
        gap.delete()
    Delivery.objects.update(replayed_from=9)
    left = list(Delivery.objects.order_by("id").values_list("pk", flat=True))
    assert list(broken().values()) == [(14, 14, left[:5])]


def test_the_report_says_how_much_was_checked_what_is_broken_and_what_to_do(
    delivery: Delivery, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("check_invariants")
    assert "ok      a delivery belongs to a stored event (1 deliveries)" in capsys.readouterr().out
    EventLogEntry.objects.update(outcome="failure")
    with pytest.raises(CommandError, match="1 of 25 invariants are broken") as failure:
        call_command("check_invariants")
    assert failure.value.returncode == 1
    out = capsys.readouterr().out
    assert f"success in the event log: 1 of 1 deliveries, such as {delivery.pk}\n        No way through" in out


def test_the_report_is_json_on_demand(delivery: Delivery, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_invariants", "--json", "--settled")
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is True
    assert len(report["invariants"]) == 27
    Delivery.objects.update(hop=1)
    with pytest.raises(CommandError):
        call_command("check_invariants", "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is False
    (found,) = [finding for finding in report["invariants"] if finding["broken"]]
    assert (found["checked"], found["broken"], found["examples"]) == (1, 1, [delivery.pk])
    assert found["advice"]


def test_what_cannot_be_checked_is_neither_right_nor_broken(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {EventLogEntry._meta.db_table} RENAME TO elsewhere")
    with pytest.raises(CommandError, match="VAR_DIR or DATABASE_URL") as failure:
        call_command("check_invariants")
    assert failure.value.returncode == 2


def test_a_check_in_the_wrong_place_leaves_nothing_there(tmp_path: Path) -> None:
    wrong = tmp_path / "nowhere"
    surroundings = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "BROKER_URL")}
    found = subprocess.run(
        [sys.executable, "manage.py", "check_invariants"],
        cwd=settings.BASE_DIR,
        env={**surroundings, "VAR_DIR": str(wrong), "DJANGO_SETTINGS_MODULE": "connectors_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert "Is VAR_DIR right?" in found.stderr
    assert not wrong.exists()


def test_work_that_is_left_over_is_found_on_demand(space: Space, delivery: Delivery) -> None:
    accept_events(space.pk, [incoming()])
    call_command("check_invariants")
    with pytest.raises(CommandError, match="1 of 27"):
        call_command("check_invariants", "--settled")
