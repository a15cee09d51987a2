"""Rules that run by themselves and their alerts, in the console."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from actions.models import Action
from rules.links import Link
from rules.models import Alert, Rule, RuleRun
from rules.services import create_rule
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector
from tests.api.client import make_alert

ADD = "admin:rules_rule_add"


@pytest.fixture
def actions(space: Space) -> list[Action]:
    return [make_action(make_connector(space, number), number) for number in (1, 2)]


def entered(space: Space, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Down",
        "public_id": "down",
        "space": space.pk,
        "type": "connector_health",
        "enabled": "on",
        "connector_health_params_connectors": "desk",
        "connector_health_params_for_seconds": "120",
        "interval": "20",
        "delay": "2",
        "flapping_look_back": "10",
        "flapping_threshold": "3",
        "frequency": "interval",
        "throttle": "600",
        **fields,
    }


def url(rule: Rule) -> str:
    return reverse("admin:rules_rule_change", args=[rule.pk])


def links(rule: Rule) -> list[tuple[int, str, str, int | None]]:
    return list(rule.links.order_by("pk").values_list("action_id", "group", "frequency", "throttle"))


def form_errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def test_it_is_created_with_its_schedule_and_who_hears_of_it(
    console: Client, space: Space, actions: list[Action]
) -> None:
    call, calm = actions
    fields = {"actions": [call.pk], "recovered_actions": [calm.pk]}
    assert console.post(reverse(ADD), entered(space, **fields)).status_code == 302
    rule = Rule.objects.get()
    assert rule.params == {"connectors": ["desk"], "for_seconds": 120, "include_degraded": False}
    assert (rule.interval, rule.delay, rule.flapping_look_back, rule.flapping_threshold) == (20, 2, 10, 3)
    assert links(rule) == [(call.pk, "", "interval", 600), (calm.pk, "recovered", "change", None)]
    assert RuleRun.objects.get(rule=rule).next_at is not None


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"interval": "5"}, "interval"),
        ({"delay": "0"}, "delay"),
        ({"flapping_threshold": "11"}, "flapping_threshold"),
        ({"connector_health_params_for_seconds": "-1"}, "connector_health_params_for_seconds"),
    ],
)
def test_an_error_stands_on_the_field_it_belongs_to(
    console: Client, space: Space, fields: dict[str, str], wrong: str
) -> None:
    assert list(form_errors(console.post(reverse(ADD), entered(space, **fields)))) == [wrong]


def test_seconds_are_asked_for_where_they_are_missing(console: Client, space: Space, actions: list[Action]) -> None:
    answer = console.post(reverse(ADD), entered(space, actions=[actions[0].pk], throttle=""))
    assert list(form_errors(answer)) == ["throttle"]


def test_what_the_form_does_not_show_of_an_action_is_kept(console: Client, space: Space, actions: list[Action]) -> None:
    call, calm = actions
    wanted = [Link(call, "disconnected", "each"), Link(calm, "", "interval", 60), Link(call, "recovered")]
    rule = create_rule(space, type="connector_health", name="Down", public_id="down", params={}, actions=wanted)
    before = links(rule)
    page = console.get(url(rule)).content.decode()
    assert page.count(f'<option value="{call.pk}" selected>') == 2
    fields = {"actions": [call.pk, calm.pk], "recovered_actions": [call.pk], "frequency": "", "throttle": ""}
    assert console.post(url(rule), entered(space, **fields)).status_code == 302
    assert links(rule) == before


def test_conditions_and_hours_of_actions_are_set_without_json(
    console: Client, space: Space, actions: list[Action]
) -> None:
    call, calm = actions
    rule = create_rule(
        space, type="connector_health", name="Down", params={}, actions=[call, Link(calm, "recovered", "change")]
    )
    fields: dict[str, Any] = {"actions": [call.pk], "recovered_actions": [calm.pk], "frequency": "summary"}
    fields |= {f"link_{call.pk}__condition": 'event.data.alert.key == "desk"', f"link_{call.pk}__time_frame": ""}
    hours = f"link_{calm.pk}_recovered_time_frame"
    assert console.post(url(rule), entered(space, **fields, **{hours: "Mon-Fri 8-9"})).status_code == 200
    assert console.post(url(rule), entered(space, **fields, **{hours: "Mon-Fri 08:00-17:00"})).status_code == 302
    frame = {"days": [1, 2, 3, 4, 5], "hours": {"start": "08:00", "end": "17:00"}, "timezone": "UTC"}
    names = ("action_id", "group", "frequency", "throttle", "condition", "time_frame")
    assert list(rule.links.order_by("pk").values_list(*names)) == [
        (call.pk, "", "summary", 600, 'event.data.alert.key == "desk"', None),
        (calm.pk, "recovered", "change", None, "", frame),
    ]
    page = console.get(url(rule)).content.decode()
    assert "Mon-Fri 08:00-17:00 UTC" in page
    wrong = console.post(url(rule), entered(space, **fields | {f"link_{call.pk}__condition": "true &&"}))
    assert list(form_errors(wrong)) == [f"link_{call.pk}__condition"]


def test_a_rule_of_events_takes_nothing_of_a_schedule(console: Client, space: Space, actions: list[Action]) -> None:
    given = entered(space, type="event", actions=[actions[0].pk], condition="true")
    assert console.post(reverse(ADD), given).status_code == 302
    rule = Rule.objects.get()
    assert (rule.interval, rule.delay, rule.condition) == (None, 1, "true")
    assert links(rule) == [(actions[0].pk, "", "change", None)]
    assert 'name="interval"' not in console.get(url(rule)).content.decode()


def test_the_page_says_how_the_last_run_went_and_leads_to_the_alerts(console: Client, space: Space) -> None:
    rule = create_rule(space, type="connector_health", name="Down", public_id="down", params={})
    assert "It has not run yet." in console.get(url(rule)).content.decode()
    RuleRun.objects.filter(rule=rule).update(
        number=1, ended_at=timezone.now(), outcome="failed", reason="timeout", detail=HOSTILE, duration=12
    )
    for page in (url(rule), reverse("admin:rules_rule_changelist")):
        text = console.get(page).content.decode()
        assert "failed" in text
        assert "<script>alert" not in text
    assert reverse("admin:rules_alert_changelist") + "?" in console.get(url(rule)).content.decode()


def test_alerts_are_listed_and_shown_and_nothing_can_be_changed(console: Client, space: Space) -> None:
    alert = make_alert(space, key=HOSTILE, summary=HOSTILE, value={"hot": HOSTILE}, state="untracked")
    list_, page = reverse("admin:rules_alert_changelist"), reverse("admin:rules_alert_change", args=[alert.pk])
    for address in (list_, page):
        text = console.get(address).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert console.get(list_, {"state__exact": "active"}).status_code == 200
    assert console.post(page, {"state": "active"}).status_code == 403
    assert Alert.objects.get().state == "untracked"


def test_a_rule_that_sums_up_events_is_created_with_its_condition(console: Client, space: Space) -> None:
    sent = {
        **entered(space, type="threshold", condition="event.data.t > 0"),
        "threshold_params_aggregate": "avg",
        "threshold_params_field": "data.t",
        "threshold_params_percentile": "95",
        "threshold_params_window": "300",
        "threshold_params_comparator": "between",
        "threshold_params_threshold": "20",
        "threshold_params_upper_threshold": "30.5",
        "threshold_params_group_by": "data.site",
        "threshold_params_forget_after": "3600",
    }
    missing = {**sent, "threshold_params_upper_threshold": ""}
    assert list(form_errors(console.post(reverse(ADD), missing))) == ["threshold_params_upper_threshold"]
    assert console.post(reverse(ADD), sent).status_code == 302
    rule = Rule.objects.get()
    assert (rule.condition, rule.params["upper_threshold"], rule.params["top"]) == ("event.data.t > 0", 30.5, None)
    page = console.get(url(rule))
    assert "event.data.t &gt; 0" in page.content.decode()
    changed = {**sent, "condition": "event.data.t > 1", "public_id": "", "seen_version": str(rule.version)}
    assert console.post(url(rule), changed).status_code == 302
    assert Rule.objects.get().condition == "event.data.t > 1"


def test_checks_and_schedules_are_created_by_their_forms(console: Client, space: Space, actions: list[Action]) -> None:
    given = {
        "http_check": {"http_check_params_urls": "http://example.test/", "http_check_params_statuses": "200-299"},
        "schedule": {"schedule_params_every": "600", "schedule_params_data": '{"shift": 1}'},
    }
    usual = {
        "http_check_params_method": "GET",
        "http_check_params_timeout": "10",
        "schedule_params_zone": "UTC",
        "schedule_params_catch_up": "last",
    }
    for type_, fields in given.items():
        form = entered(space, type=type_, public_id=type_, actions=[actions[0].pk], **usual, **fields)
        assert console.post(reverse(ADD), form).status_code == 302
        rule = Rule.objects.get(public_id=type_)
        assert console.get(url(rule)).status_code == 200
        assert len(links(rule)) == 1
