"""Alerts go on in silence: nobody hears, nothing important stays unsaid afterwards, and people say what they know."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.models import Delivery
from rules.links import Link
from rules.models import Alert, Rule
from rules.scheduling.due import claim_due
from rules.scheduling.running import run_rule
from rules.services.silences import (
    acknowledge_alert,
    mute_alert,
    mute_rule,
    snooze_rule,
    unacknowledge_alert,
    unmute_alert,
    unmute_rule,
    unsnooze_rule,
)
from rules.services.windows import create_window, delete_window
from rules.types.base import Finding
from spaces.errors import InvalidInput, ReadOnly
from spaces.models import AuditEntry, Space
from tests.factories import make_action, make_connector
from tests.rules.scheduled import HOUR, make_due, make_scheduled

pytestmark = pytest.mark.django_db

HIGH, LOW = Finding("boiler", "high"), Finding("boiler", "low")
NOW = {"start": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "duration": 7200}


@pytest.fixture
def rule(space: Space, sample: Any) -> Rule:
    return rule_of(space)


def rule_of(space: Space, frequency: str = "change", **rest: Any) -> Rule:
    """Make a rule with one action that hears of everything, and one of nothing but recoveries."""
    body = {"change": "{{ alert.change }}", "number": "{{ alert.number }}"}
    action = make_action(make_connector(space, enabled=False), params={"body": body})
    throttle = 3600 if frequency == "interval" else None
    links = [Link(action, frequency=frequency, throttle=throttle), Link(action, "recovered")]
    return make_scheduled(space, actions=links, flapping_threshold=0, **rest)


def told(rule: Rule, sample: Any, *findings: Finding) -> list[str]:
    """Let the rule find this; return what its action hears, or the cause why it does not."""
    sample.find(*findings)
    before = Delivery.objects.count()
    # Long ago: within the test's transaction the clock of PostgreSQL stands still.
    make_due(rule, HOUR)
    (claimed,) = claim_due(100)
    assert run_rule(claimed)
    made = Delivery.objects.order_by("pk")[before:]
    return [row.last_reason if row.state == "suppressed" else row.message["body"]["change"] for row in made]


def alert() -> Alert:
    return Alert.objects.latest("pk")


SILENCES: dict[str, tuple[Callable[[Rule], Any], Callable[[Rule], Any]]] = {
    "rule_muted": (mute_rule, unmute_rule),
    "rule_snoozed": (lambda rule: snooze_rule(rule, {"duration": 3600}), unsnooze_rule),
    "maintenance_window": (
        lambda rule: create_window(rule.space, name="w", schedule=NOW, condition='event.data.alert.key == "boiler"'),
        lambda rule: delete_window(rule.space.maintenance_windows.get()),
    ),
}


@pytest.mark.parametrize("cause", SILENCES)
@pytest.mark.parametrize("frequency", ["change", "interval"])
def test_what_opened_in_a_silence_is_told_of_once_it_is_over(
    space: Space, sample: Any, cause: str, frequency: str
) -> None:
    rule = rule_of(space, frequency)
    begin, end = SILENCES[cause]
    begin(rule)
    assert told(rule, sample, HIGH) == [cause]
    assert told(rule, sample, HIGH) == []
    assert alert().state == "active"
    end(rule)
    assert told(rule, sample, HIGH) == ["opened"]
    assert told(rule, sample, HIGH) == []
    assert told(rule, sample) == ["recovered"]


def test_a_change_of_group_in_a_silence_is_told_of_once_it_is_over(rule: Rule, sample: Any) -> None:
    assert told(rule, sample, HIGH) == ["opened"]
    mute_rule(rule)
    assert told(rule, sample, LOW) == ["rule_muted"]
    unmute_rule(rule)
    assert told(rule, sample, LOW) == ["regrouped"]
    mute_rule(rule)
    assert told(rule, sample, HIGH) == ["rule_muted"]
    unmute_rule(rule)
    # Its opening was heard, so its end is as well.
    assert told(rule, sample) == ["recovered"]


def test_an_end_is_told_of_to_those_alone_who_heard_of_the_beginning(rule: Rule, sample: Any) -> None:
    mute_rule(rule)
    assert told(rule, sample, HIGH) == ["rule_muted"]
    unmute_rule(rule)
    assert told(rule, sample) == ["rule_muted"]
    assert Delivery.objects.latest("pk").last_detail == "Nobody heard that it opened. The rule is muted."
    assert told(rule, sample, HIGH) == ["opened"]
    mute_rule(rule)
    assert told(rule, sample) == ["rule_muted"]


def test_an_acknowledged_alert_is_silent_until_its_group_changes_or_it_ends(space: Space, sample: Any) -> None:
    rule = rule_of(space, "each")
    assert told(rule, sample, HIGH) == ["opened"]
    acknowledge_alert(alert(), "On my way.")
    assert told(rule, sample, HIGH) == ["alert_acknowledged"]
    assert (alert().acknowledged_by, alert().acknowledgement_note) == ("system", "On my way.")
    assert told(rule, sample, LOW) == ["regrouped"]
    assert alert().acknowledged_at is None
    assert told(rule, sample, LOW) == ["ongoing"]
    acknowledge_alert(alert())
    unacknowledge_alert(alert())
    assert told(rule, sample, LOW) == ["ongoing"]
    acknowledge_alert(alert())
    assert told(rule, sample) == ["recovered"]
    assert alert().acknowledged_at is not None
    assert told(rule, sample, LOW) == ["opened"]
    actions = AuditEntry.objects.filter(action__startswith="alert.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["alert.acknowledge", "alert.acknowledge", "alert.unacknowledge", "alert.acknowledge"]


def test_whoever_acknowledges_what_nobody_heard_of_hears_of_its_end(rule: Rule, sample: Any) -> None:
    mute_rule(rule)
    told(rule, sample, HIGH)
    acknowledge_alert(alert())
    unmute_rule(rule)
    assert told(rule, sample, HIGH) == []
    assert told(rule, sample) == ["recovered"]


def test_only_an_active_alert_is_acknowledged(space: Space, sample: Any) -> None:
    rule = rule_of(space, delay=2)
    told(rule, sample, HIGH)
    with pytest.raises(ReadOnly, match="is pending"):
        acknowledge_alert(alert())
    told(rule, sample, HIGH)
    with pytest.raises(InvalidInput):
        acknowledge_alert(alert(), "x" * 2001)
    told(rule, sample)
    with pytest.raises(ReadOnly, match="is recovered"):
        acknowledge_alert(alert())


def test_a_muted_key_stays_so_over_recovery_and_reopening_and_is_no_other_key(rule: Rule, sample: Any) -> None:
    assert told(rule, sample, HIGH) == ["opened"]
    mute_alert(alert())
    mute_alert(alert())
    assert told(rule, sample) == ["alert_muted"]
    assert sorted(told(rule, sample, HIGH, Finding("pump", "high"))) == ["alert_muted", "opened"]
    unmute_alert(Alert.objects.get(key="boiler", state="recovered"))
    assert told(rule, sample, HIGH, Finding("pump", "high")) == ["opened"]
    actions = AuditEntry.objects.filter(action__startswith="alert.").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["alert.mute", "alert.unmute"]


def test_nothing_can_be_muted_of_a_rule_that_was_deleted(rule: Rule, sample: Any) -> None:
    told(rule, sample, HIGH)
    rule.delete()
    with pytest.raises(ReadOnly, match="was deleted"):
        mute_alert(alert())
    unmute_alert(alert())


def test_each_run_in_a_silence_is_recorded_where_each_would_be_told(space: Space, sample: Any) -> None:
    rule = mute_rule(rule_of(space, "each"))
    assert [told(rule, sample, HIGH) for _ in range(2)] == [["rule_muted"], ["rule_muted"]]
    unmute_rule(rule)
    assert [told(rule, sample, HIGH) for _ in range(2)] == [["opened"], ["ongoing"]]
