"""A muted or snoozed rule, and an open window, suppress deliveries of events: those that they are about, no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from actions.models import Delivery
from actions.services.replay import replay_delivery
from rules.evaluation import rounds
from rules.evaluation.rounds import evaluate_round
from rules.evaluation.ruleset import RuleSet, RuleSets
from rules.models import Event, MaintenanceWindow, Rule
from rules.services.accept import accept_events
from rules.services.rules import update_rule
from rules.services.silences import mute_rule, snooze_rule, unmute_rule, unsnooze_rule
from rules.services.windows import create_window, delete_window, update_window
from spaces.errors import InvalidInput
from spaces.models import AuditEntry, Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver
from tests.rules.dead_letters.pipeline import send_now
from tests.rules.running import incoming, run

pytestmark = pytest.mark.django_db

EARLIER = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
OPEN = {"start": EARLIER, "duration": 7200}
OVER = {"start": EARLIER, "duration": 60}


@pytest.fixture(autouse=True)
def fresh_rule_sets(monkeypatch: pytest.MonkeyPatch) -> RuleSets:
    """Rule sets of this test's spaces: those of a test before it that was rolled back had the same keys."""
    fresh = RuleSets()
    monkeypatch.setattr(rounds, "rule_sets", fresh)
    return fresh


def rule_in(space: Space, to: Receiver | None = None, **rest: Any) -> Rule:
    connector = make_connector(space, url=to.url) if to else make_connector(space, enabled=False)
    return make_rule(space, params={"event_types": ["test.*"]}, actions=[make_action(connector)], **rest)


def outcome(space: Space, **data: Any) -> dict[str, str]:
    """Let an event happen; return the state, or the cause, of each rule's delivery of it."""
    accept_events(space.pk, [incoming(data=data)])
    while evaluate_round():
        pass
    newest = Event.objects.filter(space=space, type="test.ping").latest("pk")
    rows = Delivery.objects.filter(event_id=newest.pk)
    return {row.rule_id: row.last_reason if row.state == "suppressed" else "sent" for row in rows}


@pytest.mark.usefixtures("sound_pipeline")
def test_a_muted_rule_looks_on_and_what_it_did_not_send_can_be_sent(space: Space, to: Receiver) -> None:
    rule = mute_rule(rule_in(space, to))
    assert outcome(space) == {rule.public_id: "rule_muted"}
    row = Delivery.objects.get()
    replay_delivery(row)
    send_now()
    run()
    unmute_rule(rule)
    assert outcome(space) == {rule.public_id: "sent"}
    run()
    assert [request.headers["webhook-id"] == str(row.webhook_id) for request in to.requests] == [True, False]
    assert list(
        AuditEntry.objects.filter(action__startswith="rule.").order_by("pk").values_list("action", "after")
    ) == [
        ("rule.create", AuditEntry.objects.get(action="rule.create").after),
        ("rule.mute", {"mute_all": True}),
        ("rule.unmute", {"mute_all": False}),
    ]


def test_a_snooze_holds_at_its_times_alone_until_it_is_taken_off(space: Space) -> None:
    rule = rule_in(space)
    for snooze, cause in ((OVER, "sent"), ({"start": "2199-01-01T00:00:00Z", "duration": 60}, "sent")):
        rule = snooze_rule(rule, snooze)
        assert outcome(space) == {rule.public_id: cause}
    rule = snooze_rule(rule, {"id": "lunch", "duration": 3600})
    assert outcome(space) == {rule.public_id: "rule_snoozed"}
    assert Delivery.objects.get(state="suppressed").last_detail.startswith("The rule is snoozed until 20")
    # What is over goes when another comes.
    assert [each["id"] == "lunch" for each in rule.snoozes] == [False, True]
    rule = unsnooze_rule(rule, ["lunch"])
    assert outcome(space) == {rule.public_id: "sent"}
    assert unsnooze_rule(rule).snoozes == []


