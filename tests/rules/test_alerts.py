"""Rules that run by themselves open, keep and recover alerts, and their actions hear of them once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from actions.models import Delivery, EventLogEntry
from connectors.models import Connector, Status
from rules.alerts.keeping import MOST
from rules.links import Link
from rules.models import Alert, Rule, RuleRun
from rules.scheduling.running import run_rule
from rules.services import delete_rule, update_rule
from rules.types.base import Finding, Report, RunFailed
from spaces.models import Space
from tests.factories import make_connector, make_rule
from tests.receiver import Receiver
from tests.rules.running import data_of, incoming, own_events, run, send
from tests.rules.scheduled import alerts, bodies, claim, make_hearer, make_scheduled, run_now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]

HIGH, LOW = Finding("boiler", "high", 91.5, "The boiler is hot."), Finding("boiler", "low", 12.0)


def test_an_alert_opens_goes_on_and_recovers_and_its_actions_hear_of_it(
    space: Space, to: Receiver, sample: Any
) -> None:
    opened, recovered = make_hearer(space, to, "opened"), make_hearer(space, to, "recovered")
    rule = make_scheduled(space, actions=[opened, Link(recovered, "recovered")])
    sample.find(HIGH)
    run_now(rule)
    assert alerts(rule) == [("boiler", "high", "active")]
    run_now(rule)
    sample.find()
    run_now(rule)
    assert alerts(rule) == [("boiler", "high", "recovered")]
    assert sorted(map(str, bodies(to))) == sorted(
        map(
            str,
            [
                {"by": "opened", "key": "boiler", "group": "high", "change": "opened"},
                {"by": "recovered", "key": "boiler", "group": "recovered", "change": "recovered"},
            ],
        )
    )


def test_a_change_is_an_event_that_says_all_of_the_alert(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(HIGH)
    run_now(rule)
    (event,) = own_events(space, "alert.opened")
    alert = Alert.objects.get()
    assert (event.event_id, event.subject, event.hop) == (f"{alert.uuid}/1", f"alerts/{alert.uuid}", 0)
    said = data_of(event)
    assert said["rule"] == {"id": rule.public_id, "name": rule.name, "rule_type_id": "sample"}
    since = said["alert"].pop("since")
    assert since.endswith("Z")
    assert said["alert"] == {
        "uuid": str(alert.uuid),
        "key": "boiler",
        "group": "high",
        "former_group": None,
        "state": "active",
        "duration": 0,
        "value": 91.5,
        "summary": "The boiler is hot.",
        "flapping": False,
        "change": "opened",
        "number": 1,
        "url": "",
    }


def test_other_rules_may_watch_the_changes_by_name(space: Space, to: Receiver, sample: Any) -> None:
    make_rule(space, params={"event_types": ["switchyard.alert.*"]}, actions=[make_hearer(space, to, "watcher")])
    make_rule(space, actions=[make_hearer(space, to, "everything")])
    rule = make_scheduled(space)
    sample.find(HIGH)
    run_now(rule)
    assert [body["by"] for body in bodies(to)] == ["watcher"]


def test_an_action_hears_of_its_group_alone(space: Space, to: Receiver, sample: Any) -> None:
    high, low = make_hearer(space, to, "high"), make_hearer(space, to, "low")
    rule = make_scheduled(space, actions=[Link(high, "high"), Link(low, "low")])
    for finding in (HIGH, LOW, LOW):
        sample.find(finding)
        run_now(rule)
    assert [(body["by"], body["change"]) for body in bodies(to)] == [("high", "opened"), ("low", "regrouped")]


def test_an_action_may_hear_of_several_groups_and_gets_each_change_once(
    space: Space, to: Receiver, sample: Any
) -> None:
    action = make_hearer(space, to)
    rule = make_scheduled(space, actions=[action, Link(action, "high"), Link(action, "recovered")])
    sample.find(HIGH)
    run_now(rule)
    sample.find()
    run_now(rule)
    assert [body["change"] for body in bodies(to)] == ["opened", "recovered"]


def test_each_run_is_told_where_an_action_wants_that(space: Space, to: Receiver, sample: Any) -> None:
    rule = make_scheduled(space, actions=[Link(make_hearer(space, to), frequency="each")])
    sample.find(HIGH)
    for _ in range(3):
        run_now(rule)
    assert [body["change"] for body in bodies(to)] == ["opened", "ongoing", "ongoing"]
    assert len(own_events(space, "alert.ongoing")) == 2


def test_an_interval_is_kept_for_each_alert(space: Space, to: Receiver, sample: Any) -> None:
    rule = make_scheduled(space, actions=[Link(make_hearer(space, to), frequency="interval", throttle=300)])
    sample.find(HIGH)
    for _ in range(3):
        run_now(rule)
    assert len(to.requests) == 1
    alert = Alert.objects.get()
    alert.told = {key: told - 301 for key, told in alert.told.items()}
    alert.save()
    sample.find(HIGH, Finding("pump", "low"))
    run_now(rule)
    assert sorted(body["key"] for body in bodies(to)) == ["boiler", "boiler", "pump"]


def test_the_delay_holds_back_what_is_short(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, delay=3)
    for findings, state in (((HIGH,), "pending"), ((HIGH,), "pending"), ((HIGH,), "active")):
        sample.find(*findings)
        run_now(rule)
        assert alerts(rule) == [("boiler", "high", state)]
    assert len(own_events(space, "alert.opened")) == 1


def test_one_that_flaps_is_held_and_says_so(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, flapping_look_back=10, flapping_threshold=4)
    for findings in ((HIGH,), (), (HIGH,), (), (HIGH,), ()):
        sample.find(*findings)
        run_now(rule)
    assert [(each.state, each.flapping) for each in Alert.objects.order_by("id")] == [
        ("recovered", False),
        ("active", True),
    ]
    assert len(own_events(space, "alert.opened")) == 2
    assert len(own_events(space, "alert.recovered")) == 1


def test_what_cannot_be_judged_stays(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(HIGH)
    run_now(rule)
    sample.found = lambda *_: Report(unjudged=["boiler"])
    run_now(rule)
    assert alerts(rule) == [("boiler", "high", "active")]


def test_a_thousand_alerts_and_no_more_and_those_that_are_there_come_first(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(Finding("z", "high"))
    run_now(rule)
    sample.find(*(Finding(f"a{number}", "high") for number in range(MOST + 5)), Finding("z", "high"))
    state = run_now(rule)
    assert Alert.objects.filter(rule=rule, state="active").count() == MOST
    assert Alert.objects.get(key="z").state == "active"
    assert state.outcome == "warning"
    assert state.detail.startswith(f"{MOST + 6} things were found, and {MOST} of them have alerts")


@pytest.mark.parametrize("end", ["disabled", "deleted", "changed"])
def test_a_rule_that_looks_no_more_closes_its_alerts_and_tells_nobody(
    space: Space, to: Receiver, sample: Any, end: str
) -> None:
    rule = make_scheduled(space, actions=[Link(make_hearer(space, to), "recovered")])
    sample.find(HIGH)
    run_now(rule)
    if end == "disabled":
        update_rule(rule, enabled=False)
    elif end == "changed":
        update_rule(rule, params={"place": "there"})
    else:
        delete_rule(rule)
    run()
    alert = Alert.objects.get()
    assert (alert.state, alert.rule_public_id) == ("untracked", rule.public_id)
    assert alert.ended_at is not None
    assert not to.requests
    assert not own_events(space, "alert.recovered")


def test_what_a_run_finds_is_not_stored_when_the_rule_was_changed_meanwhile(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(HIGH)
    claimed = claim(rule)
    update_rule(rule, params={"place": "there"})
    assert not run_rule(claimed)
    assert alerts(rule) == []


def test_what_does_not_change_what_it_looks_at_changes_no_alert(space: Space, to: Receiver, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.found = lambda *_: Report([HIGH], memory={"seen": 7})
    run_now(rule)
    update_rule(rule, name="Boilers", interval=30, tags=["heat"], actions=[make_hearer(space, to)])
    assert alerts(rule) == [("boiler", "high", "active")]
    assert RuleRun.objects.get(rule=rule).memory == {"seen": 7}


def test_a_failing_run_keeps_alerts_and_memory_and_is_told_of_once(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.found = lambda *_: Report([HIGH], memory={"seen": 7})
    run_now(rule)

    def fail(params: Any, run: Any) -> Report:
        raise RunFailed("The thermometer does not answer.")

    sample.found = fail
    for _ in range(5):
        state = run_now(rule)
    assert (state.outcome, state.reason, state.failures) == ("failed", "failed", 5)
    assert state.memory == {"seen": 7}
    assert alerts(rule) == [("boiler", "high", "active")]
    (event,) = own_events(space, "rule.failed")
    assert data_of(event) == {
        "rule": {"id": rule.public_id, "name": rule.name},
        "part": "run",
        "action": None,
        "detail": "The thermometer does not answer.",
        "count": 3,
        "events": [],
    }


def test_a_fault_of_ours_is_a_failed_run(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(Finding("boiler", "horrible"))
    state = run_now(rule)
    assert (state.outcome, state.reason) == ("failed", "error")
    assert alerts(rule) == []


def test_each_run_is_in_the_event_log(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    sample.find(HIGH)
    run_now(rule)
    entry = EventLogEntry.objects.get(provider="rules", action="run")
    assert (entry.rule_id, entry.outcome, entry.message) == (
        rule.public_id,
        "success",
        "1 found, 1 opened, 0 recovered.",
    )
    assert entry.response == {"found": 1, "opened": 1, "active": 1, "recovered": 0}


def test_a_message_that_cannot_be_rendered_ends_dead_and_the_alert_is_kept(
    space: Space, to: Receiver, sample: Any
) -> None:
    rule = make_scheduled(space, actions=[make_hearer(space, to, text="{{ alert.value.celsius }}")])
    sample.find(HIGH)
    run_now(rule)
    assert Delivery.objects.get().last_reason == "template_error"
    assert alerts(rule) == [("boiler", "high", "active")]


def test_other_events_have_no_alert(space: Space, to: Receiver) -> None:
    make_rule(space, actions=[make_hearer(space, to, has="{{ alert is none }}")])
    send(space, incoming())
    assert bodies(to) == [{"by": "hearer", "has": True}]


class TestConnectorHealth:
    """The rule type ``connector_health``."""

    def test_a_connector_that_is_down_long_enough_has_an_alert_until_it_is_up(self, space: Space) -> None:
        connector = make_connector(space, name="Desk", public_id="desk")
        rule = make_scheduled(space, type_="connector_health", params={"for_seconds": 60})
        self._set(connector, Status.DISCONNECTED, 30)
        run_now(rule)
        assert alerts(rule) == []
        self._set(connector, Status.DISCONNECTED, 90)
        run_now(rule)
        assert alerts(rule) == [("desk", "disconnected", "active")]
        assert Alert.objects.get().summary == "Desk is disconnected."
        self._set(connector, Status.UNKNOWN, 0)
        run_now(rule)
        assert alerts(rule) == [("desk", "disconnected", "active")]
        self._set(connector, Status.CONNECTED, 0)
        run_now(rule)
        assert alerts(rule) == [("desk", "disconnected", "recovered")]

    def test_a_name_that_no_connector_has_is_a_warning(self, space: Space) -> None:
        rule = make_scheduled(space, type_="connector_health", params={"connectors": ["desk"]})
        state = run_now(rule)
        assert (state.outcome, state.detail) == ("warning", 'There is no connector "desk" in this space.')

    @staticmethod
    def _set(connector: Connector, status: Status, ago: int) -> None:
        since = timezone.now() - timedelta(seconds=ago)
        Connector.objects.filter(pk=connector.pk).update(status=status, status_since=since)


def test_a_rule_that_does_not_run_by_itself_has_no_run(space: Space) -> None:
    rule: Rule = make_rule(space)
    assert not RuleRun.objects.filter(rule=rule).exists()
