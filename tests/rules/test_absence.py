"""The rule type ``absence``: events that do not come any more have an alert until they do."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rules.models import Alert, Event, Rule, RuleRun
from rules.services import update_rule
from rules.services.accept import accept_events
from rules.topics import matches
from rules.types.absence.reading import Watched, last_seen, last_seen_of_groups
from spaces.models import Space
from tests.api.client import make_event
from tests.factories import make_space
from tests.rules.running import incoming
from tests.rules.scheduled import HOUR, alerts, make_scheduled, run_now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]


def make_absence(space: Space, **params: Any) -> Rule:
    """Make a rule that has begun to wait."""
    rule = make_scheduled(space, type_="absence", interval=HOUR, params={"event_types": ["test.*"], **params})
    run_now(rule)
    return rule


def come(space: Space, type_: str = "test.ping", **data: Any) -> None:
    accept_events(space.pk, [incoming(type_=type_, data=data)])


def let_pass(rule: Rule, seconds: int) -> None:
    """Move all that the rule and the events know of time so far back."""
    shift = timedelta(seconds=seconds)
    for event in Event.objects.all():
        Event.objects.filter(pk=event.pk).update(received_at=event.received_at - shift)
    state = RuleRun.objects.get(rule=rule)
    memory = state.memory
    memory["since"] -= seconds
    memory["seen"] = {key: seen - seconds for key, seen in memory["seen"].items()}
    memory["tops"] = [[at - seconds, top] for at, top in memory["tops"]]
    RuleRun.objects.filter(rule=rule).update(memory=memory)


def test_silence_has_an_alert_until_an_event_comes(space: Space) -> None:
    rule = make_absence(space, seconds=300)
    let_pass(rule, 299)
    run_now(rule)
    assert alerts(rule) == []
    let_pass(rule, 10)
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "active")]
    assert Alert.objects.get().summary.startswith("No event since ")
    come(space)
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "recovered")]


def test_events_that_keep_coming_are_no_silence(space: Space) -> None:
    rule = make_absence(space, seconds=300)
    for _ in range(3):
        let_pass(rule, 200)
        come(space)
        run_now(rule)
    assert alerts(rule) == []


@pytest.mark.parametrize("type_", ["other.ping", "TEST.ping", "tes"])
def test_other_events_do_not_count(space: Space, type_: str) -> None:
    rule = make_absence(space, seconds=300)
    let_pass(rule, 400)
    come(space, type_)
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "active")]


def test_events_of_another_space_do_not_count(space: Space) -> None:
    rule = make_absence(space, seconds=300)
    let_pass(rule, 400)
    come(make_space())
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "active")]


def test_without_types_the_installation_s_own_events_do_not_count(space: Space) -> None:
    rule = make_absence(space, seconds=300, event_types=[])
    let_pass(rule, 400)
    run_now(rule)
    assert Event.objects.filter(type="switchyard.alert.opened").exists()
    let_pass(rule, 400)
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "active")]


def test_each_group_that_came_once_is_to_come_again(space: Space) -> None:
    rule = make_absence(space, seconds=300, group_by=["data.site", "type"])
    come(space, site="north")
    come(space, site=7)
    come(space, other=1)
    run_now(rule)
    let_pass(rule, 400)
    come(space, site="north")
    run_now(rule)
    assert alerts(rule) == [("7 / test.ping", "absent", "active")]
    come(space, site=7)
    run_now(rule)
    assert alerts(rule) == [("7 / test.ping", "absent", "recovered")]


def test_a_group_is_forgotten_in_the_end(space: Space) -> None:
    rule = make_absence(space, seconds=300, group_by=["data.site"], forget_after=HOUR)
    come(space, site="north")
    run_now(rule)
    let_pass(rule, 400)
    run_now(rule)
    let_pass(rule, HOUR)
    run_now(rule)
    assert alerts(rule) == [("north", "absent", "recovered")]
    assert RuleRun.objects.get(rule=rule).memory["seen"] == {}


def test_after_a_pause_of_the_workers_it_waits_anew_and_alerts_stay(space: Space) -> None:
    rule = make_absence(space, seconds=300, group_by=["data.site"])
    come(space, site="north")
    run_now(rule)
    let_pass(rule, 400)
    run_now(rule)
    come(space, site="south")
    run_now(rule)
    let_pass(rule, 3 * HOUR)
    run_now(rule)
    assert alerts(rule) == [("north", "absent", "active")]
    let_pass(rule, 400)
    run_now(rule)
    assert sorted(alerts(rule)) == [("north", "absent", "active"), ("south", "absent", "active")]


def test_an_event_that_becomes_visible_late_is_not_missed(space: Space) -> None:
    rule = make_absence(space, seconds=300)
    top = 1000
    make_event(space, pk=top + 5, type="other.ping")
    run_now(rule)
    let_pass(rule, 30)
    # As of a transaction that began before that of the other, and ended after it.
    make_event(space, pk=top + 2, type="test.ping")
    run_now(rule)
    seen = RuleRun.objects.get(rule=rule).memory["seen"]["events"]
    assert timezone.now().timestamp() - seen < 20


def test_a_rule_that_is_enabled_again_waits_anew(space: Space) -> None:
    rule = make_absence(space, seconds=300)
    let_pass(rule, 400)
    run_now(rule)
    update_rule(rule, enabled=False)
    update_rule(rule, enabled=True)
    run_now(rule)
    assert alerts(rule) == [("events", "absent", "untracked")]


@pytest.mark.parametrize("fields", [[], ["data.site"]])
def test_events_are_looked_through_by_their_key(space: Space, fields: list[str]) -> None:
    now = timezone.now()
    Event.objects.bulk_create(
        Event(space=space, source="/tests", event_id=str(n), type="test.ping", time=now, digest=bytes(16))
        for n in range(5000)
    )
    after = Event.objects.latest("pk").pk - 500
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        if fields:
            list(last_seen_of_groups(Watched(space.pk, ["test.*"]), fields, after))
        else:
            last_seen(Watched(space.pk, ["test.*"]), after)
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {captured.captured_queries[0]['sql']}")
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "PRIMARY KEY" in plan or "rules_event_pkey" in plan


@pytest.mark.parametrize(
    ("filters", "subject", "is_seen"),
    [
        (["hall/+/temp"], "hall/a.b/temp", True),
        (["hall/+/temp"], "hall/a/b/temp", False),
        (["hall/#"], "hall", True),
        (["hall/#"], "hallway/x", False),
        (["h.ll/#"], "hall/x", False),
        (["#"], "$SYS/x", False),
        (["+/x"], "$SYS/x", False),
        (["$SYS/#"], "$SYS/x", True),
        (["#"], "", False),
        (["no", "ä (1)\\_+é"[:-2] + "/x"], "ä (1)\\_/x", True),
        (["hall"], "hall\n", False),
    ],
)
def test_subjects_are_read_as_the_filters_of_events_are(
    space: Space, filters: list[str], subject: str, is_seen: bool
) -> None:
    accept_events(space.pk, [replace(incoming(type_="test.ping"), subject=subject)])
    assert (last_seen(Watched(space.pk, subjects=filters), 0) is not None) is is_seen
    assert any(matches(each, subject) for each in filters) is is_seen
