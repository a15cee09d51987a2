"""Silences in the console: rules muted and snoozed, alerts acknowledged and muted, maintenance windows."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from rules.models import Alert, MaintenanceWindow, Rule
from spaces.models import Space
from tests.api.client import make_alert
from tests.factories import make_rule, make_window

ADD = "admin:rules_maintenancewindow_add"
SENT = {"_form_submitted": "on"}


def press(console: Client, row: Rule | Alert, verb: str, **fields: Any) -> Any:
    """Send the dialog of a button on the page of the row."""
    name = f"admin:rules_{row._meta.model_name}_{verb}"
    answer = console.post(reverse(name, args=[row.pk]), SENT | fields)
    row.refresh_from_db()
    return answer


def buttons(console: Client, row: Rule | Alert) -> set[str]:
    """Return which of the buttons the page of the row shows."""
    page = reverse(f"admin:rules_{row._meta.model_name}_change", args=[row.pk])
    text = console.get(page).content.decode()
    verbs = ("acknowledge", "unacknowledge", "mute", "unmute", "snooze", "unsnooze")
    return {verb for verb in verbs if f"/{verb}" in text}


def test_a_rule_is_muted_and_snoozed_on_its_page(console: Client, space: Space) -> None:
    rule = make_rule(space)
    assert buttons(console, rule) == {"mute", "snooze"}
    assert "HX-Redirect" in press(console, rule, "mute").headers
    press(console, rule, "snooze", duration="14400")
    assert (rule.muted, [each["duration"] for each in rule.snoozes]) == (True, [14400])
    assert buttons(console, rule) == {"unmute", "snooze", "unsnooze"}
    listed = console.get(reverse("admin:rules_rule_changelist")).content.decode()
    assert "muted" in listed
    press(console, rule, "unmute")
    press(console, rule, "unsnooze")
    assert (rule.muted, rule.snoozes) == (False, [])


def test_an_alert_is_acknowledged_and_muted_on_its_page(console: Client, space: Space) -> None:
    rule = make_rule(space, type="connector_health")
    alert = make_alert(space, rule=rule, rule_public_id=rule.public_id, state="active", ended_at=None)
    assert buttons(console, alert) == {"acknowledge", "mute"}
    press(console, alert, "acknowledge", note="<b>mine</b>")
    press(console, alert, "mute")
    assert (alert.acknowledged_by, rule.alert_mutes.get().key) == ("admin", alert.key)
    assert buttons(console, alert) == {"unacknowledge", "unmute"}
    text = console.get(reverse("admin:rules_alert_change", args=[alert.pk])).content.decode()
    assert "&lt;b&gt;mine&lt;/b&gt;" in text
    press(console, alert, "unacknowledge")
    press(console, alert, "unmute")
    assert (alert.acknowledged_at, rule.alert_mutes.count()) == (None, 0)
    ended = make_alert(space)
    assert buttons(console, ended) == set()
    press(console, ended, "acknowledge")
    assert ended.acknowledged_at is None


def entered(space: Space, **fields: Any) -> dict[str, Any]:
    return {
        **{"name": "Patching", "public_id": "patching", "space": space.pk, "enabled": "on"},
        **{"start": "2026-01-04T01:00+01:00", "duration": "7200", "timezone": "Europe/Berlin"},
        **{"every": "1M", "on_week_day": "+1SU -1SU", "on_month_day": "", "end": "", "occurrences": "9"},
        **{"condition": "", "rules": "", "tags": "plant\r\nlab"},
        **fields,
    }


def test_a_window_is_made_shown_and_changed(console: Client, space: Space) -> None:
    assert console.post(reverse(ADD), entered(space)).status_code == 302
    window = MaintenanceWindow.objects.get()
    assert window.schedule == {
        **{"start": "2026-01-04T00:00:00Z", "duration": 7200, "timezone": "Europe/Berlin"},
        "recurring": {
            **{"every": "1M", "on_week_day": ["+1SU", "-1SU"], "on_month_day": []},
            **{"end": None, "occurrences": 9},
        },
    }
    assert window.tags == ["plant", "lab"]
    page = reverse("admin:rules_maintenancewindow_change", args=[window.pk])
    form = console.get(page).context["adminform"].form
    shown = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    assert (shown["on_week_day"], shown["occurrences"], shown["tags"]) == ("+1SU -1SU", 9, "plant\nlab")
    once = entered(space, every="", on_week_day="", occurrences="", seen_version="1")
    assert console.post(page, once).status_code == 302
    window.refresh_from_db()
    assert (window.schedule["recurring"], window.version) == (None, 2)
    console.post(
        reverse("admin:rules_maintenancewindow_changelist"),
        {"action": "disable_selected", "_selected_action": window.pk},
    )
    window.refresh_from_db()
    assert not window.enabled
    assert (
        console.post(reverse("admin:rules_maintenancewindow_delete", args=[window.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert not MaintenanceWindow.objects.exists()


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"start": "soon"}, "start"),
        ({"duration": "1"}, "duration"),
        ({"timezone": "Nowhere"}, "timezone"),
        ({"every": "1y"}, "every"),
        ({"on_week_day": "XX"}, "on_week_day"),
        ({"on_month_day": "first"}, "on_month_day"),
        ({"end": "2026-05-01T00:00Z"}, "every"),
        ({"condition": "1 +"}, "condition"),
        ({"rules": "gone"}, "rules"),
    ],
)
def test_what_is_wrong_with_a_window_stands_at_its_field(
    console: Client, space: Space, fields: dict[str, str], faulty: str
) -> None:
    answer = console.post(reverse(ADD), entered(space, **fields))
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [faulty]


def test_what_somebody_else_changed_meanwhile_is_not_undone(console: Client, space: Space) -> None:
    window = make_window(space)
    page = reverse("admin:rules_maintenancewindow_change", args=[window.pk])
    answer = console.post(page, entered(space, seen_version="7"))
    assert "Somebody changed this" in answer.content.decode()