def test_a_rule_has_so_many_snoozes_and_no_more_and_each_has_its_id(space: Space) -> None:
    rule = rule_in(space)
    for number in range(20):
        rule = snooze_rule(rule, {"id": f"s{number}", "duration": 3600})
    for wanted, pointer in (
        ({"duration": 60}, ""),
        ({"duration": 1}, "/duration"),
        ({"duration": 60, "id": "A b"}, "/id"),
    ):
        with pytest.raises(InvalidInput) as refused:
            snooze_rule(rule, wanted)
        assert [each.pointer for each in refused.value.errors] == [pointer]
    with pytest.raises(InvalidInput):
        unsnooze_rule(rule, ["s1", "there-is-none"])
    assert len(Rule.objects.get(pk=rule.pk).snoozes) == 20


@pytest.mark.parametrize(
    ("window", "silent"),
    [
        ({}, ["north", "south"]),
        ({"schedule": OVER}, []),
        ({"enabled": False}, []),
        ({"rules": ["north"]}, ["north"]),
        ({"tags": ["plant"]}, ["south"]),
        ({"rules": ["north"], "tags": ["plant"]}, ["north", "south"]),
        ({"condition": 'event.data.site == "here"'}, ["north", "south"]),
        ({"condition": 'event.data.site == "elsewhere"'}, []),
        # In doubt it is told.
        ({"condition": "event.data.no_such_field > 1.0"}, []),
        ({"condition": 'event.data.site == "here"', "rules": ["south"]}, ["south"]),
    ],
)
def test_a_window_suppresses_what_it_is_about(space: Space, window: dict[str, Any], silent: list[str]) -> None:
    rule_in(space, public_id="north", condition="has(event.data.site)")
    rule_in(space, public_id="south", tags=["plant"])
    create_window(space, name="Patching", public_id="patching", **{"schedule": OPEN} | window)
    suppressed = {rule: cause for rule, cause in outcome(space, site="here").items() if cause != "sent"}
    assert suppressed == dict.fromkeys(silent, "maintenance_window")
    if silent:
        assert Delivery.objects.filter(last_detail='The maintenance window "patching" is open.').exists()


def test_a_window_is_of_its_space_and_what_is_changed_of_it_holds_at_once(space: Space) -> None:
    other = make_space()
    ours, theirs = rule_in(space), rule_in(other)
    window = create_window(space, name="Patching", schedule=OPEN)
    assert outcome(space) == {ours.public_id: "maintenance_window"}
    assert outcome(other) == {theirs.public_id: "sent"}
    window = update_window(window, schedule=OVER)
    assert outcome(space) == {ours.public_id: "sent"}
    window = update_window(window, schedule=OPEN)
    assert outcome(space) == {ours.public_id: "maintenance_window"}
    delete_window(window)
    assert outcome(space) == {ours.public_id: "sent"}


@pytest.mark.parametrize(
    ("said", "pointers"),
    [
        ({"schedule": {"start": "soon", "duration": 5}}, ["/schedule/start", "/schedule/duration"]),
        (
            {"schedule": {**OPEN, "recurring": {"every": "1w", "on_week_day": ["XX"]}}},
            ["/schedule/recurring/on_week_day/0"],
        ),
        ({"condition": "event.type ==", "name": ""}, ["/name", "/condition"]),
        ({"rules": ["there-is-none"]}, ["/rules/0"]),
    ],
)
def test_what_is_wrong_with_a_window_is_refused(space: Space, said: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        create_window(space, **{"name": "Patching", "schedule": OPEN} | said)
    assert [each.pointer for each in refused.value.errors] == pointers
    assert not MaintenanceWindow.objects.exists()


def test_a_window_keeps_the_id_of_a_rule_that_was_deleted(space: Space) -> None:
    rule = rule_in(space, public_id="north")
    window = create_window(space, name="Patching", schedule=OPEN, rules=["north"])
    rule.delete()
    assert update_window(window, name="Other", rules=["north"]).rules == ["north"]


def test_an_event_pays_nothing_for_silences(space: Space, fresh_rule_sets: RuleSets) -> None:
    rule = rule_in(space)
    assert not fresh_rule_sets.of({space.pk})[space.pk].has_silences
    update_rule(rule, snoozes=[{"start": "2199-01-01T00:00:00Z", "duration": 60}])
    create_window(space, name="Patching", schedule=OPEN)
    assert fresh_rule_sets.of({space.pk})[space.pk].has_silences
    accept_events(space.pk, [incoming() for _ in range(3)])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        evaluate_round()
    assert not [each for each in queries if "maintenancewindow" in each["sql"]]
    assert len(RuleSet(space, None).windows) == 1
